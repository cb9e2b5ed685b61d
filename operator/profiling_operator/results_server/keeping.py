"""Baselines: given, taken in the place of the version that their writer read, removed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web

from profiling_operator import baselines
from profiling_operator.baselines import DOCUMENT_LIMIT
from profiling_operator.errors import StoreError
from profiling_operator.results_server.access import Access
from profiling_operator.results_server.answers import RETRY_SOON, Refusal, of_file
from profiling_operator.results_server.counting import Counts
from profiling_operator.results_server.quotas import TOO_LARGE, Limits, require_room
from profiling_operator.results_server.receiving import let_continue, pieces
from profiling_operator.results_server.reviews import Right
from profiling_operator.stores import (
    BadKeyError,
    Document,
    DocumentName,
    StoreConflictError,
    StoreRefusedError,
    check_series,
    read_document_name,
)
from profiling_operator.stores.documents import Documents, version_of

SUBRESOURCE = "baseline"
"""Of profilingjobs, in roles alone: the API server has none."""
OK, CREATED, NO_CONTENT, NOT_MODIFIED = 200, 201, 204, 304
BAD_REQUEST, NOT_FOUND, METHOD_NOT_ALLOWED, LENGTH_REQUIRED = 400, 404, 405, 411
CHANGED, BAD_TYPE, NO_BASELINE, NO_CONDITION = 412, 415, 422, 428
FAILED, UNAVAILABLE = 500, 503
MESSAGE = 500
"""Characters of what is wrong with a document: its errors can be as many as its lines."""
READ, WRITE = ("GET", "HEAD"), {"PUT": "update", "DELETE": "delete"}
"""Methods; for those that write, the verb of the right to."""


@dataclass(frozen=True)
class Keeping:
    """Keeps baselines."""

    documents: Documents
    access: Access
    counts: Counts
    limits: Limits
    silence: float
    """Longest time without a byte, in seconds."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request. Refuses with the reason."""
        address = request.match_info["rest"]
        namespace, *rest = address.split("/")
        try:
            if len(rest) < 2:  # noqa: PLR2004 - NAMESPACE/SERIES/BASELINE is one
                return await self._list(request, check_series(namespace, *rest))
            return await self._one(request, read_document_name(address))
        except BadKeyError as error:
            raise Refusal(BAD_REQUEST, str(error)) from error
        except StoreRefusedError as error:
            raise Refusal(FAILED, str(error)) from error
        except StoreError as error:
            raise Refusal(UNAVAILABLE, str(error), RETRY_SOON) from error

    async def _list(self, request: web.Request, within: str) -> web.Response:
        """The names of all baselines of a namespace or a series; none is no error."""
        namespace, _, series = within.partition("/")
        if request.method not in READ:
            raise _not_allowed(*READ)
        await self._require(request, Right("get", namespace))
        names = await asyncio.to_thread(self.documents.names, namespace, series)
        return web.json_response({"baselines": names})

    async def _one(self, request: web.Request, name: DocumentName) -> web.Response:
        if request.method in READ:
            await self._require(request, Right("get", name.namespace))
            return await self._give(request, name)
        if request.method not in WRITE:
            raise _not_allowed(*READ, *WRITE)
        verb = WRITE[request.method]
        await self._require(request, Right(verb, name.namespace, name.baseline, SUBRESOURCE))
        if request.method == "DELETE":
            return await self._drop(request, name)
        return await self._take(request, name)

    async def _require(self, request: web.Request, right: Right) -> None:
        await self.access.require_right(request.headers.get("Authorization", ""), right)

    async def _give(self, request: web.Request, name: DocumentName) -> web.Response:
        found = await asyncio.to_thread(self.documents.read, str(name))
        if found is None:
            raise _missing(name)
        headers = of_file(f"{name.baseline}.json", found.version)
        del headers["Accept-Ranges"]
        if _etag(found.version) in request.headers.get("If-None-Match", ""):
            return web.Response(status=NOT_MODIFIED, headers=headers)
        if request.method == "GET":
            self.counts.sent.inc(len(found.text))
        return web.Response(body=found.text, headers=headers)

    async def _take(self, request: web.Request, name: DocumentName) -> web.Response:
        replaces = _condition(request)
        length = _length(request)
        # Before the body is asked for: what cannot be written need not come.
        there = await asyncio.to_thread(self.documents.read, str(name))
        _require_version(name, there, replaces)
        if there is None:
            await self._require_place(name)
        await asyncio.to_thread(require_room, self.documents.root, length)
        text = await self._body(request, length)
        await asyncio.to_thread(_require_baseline, name, text)
        try:
            await asyncio.to_thread(self.documents.put, str(name), text, replaces)
        except StoreConflictError as error:
            raise _changed(name) from error
        headers = {"ETag": _etag(version_of(text))}
        return web.Response(status=OK if there else CREATED, headers=headers)

    async def _require_place(self, name: DocumentName) -> None:
        others = await asyncio.to_thread(self.documents.names, name.namespace)
        if len(others) >= self.limits.baselines:
            raise Refusal(
                TOO_LARGE, f"{name}: a namespace has at most {self.limits.baselines} baselines"
            )

    async def _body(self, request: web.Request, length: int) -> bytes:
        await let_continue(request)
        text = bytearray()
        async for piece in pieces(request.content, length, self.silence):
            text += piece
            self.counts.received.inc(len(piece))
        return bytes(text)

    async def _drop(self, request: web.Request, name: DocumentName) -> web.Response:
        said = request.headers.get("If-Match")
        version = None if said in {None, "*"} else _version(said or "")
        try:
            there = await asyncio.to_thread(self.documents.drop, str(name), version)
        except StoreConflictError as error:
            raise _changed(name) from error
        if not there:
            raise _missing(name)
        return web.Response(status=NO_CONTENT)


def _condition(request: web.Request) -> str | None:
    """The version that is to be replaced; None: there must be none. Refuses neither."""
    if request.headers.get("If-None-Match") == "*":
        return None
    said = request.headers.get("If-Match")
    if said is None:
        raise Refusal(
            NO_CONDITION,
            "If-Match: must hold the ETag of the baseline that was read; or If-None-Match: *, "
            "where there was none",
        )
    return _version(said)


def _version(etag: str) -> str:
    version = etag.removeprefix('"').removesuffix('"')
    if not version or _etag(version) != etag:
        raise Refusal(BAD_REQUEST, f"If-Match {etag!r}: must be one ETag, in its quotes")
    return version


def _length(request: web.Request) -> int:
    if request.content_type != "application/json":
        raise Refusal(BAD_TYPE, f"Content-Type {request.content_type}: must be application/json")
    length = request.content_length
    if length is None:
        raise Refusal(LENGTH_REQUIRED, "Content-Length: is needed")
    if length > DOCUMENT_LIMIT:
        raise Refusal(TOO_LARGE, f"{length} bytes; a baseline has at most {DOCUMENT_LIMIT}")
    return length


def _require_version(name: DocumentName, there: Document | None, wanted: str | None) -> None:
    if (there.version if there else None) != wanted:
        raise _changed(name)


def _require_baseline(name: DocumentName, text: bytes) -> None:
    """Refuse what is no baseline, or another one."""
    try:
        found = baselines.read(text)
    except ValueError as error:
        raise Refusal(NO_BASELINE, f"{name}: is no baseline: {str(error)[:MESSAGE]}") from error
    said = baselines.document_name(found.namespace, found.series, found.name)
    if said != str(name):
        raise Refusal(NO_BASELINE, f"{name}: the baseline says that it is {said}")


def _etag(version: str) -> str:
    return f'"{version}"'


def _missing(name: DocumentName) -> Refusal:
    return Refusal(NOT_FOUND, f"there is no baseline {name}")


def _changed(name: DocumentName) -> Refusal:
    return Refusal(CHANGED, f"{name}: somebody else has written it since it was read")


def _not_allowed(*methods: str) -> Refusal:
    allowed = ", ".join(methods)
    return Refusal(METHOD_NOT_ALLOWED, f"allowed here: {allowed}", {"Allow": allowed})
