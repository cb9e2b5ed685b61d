"""Children of the agent: limits, locks, ends."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pod_side import wait_for
from profiling_operator.agent import children
from profiling_operator.agent.children import Child
from profiling_operator.errors import ExecutorError

Start = Callable[[str], Child]
ENV = {"PATH": os.environ["PATH"]}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a shell script as a child; what it started ends with the test."""
    with children.held(tmp_path / "lock", 0) as lock:
        started: list[Child] = []

        def go(script: str) -> Child:
            started.append(Child(["sh", "-c", script], ENV, tmp_path / "log", lock))
            return started[-1]

        yield go
        for one in started:
            one.kill()


def test_its_end_is_told(start: Start, tmp_path: Path) -> None:
    """With its exit code; what it said is in its file."""
    assert start("echo hello; exit 3").wait(60) == 3
    assert (tmp_path / "log").read_text() == "hello\n"


def test_one_that_runs_is_not_waited_for_longer_than_wanted(start: Start) -> None:
    """Not at all, where the time is over already."""
    assert start("sleep 60").wait(-1.0) is None


def test_it_is_killed_with_all_that_it_started(start: Start, tmp_path: Path) -> None:
    """Whatever signals they ignore."""
    child = start("trap '' TERM; sleep 60 & echo $! > pid; wait")
    pid = int(wait_for(lambda: _text(tmp_path / "pid")))

    child.kill()

    assert child.wait(60) == -signal.SIGKILL
    wait_for(lambda: _is_gone(pid))


def test_its_limits_are_its_own(start: Start, tmp_path: Path) -> None:
    """The agent's are not touched."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    os.mkfifo(tmp_path / "go")
    child = start(
        "read line < go; sh -c 'ulimit -d; ulimit -c; nice'; cat /proc/self/oom_score_adj"
    )
    child.bound(256 << 20)
    (tmp_path / "go").write_text("go\n")

    assert child.wait(60) == 0
    words = (tmp_path / "log").read_text().split()
    assert words[:2] == [str((256 << 20) // 1024), "0"]
    assert int(words[2]) >= children.NICE
    assert int(words[3]) == children.FIRST_TO_GO
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_one_that_has_ended_can_be_bound_and_killed(start: Start) -> None:
    """Nothing comes of it."""
    child = start("exit 0")
    assert child.wait(60) == 0

    child.bound(1 << 20)
    child.kill()


HOLDS = """
import os, sys
from pathlib import Path
from profiling_operator.agent import children
with children.held(Path(sys.argv[1]), 0) as lock:
    children.Child(["sh", "-c", sys.argv[2]], dict(os.environ), Path(sys.argv[1] + ".log"), lock)
    os._exit(0)
"""
"""An agent that dies at once."""


def orphan(lock: Path, script: str) -> int:
    """A child whose agent is gone."""
    root = str(Path(children.__file__).parents[2])
    env = {**os.environ, "PYTHONPATH": root}
    subprocess.run([sys.executable, "-c", HOLDS, str(lock), script], check=True, env=env)
    return int(lock.read_text())


def test_a_child_of_an_agent_that_is_gone_is_waited_for(tmp_path: Path) -> None:
    """It finishes what it does."""
    os.mkfifo(tmp_path / "go")
    pid = orphan(tmp_path / "lock", "read line < go; touch done")
    (tmp_path / "go").write_text("go\n")

    with children.held(tmp_path / "lock", 60):
        assert (tmp_path / "done").exists()
    wait_for(lambda: _is_gone(pid))


def test_one_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    """Its place is free then."""
    pid = orphan(tmp_path / "lock", "sleep 60")

    with children.held(tmp_path / "lock", 0):
        wait_for(lambda: _is_gone(pid))


def test_a_process_that_is_none_of_ours_is_spared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers of processes are used again."""
    monkeypatch.setattr(children, "ENDING_SECONDS", 0.0)
    with subprocess.Popen(["sleep", "60"], cwd="/", start_new_session=True) as other:
        with children.held(tmp_path / "lock", 0):
            (tmp_path / "lock").write_text(str(other.pid))
            with (
                pytest.raises(ExecutorError, match="does not end"),
                children.held(tmp_path / "lock", 0),
            ):
                pass
        assert other.poll() is None
        other.kill()


def test_nobody_holds_what_is_not_there(tmp_path: Path) -> None:
    """Nor what nobody has locked."""
    children.kill_holder(tmp_path / "lock")
    (tmp_path / "lock").write_text(str(os.getpid()))
    children.kill_holder(tmp_path / "lock")


def _text(path: Path) -> str:
    return path.read_text().strip() if path.exists() else ""


def _is_gone(pid: int) -> bool:
    """Ended; a parent may not have noticed."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
