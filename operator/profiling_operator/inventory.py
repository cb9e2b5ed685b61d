"""What the API server has told of ProfilingJobs, their Jobs and their pods.

Filled by watches and by what our own writes return, corrected by lists now and then: a watch tells
nothing of what vanished while it was down.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from profiling_operator import names, pods

Body = Mapping[str, Any]

JOBS, PODS = "jobs", "pods"
KINDS = (names.PLURAL, JOBS, PODS)


class Inventory:
    """Objects by their UIDs; children by the UID of their ProfilingJob."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._owners: dict[str, Body] = {}
        self._children: dict[str, dict[str, dict[str, Body]]] = {
            kind: defaultdict(dict) for kind in (JOBS, PODS)
        }

    def put(self, kind: str, body: Body) -> str:
        """Take an object, unless a newer version of it is known; the ProfilingJob's UID."""
        owner = owner_of(kind, body)
        if not owner:
            return ""
        held = self._held(kind, owner)
        uid = body["metadata"]["uid"]
        if uid not in held or not _is_older(body, held[uid]):
            held[uid] = _slim(body)
        return owner

    def drop(self, kind: str, body: Body) -> str:
        """Forget an object that is gone; the ProfilingJob's UID."""
        owner = owner_of(kind, body)
        if owner:
            self._held(kind, owner).pop(body["metadata"]["uid"], None)
            self._tidy(kind, owner)
        return owner

    def replace(self, kind: str, bodies: Iterable[Body], version: str) -> set[str]:
        """Take a whole list of a version for the truth, but for what is newer than that.

        Returns the UIDs of the ProfilingJobs for which it is news.
        """
        listed = {one["metadata"]["uid"]: one for one in bodies}
        gone = [
            one
            for one in self._all(kind)
            if one["metadata"]["uid"] not in listed and not _is_newer(one, version)
        ]
        changed = {self.drop(kind, one) for one in gone}
        for one in listed.values():
            held = self._held(kind, owner_of(kind, one)).get(one["metadata"]["uid"])
            if held is None or _version(held) != _version(one):
                changed.add(self.put(kind, one))
        return changed - {""}

    def owner(self, uid: str) -> Body | None:
        """The ProfilingJob of a UID."""
        return self._owners.get(uid)

    def owners(self) -> Iterator[Body]:
        """All ProfilingJobs."""
        return iter(tuple(self._owners.values()))

    def jobs(self, uid: str) -> list[Body]:
        """The Jobs of a ProfilingJob."""
        return list(self._children[JOBS].get(uid, {}).values())

    def pods(self, uid: str) -> list[Body]:
        """The pods of its Jobs."""
        return list(self._children[PODS].get(uid, {}).values())

    def counts(self) -> Counter[tuple[str, str]]:
        """ProfilingJobs by namespace and phase."""
        return Counter(
            (
                one["metadata"]["namespace"],
                str((one.get("status") or {}).get("phase") or "Pending"),
            )
            for one in self.owners()
        )

    def _held(self, kind: str, owner: str) -> dict[str, Body]:
        return self._owners if kind == names.PLURAL else self._children[kind][owner]

    def _all(self, kind: str) -> list[Body]:
        if kind == names.PLURAL:
            return list(self._owners.values())
        return [one for held in self._children[kind].values() for one in held.values()]

    def _tidy(self, kind: str, owner: str) -> None:
        if kind != names.PLURAL and not self._children[kind][owner]:
            del self._children[kind][owner]


def owner_of(kind: str, body: Body) -> str:
    """The UID of the ProfilingJob that an object belongs to; empty for what is not ours.

    Labels can be written by anybody who may create pods: the owner reference has to agree.
    """
    about = body["metadata"]
    if kind == names.PLURAL:
        return str(about["uid"])
    labelled = str((about.get("labels") or {}).get(pods.JOB_UID) or "")
    owners = about.get("ownerReferences") or ()
    if kind == JOBS:
        return labelled if any(one.get("uid") == labelled for one in owners) else ""
    return labelled if any(one.get("kind") == "Job" for one in owners) else ""


def _is_older(body: Body, held: Body) -> bool:
    """Whether a version comes before another one: they are numbers of one counter (KEP-5504)."""
    mine, other = _version(body), _version(held)
    return mine.isdigit() and other.isdigit() and int(mine) < int(other)


def _is_newer(body: Body, version: str) -> bool:
    mine = _version(body)
    return mine.isdigit() and version.isdigit() and int(mine) > int(version)


def _version(body: Body) -> str:
    return str(body["metadata"].get("resourceVersion") or "")


def _slim(body: Body) -> Body:
    """Without what takes memory and tells us nothing: a thousand jobs are kept here."""
    about = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    return {**body, "metadata": about}
