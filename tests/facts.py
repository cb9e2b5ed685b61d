"""Makes facts, of which a status is made, for tests."""

from __future__ import annotations

from typing import Any

from profiling_operator.executors import Observation, State
from profiling_operator.status import (
    Collected,
    CollectorOutcome,
    ConditionType,
    Facts,
    GateStatus,
    ResultFile,
    Results,
    Status,
    next_status,
)
from profiling_operator.workspace import ExitRecord, Origin, RunRecord, Started

NOON = "2026-01-31T12:00:00Z"
LATER = "2026-01-31T13:01:05Z"
USABLE = (CollectorOutcome(name="tau", usable=True, entries=7),)
EMPTY = (
    CollectorOutcome(
        name="tau", usable=False, reason="NothingMeasured", message="the profile is empty"
    ),
)
RESULTS = Results(url="file:///r", files=(ResultFile(path="a", size=1, sha256="0"),))


def run(index: int = 0, **fields: Any) -> RunRecord:
    """A run that went well."""
    given_first = {
        "index": index, "warmup": False, "reason": "Completed", "origin": Origin.APP,
        "started_at": "2026-01-31T12:00:00.5Z", "finished_at": "2026-01-31T12:00:01.5Z",
        "started_monotonic_ns": 0, "finished_monotonic_ns": 10**9, "exit_code": 0,
    }  # fmt: skip
    return RunRecord(**{**given_first, **fields})


def ended(*runs: RunRecord, **fields: Any) -> Observation:
    """An attempt whose launcher has ended."""
    records = runs or (run(),)
    last = {"reason": records[-1].reason, "origin": records[-1].origin, **fields}
    record = ExitRecord(protocol=1, runs=len(records), started_at=NOON, finished_at=NOON, **last)
    return Observation(State.ENDED, started=STARTED, runs=records, exit=record)


STARTED = Started(
    protocol=1,
    pid=1,
    started_at="2026-01-31T12:00:00.25Z",
    started_monotonic_ns=0,
    runs=1,
    warmups=0,
)


def collected(*outcomes: tuple[CollectorOutcome, ...], **fields: Any) -> Collected:
    """What was collected of the runs."""
    return Collected(**{"outcomes": outcomes or (USABLE,), "results": RESULTS, **fields})


def final(**facts: Any) -> Status:
    """The status that facts give at once."""
    return next_status(Status(), Facts(**{"now": LATER, "generation": 2, **facts}))


def said(status: Status, kind: ConditionType) -> tuple[str, str, str]:
    """Status, reason and message of a condition."""
    found = status.condition(kind)
    assert found is not None
    return found.status, found.reason, found.message


def gate(verdict: Any) -> GateStatus:
    """A gate with a verdict."""
    return GateStatus(measure="app/duration", verdict=verdict, message=f"it {verdict}")
