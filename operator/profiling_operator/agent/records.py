"""What an engine itself keeps of an attempt for its agent: volumes that hold nothing but labels.

The record is there from the moment at which an attempt is enlisted, before anything of it is made,
until nothing of it is left. The mark is made before the application is started: a container that
is gone and has a mark was started, so the attempt is never begun again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pydantic

from profiling_operator import containers, names
from profiling_operator.engine import Engine
from profiling_operator.plan import Plan
from profiling_operator.status import time_text

RECORD = f"{names.LABEL}record"
"""Label with the attempt's name, which `containers.ATTEMPT` has on all that is made for it."""
KIND, PRIORITY, SINCE, PLAN = (
    f"{names.LABEL}{one}" for one in ("record-kind", "priority", "since", "plan")
)
ENLISTED, BEGUN = "enlisted", "begun"


@dataclass(frozen=True)
class Record:
    """An attempt that an agent has taken."""

    plan: Plan
    priority: int = 0
    since: str = ""
    """When its ProfilingJob was created: who came first goes first."""
    created_at: str = ""
    """When it was enlisted, RFC 3339; empty before."""

    @property
    def name(self) -> str:
        """The attempt's."""
        return self.plan.name


@dataclass(frozen=True)
class Found:
    """What an engine has of an agent's attempts."""

    records: tuple[Record, ...]
    begun: frozenset[str]
    """Names of attempts whose application was started."""
    made: frozenset[str]
    """Names of attempts for which containers, networks or volumes are there."""


class Shelf:
    """The records of one agent on one engine. Its methods block, and may be called by threads.

    Every method raises ExecutorError while the engine does not answer.
    """

    def __init__(self, here: Engine, agent: str) -> None:
        """Nothing is asked yet."""
        self._here = here
        self._agent = agent
        self._alone = threading.Lock()  # the client is not made for several at once

    def enlist(self, record: Record) -> Record:
        """Make a record, unless it is there; the one that is there then."""
        labels = {
            **self._labels(record.name, ENLISTED),
            PRIORITY: str(record.priority),
            SINCE: record.since,
            PLAN: record.plan.model_dump_json(exclude_defaults=True),
        }
        return _read(self._made(f"{record.name}-record", labels)) or record

    def begin(self, attempt: str) -> None:
        """Make the mark: from now on the application may have been started."""
        self._made(f"{attempt}-begun", self._labels(attempt, BEGUN))

    def has_begun(self, attempt: str) -> bool:
        """Whether there is a mark."""
        return any(_label(one, KIND) == BEGUN for one in self._of(attempt))

    def find(self) -> Found:
        """All attempts."""
        mine = f"{containers.AGENT}={self._agent}"
        with self._alone:
            volumes = self._here.listed("volumes", mine)
            others = [*self._here.listed("containers", mine), *self._here.listed("networks", mine)]
        records = [one for one in map(_read, volumes) if one is not None]
        begun = (_label(one, RECORD) for one in volumes if _label(one, KIND) == BEGUN)
        made = {_label(one, containers.ATTEMPT) for one in (*volumes, *others)} - {""}
        return Found(tuple(records), frozenset(begun), frozenset(made))

    def containers(self) -> dict[str, Mapping[str, Any]]:
        """The applications' containers by attempt, as `docker inspect` shows them."""
        mine = f"{containers.AGENT}={self._agent}"
        with self._alone:
            listed = self._here.listed("containers", mine)
            attempts = [_label(one, containers.ATTEMPT) for one in listed if _is_app(one)]
            found = {name: self._here.inspected(name) for name in attempts}
        return {name: one for name, one in found.items() if one is not None}

    def forget(self, attempt: str) -> None:
        """Remove record and mark, the record last: while it is there, something may be left."""
        for one in sorted(self._of(attempt), key=lambda volume: _label(volume, KIND) == ENLISTED):
            asked = self._here.asked(f"remove volume {one['Name']}")
            with self._alone, suppress(FileNotFoundError), asked:
                self._here.api.remove_volume(one["Name"])

    def _of(self, attempt: str) -> list[dict[str, Any]]:
        with self._alone:
            return self._here.listed("volumes", f"{RECORD}={attempt}")

    def _labels(self, attempt: str, kind: str) -> dict[str, str]:
        return {containers.AGENT: self._agent, RECORD: attempt, KIND: kind}

    def _made(self, name: str, labels: Mapping[str, str]) -> Mapping[str, Any]:
        """A volume, made or there already; its labels are those of the first time."""
        with self._alone, self._here.asked(f"create volume {name}"):
            self._here.api.create_volume(name, labels=dict(labels))
            made: Mapping[str, Any] = self._here.api.inspect_volume(name)
        return made


def _is_app(container: Mapping[str, Any]) -> bool:
    return _label(container, containers.ROLE) == "app"


def _read(volume: Mapping[str, Any]) -> Record | None:
    """The record that a volume is; None for what is none, or is not to be read any more."""
    if _label(volume, KIND) != ENLISTED:
        return None
    try:
        return Record(
            plan=Plan.model_validate_json(_label(volume, PLAN)),
            priority=int(_label(volume, PRIORITY)),
            since=_label(volume, SINCE),
            created_at=utc(str(volume.get("CreatedAt") or "")),
        )
    except (pydantic.ValidationError, ValueError):
        return None


def utc(text: str) -> str:
    """A time of the engine's as Kubernetes has them: UTC, whole seconds; empty for none.

    The engine says the year 1 for what has not happened.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return "" if moment.year == 1 else time_text(moment.astimezone(UTC))


def _label(thing: Mapping[str, Any], name: str) -> str:
    return str((thing.get("Labels") or {}).get(name) or "")
