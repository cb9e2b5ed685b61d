"""The workspace protocol as a reader sees it, with an application that cannot be trusted."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from profiling_operator import workspace
from profiling_operator.errors import Reason
from profiling_operator.workspace import CONTROL, RECORD_LIMIT, Liveness, Origin

TIMES = {
    "startedAt": "2026-01-31T12:00:00.000000001Z",
    "finishedAt": "2026-01-31T12:00:01.500000001Z",
    "startedMonotonicNs": 1_000,
    "finishedMonotonicNs": 1_500_001_000,
}
STARTED = {
    "protocol": 1, "name": "a", "pid": 7, "runs": 3, "warmups": 1,
    "startedAt": TIMES["startedAt"], "startedMonotonicNs": 1,
}  # fmt: skip
RUN = {
    **TIMES, "index": 0, "warmup": False, "reason": "AppFailed", "origin": "app", "message": "",
    "exitCode": 3, "signal": None, "timedOut": False, "userSeconds": 0.5, "systemSeconds": 0,
    "peakMemoryBytes": 4096, "toolExitCode": None, "toolSignal": None, "logBytes": 0,
    "logTruncated": False,
}  # fmt: skip
EXIT = {
    **TIMES, "protocol": 1, "reason": "Completed", "origin": "app", "message": "", "exitCode": 0,
    "signal": None, "timedOut": False, "runs": 3,
}  # fmt: skip

# Stands for the launcher: holds the FIFO as it does, and says when it does.
HOLDER = """
import os, sys, time
os.open(sys.argv[1], os.O_RDWR | os.O_CLOEXEC)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with nothing in it."""
    (tmp_path / CONTROL).mkdir()
    return tmp_path


def put(root: Path, name: str, body: Any) -> Path:
    """A file of the protocol."""
    path = root / CONTROL / name
    path.write_text(body if isinstance(body, str) else json.dumps(body), encoding="utf-8")
    return path


@contextlib.contextmanager
def launcher(root: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds `alive`."""
    alive = root / CONTROL / "alive"
    os.mkfifo(alive)
    words = [sys.executable, "-c", HOLDER, str(alive)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        put(root, "started.json", STARTED)
        try:
            yield process
        finally:
            process.kill()


def test_records_are_read(root: Path) -> None:
    """All three, with what the launcher writes into them."""
    put(root, "started.json", STARTED)
    put(root, "run-0.json", RUN)
    put(root, "exit.json", EXIT)

    started, run, end = workspace.read_started(root), workspace.read_run(root, 0), None
    end = workspace.read_exit(root)

    assert started is not None
    assert (started.pid, started.runs, started.warmups) == (7, 3, 1)
    assert run is not None
    assert (run.exit_code, run.origin, run.nanoseconds) == (3, Origin.APP, 1_500_000_000)
    assert end is not None
    assert (end.reason, end.exit_code, end.runs) == (Reason.COMPLETED, 0, 3)


def test_what_is_not_there_is_none(root: Path, tmp_path: Path) -> None:
    """Nor is a workspace that was never made."""
    for place in (root, tmp_path / "nowhere"):
        assert workspace.read_started(place) is None
        assert workspace.read_run(place, 0) is None
        assert workspace.read_exit(place) is None
        assert workspace.read_runs(place, 5) == ()


def test_runs_are_read_up_to_the_first_that_has_not_ended(root: Path) -> None:
    """And no more than were planned."""
    for index in (0, 1, 3):
        put(root, f"run-{index}.json", {**RUN, "index": index})

    assert [run.index for run in workspace.read_runs(root, 5)] == [0, 1]
    assert [run.index for run in workspace.read_runs(root, 1)] == [0]


def test_unknown_fields_are_left_alone(root: Path) -> None:
    """A newer launcher may say more."""
    put(root, "exit.json", {**EXIT, "new": {"a": [1]}})

    assert workspace.read_exit(root) is not None


def as_fifo(path: Path) -> None:
    """Opening it would wait for a writer."""
    os.mkfifo(path)


def as_link(path: Path) -> None:
    """To a record that somebody else wrote."""
    other = path.parent.parent / "other.json"
    other.write_text(json.dumps(RUN))
    path.symlink_to(other)


def as_folder(path: Path) -> None:
    """No file at all."""
    path.mkdir()


def as_huge(path: Path) -> None:
    """A record that never ends."""
    path.write_text(json.dumps({**RUN, "message": "x" * RECORD_LIMIT}))


def as_garbage(path: Path) -> None:
    """Bytes that are no JSON."""
    path.write_bytes(b"\xff\x00{")


def as_empty(path: Path) -> None:
    """What a disk that is full leaves."""
    path.touch()


def as_deep(path: Path) -> None:
    """Nested until a parser's stack overflows."""
    path.write_text('{"x":' + "[" * (RECORD_LIMIT - 10))


def as_unreadable(path: Path) -> None:
    """A link that leads to itself."""
    path.symlink_to(path)


HOSTILE = [as_fifo, as_link, as_folder, as_huge, as_garbage, as_empty, as_deep, as_unreadable]


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
def test_a_file_that_is_not_what_it_should_be_counts_as_absent(
    root: Path, make: Callable[[Path], None]
) -> None:
    """At once, and without an exception."""
    make(root / CONTROL / "run-0.json")

    assert workspace.read_run(root, 0) is None


@pytest.mark.parametrize(
    "change",
    [
        {"index": 1},
        {"index": -1},
        {"reason": 5},
        {"reason": "x" * 9000},
        {"origin": "kernel"},
        {"startedAt": "now"},
        {"startedAt": "2026-02-31T12:00:00Z"},
        {"finishedAt": "2026-01-31T99:00:00Z"},
        {"finishedAt": "2026-01-31T12:00:00Z\n"},
        {"exitCode": 2**63},
        {"peakMemoryBytes": -1},
        {"logBytes": 10**30},
        {"userSeconds": "1"},
        {"warmup": 1},
    ],
)
def test_a_record_that_cannot_be_true_counts_as_absent(root: Path, change: dict[str, Any]) -> None:
    """What it says goes to the status, which must take it."""
    put(root, "run-0.json", {**RUN, **change})

    assert workspace.read_run(root, 0) is None


@pytest.mark.parametrize("fraction", ["", ".5", ".123456", ".123456789"])
def test_times_may_have_any_fraction(root: Path, fraction: str) -> None:
    """Up to nanoseconds."""
    put(root, "run-0.json", {**RUN, "startedAt": f"2026-01-31T12:00:00{fraction}Z"})

    assert workspace.read_run(root, 0) is not None


def test_a_run_never_took_less_than_no_time(root: Path) -> None:
    """Whatever the application wrote there."""
    put(root, "run-0.json", {**RUN, "startedMonotonicNs": 2**62})

    run = workspace.read_run(root, 0)
    assert run is not None
    assert run.nanoseconds == 0


def test_a_link_in_place_of_the_control_folder_is_not_followed(tmp_path: Path) -> None:
    """Neither for reading nor for writing."""
    elsewhere = tmp_path / "elsewhere"
    root = tmp_path / "root"
    elsewhere.mkdir()
    root.mkdir()
    (root / CONTROL).symlink_to(elsewhere)
    (elsewhere / "run-0.json").write_text(json.dumps(RUN))

    assert workspace.read_run(root, 0) is None
    assert workspace.liveness(root) is Liveness.ABSENT
    with pytest.raises(OSError, match=CONTROL):
        workspace.request_stop(root, Reason.CANCELLED)
    assert os.listdir(elsewhere) == ["run-0.json"]


def test_without_a_launcher_nobody_is_alive(root: Path) -> None:
    """Before the start; and a plain file in the FIFO's place proves nothing."""
    assert workspace.liveness(root) is Liveness.ABSENT
    assert workspace.wait_for_end(root, 5) is Liveness.ABSENT

    put(root, "alive", "x")

    assert workspace.liveness(root) is Liveness.ABSENT


def test_a_launcher_that_has_just_made_the_fifo_is_not_gone(root: Path) -> None:
    """It opens it a moment later; only after started.json an open end means its end."""
    os.mkfifo(root / CONTROL / "alive")

    assert workspace.liveness(root) is Liveness.ABSENT

    put(root, "started.json", STARTED)

    assert workspace.liveness(root) is Liveness.GONE


def test_a_launcher_is_alive_until_it_ends(root: Path) -> None:
    """However it ends."""
    with launcher(root) as process:
        assert workspace.liveness(root) is Liveness.ALIVE
        process.kill()
        process.wait()

        assert workspace.liveness(root) is Liveness.GONE


def test_waiting_ends_when_the_launcher_is_killed(root: Path) -> None:
    """The kernel wakes the reader; nothing is polled for."""
    with launcher(root) as process:
        delayed = f"sleep 0.3; kill -KILL {process.pid}"
        began = time.monotonic()
        with subprocess.Popen(["sh", "-c", delayed]):
            state = workspace.wait_for_end(root, 30)

        assert state is Liveness.GONE
        assert 0.2 < time.monotonic() - began < 10
        assert process.wait() == -signal.SIGKILL


def test_waiting_ends_with_the_time(root: Path) -> None:
    """The launcher is then still alive."""
    with launcher(root):
        began = time.monotonic()

        assert workspace.wait_for_end(root, 0.2) is Liveness.ALIVE
        assert workspace.wait_for_end(root, 0) is Liveness.ALIVE
        assert time.monotonic() - began < 10


def test_waiting_begun_after_the_end_returns_at_once(root: Path) -> None:
    """Such a poll would stay silent for ever."""
    with launcher(root) as process:
        process.kill()
        process.wait()

        assert workspace.wait_for_end(root, 30) is Liveness.GONE


def test_waiting_may_be_for_longer_than_poll_can_count(root: Path) -> None:
    """A hundred runs of thirty days."""
    with launcher(root) as process:
        process.kill()
        process.wait()

        assert workspace.wait_for_end(root, 1e10) is Liveness.GONE

    with launcher_again(root) as process, subprocess.Popen(["sh", "-c", f"kill -9 {process.pid}"]):
        assert workspace.wait_for_end(root, 1e10) is Liveness.GONE


@contextlib.contextmanager
def launcher_again(root: Path) -> Iterator[subprocess.Popen[str]]:
    """A second one, after the first one's end."""
    (root / CONTROL / "alive").unlink()
    with launcher(root) as process:
        yield process


def test_what_the_application_writes_into_the_fifo_changes_nothing(root: Path) -> None:
    """Neither does it make a dead launcher alive."""
    with launcher(root) as process:
        (root / CONTROL / "alive").write_bytes(b"xxx")
        assert workspace.liveness(root) is Liveness.ALIVE
        assert workspace.wait_for_end(root, 0.1) is Liveness.ALIVE
        process.kill()

        assert workspace.wait_for_end(root, 30) is Liveness.GONE


def test_a_stop_has_a_line_for_the_reason_and_one_for_the_message(root: Path) -> None:
    """As the launcher reads it, whatever stands in the message."""
    workspace.request_stop(root, Reason.OUTPUT_TOO_LARGE, "90 %\nof 2Gi \udcff")

    lines = (root / CONTROL / "stop").read_text().splitlines()
    assert lines == ["OutputTooLarge", "90 % of 2Gi ?"]


def test_the_first_reason_to_stop_stays(root: Path) -> None:
    """And nothing else is left in the folder."""
    workspace.request_stop(root, Reason.OUTPUT_TOO_LARGE)
    workspace.request_stop(root, Reason.CANCELLED)

    assert (root / CONTROL / "stop").read_text().startswith("OutputTooLarge\n")
    assert os.listdir(root / CONTROL) == ["stop"]


def test_a_link_in_place_of_the_stop_file_is_not_written_through(root: Path) -> None:
    """The application cannot make us write elsewhere."""
    victim = root / "victim"
    victim.write_text("mine")
    (root / CONTROL / "stop").symlink_to(victim)

    workspace.request_stop(root, Reason.CANCELLED)

    assert victim.read_text() == "mine"


def test_a_stop_without_a_workspace_is_an_error(tmp_path: Path) -> None:
    """There is nobody who would read it."""
    with pytest.raises(FileNotFoundError):
        workspace.request_stop(tmp_path, Reason.CANCELLED)


def test_the_folder_of_a_run_is_named_after_its_index() -> None:
    """As docs/launcher.md says."""
    assert workspace.run_folder(3) == "run-3"
