"""The models of `.status`."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from profiling_operator.frozen import Frozen, keyed_by

MESSAGE_LIMIT = 1024  # bytes


class Phase(StrEnum):
    """Where the job stands, for people."""

    PENDING = "Pending"
    QUEUED = "Queued"
    STARTING = "Starting"
    RUNNING = "Running"
    COLLECTING = "Collecting"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


class ConditionType(StrEnum):
    """The contract, for machines."""

    FINISHED = "Finished"
    """True on success, failure, timeout and cancel: the one to wait for."""
    COMPLETE = "Complete"
    FAILED = "Failed"
    PROFILE_USABLE = "ProfileUsable"
    GATES_PASSED = "GatesPassed"
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Condition(Frozen):
    """A condition as Kubernetes has them (metav1.Condition)."""

    type: ConditionType
    """What it is about. Wait for `Finished`; then one of `Complete` and `Failed` is True."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    reason: str
    """Why, in one word: see docs/reasons.md. Before the end, the phase."""
    message: str = ""
    """Why, for people."""
    last_transition_time: str
    """When `status` last changed."""
    observed_generation: int = 1
    """The generation of the spec that it is about."""


class AttemptStatus(Frozen):
    """One start of the plan."""

    number: int
    """Counts from 1."""
    job_name: str = ""
    """The batch/v1 Job, on Kubernetes."""
    pod_name: str = ""
    """Its pod."""
    pod_uid: str = Field(default="", alias="podUID")
    """The pod's UID."""
    node_name: str = ""
    """The node or host on which it ran."""
    device: str = ""
    """The GPU that it had."""
    image: str = ""
    """The application's image as it was resolved, with its digest."""
    outcome: str = ""
    """Why it ended: see docs/reasons.md. Empty while it runs."""
    started_at: str = ""
    """When it was started."""
    finished_at: str = ""
    """When it had ended."""


class AppOutcome(Frozen):
    """How the application ended."""

    exit_code: int | None = None
    """Its exit code; absent when a signal ended it."""
    signal: int | None = None
    """The signal that ended it."""
    reason: str
    """Why it ended: see docs/reasons.md."""
    message: str = ""
    """More on it, for people."""
    started_at: str
    """When it was started."""
    finished_at: str
    """When it had ended."""
    timed_out: bool = False
    """It reached `timeoutSeconds`."""


class CollectorOutcome(Frozen):
    """What one collector brought."""

    name: str
    """The collector."""
    exit_code: int | None = None
    """Its tool's exit code, where that is not the application's."""
    usable: bool
    """Whether it measured something."""
    entries: int = 0
    """How many entries its files gave."""
    reason: str = ""
    """Why its profile is not usable."""
    message: str = ""
    """What to do about it."""


class RunStatus(Frozen):
    """One run of the application."""

    index: int
    """Counts from 0, warm-ups first."""
    warmup: bool = False
    """It does not count, whatever its collectors brought."""
    app: AppOutcome
    """How the application ended."""
    collectors: tuple[CollectorOutcome, ...] = ()
    """What each collector brought."""


class ResultFile(Frozen):
    """One file of the result folder."""

    path: str
    """Below the result folder."""
    size: int
    """In bytes."""
    sha256: str
    """Checksum, in hexadecimal."""
    count: int | None = None
    """Entries in it, where it holds entries."""


class Measure(Frozen):
    """One number worth reading first, over the repetitions."""

    measure: str
    """Its name, as in `timer:hot/inclusive`."""
    unit: str
    """Its unit in UCUM, as in `ns`."""
    values: tuple[float, ...]
    """One value per repetition."""
    median: float
    """Their median."""


class Results(Frozen):
    """Where the results are and what they say."""

    url: str = ""
    """The result folder."""
    files: tuple[ResultFile, ...] = ()
    """The files in it."""
    summary: tuple[Measure, ...] = ()
    """The numbers worth reading first, at most 20; summary.json has all."""
    truncated: bool = False
    """Something of the status did not fit and was left out; the files hold everything."""


class GateStatus(Frozen):
    """The verdict on one gate."""

    measure: str
    """The measure that it is about."""
    value: float | None = None
    """What was measured."""
    limit: float | None = None
    """What was allowed, in the same unit."""
    baseline: float | None = None
    """What the baseline had."""
    verdict: Literal["Passed", "Failed", "Skipped"]
    """`Skipped` where there was nothing to compare."""
    message: str = ""
    """The verdict, for people."""


class Status(Frozen):
    """What became of the job. Written by the operator, or by `profjob run`."""

    observed_generation: int = 1
    """The generation of the spec that this is about."""
    phase: Phase = Phase.PENDING
    """Where the job stands, for people. Machines read `conditions`."""
    conditions: tuple[Condition, ...] = Field(default=(), json_schema_extra=keyed_by("type"))
    """The contract, for machines."""
    start_time: str = ""
    """When the first attempt began to run."""
    completion_time: str = ""
    """When the job had finished."""
    duration: str = ""
    """From the one to the other, as in `1m30s`."""
    headline: str = ""
    """The result in one line."""
    attempts: tuple[AttemptStatus, ...] = ()
    """Each start of the plan; a retry is a new one."""
    runs: tuple[RunStatus, ...] = ()
    """The runs of the last attempt."""
    results: Results | None = None
    """Where the results are and what they say."""
    gates: tuple[GateStatus, ...] = ()
    """The verdict on each gate."""

    def condition(self, kind: ConditionType) -> Condition | None:
        """The condition of a type, if there is one."""
        return next((one for one in self.conditions if one.type is kind), None)

    def holds(self, kind: ConditionType) -> bool:
        """Whether a condition is True."""
        found = self.condition(kind)
        return found is not None and found.status == "True"

    @property
    def reason(self) -> str:
        """Why the job ended as it did; empty before."""
        found = self.condition(ConditionType.FINISHED)
        return found.reason if found and found.status == "True" else ""


def time_text(moment: datetime) -> str:
    """A time in UTC as metav1.Time has it: RFC 3339 without a fraction."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def cut(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """The text in at most `limit` bytes of UTF-8, without control characters but newlines."""
    clean = "".join(one if one == "\n" or one.isprintable() else " " for one in text)
    encoded = clean.encode(errors="replace")
    if len(encoded) <= limit:
        return encoded.decode()
    return encoded[: limit - len("…".encode())].decode(errors="ignore") + "…"
