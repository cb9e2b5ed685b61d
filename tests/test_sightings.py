"""What a container's state and the launcher's records mean together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from facts import STARTED, run
from profiling_operator.errors import Reason
from profiling_operator.observation import Observation, State
from profiling_operator.sightings import Records, observation, read_records
from profiling_operator.workspace import CONTROL, ExitRecord, Origin

NOON = "2026-01-31T12:00:00.5Z"
BEFORE = "2026-01-31T12:00:00.499999999Z"
AFTER = "2026-01-31T12:00:01Z"
NEVER = "0001-01-01T00:00:00Z"


def container(status: str = "exited", memory: int = 0, **state: Any) -> dict[str, Any]:
    """A container as `docker inspect` shows it."""
    return {
        "State": {"Status": status, "ExitCode": 0, "OOMKilled": False, "Error": "", **state},
        "HostConfig": {"Memory": memory},
    }


def left(reason: str = "Completed", **fields: Any) -> ExitRecord:
    """The launcher's last word."""
    return ExitRecord(
        protocol=1, reason=reason, origin=Origin.APP, runs=1, started_at=NOON, finished_at=NOON,
        **fields,
    )  # fmt: skip


def records(reason: str = "Completed", *, stop: bool = False) -> Records:
    """What a launcher that ended leaves."""
    return Records(STARTED, (run(),), left(reason), stop)


RUNNING = Records(STARTED, (run(),))
"""What a launcher has written down that has not ended, or died."""


@pytest.mark.parametrize(
    ("status", "given", "state"),
    [
        ("created", Records(), State.STARTING),
        ("running", Records(), State.RUNNING),
        ("running", RUNNING, State.RUNNING),
        ("paused", RUNNING, State.RUNNING),
        ("restarting", RUNNING, State.RUNNING),
        ("a word of a later engine", RUNNING, State.RUNNING),
        ("removing", RUNNING, State.LOST),
        ("removing", records(), State.LOST),
        ("exited", Records(), State.LOST),
        ("exited", RUNNING, State.LOST),
        ("dead", RUNNING, State.LOST),
        ("exited", records(), State.ENDED),
        ("dead", records(), State.ENDED),
    ],
)
def test_a_state_is_the_container_s_and_needs_an_outcome_to_be_the_end(
    status: str, given: Records, state: State
) -> None:
    """Ended without the launcher's last word is lost: nobody knows how it went."""
    seen = observation(container(status), given)

    assert seen.state is state
    assert (seen.started, seen.runs) == (given.started, given.runs)
    assert seen.reason is None


@pytest.mark.parametrize("status", ["created", "running", "paused", "removing"])
def test_an_outcome_counts_only_when_the_container_has_ended(status: str) -> None:
    """The launcher writes it a moment before, and what is being removed has none."""
    assert observation(container(status), records()).exit is None


@pytest.mark.parametrize(
    "reason",
    [
        "Completed", "AppFailed", "AppKilled", "AppTimedOut", "CannotStart", "CollectorFailed",
        "CannotStop", "LauncherFailed", "OutputTooLarge", "a word of a later launcher",
    ],
)  # fmt: skip
def test_what_the_launcher_says_stands(reason: str) -> None:
    """The engine knows nothing better of a container that just ended."""
    given = records(reason)

    assert observation(container(ExitCode=3), given, node="here") == Observation(
        State.ENDED, started=STARTED, runs=given.runs, exit=given.exit, node="here"
    )


@pytest.mark.parametrize("reason", ["AppKilled", "AppFailed", "CollectorFailed"])
def test_who_was_killed_for_memory_is_told(reason: str) -> None:
    """With the limit: the launcher sees only that something was killed or failed."""
    seen = observation(container(memory=64 << 20, OOMKilled=True), records(reason))

    assert seen.state is State.ENDED
    assert seen.reason is Reason.APP_OOM_KILLED
    assert seen.message == "out of memory: the limit is 67108864 bytes"


def test_memory_may_run_out_without_a_limit() -> None:
    """The machine's own."""
    seen = observation(container(OOMKilled=True), records("AppKilled"))

    assert (seen.reason, seen.message) == (Reason.APP_OOM_KILLED, "out of memory")


@pytest.mark.parametrize("reason", ["Completed", "AppTimedOut", "Cancelled", "OutputTooLarge"])
def test_a_kill_for_memory_that_did_not_end_it_is_not_why(reason: str) -> None:
    """A child of the application was killed, and the application coped with it."""
    given = records(reason, stop=True)

    assert observation(container(OOMKilled=True), given).reason is None


def test_a_launcher_that_was_killed_for_memory_is_told() -> None:
    """It left no outcome, but the engine knows why."""
    seen = observation(container(memory=1 << 20, OOMKilled=True, ExitCode=137), RUNNING)

    assert seen.state is State.LOST
    assert seen.reason is Reason.APP_OOM_KILLED
    assert seen.message == "out of memory: the limit is 1048576 bytes"


def test_a_stop_from_outside_is_nobody_s_wish() -> None:
    """`docker stop`, or the engine's own end: no `.run/stop` asked for it."""
    seen = observation(container(ExitCode=143), records("Cancelled"))

    assert seen.state is State.ENDED
    assert (seen.reason, seen.message) == (
        Reason.INFRASTRUCTURE_LOST, "the container was stopped from outside",
    )  # fmt: skip


def test_a_stop_of_ours_is_a_wish() -> None:
    """The launcher's word stands."""
    assert observation(container(ExitCode=143), records("Cancelled", stop=True)).reason is None


@pytest.mark.parametrize(
    ("ending", "server", "reason"),
    [
        ("AppFailed", container(FinishedAt=BEFORE), Reason.PLAYBACK_FAILED),
        ("AppKilled", container(FinishedAt=BEFORE), Reason.PLAYBACK_FAILED),
        ("AppTimedOut", container(FinishedAt=BEFORE), Reason.PLAYBACK_FAILED),
        ("Completed", container(FinishedAt=BEFORE), None),
        ("AppFailed", container(FinishedAt=AFTER), None),
        ("AppFailed", container(FinishedAt=NOON), None),
        ("AppFailed", container("running", FinishedAt=NEVER), None),
        ("AppFailed", container("running", FinishedAt=BEFORE), None),
        ("AppFailed", container(FinishedAt="yesterday"), None),
        ("AppFailed", container(), None),
        ("AppFailed", None, None),
    ],
)
def test_a_server_that_ended_first_is_why_the_application_failed(
    ending: str, server: dict[str, Any] | None, reason: Reason | None
) -> None:
    """To the nanosecond; an application that did well without it did well."""
    seen = observation(container(), records(ending), server)

    assert seen.reason is reason
    told = "the playback server ended before the application did" if reason else ""
    assert seen.message == told


@pytest.mark.parametrize(
    ("state", "words", "message"),
    [
        (
            {"ExitCode": 137}, "",
            "the launcher ended without leaving an outcome; exit code 137",
        ),
        (
            {"ExitCode": 127, "Error": "exec: no such file"}, "",
            "the launcher ended without leaving an outcome; exit code 127; exec: no such file",
        ),
        (
            {"ExitCode": 125}, "launch: no space left",
            "the launcher ended without leaving an outcome; exit code 125; launch: no space left",
        ),
    ],
)  # fmt: skip
def test_what_was_lost_is_told_with_its_last_words(
    state: dict[str, Any], words: str, message: str
) -> None:
    """Exit code, the engine's error, and what it printed: all that anybody can know."""
    assert observation(container(**state), RUNNING, last_words=words).message == message


def test_a_container_without_a_host_s_part_is_one(tmp_path: Path) -> None:
    """Engines may leave out what is empty."""
    bare = {"State": {"Status": "exited", "OOMKilled": True}, "HostConfig": None}

    assert observation(bare, Records()).reason is Reason.APP_OOM_KILLED


def test_records_are_read_from_a_copy(tmp_path: Path) -> None:
    """All that is there, and whether a stop was asked for."""
    control = tmp_path / CONTROL
    control.mkdir()
    times = {"startedAt": NOON, "finishedAt": AFTER}
    ticks = {"startedMonotonicNs": 0, "finishedMonotonicNs": 1}
    one = {"warmup": False, "reason": "Completed", "origin": "app", **times, **ticks}
    end = {"protocol": 1, "reason": "Completed", "origin": "app", "runs": 3, **times}
    begun = {"protocol": 1, "pid": 7, "runs": 3, "warmups": 0, "startedAt": NOON}
    files: dict[str, Any] = {
        "started.json": {**begun, "startedMonotonicNs": 0},
        **{f"run-{index}.json": {**one, "index": index} for index in range(3)},
        "exit.json": end,
        "stop": "Cancelled",
    }
    assert read_records(tmp_path, 3) == Records()
    for name, body in files.items():
        (control / name).write_text(json.dumps(body))

    found = read_records(tmp_path, 2)

    assert found.started is not None and found.started.pid == 7
    assert [each.index for each in found.runs] == [0, 1]
    assert found.exit is not None and found.exit.runs == 3
    assert found.stop_requested
