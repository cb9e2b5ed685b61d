"""PUT: an upload goes to disk piece by piece, and gets its name once its checksum is right."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from aiohttp import ClientError, StreamReader, web

from profiling_operator.results_server.answers import OFFSET, RETRY_SOON, Refusal
from profiling_operator.results_server.counting import Counts
from profiling_operator.results_server.folders import Folders, short
from profiling_operator.results_server.quotas import NO_ROOM, Quotas, require_room
from profiling_operator.results_server.uses import Uses
from profiling_operator.stores import LAST_FILE, Key
from profiling_operator.stores.contract import PIECE
from profiling_operator.stores.digests import HEADER, Digest, begin, from_header, to_header

CREATED, ACCEPTED, OK = 201, 202, 200
BAD_REQUEST, TIMEOUT, CONFLICT, LENGTH_REQUIRED, BAD_DIGEST = 400, 408, 409, 411, 422
RANGE = re.compile(r"bytes (?:(\d{1,18})-(\d{1,18})|(\*))/(\d{1,18})")
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
NAME_TAKEN = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True)
class Upload:
    """What a PUT says of itself."""

    key: Key
    path: str
    sha256: str
    """Of the whole file."""
    total: int
    """Bytes of the whole file."""
    offset: int
    """Where in it the body begins; -1 for a body of nothing: all is there already."""
    length: int
    """Bytes of the body."""


@dataclass(frozen=True)
class Receiving:
    """Takes files."""

    folders: Folders
    quotas: Quotas
    uses: Uses
    counts: Counts
    silence: float
    """Longest time without a byte, in seconds."""

    async def take(self, request: web.Request, key: Key, path: str) -> web.StreamResponse:
        """Answer a PUT of somebody who may. Refuses with the reason."""
        upload = read(request, key, path)
        with self.uses.writing(key, path), _explained(path):
            if await asyncio.to_thread(self._is_there, upload):
                return _kept(upload, OK)
            await self.quotas.claim(key, path, upload.total)
            await asyncio.to_thread(require_room, self.folders.root, upload.length)
            return await self._receive(request, upload)

    def _is_there(self, upload: Upload) -> bool:
        """Whether the file is there as it is. Refuses where another one is there for good."""
        found = self.folders.kept(upload.key, upload.path)
        if found and (found.size, found.sha256) == (upload.total, upload.sha256):
            return True
        if self.folders.is_complete(upload.key):
            raise Refusal(
                CONFLICT,
                f"{upload.path}: the attempt has its {LAST_FILE}: nothing of it changes any more",
            )
        return False

    async def _receive(self, request: web.Request, upload: Upload) -> web.Response:
        file, digest = await asyncio.to_thread(self._open, upload)
        try:
            await let_continue(request)
            async for piece in pieces(request.content, upload.length, self.silence):
                await asyncio.to_thread(_write, file, digest, piece)
                self.counts.received.inc(len(piece))
            there = file.tell()
            if there < upload.total:
                return _accepted(there)
            await asyncio.to_thread(self._finish, upload, file, digest)
        finally:
            file.close()
        return _kept(upload, CREATED)

    def _open(self, upload: Upload) -> tuple[BinaryIO, Digest]:
        """The unfinished file, and the checksum of what it has. Refuses another offset."""
        part = self.folders.partial(upload.key, upload.path, upload.sha256)
        part.parent.mkdir(parents=True, exist_ok=True)
        has = part.stat().st_size if part.exists() else 0
        offset = has if upload.offset < 0 else upload.offset
        if offset not in {0, has} or (upload.offset < 0 and has != upload.total):
            raise Refusal(
                CONFLICT, f"{upload.path}: {has} bytes of it are here", {OFFSET: str(has)}
            )
        if not offset:
            for other in part.parent.glob(f"{short(upload.path)}-*"):
                other.unlink(missing_ok=True)
        return part.open("ab", buffering=0), begin(part)

    def _finish(self, upload: Upload, file: BinaryIO, digest: Digest) -> None:
        os.fsync(file.fileno())
        found = digest.hexdigest()
        if found != upload.sha256:
            self.folders.partial(upload.key, upload.path, upload.sha256).unlink(missing_ok=True)
            self.quotas.release(upload.key, upload.path)
            raise Refusal(
                BAD_DIGEST,
                f"{upload.path}: what arrived has SHA-256 {found} instead of {upload.sha256}",
            )
        self.folders.finish(upload.key, upload.path, upload.sha256)


def read(request: web.Request, key: Key, path: str) -> Upload:
    """What a request says. Refuses one that does not say enough."""
    sha256 = from_header(request.headers.get(HEADER, ""))
    if not sha256:
        raise Refusal(BAD_REQUEST, f"{HEADER}: must hold the checksum, as in sha-256=:BASE64:")
    length = request.content_length
    if length is None:
        raise Refusal(LENGTH_REQUIRED, "Content-Length: is needed")
    said = request.headers.get("Content-Range")
    if said is None:
        return Upload(key, path, sha256, total=length, offset=0, length=length)
    match = RANGE.fullmatch(said)
    if not match:
        raise Refusal(BAD_REQUEST, f"Content-Range {said!r}: must be as in bytes 100-199/200")
    first, last, nothing, total = match.groups()
    offset, end = (-1, -1) if nothing else (int(first), int(last) + 1)
    if (0 if nothing else end - offset) != length or end > int(total):
        raise Refusal(BAD_REQUEST, f"Content-Range {said!r}: does not fit the {length} bytes sent")
    return Upload(key, path, sha256, int(total), offset, length)


async def let_continue(request: web.Request) -> None:
    """Let a client send its body that asked first."""
    if request.headers.get("Expect", "").lower() == "100-continue" and request.transport:
        request.transport.write(CONTINUE)


async def pieces(content: StreamReader, length: int, silence: float) -> AsyncIterator[bytes]:
    """The body in large pieces. What came is given before a body that ends early is refused."""
    gathered = bytearray()
    problem: Refusal | None = None
    while length and problem is None:
        try:
            async with asyncio.timeout(silence):
                piece = await content.readany()
        except TimeoutError:
            problem = Refusal(TIMEOUT, f"no byte came for {silence:g} s", RETRY_SOON)
            break
        except (ClientError, OSError):  # the connection broke
            piece = b""
        if not piece:
            problem = Refusal(BAD_REQUEST, "the body ended early")
        length -= len(piece)
        gathered += piece
        if len(gathered) >= PIECE:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)
    if problem:
        raise problem


def _write(file: BinaryIO, digest: Digest, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[file.write(view) :]
    digest.update(piece)


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in DISK_FULL:
            raise Refusal(NO_ROOM, "the disk is full", {"Retry-After": "30"}) from error
        if error.errno in NAME_TAKEN:
            raise Refusal(CONFLICT, f"{path}: is a folder, or a part of it is a file") from error
        raise


def _kept(upload: Upload, status: int) -> web.Response:
    headers = {HEADER: to_header(upload.sha256), "ETag": f'"{upload.sha256}"'}
    body = {"path": upload.path, "size": upload.total, "sha256": upload.sha256}
    return web.json_response(body, status=status, headers=headers)


def _accepted(there: int) -> web.Response:
    return web.json_response({"offset": there}, status=ACCEPTED, headers={OFFSET: str(there)})
