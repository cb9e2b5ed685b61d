"""A small API server on loopback, with faults: for what talks to one, without a cluster.

    async with FakeApi() as server:
        server.put(api.PROFILING_JOBS, body)
        server.faults.append(Fault("patch", "profilingjobs/status", code=503, times=2))
        async with api.connect(kubeconfig=server.kubeconfig(tmp_path / "kubeconfig")) as client:
            ...
    assert [one.verb for one in server.requests] == [...]

Whole programs are tested with `with in_thread() as server:`; every method may be called from there.
What it keeps, and how versions, patches and selectors work, is in fake_objects.py; what can be
seen of requests, and the faults, in fake_requests.py.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from fake_objects import Body, Change, Objects, RefusedError, Selection
from fake_requests import (
    REASONS,
    TOKEN,
    Fault,
    How,
    Request,
    Watch,
    answer,
    bare,
    discovery,
    line,
    read_request,
    selection,
    status,
)
from profiling_operator import api
from profiling_operator.api import Kind


class FakeApi:
    """An API server with bearer tokens, discovery, lists by pages, watches, patches and faults."""

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        """Not started yet. `now` is the server's clock."""
        self.objects = Objects(now)
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.tokens = {TOKEN}
        """Those that are let in."""
        self.reviews: dict[str, Callable[[Body], Body]] = {}
        """By plural: what a review (TokenReview, …) is answered: its body to its status."""
        self.logs: dict[tuple[str, str, str], bytes] = {}
        """By namespace, pod and container."""
        self.muted: set[str] = set()
        """Plurals of kinds whose watches lose all events."""
        self.url = ""
        self._watches: list[Watch] = []
        self._pages: dict[str, list[Body]] = {}
        self._closing = asyncio.Event()
        self.objects.listeners.append(self._spread)

    async def __aenter__(self) -> FakeApi:
        """Listen."""
        app = web.Application(client_max_size=8 << 20)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._site = web.AppRunner(
            app, access_log=None, shutdown_timeout=1, handler_cancellation=True
        )
        await self._site.setup()
        await web.TCPSite(self._site, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._site.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """End every watch, then stop."""
        self._closing.set()
        self.end_watches()
        await self._site.cleanup()

    def kubeconfig(self, path: Path, namespace: str = "ci", token: str = TOKEN) -> str:
        """Write a kubeconfig for this server; its path."""
        cluster = {"name": "fake", "cluster": {"server": self.url}}
        context = {"cluster": "fake", "user": "fake", "namespace": namespace}
        known = {
            "apiVersion": "v1", "kind": "Config", "current-context": "fake",
            "clusters": [cluster], "users": [{"name": "fake", "user": {"token": token}}],
            "contexts": [{"name": "fake", "context": context}],
        }  # fmt: skip
        path.write_text(yaml.safe_dump(known))
        return str(path)

    def put(self, kind: Kind, body: Body) -> Body:
        """Make an object so, as the cluster itself would: its status included."""
        return self.objects.put(kind, body)

    def writes(self) -> list[Request]:
        """The requests that may have changed something."""
        return [one for one in self.requests if one.is_write]

    def end_watches(self, plural: str = "", how: How = "answer") -> None:
        """End the watches of a kind, or all; `drop` cuts them in the middle of an event."""
        for one in self._watching(plural):
            one.tell(how)

    def tell_error(self, plural: str, code: int) -> None:
        """An event of type ERROR, as a server sends that gives a watch up; the watch then ends."""
        for one in self._watching(plural):
            one.tell(line("ERROR", status(code, REASONS.get(code, ""), "the watch ends")))
            one.tell("answer")

    def bookmark(self) -> None:
        """Tell all watches how far they are."""
        for one in self._watching(""):
            one.tell(line("BOOKMARK", bare(one.wanted.kind, self.objects.version)))

    def is_watched(self, plural: str) -> bool:
        """Whether somebody watches a kind now."""
        return bool(self._watching(plural))

    def _watching(self, plural: str) -> list[Watch]:
        with self.objects.lock:
            return [one for one in self._watches if plural in ("", one.wanted.kind.plural)]

    def _spread(self, change: Change) -> None:
        if change.plural in self.muted:
            return
        for one in self._watching(change.plural):
            event, body = one.wanted.told(change)
            if event:
                one.tell(line(event, body))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        asked = await read_request(request)
        self.requests.append(asked)
        fault = next((one for one in self.faults if one.concerns(asked)), None)
        given = await self._struck(fault, asked, request) if fault else None
        if given is None:
            given = await self._served(asked, request)
            if fault:
                return self._cut(fault, asked, request)
        asked.code = given.status
        return given

    async def _struck(
        self, fault: Fault, asked: Request, request: web.Request
    ) -> web.StreamResponse | None:
        """What a fault does instead of what was asked; None: that is done before."""
        if fault.how == "drop_after":
            return None
        if fault.how == "drop":
            return self._cut(fault, asked, request)
        if fault.strikes:
            fault.strikes(asked)
        if fault.how == "hang":
            await self._closing.wait()
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        reason = fault.reason or REASONS.get(fault.code, "")
        return answer(fault.code, status(fault.code, reason, fault.message), headers)

    def _cut(self, fault: Fault, asked: Request, request: web.Request) -> web.Response:
        if fault.strikes:
            fault.strikes(asked)
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _served(self, asked: Request, request: web.Request) -> web.StreamResponse:
        words = request.headers.get("Authorization", "").split()
        if words[:1] != ["Bearer"] or words[-1] not in self.tokens:
            return answer(401, status(401, "Unauthorized", "Unauthorized"))
        try:
            if asked.verb == "watch":
                return await self._watch(asked, request)
            if asked.subresource == "log":
                return self._log(asked)
            return answer(201 if asked.verb == "create" else 200, self._result(asked))
        except RefusedError as error:
            return answer(error.code, status(error.code, error.reason, str(error)))

    def _result(self, asked: Request) -> Body:
        if asked.kind is None:
            return discovery(asked.name)
        where = (asked.kind, asked.namespace, asked.name)
        doing = {"list": self._page, "create": self._created}.get(asked.verb)
        if doing is not None:
            return doing(asked)
        if asked.verb == "get":
            return self.objects.get(*where)
        return (self._patched if asked.verb == "patch" else self._deleted)(asked, where)

    def _created(self, asked: Request) -> Body:
        assert asked.kind is not None
        if review := self.reviews.get(asked.resource):
            return {**asked.body, "status": review(asked.body)}
        is_dry = asked.query.get("dryRun") == "All"
        return self.objects.create(asked.kind, asked.namespace, asked.body, dry_run=is_dry)

    def _patched(self, asked: Request, where: tuple[Kind, str, str]) -> Body:
        part = asked.subresource
        if asked.content_type == "application/merge-patch+json":
            return self.objects.merge(*where, asked.body, part)
        if asked.content_type != "application/apply-patch+yaml":
            raise RefusedError(415, "UnsupportedMediaType", asked.content_type)
        manager = asked.query.get("fieldManager", "")
        if not manager:
            raise RefusedError(422, "Invalid", "fieldManager: Required value")
        return self.objects.apply(*where, asked.body, manager, part)

    def _deleted(self, asked: Request, where: tuple[Kind, str, str]) -> Body:
        said = asked.body or {}
        uid = (said.get("preconditions") or {}).get("uid", "")
        is_orphaning = said.get("propagationPolicy") == "Orphan"
        return self.objects.delete(*where, uid, orphan=is_orphaning)

    def _page(self, asked: Request) -> Body:
        """A list, cut at its limit; the rest is kept until it is asked for, or has expired."""
        token = asked.query.get("continue", "")
        if not token:
            left = self.objects.select(selection(asked))
        elif token in self._pages and int(token.partition(".")[0]) >= self.objects.oldest:
            left = self._pages.pop(token)
        else:
            raise RefusedError(410, "Expired", "The provided continue parameter is too old")
        limit = int(asked.query.get("limit") or 0) or len(left)
        version = token.partition(".")[0] or str(self.objects.version)
        about = {"resourceVersion": version}
        if len(left) > limit:
            about["continue"] = f"{version}.{len(self.requests)}"
            self._pages[about["continue"]] = left[limit:]
        assert asked.kind is not None
        version, kind = asked.kind.group.split("/", 1)[-1], f"{asked.kind.kind}List"
        return {"apiVersion": version, "kind": kind, "metadata": about, "items": left[:limit]}

    async def _watch(self, asked: Request, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        asked.code = 200
        one = Watch(selection(asked), asyncio.get_running_loop())
        try:
            with self.objects.lock:
                lines = list(self._missed(one.wanted, asked.query.get("resourceVersion", "")))
                self._watches.append(one)
            for one_line in lines:
                await response.write(one_line)
            async with asyncio.timeout(float(asked.query.get("timeoutSeconds") or 600)):
                await self._go_on(one, response, request)
        except RefusedError as error:
            gone = status(error.code, error.reason, str(error))
            await response.write(line("ERROR", gone))
        except (TimeoutError, ConnectionError):
            pass
        finally:
            with self.objects.lock:
                self._watches = [other for other in self._watches if other is not one]
        return response

    def _missed(self, wanted: Selection, version: str) -> Iterator[bytes]:
        """What happened since a version; without one, what there is."""
        if version in ("", "0"):
            yield from (line("ADDED", body) for body in self.objects.select(wanted))
            return
        for change in self.objects.since(int(version)):
            event, body = wanted.told(change)
            if event:
                yield line(event, body)

    async def _go_on(self, one: Watch, response: web.StreamResponse, request: web.Request) -> None:
        while isinstance(news := await one.news.get(), bytes):
            await response.write(news)
        if news == "drop":
            await response.write(b'{"type": "MODIFIED", "obj')
            if request.transport is not None:
                request.transport.close()

    def _log(self, asked: Request) -> web.Response:
        key = (asked.namespace, asked.name, asked.query.get("container", ""))
        if key not in self.logs:
            raise RefusedError(400, "BadRequest", f'container "{key[2]}" is waiting to start')
        return web.Response(body=self.logs[key])


@asynccontextmanager
async def connected(server: FakeApi, folder: Path, **given: Any) -> AsyncIterator[api.Api]:
    """Our own client of a server; what is given goes to `api.connect`."""
    path = server.kubeconfig(folder / "kubeconfig")
    async with api.connect(kubeconfig=path, **given) as client:
        yield client


Scenario = Callable[[FakeApi, api.Api], Awaitable[None]]


def play(scenario: Scenario, folder: Path, **given: Any) -> FakeApi:
    """Run a scenario with a server and our client of it; the server as it was left."""

    async def played() -> FakeApi:
        async with FakeApi() as server, connected(server, folder, **given) as client:
            await scenario(server, client)
        return server

    return asyncio.run(played())


async def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Waits for something that is to happen, long enough for a loaded machine."""
    async with asyncio.timeout(seconds):
        while not (value := condition()):
            await asyncio.sleep(0.005)
    return value


@contextmanager
def in_thread(now: Callable[[], datetime] | None = None) -> Iterator[FakeApi]:
    """A server in a thread of its own, for whole programs."""
    started, server = threading.Event(), FakeApi(now)
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def serve() -> None:
        async with server:
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        assert started.wait(30), "the fake API server did not start"
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
