"""How facts become a status."""

from __future__ import annotations

import pytest

from facts import (
    EMPTY,
    LATER,
    NOON,
    RESULTS,
    STARTED,
    USABLE,
    collected,
    ended,
    final,
    gate,
    run,
    said,
)
from profiling_operator.errors import Reason
from profiling_operator.executors import Observation, State
from profiling_operator.status import (
    AttemptStatus,
    Collected,
    CollectorOutcome,
    ConditionType,
    Facts,
    Phase,
    Status,
    next_status,
)
from profiling_operator.workspace import Origin


def test_a_job_that_went_well_is_complete() -> None:
    """Application, collector and upload all did."""
    status = final(
        observation=ended(),
        collected=collected(headline="hot 81 %"),
        attempt=AttemptStatus(number=1, node_name="n"),
    )

    assert status.phase is Phase.SUCCEEDED
    assert said(status, ConditionType.FINISHED) == ("True", "Completed", "hot 81 %")
    assert status.holds(ConditionType.COMPLETE)
    assert status.condition(ConditionType.FAILED) is None
    assert said(status, ConditionType.PROFILE_USABLE) == ("True", "Completed", "")
    assert status.holds(ConditionType.READY)
    assert not status.holds(ConditionType.RECONCILING)
    assert not status.holds(ConditionType.STALLED)
    assert status.headline == "hot 81 %"
    assert status.reason == "Completed"
    assert (status.start_time, status.completion_time) == (NOON, LATER)
    assert status.duration == "1h1m5s"
    assert status.results == RESULTS
    assert status.runs[0].collectors == USABLE
    assert status.attempts == (
        AttemptStatus(number=1, node_name="n", outcome="Completed", finished_at=LATER),
    )
    assert status.observed_generation == 2


def test_an_application_that_failed_keeps_its_results() -> None:
    """Failed, and the profile is there and usable."""
    observation = ended(run(reason="AppFailed", exit_code=3))

    status = final(observation=observation, collected=collected())

    assert status.phase is Phase.FAILED
    assert said(status, ConditionType.FAILED) == ("True", "AppFailed", "run 0: exit code 3")
    assert status.condition(ConditionType.COMPLETE) is None
    assert status.holds(ConditionType.PROFILE_USABLE)
    assert status.holds(ConditionType.STALLED)
    assert status.results == RESULTS
    assert status.runs[0].app.exit_code == 3


def test_a_signal_is_named() -> None:
    """There is no exit code then."""
    observation = ended(run(reason="AppKilled", exit_code=None, signal=11))

    status = final(observation=observation, collected=collected())

    assert said(status, ConditionType.FAILED)[2] == "run 0: signal 11"


def test_a_failed_application_whose_results_are_lost_tells_both() -> None:
    """Three separate facts; the first one gives the reason."""
    status = final(
        observation=ended(run(reason="AppTimedOut", exit_code=None), message="after 60 s"),
        collected=collected(results=None, lost="no space left"),
    )

    assert said(status, ConditionType.FAILED) == (
        "True",
        "AppTimedOut",
        "after 60 s; the results are lost: no space left",
    )


def test_results_that_are_lost_fail_the_job() -> None:
    """The application went well, and nobody will ever read the profile."""
    status = final(observation=ended(), collected=collected(results=None, lost="no space left"))

    assert said(status, ConditionType.FAILED) == ("True", "ResultsLost", "no space left")
    assert status.holds(ConditionType.PROFILE_USABLE)


def test_a_profile_that_holds_nothing_fails_the_job() -> None:
    """With the collector's reason."""
    status = final(observation=ended(), collected=collected(EMPTY))

    assert said(status, ConditionType.FAILED) == (
        "True",
        "NothingMeasured",
        "tau: the profile is empty",
    )
    assert said(status, ConditionType.PROFILE_USABLE)[:2] == ("False", "NothingMeasured")


@pytest.mark.parametrize("reason", ["", "Nonsense"])
def test_a_collector_without_a_known_reason_measured_nothing(reason: str) -> None:
    """The list of reasons is closed."""
    outcome = CollectorOutcome(name="tau", usable=False, reason=reason)

    assert final(observation=ended(), collected=collected((outcome,))).reason == "NothingMeasured"


def test_a_warmup_without_a_profile_does_not_fail_the_job() -> None:
    """Warm-ups do not count."""
    observation = ended(run(0, warmup=True), run(1))

    status = final(observation=observation, collected=collected(EMPTY, USABLE))

    assert status.phase is Phase.SUCCEEDED
    assert status.holds(ConditionType.PROFILE_USABLE)
    assert status.runs[0].collectors == EMPTY


def test_each_measured_run_must_be_usable() -> None:
    """Statistics over two of three repetitions would mislead."""
    observation = ended(run(0), run(1), run(2))

    status = final(observation=observation, collected=collected(USABLE, EMPTY, USABLE))

    assert status.reason == "NothingMeasured"


@pytest.mark.parametrize("outcomes", [(), ((),), (USABLE,), (USABLE, ())])
def test_a_run_of_which_nothing_was_collected_is_not_usable(
    outcomes: tuple[tuple[CollectorOutcome, ...], ...],
) -> None:
    """Also when fewer runs were collected than ended."""
    gathered = Collected(outcomes=outcomes, results=RESULTS)

    status = final(observation=ended(run(0), run(1)), collected=gathered)

    index = len([one for one in outcomes if one])
    assert said(status, ConditionType.FAILED) == (
        "True",
        "OutputMissing",
        f"run {index}: nothing was collected",
    )
    assert status.runs[1].collectors == ()


def test_an_outcome_without_a_measured_run_is_none() -> None:
    """An application can write exit.json, too."""
    observation = Observation(State.ENDED, started=STARTED, exit=ended().exit)

    status = final(observation=observation, collected=Collected(outcomes=(), results=RESULTS))

    assert said(status, ConditionType.FAILED) == ("True", "OutputMissing", "no measured run ended")


def test_a_cancelled_job_is_cancelled() -> None:
    """Failed for machines, Cancelled for people."""
    status = final(
        observation=ended(run(reason="Cancelled", origin=Origin.LAUNCHER)), collected=collected()
    )

    assert status.phase is Phase.CANCELLED
    assert said(status, ConditionType.FAILED)[:2] == ("True", "Cancelled")


def test_what_kept_the_attempt_from_starting_is_told() -> None:
    """A preflight's finding; nothing was measured for the same reason."""
    status = final(error=(Reason.COUNTERS_NOT_PERMITTED, "ask the administrator"))

    assert said(status, ConditionType.FAILED) == (
        "True",
        "CountersNotPermitted",
        "ask the administrator",
    )
    assert said(status, ConditionType.PROFILE_USABLE)[:2] == ("False", "CountersNotPermitted")
    assert status.duration == ""


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["Passed", "Passed"], ("True", "Completed", "")),
        (["Passed", "Skipped"], ("True", "Completed", "1 of 2 skipped: it Skipped")),
        (["Skipped"], ("Unknown", "Completed", "1 of 1 skipped: it Skipped")),
        (["Failed", "Passed"], ("False", "GateFailed", "it Failed")),
    ],
)
def test_gates_are_judged_apart(verdicts: list[str], expected: tuple[str, str, str]) -> None:
    """A gate that was not met leaves the job complete."""
    gates = [gate(verdict) for verdict in verdicts]

    status = final(observation=ended(), collected=collected(gates=gates))

    assert status.holds(ConditionType.COMPLETE)
    assert said(status, ConditionType.GATES_PASSED) == expected
    assert status.gates == tuple(gates)


def test_gates_of_a_failed_job_are_not_passed() -> None:
    """Unknown: there was nothing to judge."""
    status = final(
        observation=ended(run(reason="AppFailed", exit_code=1)),
        collected=collected(gates=[gate("Skipped")]),
    )

    assert said(status, ConditionType.GATES_PASSED)[:2] == ("Unknown", "AppFailed")


def test_without_gates_nothing_is_said_of_them() -> None:
    """A condition that is always True means nothing."""
    status = final(observation=ended(), collected=collected())

    assert status.condition(ConditionType.GATES_PASSED) is None


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        (State.STARTING, Phase.STARTING),
        (State.RUNNING, Phase.RUNNING),
        (State.ENDED, Phase.COLLECTING),
        (State.LOST, Phase.COLLECTING),
    ],
)
def test_before_the_end_the_phase_is_what_is_seen(state: State, phase: Phase) -> None:
    """And the conditions say that it goes on."""
    status = final(observation=Observation(state))

    assert status.phase is phase
    assert said(status, ConditionType.FINISHED) == ("False", phase.value, "")
    assert status.holds(ConditionType.RECONCILING)
    assert status.reason == ""
    assert status.completion_time == ""


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    """A new reason alone is no transition."""
    first = next_status(Status(), Facts(now=NOON, observation=Observation(State.STARTING)))
    second = next_status(first, Facts(now=LATER, observation=Observation(State.RUNNING)))
    third = next_status(second, Facts(now=LATER, observation=ended(), collected=collected()))

    times = [
        one.condition(ConditionType.FINISHED).last_transition_time  # type: ignore[union-attr]
        for one in (first, second, third)
    ]
    assert times == [NOON, NOON, LATER]


def test_a_new_attempt_does_not_show_the_runs_of_the_one_before() -> None:
    """They are not its own, and it may end without any."""
    first = next_status(
        Status(),
        Facts(
            now=NOON,
            attempt=AttemptStatus(number=1),
            observation=Observation(State.RUNNING, runs=(run(),)),
        ),
    )
    second = next_status(
        first,
        Facts(now=LATER, attempt=AttemptStatus(number=2), observation=Observation(State.STARTING)),
    )

    assert len(first.runs) == 1
    assert second.runs == ()
    assert [one.number for one in second.attempts] == [1, 2]


def test_runs_stay_when_nothing_is_seen_for_a_moment() -> None:
    """A look that failed is no news."""
    first = next_status(
        Status(),
        Facts(
            now=NOON,
            attempt=AttemptStatus(number=1),
            observation=Observation(State.RUNNING, runs=(run(),)),
        ),
    )

    second = next_status(first, Facts(now=LATER, attempt=AttemptStatus(number=1)))

    assert second.runs == first.runs
    assert second.phase is Phase.RUNNING
