"""A Kubernetes of a few hundred lines, in memory: API server, controllers, scheduler, kubelet.

It keeps the rules that an operator depends on: versions and conflicts, UIDs as preconditions, no
change no event, labels, owner references, one pod per Job. It is quicker than a real one by far,
and can be told to fail at any request. The clock is the event loop's; see virtual_time.py.
"""

from __future__ import annotations

import asyncio
import copy
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from profiling_operator import names
from profiling_operator.api import EVENTS, JOBS, NODES, PODS, PROFILING_JOBS, Api, Kind, Listing
from profiling_operator.errors import ApiError, ConflictError, NotFoundError
from reconciling import at

Body = dict[str, Any]
Bodies = list[Body]  # a method of that name stands in the way below
Key = tuple[str, str, str]
"""Plural, namespace, name."""
Interfere = Callable[[str, str, str, str], None]
"""Called `before` and `after` each request with verb, resource and name; may raise."""
Watch = Callable[[str, str, Body], None]
KINDS = {kind.plural: kind for kind in (PROFILING_JOBS, JOBS, PODS, EVENTS, NODES)}
WATCHED = (names.PLURAL, "jobs", "pods")


@dataclass(frozen=True)
class Write:
    """A request that asked for a change, and whether there was one."""

    verb: str
    resource: str
    name: str
    is_change: bool


def _nobody(when: str, verb: str, resource: str, name: str) -> None:
    """Interferes with nothing."""


@dataclass
class SmallCluster:
    """The API server; its methods are those of api.Api."""

    objects: dict[Key, Body] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    watch: Watch | None = None
    interfere: Interfere = _nobody
    history: list[tuple[str, Body]] = field(default_factory=list)
    """Each version of each ProfilingJob: its UID, its status."""
    _children: dict[str, dict[str, Body]] = field(default_factory=lambda: defaultdict(dict))
    _version: int = 100
    _uids: int = 0

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Body:
        """One object."""
        self._begin("get", kind.plural, name)
        found = copy.deepcopy(self._found(kind, namespace, name))
        self.interfere("after", "get", kind.plural, name)
        await asyncio.sleep(0)
        return found

    list_in = Api.list_in

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Listing:
        """All objects with a label, and with fields of certain values."""
        self._begin("list", kind.plural, "")
        wanted = dict(one.split("=", 1) for one in fields.split(",") if one)
        found = [
            copy.deepcopy(one)
            for (plural, where, _), one in self.objects.items()
            if plural == kind.plural
            and namespace in (None, where)
            and (not labels or labels in (one["metadata"].get("labels") or {}))
            and all(_at(one, path) == value for path, value in wanted.items())
        ]
        self.interfere("after", "list", kind.plural, "")
        await asyncio.sleep(0)
        return Listing(found, str(self._version))

    async def create(
        self, kind: Kind, namespace: str | None, body: Body, manager: str = ""
    ) -> Body:
        """A new object."""
        name = body["metadata"]["name"]
        self._begin("create", kind.plural, name)
        if (kind.plural, namespace, name) in self.objects:
            raise ConflictError(409, "AlreadyExists", f"{kind.plural} {name} already exists")
        made = self.make(kind.plural, namespace or "", body)
        return await self._end("create", kind.plural, name, made, is_change=True)

    async def patch(
        self, kind: Kind, namespace: str | None, name: str, body: Body, *,
        subresource: str = "", how: str = "merge", manager: str = "",
    ) -> Body:  # fmt: skip
        """A merge patch of the status."""
        assert (subresource, how) == ("status", "merge")
        resource = f"{kind.plural}/status"
        self._begin("patch", resource, name)
        there = self._found(kind, namespace, name)
        for key, value in body["metadata"].items():
            if there["metadata"][key] != value:
                raise ConflictError(409, "Conflict", f"{key} is {there['metadata'][key]}")
        before = copy.deepcopy(there.get("status"))
        self.change(there, status=_merged(there.get("status") or {}, body["status"]))
        is_change = before != there.get("status")
        return await self._end("patch", resource, name, there, is_change=is_change)

    async def delete(
        self, kind: Kind, namespace: str | None, name: str, *, uid: str = "", **_: Any
    ) -> None:
        """Delete an object; pods take their time. Gone already is fine, as it is to api.Api."""
        try:
            self._begin("delete", kind.plural, name)
        except (NotFoundError, ConflictError):
            return
        found = self.objects.get((kind.plural, namespace or "", name))
        is_it = found is not None and uid in ("", found["metadata"]["uid"])
        if found is not None and is_it:
            self.remove(found)
        await self._end("delete", kind.plural, name, {}, is_change=is_it)

    def make(self, plural: str, namespace: str, body: Body) -> Body:
        """Put an object there, as its creator would."""
        self._uids += 1
        about = {**body["metadata"], "namespace": namespace, "uid": f"{plural}-{self._uids}"}
        about |= {"creationTimestamp": self.now(), "generation": 1}
        made = {**copy.deepcopy(body), "kind": KINDS[plural].kind, "metadata": about}
        self.objects[plural, namespace, about["name"]] = made
        for one in _owners(made):
            self._children[one][about["uid"]] = made
        self._tell("ADDED", made)
        return made

    def change(self, body: Body, **parts: Any) -> None:
        """Change parts of an object; no change is no event."""
        if all(body.get(key) == value for key, value in parts.items()):
            return
        if "spec" in parts and parts["spec"] != body.get("spec"):
            body["metadata"]["generation"] += 1
        body.update(copy.deepcopy(parts))
        self._tell("MODIFIED", body)

    def remove(self, body: Body, seconds: float = 30) -> None:
        """As a delete does: pods are told, others are gone, and their children with them."""
        if body["kind"] == "Pod" and not _is_over(body):
            if "deletionTimestamp" not in body["metadata"]:
                later = at(asyncio.get_running_loop().time() + seconds)
                self.change(body, metadata={**body["metadata"], "deletionTimestamp": later})
            return
        self.erase(body)

    def erase(self, body: Body) -> None:
        """It is gone; the garbage collector takes its children."""
        about = body["metadata"]
        if self.objects.pop((_plural(body), about["namespace"], about["name"]), None) is None:
            return
        for owner in _owners(body):
            self._children[owner].pop(about["uid"], None)
        self._tell("DELETED", body)
        for one in self.of(about["uid"]):
            self.remove(one)

    def of(self, uid: str) -> Bodies:
        """What an object owns."""
        return [*self._children.get(uid, {}).values()]

    def all(self, plural: str) -> Bodies:
        """All objects of a kind."""
        return [one for (kind, _, _), one in self.objects.items() if kind == plural]

    @staticmethod
    def now() -> str:
        """The time."""
        return at(asyncio.get_running_loop().time())

    def _begin(self, verb: str, resource: str, name: str) -> None:
        self.interfere("before", verb, resource, name)

    async def _end(
        self, verb: str, resource: str, name: str, body: Body, *, is_change: bool
    ) -> Body:
        self.writes.append(Write(verb, resource, name, is_change))
        found = copy.deepcopy(body)
        self.interfere("after", verb, resource, name)
        await asyncio.sleep(0)
        return found

    def _found(self, kind: Kind, namespace: str | None, name: str) -> Body:
        found = self.objects.get((kind.plural, namespace or "", name))
        if found is None:
            raise NotFoundError(404, "NotFound", f"{kind.plural} {name} not found")
        return found

    def _tell(self, event: str, body: Body) -> None:
        self._version += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        if body["kind"] == names.KIND:
            self.history.append((body["metadata"]["uid"], copy.deepcopy(body.get("status") or {})))
        if self.watch is not None and (plural := _plural(body)) in WATCHED:
            self.watch(plural, event, copy.deepcopy(body))


def error(code: int, retry_after: float | None = None) -> ApiError:
    """What the API server says with an HTTP status."""
    kind = {404: NotFoundError, 409: ConflictError}.get(code, ApiError)
    return kind(code, "Injected", f"HTTP {code}", retry_after)


def condition(body: Mapping[str, Any], kind: str) -> str:
    """The status of a condition; empty where there is none."""
    listed = (body.get("status") or {}).get("conditions") or ()
    return next((one["status"] for one in listed if one["type"] == kind), "")


def _plural(body: Body) -> str:
    return next(kind.plural for kind in KINDS.values() if kind.kind == body["kind"])


def _owners(body: Body) -> set[str]:
    return {one["uid"] for one in body["metadata"].get("ownerReferences") or ()}


def _is_over(pod: Body) -> bool:
    return (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def _merged(there: Any, patch: Mapping[str, Any]) -> Body:
    merged = dict(there) if isinstance(there, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merged(merged.get(key), value) if isinstance(value, dict) else value
    return merged


def _at(body: Body, path: str) -> str:
    found: Any = body
    for part in path.split("."):
        found = (found or {}).get(part)
    return str(found)


def finished(body: Mapping[str, Any]) -> bool:
    """Whether a ProfilingJob is over."""
    return condition(body, "Finished") == "True"
