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


def of(status: Status) -> Exit:
    """The exit code of a finished job.

    An application that never ran has no profile either; that is a failed job, not an unusable one.
    """
    if status.reason in USAGE_REASONS:
        return Exit.USAGE
    if status.reason == Reason.INFRASTRUCTURE_LOST:
        return Exit.PLATFORM_UNREACHABLE
    usable = status.condition(ConditionType.PROFILE_USABLE)
    measured = any(run.collectors for run in status.runs)
    unusable = usable is not None and usable.status == "False" and measured
    if status.reason in UNUSABLE_REASONS or (unusable and _ran(status)):
        return Exit.NOT_USABLE
    if status.phase is not Phase.SUCCEEDED:
        return Exit.JOB_FAILED
    gates = status.condition(ConditionType.GATES_PASSED)
    return Exit.GATE_FAILED if gates is not None and gates.status == "False" else Exit.OK


def _ran(status: Status) -> bool:
    return any(run.app.reason != Reason.CANNOT_START for run in status.runs)
