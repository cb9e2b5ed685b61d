"""The application: what is answered where, and how it starts and stops."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from profiling_operator.results_server.access import TOKEN_BYTES, Access
from profiling_operator.results_server.answers import UNGUESSED, Refusal
from profiling_operator.results_server.counting import CONTENT_TYPE, Counts
from profiling_operator.results_server.folders import Folders
from profiling_operator.results_server.giving import Giving
from profiling_operator.results_server.keeping import Keeping
from profiling_operator.results_server.quotas import Limits, Quotas
from profiling_operator.results_server.receiving import Receiving
from profiling_operator.results_server.retention import Retention, Rules
from profiling_operator.results_server.reviews import Reviews
from profiling_operator.results_server.uses import Uses
from profiling_operator.stores import BadKeyError, Key, check_path, read_key
from profiling_operator.stores.documents import Documents
from profiling_operator.stores.keys import RESERVED

LOG = logging.getLogger(__name__)

RESULTS, BASELINES = "/v1/results/", "/v1/baselines/"
BAD_REQUEST, METHOD_NOT_ALLOWED, FAILED, UNAVAILABLE = 400, 405, 500, 503
CLIENT_ERROR = 400
PROBE_SECONDS = 5.0
PROBED_FOR = 5.0
CERTIFICATE_SECONDS = 60.0
DRAIN_PAUSE = 0.05
LAST_SECONDS = 1.0
"""For requests that did not end within the grace, to be cut off."""


@dataclass(frozen=True)
class Serving:
    """How a results server runs."""

    root: Path
    """The folder with all results."""
    host: str = "0.0.0.0"  # noqa: S104 - a server in a pod
    port: int = 8080
    """0: any that is free."""
    tls_cert: str = ""
    tls_key: str = ""
    """PEM files; they are read again when they change. Empty: plain HTTP."""
    limits: Limits = field(default_factory=Limits)
    rules: Rules = field(default_factory=Rules)
    sweep_seconds: float = 300
    """Between two looks at what should go."""
    silence_seconds: float = 30
    """Longest time in which a client neither sends nor takes a byte."""
    grace_seconds: float = 25
    """How long requests may take to end when the server is stopped."""


class Server:
    """Answers requests."""

    def __init__(self, serving: Serving, reviews: Reviews) -> None:
        """`serving.root` must be there."""
        self.folders = Folders(serving.root)
        self.counts = Counts()
        self._access = Access(reviews)
        uses = Uses()
        quotas = Quotas(self.folders, serving.limits)
        silence = serving.silence_seconds
        self._receiving = Receiving(self.folders, quotas, uses, self.counts, silence)
        self._giving = Giving(self.folders, uses, self.counts, silence)
        self._baselines = Keeping(
            Documents(serving.root), self._access, self.counts, serving.limits, silence
        )
        self.retention = Retention(self.folders, quotas, uses, self.counts, serving.rules)
        self._busy, self._stopping = 0, False
        self._probed = (0.0, "")
        self._probing = asyncio.Lock()

    def application(self) -> web.Application:
        """All routes."""
        app = web.Application(middlewares=[self._answered])
        app.on_response_prepare.append(self._prepared)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/metrics", self._metrics)
        for prefix, handler in ((RESULTS, self._results), (BASELINES, self._baselines.answer)):
            app.router.add_route("*", f"{prefix}{{rest:[\\s\\S]*}}", handler, expect_handler=_later)
        return app

    async def drain(self, seconds: float) -> None:
        """Wait until no request is going on; connections end with their next answer."""
        self._stopping = True
        deadline = time.monotonic() + seconds
        while self._busy and time.monotonic() < deadline:
            await asyncio.sleep(DRAIN_PAUSE)

    async def _prepared(self, _: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(UNGUESSED)
        if self._stopping:
            response.headers["Connection"] = "close"
            response.force_close()

    async def _results(self, request: web.Request) -> web.StreamResponse:
        key, path = _address(request.match_info["rest"])
        shown = request.headers.get("Authorization", "")
        if request.method == "PUT" and path:
            await self._access.require_sender(shown, key)
            return await self._receiving.take(request, key, path)
        if request.method not in {"GET", "HEAD"}:
            allowed = "GET, HEAD, PUT" if path else "GET, HEAD"
            raise Refusal(METHOD_NOT_ALLOWED, f"allowed here: {allowed}", {"Allow": allowed})
        await self._access.require_reader(shown, key)
        if path:
            return await self._giving.give(request, key, path)
        return await self._giving.listing(key)

    @web.middleware
    async def _answered(
        self,
        request: web.Request,
        handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Errors become JSON; every answer about results is counted."""
        self._busy += 1
        try:
            response = await handler(request)
        except Refusal as refusal:
            response = refusal.response()
        except web.HTTPException as error:
            response = Refusal(error.status, error.reason).response()
        except OSError:
            LOG.exception("%s %s", request.method, request.raw_path)
            response = Refusal(FAILED, "the server could not use its disk").response()
        finally:
            self._busy -= 1
        if request.path.startswith((RESULTS, BASELINES)):
            self.counts.answered(request.method, response.status)
            if response.status >= CLIENT_ERROR:
                LOG.info("%s %s: %d", request.method, request.raw_path, response.status)
        return response

    async def _health(self, _: web.Request) -> web.Response:
        """Fails when the disk cannot be written; a disk that hangs is none, either."""
        async with self._probing:
            until, problem = self._probed
            if time.monotonic() >= until:
                problem = await self._probe()
                self._probed = (time.monotonic() + PROBED_FOR, problem)
        return web.Response(status=UNAVAILABLE if problem else 200, text=f"{problem or 'ok'}\n")

    async def _probe(self) -> str:
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                await asyncio.to_thread(_write_probe, self.folders.root)
        except TimeoutError:
            return f"the disk took more than {PROBE_SECONDS:g} s to write"
        except OSError as error:
            return f"the disk cannot be written: {error.strerror}"
        return ""

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self.counts.text(), headers={"Content-Type": CONTENT_TYPE})


@contextlib.asynccontextmanager
async def running(serving: Serving, reviews: Reviews) -> AsyncIterator[str]:
    """A server that listens; yields its URL. At the end requests have some time to end.

    Raises OSError when the folder, the port or the certificate cannot be used.
    """
    serving.root.mkdir(parents=True, exist_ok=True)
    context = _tls(serving)
    server = Server(serving, reviews)
    runner = web.AppRunner(
        server.application(), access_log=None, shutdown_timeout=LAST_SECONDS,
        max_field_size=2 * TOKEN_BYTES,
    )  # fmt: skip
    await runner.setup()
    tasks = [asyncio.create_task(server.retention.keep_sweeping(serving.sweep_seconds))]
    if context is not None:
        tasks.append(asyncio.create_task(_keep_fresh(serving, context)))
    try:
        site = web.TCPSite(runner, serving.host, serving.port, ssl_context=context)
        await site.start()
        yield _url(runner, serving)
        # The library drops what still comes once it shuts down, so uploads end before that.
        await site.stop()
        await server.drain(serving.grace_seconds)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await runner.cleanup()


async def serve(serving: Serving, reviews: Reviews, started: Callable[[str], None]) -> None:
    """Serve until TERM or INT; `started` gets the URL. Raises OSError."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for one in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(one, stop.set)
    async with running(serving, reviews) as url:
        started(url)
        await stop.wait()


def _address(rest: str) -> tuple[Key, str]:
    """Key and path of a request; an empty path is the folder."""
    parts = rest.split("/", 4)
    try:
        key = read_key("/".join(parts[:4]))
        path = parts[4] if len(parts) > 4 else ""  # noqa: PLR2004 - the key's parts
        return key, check_path(path) if path else ""
    except BadKeyError as error:
        raise Refusal(BAD_REQUEST, str(error)) from error


async def _later(_: web.Request) -> None:
    """`Expect: 100-continue` is answered when it is known that the body is wanted."""


def _write_probe(root: Path) -> None:
    probe = root / RESERVED / "probe"
    probe.parent.mkdir(exist_ok=True)
    with probe.open("wb") as file:
        file.write(b"written\n")
        file.flush()
        os.fsync(file.fileno())
    probe.unlink(missing_ok=True)


def _tls(serving: Serving) -> ssl.SSLContext | None:
    if not serving.tls_cert:
        return None
    for path in filter(None, (serving.tls_cert, serving.tls_key)):
        Path(path).read_bytes()  # the library's errors do not name the file
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(serving.tls_cert, serving.tls_key or None)
    except ssl.SSLError as error:
        said = f"holds no certificate with its key: {error.reason}"
        raise OSError(error.errno, said, serving.tls_cert) from error
    return context


async def _keep_fresh(serving: Serving, context: ssl.SSLContext) -> None:
    """New connections get a renewed certificate without a restart."""
    while True:
        await asyncio.sleep(CERTIFICATE_SECONDS)
        try:
            context.load_cert_chain(serving.tls_cert, serving.tls_key or None)
        except OSError:  # half renewed: the next time
            LOG.exception("%s could not be read again", serving.tls_cert)


def _url(runner: web.AppRunner, serving: Serving) -> str:
    host, port = runner.addresses[0][:2]
    scheme = "https" if serving.tls_cert else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
