"""Processes of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid

from profiling_operator import processes


def start(attempt: str, code: str) -> subprocess.Popen[bytes]:
    """A process that carries an attempt's name, once it runs."""
    child = subprocess.Popen(
        [sys.executable, "-c", f"print(flush=True)\n{code}"],
        env={**os.environ, processes.ATTEMPT_VARIABLE: attempt},
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    child.stdout.readline()
    return child


def test_a_process_is_named_by_pid_and_start() -> None:
    """A process that has ended, even as a zombie, has no start."""
    assert processes.start_time(os.getpid()) == processes.start_time(os.getpid())
    with start("x", "input()") as child:
        assert processes.start_time(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert processes.start_time(child.pid) is None


def test_processes_of_an_attempt_are_found_and_ended() -> None:
    """Children too, in sessions of their own; processes of other attempts stay."""
    ours, theirs = uuid.uuid4().hex, uuid.uuid4().hex
    fork = "import os, time\nos.fork() or os.setsid()\ntime.sleep(600)"
    with start(ours, fork) as one, start(theirs, "import time; time.sleep(600)") as other:
        assert processes.end_all(ours) == []

        one.wait(timeout=30)
        assert list(processes.carrying(ours)) == []
        assert list(processes.carrying(theirs)) == [other.pid]
        other.kill()


def test_ending_nothing_is_no_error() -> None:
    """An attempt without processes."""
    assert processes.end_all(uuid.uuid4().hex) == []
