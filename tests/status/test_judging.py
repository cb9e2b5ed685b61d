"""What facts mean for a job."""

from __future__ import annotations

import pytest

from facts import collected, ended, final, run, said
from profiling_operator.errors import Reason
from profiling_operator.executors import Observation, State
from profiling_operator.status import ConditionType, judging
from profiling_operator.status.judging import Collected, Facts


def test_there_is_no_verdict_before_the_files_were_collected() -> None:
    """An attempt that has ended is not yet a job that has."""
    assert judging.judge(Facts(now="")) is None
    assert judging.judge(Facts(now="", observation=Observation(State.ENDED))) is None
    assert judging.judge(Facts(now="", collected=Collected((), None))) is None


def test_an_error_needs_nothing_else() -> None:
    """Nothing was started, so there is nothing to wait for."""
    verdict = judging.judge(Facts(now="", error=(Reason.CANCELLED, "by hand")))

    assert verdict is not None
    assert (verdict.phase.value, verdict.reason) == ("Cancelled", Reason.CANCELLED)


def test_a_reason_is_ours_or_the_other_one() -> None:
    """The list is closed."""
    assert judging.known("AppFailed", Reason.LAUNCHER_FAILED) is Reason.APP_FAILED
    assert judging.known("Appfailed", Reason.LAUNCHER_FAILED) is Reason.LAUNCHER_FAILED


@pytest.mark.parametrize(
    "observation",
    [Observation(State.LOST), Observation(State.ENDED), Observation(State.LOST, exit=ended().exit)],
)
def test_an_attempt_that_left_no_outcome_is_lost(observation: Observation) -> None:
    """Whatever the state is called."""
    status = final(observation=observation, collected=collected())

    assert said(status, ConditionType.FAILED) == (
        "True",
        "InfrastructureLost",
        "the launcher ended without leaving an outcome",
    )


def test_the_platform_knows_better_than_the_launcher() -> None:
    """Out of memory looks like a signal from within."""
    observation = Observation(
        State.ENDED, exit=ended().exit, reason=Reason.APP_OOM_KILLED, message="8Gi"
    )

    assert final(observation=observation, collected=collected()).reason == "AppOOMKilled"


def test_a_platform_that_saw_nothing_wrong_decides_nothing() -> None:
    """The launcher's word counts then."""
    seen = ended(run(reason="AppFailed", exit_code=1))
    observation = Observation(State.ENDED, runs=seen.runs, exit=seen.exit, reason=Reason.COMPLETED)

    assert final(observation=observation, collected=collected()).reason == "AppFailed"


def test_a_reason_that_is_none_of_ours_is_not_repeated() -> None:
    """The application may write below `.run`."""
    status = final(observation=ended(run(reason="<b>Great</b>")), collected=collected())

    assert status.reason == "LauncherFailed"
    assert status.runs[0].app.reason == "LauncherFailed"
