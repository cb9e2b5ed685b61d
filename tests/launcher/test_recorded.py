"""A tool that hides how the application ended: the inner launcher records it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

LIAR = ["sh", "-c", '"$@"; exit 0', "tool"]  # like py-spy: 0, whatever the application returned


@pytest.fixture
def recorded(launcher: Path) -> Any:
    """The words of a command under a tool and an inner launcher, and the options for them."""

    def recorded(command: list[str], tool: list[str] = LIAR) -> tuple[list[str], list[Any]]:
        wrapper = [*tool, str(launcher), "--record", "{run}/.app.json", "--"]
        return ["--recorded", "--wrapper", str(len(wrapper))], [*wrapper, *command]

    return recorded


@pytest.mark.parametrize(
    ("app", "code", "reason", "exit_code", "number"),
    [
        ("exit 0", 0, "Completed", 0, None),
        ("exit 7", 7, "AppFailed", 7, None),
        ("kill -SEGV $$", 139, "AppKilled", None, 11),
    ],
)
def test_the_applications_end_is_recorded(
    launch: Any, recorded: Any, app: str, code: int, reason: str, exit_code: Any, number: Any
) -> None:
    """The record is the application's outcome; the tool's own end is recorded beside it."""
    options, command = recorded(["sh", "-c", app])
    done = launch(*options, command=command)

    assert done.code == code
    fields = ("reason", "exitCode", "signal", "toolExitCode", "toolSignal")
    assert [done.run()[f] for f in fields] == [reason, exit_code, number, 0, None]
    record = json.loads((done.workspace / "run-0/.app.json").read_text())
    assert (record["exitCode"], record["signal"], record["reason"]) == (exit_code, number, reason)


def test_usage_is_the_applications(launch: Any, recorded: Any) -> None:
    """Seconds of CPU and memory are taken from the record, not from the tool."""
    tool = [sys.executable, "-S", "-c", "import subprocess, sys; x = bytearray(99_000_000);"
            "sys.exit(subprocess.call(sys.argv[1:]) * 0)"]  # fmt: skip
    options, command = recorded(["sh", "-c", "exit 1"], tool)
    outcome = launch(*options, command=command).run()

    assert outcome["exitCode"] == 1
    assert 0 < outcome["peakMemoryBytes"] < 90_000_000


def test_application_that_cannot_start(launch: Any, recorded: Any) -> None:
    """CannotStart of the inner launcher is handed on, with its message."""
    options, command = recorded(["no-such-command"])
    done = launch(*options, command=command, env={"PATH": "/usr/bin:/bin"})

    assert (done.code, done.exit["reason"]) == (127, "CannotStart")
    assert done.exit["message"] == "No such file or directory: no-such-command"


def test_time_limit(launch: Any, recorded: Any) -> None:
    """The application's true end is recorded at a time limit, too."""
    options, command = recorded(["sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.05; done"])
    done = launch(*options, "--timeout", "0.5", "--grace", "10", command=command)

    assert (done.code, done.exit["reason"], done.exit["timedOut"]) == (124, "AppTimedOut", True)
    assert (done.run()["exitCode"], done.run()["toolSignal"]) == (9, 15)


def test_time_limit_with_an_application_that_ignores_term(launch: Any, recorded: Any) -> None:
    """KILL spares the inner launcher long enough to record what became of its child."""
    options, command = recorded(["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"])
    done = launch(*options, "--timeout", "0.5", "--grace", "0.5", command=command)

    assert (done.exit["reason"], done.exit["signal"]) == ("AppTimedOut", 9)


def test_steps_spare_the_inner_launcher(start: Any, recorded: Any, until: Any) -> None:
    """A step's signal reaches the application, not the inner launcher above it."""
    app = "import signal, sys, time; signal.signal(signal.SIGUSR2, lambda *args: sys.exit(4));"
    app += "print('ready', flush=True); time.sleep(60)"
    tool = [sys.executable, "-S", "-c", "import subprocess, sys; subprocess.call(sys.argv[1:])"]
    options, command = recorded([sys.executable, "-S", "-c", app], tool)
    attempt = start(*options, "--stop", "USR2:app:exit:10", command=command)
    until(lambda: (attempt.workspace / "run-0/app.log").exists() and attempt.log() == b"ready\n")
    attempt.process.terminate()
    done = attempt.finish()

    assert (done.exit["reason"], done.exit["exitCode"]) == ("Cancelled", 4)
    assert done.run()["toolExitCode"] == 0


def test_tool_that_fails_before_the_application(launch: Any) -> None:
    """No record: CollectorFailed, and the application's end is not known."""
    done = launch("--recorded", command=["sh", "-c", "exit 3"])

    assert (done.code, done.exit["reason"]) == (125, "CollectorFailed")
    assert done.exit["origin"] == "launcher"
    assert (done.run()["exitCode"], done.run()["toolExitCode"]) == (None, 3)


@pytest.mark.parametrize("end", ["exit 0", "kill -KILL $!; exit 0"])
def test_tool_that_ends_before_the_application(launch: Any, recorded: Any, end: str) -> None:
    """The application goes on to its own end, which counts: also when the tool KILLs its child."""
    tool = ["sh", "-c", f'"$@" & sleep 0.3; {end}', "tool"]
    options, command = recorded(["sh", "-c", "sleep 1; exit 5"], tool)
    done = launch(*options, command=command)

    assert (done.code, done.exit["reason"], done.run()["exitCode"]) == (5, "AppFailed", 5)
    assert done.run()["toolExitCode"] == 0


def test_time_limit_after_the_tool_has_ended(launch: Any, recorded: Any) -> None:
    """The application that goes on alone has no more time than the run."""
    options, command = recorded(["sleep", "60"], ["sh", "-c", '"$@" & exit 0', "tool"])
    done = launch(*options, "--timeout", "1", "--grace", "5", command=command)

    assert (done.code, done.exit["reason"]) == (124, "AppTimedOut")
    assert done.run()["signal"] == 15


def test_inner_form_is_transparent(launcher: Path, tmp_path: Path) -> None:
    """Same streams, session, environment; it exits as the application did, 128 + n for a signal."""
    base = [launcher, "--record", tmp_path / "a.json", "--"]
    app = "import os, sys; print(sys.stdin.read(), os.getsid(0), os.environ['A']); sys.exit(3)"
    done = subprocess.run(
        [*base, sys.executable, "-S", "-c", app], input=b"in", stdout=subprocess.PIPE,
        env={**os.environ, "A": "b"},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, b"in %d b\n" % os.getsid(0))

    base[2] = tmp_path / "b.json"
    assert subprocess.run([*base, "sh", "-c", "kill -KILL $$"]).returncode == 128 + signal.SIGKILL
    record = json.loads((tmp_path / "b.json").read_text())
    assert (record["reason"], record["signal"], record["exitCode"]) == ("AppKilled", 9, None)


def test_inner_form_outlives_signals(launcher: Path, tmp_path: Path, until: Any) -> None:
    """TERM, INT, HUP and QUIT do not end the inner launcher, its child's end does."""
    app = "trap 'exit 6' TERM; echo $$ > \"$0\"; while :; do sleep 0.05; done"
    words = [launcher, "--record", tmp_path / "r.json", "--", "sh", "-c", app, tmp_path / "pid"]
    with subprocess.Popen(words) as inner:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            inner.send_signal(number)
        time.sleep(0.3)
        assert inner.poll() is None
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)

        assert inner.wait(30) == 6
    assert json.loads((tmp_path / "r.json").read_text())["exitCode"] == 6


# Says that it has heard TERM, goes on, and says when what it has started is over.
TOOL = ["sh", "-c", "trap 'echo heard' TERM; \"$@\"; echo over", "tool"]


def test_tools_around_tools_are_no_application(launch: Any, recorded: Any) -> None:
    """`app` spares all that an inner launcher stands below: they end by themselves."""
    options, command = recorded(["sleep", "60"], [*TOOL, *TOOL])

    done = launch(*options, "--timeout", "0.5", "--stop", "TERM:app:exit:5", command=command)

    assert done.log() == b"over\nover\n"
    assert (done.exit["reason"], done.exit["signal"]) == ("AppTimedOut", 15)
