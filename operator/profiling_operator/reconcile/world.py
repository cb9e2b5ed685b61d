"""What a decision is made of, and what it consists of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import pydantic

from profiling_operator.errors import Problem
from profiling_operator.plan import Plan
from profiling_operator.pod_sightings import Sighting
from profiling_operator.reporting import Report
from profiling_operator.status import ConditionType, Status

Body = Mapping[str, Any]


class Need(StrEnum):
    """Whom to ask."""

    REPORT = "report"
    """The store, for the report of the current attempt. Answer: Report or None."""
    REFUSALS = "refusals"
    """The events of the current Job, for why its pod is not created. Answer: str."""
    PLACES = "places"
    """The nodes, whether one of them could ever serve it. Answer: bool."""
    JOB = "job"
    """The API server itself, whether the Job is there. Answer: its body or None."""
    BASELINES = "baselines"
    """The store, for what the gates of the next attempt are judged by. Answer: Snapshots."""


@dataclass(frozen=True)
class CreateJob:
    """Start an attempt."""

    plan: Plan


@dataclass(frozen=True)
class Delete:
    """Delete a Job, a pod, or the ProfilingJob itself; `kind` is the plural."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True)
class Accept:
    """Add an attempt that has ended well to a baseline of its series."""

    plan: Plan
    baseline: str
    report: Report | None = None
    """Of the attempt, so that it need not be read again when this has to be tried again."""


Action = CreateJob | Delete | Accept


@dataclass(frozen=True)
class Notice:
    """Something about a job that its status does not tell: an event of it."""

    reason: str
    message: str
    is_warning: bool = False


@dataclass(frozen=True)
class Words:
    """What things are called where attempts run, in messages."""

    job: str = "Job"
    pod: str = "pod"
    nowhere: str = "no node could ever serve it"


@dataclass(frozen=True)
class Platform:
    """What a decision has to know of where attempts run: see cluster.py, and agent/platform.py.

    Whatever runs them is told of in the shape of a Job and its pod: who owns them, when they were
    made, whether they have ended. Only `look` knows more of that shape.
    """

    look: Callable[[Body | None, Sequence[Body], datetime], Sighting]
    """What is to be seen of an attempt's Job and its pods."""
    refuse: Callable[[Plan], Sequence[Problem]]
    """Why a plan is never tried there, field by field."""
    longest_seconds: Callable[[Plan], float]
    """How long an attempt may take from having its place to its application's end."""
    unschedulable_seconds: float
    """How long one waits that no place could ever serve; 0: until queueSeconds."""
    image_pull_seconds: float
    """How long a pull may fail before it counts as failed."""
    words: Words = Words()


@dataclass(frozen=True)
class World:
    """Everything that a decision is made of."""

    body: Body
    """The ProfilingJob."""
    now: datetime
    platform: Platform
    jobs: Sequence[Body] = ()
    """Its Jobs: those that its UID owns."""
    pods: Sequence[Body] = ()
    """Their pods."""
    learned: Mapping[Need, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Decision:
    """What is to be done. Actions come first, then the status, which counts on them."""

    status: Status | None = None
    actions: tuple[Action, ...] = ()
    wake_seconds: float | None = None
    """When to look again although nothing has happened."""
    needs: frozenset[Need] = frozenset()
    report: Report | None = None
    """Of the attempt that has just ended, for metrics."""
    sighting: Sighting | None = None
    notices: tuple[Notice, ...] = ()


def is_finished(body: Body) -> bool:
    """Whether a job is over, even if nothing else of its status can be read."""
    conditions = (body.get("status") or {}).get("conditions") or ()
    return any(
        one.get("type") == ConditionType.FINISHED and one.get("status") == "True"
        for one in conditions
    )


def status_of(body: Body) -> Status:
    """The status of a body; an empty one where there is none, or somebody else wrote there."""
    try:
        return Status.model_validate(body.get("status") or {})
    except pydantic.ValidationError:
        return Status()


def open_number(status: Status) -> int:
    """The number of the attempt that goes on, or of the next one; 1 is the first."""
    if not status.attempts:
        return 1
    last = status.attempts[-1]
    return last.number + 1 if last.outcome else last.number


def deletion(kind: str, body: Body) -> Delete:
    """Deleting that object, and no later one of its name."""
    return Delete(kind, body["metadata"]["name"], body["metadata"]["uid"])


def generation(body: Body) -> int:
    """Of the spec; 1 before the API server has counted."""
    return int(body["metadata"].get("generation") or 1)


def is_suspended(job: Body) -> bool:
    """Whether a Job may have no pod now: Kueue, or somebody, holds it back."""
    return bool((job.get("spec") or {}).get("suspend"))


def is_of(pod: Body, job_uid: str) -> bool:
    """Whether a pod is one of that Job's."""
    owners = pod["metadata"].get("ownerReferences") or ()
    return any(one.get("uid") == job_uid for one in owners)
