"""What an uploader tells of its attempt: `report.json` in the store, and the essence of it as the
container's termination message.

The application shares folders with the uploader, so nothing in either is taken on trust: whoever
reads them gets values of bounded size, or None.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pydantic

from profiling_operator.errors import Reason
from profiling_operator.frozen import Frozen
from profiling_operator.observation import Observation, State
from profiling_operator.status import (
    Collected,
    CollectorOutcome,
    GateStatus,
    Results,
    cut,
)
from profiling_operator.workspace import ExitRecord, Origin, RunRecord, Started

REPORT_FILE = "report.json"
REPORT_LIMIT = 4 << 20
ESSENCE_LIMIT = 1024  # bytes; all containers of a pod share 12 KiB, one of them has 4096 at most
SHORT = 160
NO_OUTCOME = "the launcher ended without leaving an outcome"


class Spent(Frozen):
    """What collecting took."""

    convert_seconds: float = 0.0
    upload_seconds: float = 0.0
    upload_bytes: int = 0


@dataclass(frozen=True)
class Report:
    """An attempt as its uploader saw it end."""

    job: str
    """`namespace/name`."""
    uid: str
    attempt: int
    pod_uid: str
    collected: Collected
    started: Started | None = None
    exit: ExitRecord | None = None
    runs: tuple[RunRecord, ...] = ()
    stop_requested: bool = False
    """The stop was asked for through the workspace: the pod was not ended from outside."""
    message: str = ""
    """Why there is no outcome, where there is none."""
    spent: Spent = field(default_factory=Spent)

    def observation(self) -> Observation:
        """What was to be seen of the attempt at its end."""
        lost = self.exit is None
        return Observation(
            state=State.LOST if lost else State.ENDED,
            started=self.started,
            runs=self.runs,
            exit=self.exit,
            message=self.message or NO_OUTCOME if lost else "",
        )


class _Essence(Frozen):
    """The termination message. Short names: it has 1 KiB."""

    attempt: int
    pod_uid: str
    exit: dict[str, Any] | None = None
    usable: bool = False
    why: str = ""
    about: str = ""
    entries: int = 0
    headline: str = ""
    lost: str = ""
    message: str = ""
    stop_requested: bool = False
    url: str = ""
    spent: Spent = Spent()


class _Collected(Frozen):
    """Collected, for validation."""

    outcomes: tuple[tuple[CollectorOutcome, ...], ...] = ()
    results: Results | None = None
    headline: str = ""
    lost: str = ""
    gates: tuple[GateStatus, ...] = ()


def to_json(report: Report) -> str:
    """The text of `report.json`."""
    found = report.collected
    collected = _Collected(
        outcomes=tuple(found.outcomes), results=found.results, headline=found.headline,
        lost=found.lost, gates=tuple(found.gates),
    )  # fmt: skip
    body = {
        "version": 1,
        "job": report.job,
        "uid": report.uid,
        "attempt": report.attempt,
        "podUID": report.pod_uid,
        "started": _builtins(report.started),
        "exit": _builtins(report.exit),
        "runs": [_builtins(one) for one in report.runs],
        "stopRequested": report.stop_requested,
        "message": report.message,
        "collected": collected.model_dump(mode="json", exclude_none=True),
        "spent": report.spent.model_dump(mode="json"),
    }
    return f"{json.dumps(body, indent=2, ensure_ascii=False)}\n"


def from_json(text: bytes) -> Report | None:
    """The report in a file; None for what is no such report."""
    try:
        body = json.loads(text)
        found = _Collected.model_validate_json(json.dumps(body["collected"]))
        return Report(
            job=str(body["job"]),
            uid=str(body["uid"]),
            attempt=int(body["attempt"]),
            pod_uid=str(body["podUID"]),
            started=msgspec.convert(body.get("started"), Started | None),
            exit=msgspec.convert(body.get("exit"), ExitRecord | None),
            runs=msgspec.convert(body.get("runs", ()), tuple[RunRecord, ...]),
            stop_requested=bool(body.get("stopRequested")),
            message=str(body.get("message") or ""),
            collected=Collected(
                found.outcomes, found.results, found.headline, found.lost, found.gates
            ),
            spent=Spent.model_validate(body.get("spent", {})),
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def essence(report: Report) -> str:
    """The termination message: at most ESSENCE_LIMIT bytes, whatever the report holds."""
    found = report.collected
    outcomes = _measured(report)
    bad = next((one for one in outcomes if not one.usable), None)
    limit = SHORT
    while True:
        said = _Essence(
            attempt=report.attempt,
            pod_uid=report.pod_uid,
            exit=_short_exit(report.exit, limit),
            usable=bool(outcomes) and bad is None,
            why=cut(bad.reason, 64) if bad else "",
            about=cut(bad.message, limit) if bad else "",
            entries=sum(one.entries for run in found.outcomes for one in run),
            headline=cut(found.headline, limit),
            lost=cut(found.lost, limit),
            message=cut(report.message, limit),
            stop_requested=report.stop_requested,
            url=found.results.url if found.results and limit == SHORT else "",
            spent=report.spent,
        )
        text = said.model_dump_json(exclude_defaults=True)
        if len(text.encode()) <= ESSENCE_LIMIT:
            return text
        limit //= 2


def from_essence(text: str, job: str, uid: str) -> Report | None:
    """What a termination message says; None for what is no such message."""
    try:
        said = _Essence.model_validate_json(text)
        ending = msgspec.convert(said.exit, ExitRecord | None)
    except (pydantic.ValidationError, msgspec.ValidationError, ValueError, RecursionError):
        return None
    outcome = CollectorOutcome(
        name="", usable=said.usable, entries=said.entries,
        reason="" if said.usable else said.why or Reason.OUTPUT_MISSING.value, message=said.about,
    )  # fmt: skip
    results = Results(url=said.url, truncated=True) if said.url and not said.lost else None
    return Report(
        job=job,
        uid=uid,
        attempt=said.attempt,
        pod_uid=said.pod_uid,
        exit=ending,
        stop_requested=said.stop_requested,
        message=said.message,
        collected=Collected(((outcome,),), results, said.headline, said.lost),
        spent=said.spent,
    )


def ending(reason: str, code: int | None, started: str, finished: str) -> ExitRecord:
    """An outcome as the platform tells it, where the launcher's own word is gone."""
    return ExitRecord(
        protocol=1, reason=reason, origin=Origin.APP, runs=0, exit_code=code,
        started_at=started, finished_at=finished,
    )  # fmt: skip


def _measured(report: Report) -> list[CollectorOutcome]:
    """What collectors brought, but for warm-ups, which do not count."""
    warmups = {record.index for record in report.runs if record.warmup}
    return [
        one
        for index, run in enumerate(report.collected.outcomes)
        if index not in warmups
        for one in run
    ]


def _short_exit(record: ExitRecord | None, limit: int) -> dict[str, Any] | None:
    if record is None:
        return None
    body: dict[str, Any] = _builtins(record)
    kept = {  # not `in`: 0 is equal to False
        key: value
        for key, value in body.items()
        if value is not None and value is not False and value != ""
    }
    said = {"message": cut(record.message, limit)} if record.message else {}
    return {**kept, "reason": cut(record.reason, 64), **said}


def _builtins(record: Any) -> Any:
    return msgspec.to_builtins(record) if record is not None else None
