"""A small API server that forgets, drops and refuses when a test says so.

It holds ProfilingJobs, pods and events in memory. What happens while a client watches is a script:
each watch plays the next one and then stays open, so that no test has to wait for a moment.
"""

from __future__ import annotations

import asyncio
import copy
import json
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

Body = dict[str, Any]
DROP, END = "drop", "end"
"""Steps of a script: cut the connection, end the answer as a server does."""
TOKEN = "token-of-the-kubeconfig"  # noqa: S105 - of nobody
PLURALS = {"profilingjobs": "ProfilingJob", "pods": "Pod", "events": "Event"}


@dataclass
class FakeCluster:
    """The objects, what is to go wrong, and what was asked."""

    objects: dict[tuple[str, str, str], Body] = field(default_factory=dict)
    watches: dict[str, deque[list[Any]]] = field(default_factory=lambda: defaultdict(deque))
    """Scripts by plural. A step is DROP, END, an HTTP code as an ERROR event, ("DELETED", name), or
    an object: it is put in and told as MODIFIED, or as ADDED when it was not there."""
    failures: dict[str, deque[Any]] = field(default_factory=lambda: defaultdict(deque))
    """By `VERB plural`: HTTP codes or DROP for the next requests; 0: this one goes well."""
    logs: dict[str, deque[list[Any]]] = field(default_factory=lambda: defaultdict(deque))
    """By `POD/CONTAINER`: what each request for the log brings: bytes, DROP, an HTTP code, or
    objects that change meanwhile."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Method and path with query of each request."""
    version: int = 1
    url: str = ""

    def put(self, body: Body) -> Body:
        """Put an object in, with the next version."""
        self.version += 1
        kept = copy.deepcopy(body)
        kept["metadata"]["resourceVersion"] = str(self.version)
        plural = next(one for one, kind in PLURALS.items() if kind == kept["kind"])
        self.objects[plural, kept["metadata"]["namespace"], kept["metadata"]["name"]] = kept
        return kept

    def app(self) -> web.Application:
        """The server."""
        app = web.Application(middlewares=[self._failing])
        for group in ("/apis/profiling.dev/v1alpha1", "/api/v1"):
            app.router.add_get(group + "/namespaces/{ns}/{plural}", self._list)
            app.router.add_get(group + "/namespaces/{ns}/{plural}/{name}", self._get)
            app.router.add_patch(group + "/namespaces/{ns}/{plural}/{name}", self._patch)
            app.router.add_get(group + "/{plural}", self._list)
        app.router.add_get("/api/v1/namespaces/{ns}/pods/{name}/log", self._log)
        return app

    @web.middleware
    async def _failing(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append((request.method, request.path_qs))
        plural = request.match_info.get("plural", "log")
        verb = "WATCH" if "watch" in request.query else request.method
        waiting = self.failures[f"{verb} {plural}"]
        code = waiting.popleft() if waiting else 0
        if code == DROP:
            assert request.transport is not None
            request.transport.abort()
        if code:
            return refusal(int(code) if code != DROP else 500)
        return await handler(request)

    async def _get(self, request: web.Request) -> web.Response:
        found = self.objects.get(_key(request))
        return web.json_response(found) if found else refusal(404, f"{_key(request)[2]} not found")

    async def _patch(self, request: web.Request) -> web.Response:
        body, patch = self.objects.get(_key(request)), json.loads(await request.read())
        if body is None:
            return refusal(404, f"{_key(request)[2]} not found")
        if patch["metadata"]["uid"] != body["metadata"]["uid"]:
            return refusal(409, "the UID in the precondition does not match")
        return web.json_response(self.put({**body, "spec": {**body["spec"], **patch["spec"]}}))

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if "watch" in request.query:
            return await self._watch(request)
        items = [one for key, one in sorted(self.objects.items()) if _is_meant(request, key, one)]
        metadata = {"resourceVersion": str(self.version)}
        return web.json_response({"kind": "List", "metadata": metadata, "items": items})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        answer = await _begun(request)
        for missed in self._newer(request):
            await answer.write(json.dumps({"type": "MODIFIED", "object": missed}).encode() + b"\n")
        scripts = self.watches[request.match_info["plural"]]
        for step in scripts.popleft() if scripts else []:
            if step == END:
                return answer
            if step == DROP:
                return _dropped(request, answer)
            await answer.write(json.dumps(self._event(request, step)).encode() + b"\n")
        await _open_end(request)
        return answer

    def _newer(self, request: web.Request) -> list[Body]:
        """What has changed since the version from which the client watches."""
        since = int(request.query.get("resourceVersion") or 0)
        wanted = request.query.get("fieldSelector", "").partition("metadata.name=")[2]
        return [
            body for key, body in self.objects.items()
            if _is_meant(request, key, body)
            and int(body["metadata"]["resourceVersion"]) > since and wanted in {"", key[2]}
        ]  # fmt: skip

    def _event(self, request: web.Request, step: Any) -> Body:
        if isinstance(step, int):
            return {"type": "ERROR", "object": _status(step, "as the test says")}
        if isinstance(step, tuple):
            plural, namespace = request.match_info["plural"], request.match_info["ns"]
            return {"type": step[0], "object": self.objects.pop((plural, namespace, step[1]))}
        is_new = not any(one["metadata"]["uid"] == step["metadata"]["uid"]
                         for one in self.objects.values())  # fmt: skip
        return {"type": "ADDED" if is_new else "MODIFIED", "object": self.put(step)}

    async def _log(self, request: web.Request) -> web.StreamResponse:
        name, container = request.match_info["name"], request.query["container"]
        if ("pods", request.match_info["ns"], name) not in self.objects:
            return refusal(404, f"pods {name} not found")
        scripts = self.logs[f"{name}/{container}"]
        script = scripts.popleft() if scripts else []
        if script and isinstance(script[0], int):
            return refusal(script[0], f"container {container} is waiting to start")
        answer = await _begun(request)
        for step in script:
            if step == DROP:
                return _dropped(request, answer)
            if isinstance(step, bytes):
                await answer.write(step)
            else:
                self.put(step)
        return answer


def _dropped(request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    """The connection is cut after what was written has left."""
    assert request.transport is not None
    request.transport.close()
    return answer


async def _begun(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    answer.enable_chunked_encoding()
    await answer.prepare(request)
    return answer


async def _open_end(request: web.Request) -> None:
    """A watch that is quiet: it ends when the client goes, or when its time is over."""
    seconds = min(float(request.query["timeoutSeconds"]), 60)
    for _ in range(int(seconds * 50)):
        if request.transport is None or request.transport.is_closing():
            return
        await asyncio.sleep(0.02)


def _key(request: web.Request) -> tuple[str, str, str]:
    found = request.match_info
    return found["plural"], found["ns"], found["name"]


def _is_meant(request: web.Request, key: tuple[str, str, str], body: Body) -> bool:
    labels = body["metadata"].get("labels", {})
    wanted = dict(pair.split("=") for pair in request.query.get("labelSelector", "").split(",")
                  if pair)  # fmt: skip
    uid = request.query.get("fieldSelector", "").partition("involvedObject.uid=")[2]
    return (
        key[0] == request.match_info["plural"]
        and key[1] == request.match_info.get("ns", key[1])
        and all(labels.get(label) == value for label, value in wanted.items())
        and (not uid or body.get("involvedObject", {}).get("uid") == uid)
    )


def _status(code: int, message: str) -> Body:
    reasons = {404: "NotFound", 403: "Forbidden", 409: "Conflict", 410: "Expired"}
    return {"kind": "Status", "code": code, "reason": reasons.get(code, ""), "message": message}


def refusal(code: int, message: str = "as the test says") -> web.Response:
    """What an API server answers to what it does not do."""
    return web.json_response(_status(code, message), status=code)


@contextmanager
def served(app: web.Application) -> Iterator[str]:
    """A server of its own in a thread; gives its URL."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, shutdown_timeout=0.1)

    async def begin() -> int:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return int(runner.addresses[0][1])

    port = loop.run_until_complete(begin())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def write_kubeconfig(path: Path, server: str, namespace: str = "ci") -> None:
    """A kubeconfig with one context and a bearer token."""
    context = {"cluster": "c", "user": "u", "namespace": namespace}
    body = {
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [{"name": "test", "context": context},
                     {"name": "other", "context": {**context, "namespace": "other"}}],
    }  # fmt: skip
    path.write_text(yaml.safe_dump(body))
