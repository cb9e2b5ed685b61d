"""GET and HEAD: files, as a whole or in ranges, and the listing of a result folder."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import BinaryIO

from aiohttp import web

from profiling_operator.results_server.answers import OFFSET, Refusal, of_file
from profiling_operator.results_server.counting import Counts
from profiling_operator.results_server.folders import Folders
from profiling_operator.results_server.uses import Uses
from profiling_operator.stores import Key, StoredFile
from profiling_operator.stores.contract import PIECE
from profiling_operator.stores.digests import HEADER, from_header

OK, PARTIAL, NOT_MODIFIED, NOT_FOUND, PAST_END = 200, 206, 304, 404, 416


@dataclass(frozen=True)
class Giving:
    """Gives files."""

    folders: Folders
    uses: Uses
    counts: Counts
    silence: float
    """Longest time in which nothing could be sent, in seconds."""

    async def listing(self, key: Key) -> web.Response:
        """The finished files, and whether these are all. Refuses a folder that is not there."""
        with self.uses.using(key):
            files = await asyncio.to_thread(self.folders.files, key)
        if not files:
            raise Refusal(NOT_FOUND, f"there are no results of {key}")
        complete = self.folders.is_complete(key)
        listed = [{"path": one.path, "size": one.size, "sha256": one.sha256} for one in files]
        return web.json_response({"files": listed, "complete": complete})

    async def give(self, request: web.Request, key: Key, path: str) -> web.StreamResponse:
        """A file. Refuses with the length of an unfinished upload where there is one."""
        with self.uses.using(key):
            headers = await asyncio.to_thread(self._begun, request, key, path)
            found = await asyncio.to_thread(self.folders.kept, key, path)
            if found is None:
                raise Refusal(NOT_FOUND, f"there is no {path} of {key}", headers)
            headers |= of_file(path, found.sha256 or "")
            if f'"{found.sha256}"' in request.headers.get("If-None-Match", ""):
                return web.Response(status=NOT_MODIFIED, headers=headers)
            return await self._send(request, key, found, headers)

    def _begun(self, request: web.Request, key: Key, path: str) -> dict[str, str]:
        """How much of an upload of this content is here, for who wants to go on with it."""
        sha256 = from_header(request.headers.get(HEADER, ""))
        part = self.folders.partial(key, path, sha256)
        return {OFFSET: str(part.stat().st_size)} if sha256 and part.is_file() else {}

    async def _send(
        self, request: web.Request, key: Key, found: StoredFile, headers: dict[str, str]
    ) -> web.StreamResponse:
        start, end = _wanted(request, found)
        is_part = (start, end) != (0, found.size)
        response = web.StreamResponse(status=PARTIAL if is_part else OK, headers=headers)
        response.content_length = end - start
        if is_part:
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{found.size}"
        with await asyncio.to_thread(self.folders.place(key, found.path).open, "rb") as file:
            await response.prepare(request)
            if request.method != "HEAD":
                file.seek(start)
                await self._copy(request, file, response, end - start)
        return response

    async def _copy(
        self, request: web.Request, file: BinaryIO, response: web.StreamResponse, left: int
    ) -> None:
        try:
            while left:
                piece = await asyncio.to_thread(_read, file, min(PIECE, left))
                async with asyncio.timeout(self.silence):
                    await response.write(piece)
                self.counts.sent.inc(len(piece))
                left -= len(piece)
            async with asyncio.timeout(self.silence):
                await response.write_eof()
        except (TimeoutError, ConnectionError):
            # An answer that was begun can only be cut off: its length tells the reader.
            if request.transport:
                request.transport.abort()


def _read(file: BinaryIO, count: int) -> bytes:
    piece = file.read(count)
    if not piece:
        raise ConnectionError("the file got shorter")
    return piece


def _wanted(request: web.Request, found: StoredFile) -> tuple[int, int]:
    """Which bytes are asked for: first, and after the last. Refuses a range beyond the end.

    Several ranges at once, and ranges of another version of the file, are answered with all of it.
    """
    whole = (0, found.size)
    if request.headers.get("If-Range", f'"{found.sha256}"') != f'"{found.sha256}"':
        return whole
    try:
        said = request.http_range
    except ValueError:
        return whole
    if said.start is None and said.stop is None:
        return whole
    start, end, _ = said.indices(found.size)
    if start >= end:
        raise Refusal(
            PAST_END, f"{found.path}: has {found.size} bytes",
            {"Content-Range": f"bytes */{found.size}"},
        )  # fmt: skip
    return start, end
