"""What is said to the fake API server, and what it says: requests, faults, answers. No state."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import web

from fake_objects import Body, RefusedError, Selection
from profiling_operator import api
from profiling_operator.api import Kind

KINDS = {(one.group, one.plural): one for one in vars(api).values() if isinstance(one, Kind)}
VERBS = {"POST": "create", "PATCH": "patch", "DELETE": "delete", "PUT": "update"}
REASONS = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict",
    410: "Expired", 413: "RequestEntityTooLarge", 422: "Invalid", 429: "TooManyRequests",
    500: "InternalError", 503: "ServiceUnavailable", 504: "Timeout",
}  # fmt: skip
TOKEN = "fake-token"  # noqa: S105 - of a server that is none

How = Literal["answer", "hang", "drop", "drop_after"]


@dataclass
class Request:
    """One request as it came, and the HTTP status of its answer (0: none was given)."""

    verb: str
    """get, list, watch, create, patch, update, delete; `discover` for what lies above kinds."""
    resource: str
    """The plural, with the subresource as in `profilingjobs/status`."""
    namespace: str = ""
    name: str = ""
    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = ""
    code: int = 0
    kind: Kind | None = field(default=None, repr=False)

    @property
    def is_write(self) -> bool:
        """Whether it may have changed something."""
        return self.verb in VERBS.values()

    @property
    def subresource(self) -> str:
        """As in `status`."""
        return self.resource.partition("/")[2]


@dataclass
class Fault:
    """What goes wrong, with which requests, how often."""

    verb: str = "*"
    """`*`: every one; `write`: everything that may change something."""
    resource: str = "*"
    code: int = 500
    message: str = "out of order"
    reason: str = ""
    retry_after: int | None = None
    how: How = "answer"
    """`answer` with the code; `hang` without one; `drop` the connection; `drop_after`: do what was
    asked, then drop it. A dropped GET or DELETE is asked once more by aiohttp itself, unseen."""
    times: int | None = 1
    """How often; None: until it is taken out of the list."""
    skip: int = 0
    """How many such requests go well before."""
    name: str = ""
    """Only for the object of that name."""
    strikes: Callable[[Request], None] | None = None
    """Called when it does, after what was asked is done if it is done at all."""

    def concerns(self, asked: Request) -> bool:
        """Whether it strikes a request; counts."""
        is_verb = self.verb in ("*", asked.verb) or (self.verb == "write" and asked.is_write)
        is_name = not self.name or self.name == asked.name
        if not (is_verb and is_name and self.resource in ("*", asked.resource)):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
            return self.times >= 0
        return True


class Watch:
    """One that watches: what it is about, and what it is still to be told."""

    def __init__(self, wanted: Selection, loop: asyncio.AbstractEventLoop) -> None:
        self.wanted = wanted
        self.news: asyncio.Queue[bytes | How] = asyncio.Queue()
        self._loop = loop

    def tell(self, news: bytes | How) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self.news.put_nowait, news)


async def read_request(request: web.Request) -> Request:
    kind, namespace, name, part = _place(request.path.strip("/").split("/"))
    query = dict(request.query)
    text = await request.read()
    verb = VERBS.get(request.method, "get" if name else "list")
    if kind is None:
        verb, name = "discover", request.path.strip("/")
    elif verb == "list" and query.get("watch") in ("true", "1"):
        verb = "watch"
    plural = kind.plural if kind else ""
    return Request(
        verb, f"{plural}/{part}" if part else plural, namespace, name, query,
        json.loads(text) if text else None, request.content_type, kind=kind,
    )  # fmt: skip


def _place(parts: Sequence[str]) -> tuple[Kind | None, str, str, str]:
    """Kind, namespace, name and subresource of a path; no kind for discovery."""
    size = 2 if parts[0] == "api" else 3
    group, rest = "/".join(parts[:size]), list(parts[size:])
    namespace = ""
    if len(rest) > 2 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    kind = KINDS.get((group, rest[0])) if rest else None
    name, part = [*rest[1:], "", ""][:2]
    return kind, namespace, name, part


def selection(asked: Request) -> Selection:
    assert asked.kind is not None
    labels = asked.query.get("labelSelector", "")
    return Selection(asked.kind, asked.namespace, labels, asked.query.get("fieldSelector", ""))


def discovery(path: str) -> Body:
    """What clients ask before they ask for objects: `version`, `api`, `apis` and their groups."""
    if path == "version":
        return {"major": "1", "minor": "34", "gitVersion": "v1.34.4"}
    if path == "api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "apis":
        return {"kind": "APIGroupList", "groups": list(_groups())}
    known = [one for (group, _), one in KINDS.items() if group == path]
    if not known:
        raise RefusedError(404, "NotFound", "the server could not find the requested resource")
    version = path.split("/", 1)[1]
    resources = [described for one in known for described in _described(one)]
    return {"kind": "APIResourceList", "groupVersion": version, "resources": resources}


def _groups() -> Iterator[Body]:
    for group in sorted({group for group, _ in KINDS if group.startswith("apis/")}):
        _, name, version = group.split("/")
        said = {"groupVersion": f"{name}/{version}", "version": version}
        yield {"name": name, "versions": [said], "preferredVersion": said}


def _described(kind: Kind) -> Iterator[Body]:
    about = {"kind": kind.kind, "namespaced": kind.is_namespaced, "singularName": ""}
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    yield {**about, "name": kind.plural, "verbs": verbs}
    yield {**about, "name": f"{kind.plural}/status", "verbs": ["get", "patch", "update"]}


def bare(kind: Kind, version: int) -> Body:
    group = kind.group.split("/", 1)[-1]
    return {
        "apiVersion": group, "kind": kind.kind,
        "metadata": {"resourceVersion": str(version), "creationTimestamp": None},
    }  # fmt: skip


def line(event: str, body: Body) -> bytes:
    return json.dumps({"type": event, "object": body}).encode() + b"\n"


def status(code: int, reason: str, message: str) -> Body:
    kept = {"apiVersion": "v1", "kind": "Status", "status": "Failure"}
    return {**kept, "code": code, "reason": reason, "message": message}


def answer(code: int, body: Body, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response(body, status=code, headers=headers)
