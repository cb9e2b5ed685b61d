"""Waiting beside the application for its launcher's end, whatever becomes of either."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from making import job
from pod_side import PodSide
from profiling_operator import awaiting
from profiling_operator.awaiting import Ending, Limits, Stop
from profiling_operator.observation import State
from profiling_operator.plan import build_plan

PATIENT = Limits(start=60, run=60, stop=60)


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[PodSide]:
    """The folders of a pod."""
    side = PodSide(tmp_path)
    yield side
    side.end()


def end_of(pod: PodSide, limits: Limits = PATIENT, stop: Stop | None = None) -> Ending:
    """Waits in this pod."""
    return awaiting.await_end(pod.where.workspace, 1, limits, stop or Stop())


def wished() -> Stop:
    """A stop that is wished."""
    stop = Stop()
    stop.note()
    return stop


def test_an_end_is_seen_with_its_outcome(pod: PodSide) -> None:
    """Runs and exit code are there, also where the launcher had ended before anybody waited."""
    pod.launched(pod.assign("exit 3"))

    ending = end_of(pod)

    seen = ending.observation
    assert (ending.has_started, seen.state, seen.message) == (True, State.ENDED, "")
    assert seen.exit is not None
    assert (seen.exit.exit_code, [one.exit_code for one in seen.runs]) == (3, [3])


def test_a_killed_launcher_is_noticed_at_once(pod: PodSide) -> None:
    """The kernel wakes us: long before any limit, and there is no outcome."""
    process = pod.launch(pod.assign("sleep 60"))
    pod.wait_until_started()
    process.send_signal(signal.SIGKILL)

    seen = end_of(pod).observation

    assert (seen.state, seen.exit) == (State.LOST, None)
    assert seen.started is not None
    assert seen.message == "the launcher ended without leaving an outcome"


def test_nothing_that_starts_is_an_outcome(pod: PodSide) -> None:
    """The limit is told."""
    ending = end_of(pod, Limits(start=0.05, run=60, stop=60))

    assert not ending.has_started
    assert ending.observation.state is State.LOST
    assert ending.observation.message == "the application was not started within 0.05 s"


def test_a_stop_before_the_start_is_obeyed(pod: PodSide) -> None:
    """There is nothing to keep."""
    ending = end_of(pod, stop=wished())

    assert not ending.has_started
    assert ending.observation.message == "the pod was ended before the application was started"


def test_a_stop_after_the_start_is_no_reason_to_give_up(pod: PodSide) -> None:
    """The launcher is told to end, too, and writes its outcome."""
    process = pod.launch(pod.assign("sleep 0.5; exit 4"))
    pod.wait_until_started()

    seen = end_of(pod, stop=wished()).observation

    assert seen.exit is not None
    assert seen.exit.exit_code == 4
    assert process.wait(10) == 4


@pytest.mark.parametrize(
    ("limits", "stop", "why"),
    [
        (Limits(60, 0.2, 60), Stop(), "the application did not end within 0.2 s"),
        (Limits(60, 60, 0.2), wished(), "the application did not end within 0.2 s of being told"),
    ],
    ids=["run", "stop"],
)
def test_an_application_that_does_not_end_is_an_outcome(
    pod: PodSide, limits: Limits, stop: Stop, why: str
) -> None:
    """Neither a limit that the launcher should have kept nor the pod's grace is overrun."""
    pod.launch(pod.assign("sleep 60"))
    pod.wait_until_started()

    seen = end_of(pod, limits, stop).observation

    assert seen.state is State.LOST
    assert seen.message.startswith(why)


def test_an_application_that_removes_the_sign_of_life_is_still_waited_for(pod: PodSide) -> None:
    """As long as there may be an outcome."""
    pod.launch(pod.assign(f"until [ -e {pod.folder}/go ]; do sleep 0.01; done; exit 5"))
    pod.wait_until_started()
    (pod.where.workspace / ".run" / "alive").unlink()
    (pod.folder / "go").touch()

    seen = end_of(pod).observation

    assert seen.exit is not None
    assert seen.exit.exit_code == 5


def test_removed_files_without_an_outcome_are_told(pod: PodSide) -> None:
    """Until the limit."""
    pod.launched(pod.assign("true"))
    (pod.where.workspace / ".run" / "alive").unlink()
    (pod.where.workspace / ".run" / "exit.json").unlink()

    seen = end_of(pod, Limits(60, 0.05, 60)).observation

    assert seen.message == "the launcher's files were removed, and no outcome came within 0.05 s"


def test_limits_are_those_of_the_plan_and_a_margin() -> None:
    """A playback server has its own time before the start; the pod's grace is longer."""
    playback = {"image": "p", "command": ["p"], "port": 1, "readiness": {"timeoutSeconds": 7}}
    plan = build_plan(job(playback=playback, deadlines={"startSeconds": 100}))

    limits = awaiting.limits_of(plan)

    assert limits.start == 100 + 7 + awaiting.MARGIN_SECONDS
    assert limits.run == plan.longest_seconds + awaiting.MARGIN_SECONDS
    assert plan.stop_seconds < limits.stop < plan.stop_seconds + 30


def test_what_has_ended_is_not_waited_for(pod: PodSide) -> None:
    """Its outcome is there."""
    pod.launched(pod.assign("exit 3"))

    ending = awaiting.ending_of(pod.where.workspace, 1)

    seen = ending.observation
    assert (ending.has_started, seen.state, seen.message) == (True, State.ENDED, "")
    assert seen.exit is not None
    assert (seen.exit.exit_code, [one.exit_code for one in seen.runs]) == (3, [3])


def test_what_has_ended_without_an_outcome_is_lost(pod: PodSide) -> None:
    """However long it might have run."""
    process = pod.launch(pod.assign("sleep 60"))
    pod.wait_until_started()
    process.kill()
    process.wait()

    ending = awaiting.ending_of(pod.where.workspace, 1)

    seen = ending.observation
    assert ending.has_started
    assert (seen.state, seen.exit) == (State.LOST, None)
    assert seen.message == "the launcher ended without leaving an outcome"


def test_what_has_ended_without_a_start_never_started(pod: PodSide) -> None:
    """No workspace, or an empty one: it is the same."""
    for root in (pod.where.workspace, pod.folder / "nothing"):
        ending = awaiting.ending_of(root, 1)

        assert not ending.has_started
        assert ending.observation.state is State.LOST
        assert ending.observation.message == "the launcher left no word of a start"
