"""Exit codes of finished jobs."""

from __future__ import annotations

import pytest

from profiling_operator.cli import exits
from profiling_operator.cli.exits import Exit
from profiling_operator.status import (
    AppOutcome,
    CollectorOutcome,
    Condition,
    ConditionType,
    Phase,
    RunStatus,
    Status,
)

TIME = "2026-11-23T10:00:00Z"


def status(phase: Phase, reason: str, *, usable: bool = True, app: str = "Completed",
           gates: str = "", ran: bool = True) -> Status:  # fmt: skip
    """A finished status."""
    said = [(ConditionType.FINISHED, "True", reason)]
    said.append((ConditionType.PROFILE_USABLE, "True" if usable else "False", "x"))
    said += [(ConditionType.GATES_PASSED, gates, "x")] if gates else []
    run = RunStatus(
        index=0, app=AppOutcome(reason=app, started_at=TIME, finished_at=TIME),
        collectors=(CollectorOutcome(name="c", usable=usable),),
    )  # fmt: skip
    conditions = tuple(
        Condition.model_validate(
            {"type": kind, "status": value, "reason": why, "lastTransitionTime": TIME}
        )
        for kind, value, why in said
    )
    return Status(phase=phase, conditions=conditions, runs=(run,) if ran else ())


@pytest.mark.parametrize(("given", "code"), [
    (status(Phase.SUCCEEDED, "Completed"), Exit.OK),
    (status(Phase.SUCCEEDED, "Completed", gates="True"), Exit.OK),
    (status(Phase.SUCCEEDED, "Completed", gates="False"), Exit.GATE_FAILED),
    (status(Phase.FAILED, "AppFailed", app="AppFailed"), Exit.JOB_FAILED),
    (status(Phase.FAILED, "AppTimedOut", app="AppTimedOut"), Exit.JOB_FAILED),
    (status(Phase.FAILED, "AppFailed", usable=False, app="AppFailed"), Exit.NOT_USABLE),
    (status(Phase.FAILED, "CannotStart", usable=False, app="CannotStart"), Exit.JOB_FAILED),
    (status(Phase.FAILED, "NothingMeasured", usable=False), Exit.NOT_USABLE),
    (status(Phase.FAILED, "CountersNotPermitted", usable=False, ran=False), Exit.NOT_USABLE),
    (status(Phase.FAILED, "PlaybackNotReady", usable=False, ran=False), Exit.JOB_FAILED),
    (status(Phase.FAILED, "InfrastructureLost", usable=False, ran=False),
     Exit.PLATFORM_UNREACHABLE),
    (status(Phase.FAILED, "InvalidSpec", usable=False, ran=False), Exit.USAGE),
    (status(Phase.CANCELLED, "Cancelled"), Exit.JOB_FAILED),
])  # fmt: skip
def test_where_several_hold_the_documented_order_decides(given: Status, code: Exit) -> None:
    """2, 5, 4, 6, 3, 1."""
    assert exits.of(given) is code
