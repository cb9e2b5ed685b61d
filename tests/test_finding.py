"""The application among the processes of a pod."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pod_side import PodSide, wait_for
from profiling_operator import finding, launcher
from profiling_operator.launching import Places, launcher_words
from profiling_operator.plan import Plan

SLEEPS = ["sleep", "60"]
# What the tool is when an inner launcher stands before the application.
TOOL = ["sh", "-c", '"$@"; true', "tool"]


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[PodSide]:
    """The folders of a pod."""
    side = PodSide(tmp_path)
    yield side
    side.end()


def launched(pod: PodSide, command: list[str], **changes: Any) -> tuple[Plan, int]:
    """An application's plan, and the pid of its launcher."""
    planned = pod.assign()
    app = planned.app.model_copy(update={"command": tuple(command)})
    planned = planned.model_copy(update={"app": app, **changes})
    places = Places(str(pod.where.workspace), str(launcher.path()), {})
    process = pod._start(launcher_words(planned, places))
    pod.wait_until_started()
    return planned, process.pid


def words(pid: int) -> list[str]:
    """The command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]


def test_the_application_is_the_launchers_child(pod: PodSide) -> None:
    """Once it executes its own program, not the launcher's any more."""
    _, pid = launched(pod, SLEEPS)

    app = wait_for(lambda: finding.application(pid, recorded=False))

    assert words(app) == SLEEPS


def test_behind_a_tool_it_is_the_inner_launchers_child(pod: PodSide) -> None:
    """Neither the tool, nor the two processes of the inner launcher."""
    inner = ("{launcher}", "--record", "{run}/.app.json", "--")
    changes = {"wrapper": (*TOOL, *inner), "recorded": True}
    _, pid = launched(pod, SLEEPS, **changes)

    app = wait_for(lambda: finding.application(pid, recorded=True))

    assert words(app) == SLEEPS


def test_a_family_is_a_process_and_its_descendants(pod: PodSide) -> None:
    """Parents first; whatever session they are in."""
    _, pid = launched(pod, ["sh", "-c", "sleep 61 & setsid sh -c 'sleep 62; true'; true"])
    app = wait_for(lambda: finding.application(pid, recorded=False))

    family = wait_for(lambda: found if len(found := finding.family(app)) == 4 else None)

    assert family[0] == app
    assert {" ".join(words(one)) for one in family[1:]} == {
        "sleep 61", "sh -c sleep 62; true", "sleep 62",
    }  # fmt: skip


def test_what_the_application_leaves_behind_is_not_taken_for_it(pod: PodSide) -> None:
    """The launcher is the parent of orphans, too: the first child is the application."""
    script = "import os, subprocess, sys, time\n" + (
        "if not os.fork():\n os.setsid()\n os.fork() or os.execlp('sleep', 'sleep', '63')\n"
        " os._exit(0)\nos.wait()\ntime.sleep(60)"
    )
    _, pid = launched(pod, [sys.executable, "-c", script])
    wait_for(lambda: any(words_of(one) == ["sleep", "63"] for one in finding.family(pid)))

    assert words_of(finding.application(pid, recorded=False) or 0)[1:2] == ["-c"]


def words_of(pid: int) -> list[str]:
    """The command line of a process that may be gone."""
    try:
        return words(pid)
    except OSError:
        return []


def test_what_has_ended_is_not_found() -> None:
    """Not even while nobody has taken leave of it."""
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

    assert process.pid not in finding.family(os.getpid())
    process.wait()
    assert finding.application(process.pid, recorded=True) is None
