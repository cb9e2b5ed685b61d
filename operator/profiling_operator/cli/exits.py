"""Exit codes: stable, and documented in docs/cli.md."""

from __future__ import annotations

from enum import IntEnum

from profiling_operator.errors import Reason
from profiling_operator.status import ConditionType, Phase, Status


class Exit(IntEnum):
    """Where several hold, the first of 2, 5, 4, 6, 3, 1 is taken."""

    OK = 0
    GATE_FAILED = 1
    USAGE = 2
    JOB_FAILED = 3
    TIMED_OUT_WAITING = 4
    PLATFORM_UNREACHABLE = 5
    NOT_USABLE = 6


USAGE_REASONS = {Reason.INVALID_SPEC.value, Reason.COLLECTORS_CLASH.value}
UNUSABLE_REASONS = {
    reason.value
    for reason in (
        Reason.NOTHING_MEASURED,
        Reason.NO_GPU_DATA,
        Reason.COUNTERS_NOT_PERMITTED,
        Reason.OUTPUT_MISSING,
        Reason.OUTPUT_TRUNCATED,
        Reason.OUTPUT_UNREADABLE,
        Reason.PROFILE_OVERWRITTEN,
    )
}


def of_reason(reason: str) -> Exit:
    """The exit code of what went wrong, when nothing else did."""
    if reason in USAGE_REASONS:
        return Exit.USAGE
    if reason == Reason.INFRASTRUCTURE_LOST:
        return Exit.PLATFORM_UNREACHABLE
    return Exit.NOT_USABLE if reason in UNUSABLE_REASONS else Exit.JOB_FAILED


def of(status: Status) -> Exit:
    """The exit code of a finished job.

    An application that never ran has no profile either; that is a failed job, not an unusable one.
    """
    worst = of_reason(status.reason)
    if worst in {Exit.USAGE, Exit.PLATFORM_UNREACHABLE}:
        return worst
    usable = status.condition(ConditionType.PROFILE_USABLE)
    measured = any(run.collectors for run in status.runs)
    unusable = usable is not None and usable.status == "False" and measured
    if worst is Exit.NOT_USABLE or (unusable and _ran(status)):
        return Exit.NOT_USABLE
    if status.phase is not Phase.SUCCEEDED:
        return Exit.JOB_FAILED
    gates = status.condition(ConditionType.GATES_PASSED)
    return Exit.GATE_FAILED if gates is not None and gates.status == "False" else Exit.OK


def _ran(status: Status) -> bool:
    return any(run.app.reason != Reason.CANNOT_START for run in status.runs)
