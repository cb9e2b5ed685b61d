"""What an API server keeps: objects with versions, and the history that watches tell. No I/O.

Behaves as kube-apiserver 1.34 does where our own code can tell the difference.
"""

from __future__ import annotations

import copy
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from profiling_operator.api import Kind

Body = dict[str, Any]
WITH_STATUS = {"profilingjobs", "jobs", "pods", "nodes"}
"""Kinds whose status only their subresource `status` writes."""
SERVERS_OWN = ("uid", "resourceVersion", "creationTimestamp", "generation", "deletionTimestamp")
TERM = re.compile(r"(!?)([^\s=!,()]+)\s*(?:(==|=|!=)\s*([^\s,()]*)|(notin|in)\s*\(([^)]*)\))?")


class RefusedError(Exception):
    """The server says no, with an HTTP status and the reason of a `Status` object."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        self.code, self.reason = code, reason
        super().__init__(message)


@dataclass(frozen=True)
class Change:
    """One event of the history."""

    version: int
    plural: str
    event: str
    before: Body | None
    after: Body


@dataclass(frozen=True)
class Selection:
    """Which objects a list or a watch is about."""

    kind: Kind
    namespace: str = ""
    labels: str = ""
    fields: str = ""

    def has(self, body: Body) -> bool:
        """Whether an object is among them."""
        about = body["metadata"]
        is_there = not self.namespace or about.get("namespace", "") == self.namespace
        return is_there and all(
            _holds(term, lambda key: (about.get("labels") or {}).get(key))
            for term in TERM.findall(self.labels)
        ) and all(
            _holds(term, lambda key: _field(body, key)) for term in TERM.findall(self.fields)
        )  # fmt: skip

    def told(self, change: Change) -> tuple[str, Body]:
        """What a watch calls a change, and the object; an empty word where it does not tell it.

        An object that is no longer selected is shown as it was when it still was.
        """
        if change.plural != self.kind.plural:
            return "", {}
        was = change.before is not None and self.has(change.before)
        is_in = change.event != "DELETED" and self.has(change.after)
        if was and not is_in and change.before is not None:
            version = {"resourceVersion": str(change.version)}
            about = {**change.before["metadata"], **version}
            return "DELETED", {**change.before, "metadata": about}
        return {(False, True): "ADDED", (True, True): "MODIFIED"}.get(
            (was, is_in), ""
        ), change.after


class Objects:
    """All objects. May be used by several threads."""

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        """Empty. `now` is the server's clock."""
        self.lock = threading.RLock()
        self.history: list[Change] = []
        self.oldest = 0
        """Changes up to this version are forgotten: a watch from before it has expired."""
        self.listeners: list[Callable[[Change], None]] = []
        self.lingering: set[str] = set()
        """Plurals of kinds whose objects only get a deletionTimestamp when they are deleted."""
        self._now = now or (lambda: datetime.now(UTC))
        self._held: dict[str, dict[tuple[str, str], Body]] = defaultdict(dict)
        self._applied: dict[tuple[str, str, str], Body] = {}
        self._version = 100
        self._made = 0

    @property
    def version(self) -> int:
        """Of the newest change."""
        return self._version

    def of(self, kind: Kind) -> list[Body]:
        """All objects of a kind, in the order of namespaces and names."""
        return self.select(Selection(kind))

    def select(self, wanted: Selection) -> list[Body]:
        """Those of a selection."""
        with self.lock:
            held = self._held[wanted.kind.plural]
            return [copy.deepcopy(held[key]) for key in sorted(held) if wanted.has(held[key])]

    def find(self, kind: Kind, namespace: str, name: str) -> Body | None:
        """One object, None where there is none."""
        with self.lock:
            return copy.deepcopy(self._held[kind.plural].get(_key(kind, namespace, name)))

    def get(self, kind: Kind, namespace: str, name: str) -> Body:
        """One object. Raises RefusedError 404."""
        found = self.find(kind, namespace, name)
        if found is None:
            raise RefusedError(404, "NotFound", f'{kind.plural} "{name}" not found')
        return found

    def put(self, kind: Kind, body: Body) -> Body:
        """Make it so, as the cluster itself would: status included, no questions asked."""
        with self.lock:
            whole = copy.deepcopy(body)
            about = whole["metadata"]
            if kind.is_namespaced:
                about.setdefault("namespace", "default")
            there = self.find(kind, about.get("namespace", ""), about["name"])
            known = (there or {}).get("metadata", {})
            self._stamp(whole, {key: known[key] for key in SERVERS_OWN if key in known})
            return self._keep(kind, there, whole)

    def create(self, kind: Kind, namespace: str, body: Body, *, dry_run: bool = False) -> Body:
        """As POST does. Raises RefusedError 409."""
        with self.lock:
            about = {**body["metadata"]}
            if not about.get("name") and about.get("generateName"):
                about["name"] = f"{about['generateName']}{self._made % 100000:05}"
            if kind.is_namespaced:
                about["namespace"] = namespace
            if self.find(kind, namespace, about["name"]) is not None:
                message = f'{kind.plural} "{about["name"]}" already exists'
                raise RefusedError(409, "AlreadyExists", message)
            for name in SERVERS_OWN:
                about.pop(name, None)
            whole = {**copy.deepcopy(body), "metadata": about}
            if kind.plural in WITH_STATUS:
                whole.pop("status", None)
            self._stamp(whole, {})
            return whole if dry_run else self._keep(kind, None, whole)

    def merge(self, kind: Kind, namespace: str, name: str, patch: Body, part: str = "") -> Body:
        """As PATCH with a merge patch does; `part` is the subresource. RefusedError 404 409 422."""
        with self.lock:
            there = self.get(kind, namespace, name)
            return self._change(kind, there, merged(there, patch), patch, part)

    def apply(
        self, kind: Kind, namespace: str, name: str, patch: Body, manager: str, part: str = ""
    ) -> Body:
        """As a forced server-side apply does: what a manager no longer says is taken out."""
        with self.lock:
            there = self.find(kind, namespace, name)
            if there is None and not part:
                return self.create(kind, namespace, patch)
            there = there or self.get(kind, namespace, name)
            key = (str(there["metadata"]["uid"]), manager, part)
            wanted = merged(there, _without(self._applied.get(key, {}), patch))
            changed = self._change(kind, there, merged(wanted, patch), patch, part)
            self._applied[key] = copy.deepcopy(patch)
            return changed

    def delete(
        self, kind: Kind, namespace: str, name: str, uid: str = "", *, orphan: bool = False
    ) -> Body:
        """As DELETE does; what it owned goes with it. Raises RefusedError 404, 409."""
        with self.lock:
            there = self.get(kind, namespace, name)
            if uid and uid != there["metadata"]["uid"]:
                message = f"the UID in the precondition ({uid}) does not match the UID in record"
                raise RefusedError(409, "Conflict", message)
            if there["metadata"].get("finalizers") or kind.plural in self.lingering:
                there["metadata"].setdefault("deletionTimestamp", self._time())
                return self._keep(kind, self.get(kind, namespace, name), there)
            self.remove(kind, namespace, name, orphan=orphan)
            return there

    def remove(self, kind: Kind, namespace: str, name: str, *, orphan: bool = False) -> None:
        """Gone, whatever it says; what it owned as well."""
        with self.lock:
            gone = self._held[kind.plural].pop(_key(kind, namespace, name))
            self._tell(kind, "DELETED", gone, gone)
            if not orphan:
                self._collect(str(gone["metadata"]["uid"]))

    def expire(self) -> None:
        """Forget the history, as a compaction does."""
        with self.lock:
            self.oldest = self._version

    def since(self, version: int) -> list[Change]:
        """What happened after a version. Raises RefusedError 410."""
        with self.lock:
            if version < self.oldest:
                message = f"too old resource version: {version} ({self.oldest})"
                raise RefusedError(410, "Expired", message)
            return [one for one in self.history if one.version > version]

    def _collect(self, owner: str) -> None:
        for plural, held in list(self._held.items()):
            for (namespace, name), body in list(held.items()):
                owners = body["metadata"].get("ownerReferences") or ()
                if any(one.get("uid") == owner for one in owners) and (namespace, name) in held:
                    kind = Kind("", plural, "", is_namespaced=bool(namespace))
                    self.delete(kind, namespace, name)

    def _change(self, kind: Kind, there: Body, wanted: Body, patch: Body, part: str) -> Body:
        """Take what a request may change. A request that changes nothing leaves no trace."""
        _require_same(kind, there, patch)
        changed = copy.deepcopy(there)
        if part == "status":
            changed["status"] = wanted.get("status", {})
        else:
            changed = wanted
            if kind.plural in WITH_STATUS:
                changed["status"] = there.get("status", {})
        changed["metadata"] = {**changed["metadata"], **_servers_own(there)}
        if changed.get("spec") != there.get("spec"):
            changed["metadata"]["generation"] = there["metadata"].get("generation", 1) + 1
        if not changed.get("status") and "status" not in there:
            changed.pop("status", None)
        if "deletionTimestamp" in there["metadata"] and not changed["metadata"].get("finalizers"):
            about = there["metadata"]
            self.remove(kind, about.get("namespace", ""), about["name"])
            return changed
        return there if changed == there else self._keep(kind, there, changed)

    def _stamp(self, whole: Body, known: Mapping[str, Any]) -> None:
        self._made += 1
        fresh = {
            "uid": f"00000000-0000-4000-8000-{self._made:012}",
            "creationTimestamp": self._time(),
            "generation": 1,
        }
        whole["metadata"] = {**fresh, **known, **whole["metadata"]}

    def _keep(self, kind: Kind, before: Body | None, after: Body) -> Body:
        about = after["metadata"]
        kept = {"apiVersion": kind.group.split("/", 1)[-1], "kind": kind.kind}
        whole = {**kept, **after} if kind.group else after
        self._tell(kind, "MODIFIED" if before else "ADDED", before, whole)
        self._held[kind.plural][_key(kind, about.get("namespace", ""), about["name"])] = whole
        return copy.deepcopy(whole)

    def _tell(self, kind: Kind, event: str, before: Body | None, after: Body) -> None:
        self._version += 1
        after["metadata"]["resourceVersion"] = str(self._version)
        change = Change(self._version, kind.plural, event, before, copy.deepcopy(after))
        self.history.append(change)
        for listener in self.listeners:
            listener(change)

    def _time(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _key(kind: Kind, namespace: str, name: str) -> tuple[str, str]:
    return (namespace if kind.is_namespaced else "", name)


def _servers_own(body: Body) -> Body:
    return {key: body["metadata"][key] for key in SERVERS_OWN if key in body["metadata"]}


def _require_same(kind: Kind, there: Body, patch: Body) -> None:
    """A version or a UID in a request has to be that of the object."""
    said, about = patch.get("metadata") or {}, there["metadata"]
    if said.get("resourceVersion") not in (None, "", about["resourceVersion"]):
        message = "the object has been modified; please apply your changes to the latest version"
        raise RefusedError(409, "Conflict", f'{kind.plural} "{about["name"]}": {message}')
    if said.get("uid") not in (None, "", about["uid"]):
        message = f'metadata.uid: Invalid value: "{said["uid"]}": field is immutable'
        raise RefusedError(422, "Invalid", f'{kind.kind} "{about["name"]}" is invalid: {message}')


def merged(target: Any, patch: Any) -> Any:
    """A JSON merge patch (RFC 7386) applied."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def _without(before: Body, after: Body) -> Body:
    """A merge patch that takes out what was said before and is not any more."""
    changes: Body = {}
    for key, value in before.items():
        if key not in after:
            changes[key] = None
        elif isinstance(value, dict) and isinstance(after[key], dict):
            changes[key] = _without(value, after[key])
    return {key: value for key, value in changes.items() if value != {}}


def _holds(term: tuple[str, ...], value_of: Callable[[str], Any]) -> bool:
    negated, key, sign, value, word, listed = term
    found = value_of(key)
    if sign:
        return (str(found or "") == value) != (sign == "!=")
    if word:
        return (found in set(_words(listed))) != (word == "notin")
    return (found is not None) != bool(negated)


def _words(listed: str) -> Iterator[str]:
    yield from (one.strip() for one in listed.split(","))


def _field(body: Body, path: str) -> Any:
    found: Any = body
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found
