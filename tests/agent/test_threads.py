"""Threads that nobody waits for."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from profiling_operator.agent.threads import Threads


def test_a_call_gives_its_answer_or_its_error() -> None:
    """As with any other executor."""
    threads = Threads()

    assert threads.submit(divmod, 7, 2).result(10) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        threads.submit(divmod, 7, 0).result(10)


def test_as_many_calls_as_come_go_on_at_once() -> None:
    """None waits for another one's end."""
    meeting = threading.Barrier(40)
    threads = Threads()

    calls = [threads.submit(meeting.wait, 30) for _ in range(40)]

    assert sorted(one.result(30) for one in calls) == list(range(40))


def test_the_interpreter_ends_without_them() -> None:
    """Whatever they are doing."""
    code = (
        "import threading\n"
        "from profiling_operator.agent.threads import Threads\n"
        "Threads().submit(threading.Event().wait)\n"
    )

    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
