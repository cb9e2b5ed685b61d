"""The command after each run: when, with what, how long, and that the outcome stays the run's."""

from __future__ import annotations

import ast
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

OUTPUT = ("--after-output", "{run}/report")


def after(*words: object) -> list[str]:
    """The options that make a command of these words."""
    return [part for word in words for part in ("--after", str(word))]


def without(outcome: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name, value in outcome.items() if name not in names}


def test_runs_after_each_run(launch: Any) -> None:
    """In each run's folder, which {run} stands for; output to FILE, errors to FILE.log."""
    say = after("sh", "-c", 'echo "$1 $PWD"; cat made; echo oops >&2; exit 4', "sh", "<{run}>")
    app = 'echo "$OUT" > "$OUT/made"'
    done = launch(*say, *OUTPUT, "--output-env", "OUT", "--warmups", "1", command=["sh", "-c", app])

    assert (done.code, done.exit["reason"], done.exit["runs"]) == (0, "Completed", 2)
    for k in (0, 1):
        run = done.workspace / f"run-{k}"
        assert (run / "report").read_text() == f"<{run}> {run}\n{run}\n"
        assert (run / "report.log").read_text() == "oops\n"
        assert stat.S_IMODE((run / "report").stat().st_mode) == 0o644
        assert done.run(k)["afterExitCode"] == 4
    assert (done.stdout, done.stderr, done.log()) == (b"", b"", b"")


def test_several_commands(launch: Any) -> None:
    """One after the other, whatever became of those before; the last one's code is told."""
    first = after("sh", "-c", "echo one; echo oops >&2; exit 3", ";", "/no/such/program", ";")
    last = after("sh", "-c", "echo two; echo again >&2; exit 4")
    done = launch(*first, *last, *OUTPUT, "--warmups", "1", command=["true"])

    for k in (0, 1):
        assert (done.workspace / f"run-{k}" / "report").read_text() == "one\ntwo\n"
        assert (done.workspace / f"run-{k}" / "report.log").read_text() == "oops\nagain\n"
        assert done.run(k)["afterExitCode"] == 4


def test_several_commands_share_one_limit(launch: Any) -> None:
    """What is not begun by then is left out, and no code is told of what was killed."""
    words = after("true", ";", "sleep", "60", ";", "touch", "{run}/never")
    done = launch(*words, "--after-seconds", "0.5", command=["true"])

    assert done.run()["afterExitCode"] is None
    assert not (done.workspace / "run-0" / "never").exists()


def test_without_an_after_command(launch: Any) -> None:
    """No command, no exit code."""
    done = launch(command=["true"])

    assert (done.run()["afterExitCode"], done.exit["afterExitCode"]) == (None, None)


@pytest.mark.parametrize(
    ("app", "options", "reason"),
    [
        ("exit 3", (), "AppFailed"),
        ("kill -ABRT $$", (), "AppKilled"),
        ("sleep 60", ("--timeout", "0.3"), "AppTimedOut"),
        ("sleep 60", ("--timeout", "0.3", "--on-timeout", "stop"), "Completed"),
        ("sleep 60 & sleep 60 & true", (), "Completed"),
        ("true", ("--recorded",), "CollectorFailed"),
    ],
)
def test_however_the_run_ended(
    launch: Any, app: str, options: tuple[str, ...], reason: str
) -> None:
    """After a failure, a death, a time limit, with orphans and without a record."""
    done = launch(*options, *after("echo", "ran"), *OUTPUT, command=["sh", "-c", app])

    assert (done.exit["reason"], done.exit["afterExitCode"]) == (reason, 0)
    assert (done.workspace / "run-0/report").read_text() == "ran\n"


def test_not_when_nothing_was_started(launch: Any) -> None:
    """A command that cannot be started leaves nothing to look at."""
    done = launch(*after("echo", "ran"), *OUTPUT, command=["/no/such/program"])

    assert (done.exit["reason"], done.exit["afterExitCode"]) == ("CannotStart", None)
    assert not (done.workspace / "run-0/report").exists()


def test_comes_after_the_last_descendant(launch: Any, tmp_path: Path) -> None:
    """What the application left behind has ended before the command starts."""
    app = "trap '' TERM; (sleep 0.5; echo late >> order) & true"
    done = launch(
        *after("sh", "-c", f"echo after >> {tmp_path}/order"),
        command=["sh", "-c", app], cwd=tmp_path,
    )  # fmt: skip

    assert (tmp_path / "order").read_text() == "late\nafter\n"
    assert done.code == 0


def test_its_files_become_readable_for_the_group(launch: Any) -> None:
    """It comes before the folder is opened to the group."""
    make = after("sh", "-c", "umask 077; echo 1 > made")
    done = launch(*make, command=["true"])

    assert stat.S_IMODE((done.workspace / "run-0/made").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("/no/such/program",), "it cannot be started"),
        (("sh", "-c", "kill -KILL $$"), "it died of a signal"),
    ],
)
def test_failure_is_only_told_by_null(launch: Any, words: tuple[str, ...], why: str) -> None:
    """A command that has no exit code: null, and the attempt goes on."""
    done = launch(*after(*words), "--repetitions", "2", command=["sh", "-c", "exit 0"])

    assert (done.code, done.exit["runs"], done.exit["reason"]) == (0, 2, "Completed"), why
    assert [done.run(k)["afterExitCode"] for k in (0, 1)] == [None, None]
    assert [done.run(k)["exitCode"] for k in (0, 1)] == [0, 0]
    assert done.stderr == b""


def test_killed_with_all_its_descendants(
    launch: Any, tmp_path: Path, alive: Callable[[int], bool]
) -> None:
    """When its seconds are over, it and what it started are killed, also what ignores TERM."""
    stubborn = "trap '' TERM; setsid sleep 600 & echo $! > a; sleep 600 & echo $! > b; wait"
    done = launch(*after("sh", "-c", stubborn), "--after-seconds", "3", command=["true"])

    assert (done.code, done.exit["reason"], done.exit["afterExitCode"]) == (0, "Completed", None)
    for name in ("a", "b"):
        assert not alive(int((done.workspace / "run-0" / name).read_text()))


def test_what_it_leaves_behind_is_killed(launch: Any, alive: Callable[[int], bool]) -> None:
    """A process that outlives it is killed when the seconds are over; its exit code stays."""
    leave = "sleep 600 >/dev/null 2>&1 & echo $! > left; exit 7"
    done = launch(*after("sh", "-c", leave), "--after-seconds", "3", command=["true"])

    assert done.exit["afterExitCode"] == 7
    assert not alive(int((done.workspace / "run-0/left").read_text()))


@pytest.mark.parametrize("recorded", [False, True])
def test_numbers_are_the_runs_own(launch: Any, launcher: Path, recorded: bool) -> None:
    """Times, CPU seconds, memory, exit code and log do not include the command."""
    work = "x = bytearray(80 << 20); import time\nwhile time.process_time() < 1.5: pass"
    words = after(sys.executable, "-S", "-c", work)
    inner = [launcher, "--record", "{run}/.app.json", "--"] if recorded else []
    options = ["--recorded", "--wrapper", len(inner)] if recorded else []
    done = launch(*words, *map(str, options), command=[*inner, "sh", "-c", "echo hello; exit 6"])

    run = done.run()
    assert run["afterExitCode"] == 0
    assert (run["reason"], run["exitCode"], run["logBytes"]) == ("AppFailed", 6, 6)
    assert (run["toolExitCode"], done.code) == (6 if recorded else None, 6)
    assert run["userSeconds"] + run["systemSeconds"] < 1.4
    assert run["peakMemoryBytes"] < 80 << 20
    assert done.exit["finishedMonotonicNs"] - run["finishedMonotonicNs"] > 1.4e9
    assert without(run, done.exit) == {"index": 0, "warmup": False}


def test_stop_during_it(start: Any) -> None:
    """A stop does not cut it short, and starts no further run; the run's outcome stays."""
    wait = "echo started; while [ ! -e go ]; do sleep 0.05; done; echo ended; exit 3"
    attempt = start(*after("sh", "-c", wait), *OUTPUT, "--repetitions", "3", command=["true"])
    attempt.wait_for("run-0/report.log")
    attempt.process.send_signal(signal.SIGTERM)
    attempt.write("stop", "Superseded\n")
    with pytest.raises(subprocess.TimeoutExpired):
        attempt.process.wait(1)
    (attempt.workspace / "run-0/go").touch()
    done = attempt.finish()

    assert (done.workspace / "run-0/report").read_text() == "started\nended\n"
    assert (done.run()["reason"], done.run()["afterExitCode"]) == ("Completed", 3)
    assert (done.code, done.exit["reason"], done.exit["runs"]) == (143, "Superseded", 1)


def test_after_a_stop(start: Any) -> None:
    """It is run after a run that was stopped, too."""
    attempt = start(*after("echo", "ran"), *OUTPUT, command=["sh", "-c", "echo up; exec sleep 60"])
    attempt.process.stdout.readline()
    attempt.process.terminate()
    done = attempt.finish()

    assert (done.code, done.exit["reason"], done.exit["signal"]) == (143, "Cancelled", 15)
    assert done.exit["afterExitCode"] == 0
    assert (done.workspace / "run-0/report").read_text() == "ran\n"


def test_environment_is_the_launchers_own(launch: Any, tmp_path: Path) -> None:
    """Without what --env, --path and --output-env gave the application, also for its search."""
    (tmp_path / "show").write_text("#!/bin/sh\necho theirs")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/show").write_text("#!/bin/sh\nenv")
    for tool in (tmp_path / "show", tmp_path / "own/show"):
        tool.chmod(0o755)
    env = {"PATH": f"{tmp_path}/own:/usr/bin:/bin", "A": "old", "LAST": "{run}"}
    done = launch(
        "--env", "A=new", "--env", "B={run}", "--path", tmp_path, "--output-env", "OUT",
        *after("show"), *OUTPUT, "--repetitions", "2", command=["show"], env=env,
    )  # fmt: skip

    assert done.log(1) == b"theirs\n"
    for k in (0, 1):
        lines = (done.workspace / f"run-{k}/report").read_text().splitlines()
        seen = dict(line.split("=", 1) for line in lines)
        assert without(seen, ("PWD", "OLDPWD", "SHLVL", "_")) == env


SHOW = """
import os, signal
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status") if ":\\t" in line)
names = [n for n in range(3, 64) if os.path.exists(f"/proc/self/fd/{n}")]
print({"stdin": os.readlink("/proc/self/fd/0"), "session": os.getsid(0) == os.getpid(),
       "blocked": int(status["SigBlk"], 16), "ignored": int(status["SigIgn"], 16), "open": names})
"""


def test_surroundings(launch: Any) -> None:
    """A session of its own, /dev/null as input, default signals, no other descriptors."""
    show = f"import os, sys; exec({SHOW!r})"
    read, write = os.pipe()
    done = launch(
        *after(sys.executable, "-S", "-c", show), *OUTPUT, command=["true"],
        pass_fds=[read, write],
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
    )  # fmt: skip
    os.close(read)
    os.close(write)

    assert (done.workspace / "run-0/report.log").read_text() == ""
    seen = ast.literal_eval((done.workspace / "run-0/report").read_text())
    python = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1  # it ignores these itself
    assert seen.pop("ignored") & ~python == 0
    assert seen == {"stdin": "/dev/null", "session": True, "blocked": 0, "open": []}


def test_relative_output_and_none(launch: Any, tmp_path: Path) -> None:
    """A relative FILE starts from the launcher's own folder; without FILE the output is lost."""
    words = after("sh", "-c", "echo out; echo err >&2")
    told = launch(
        *words, "--after-output", "told", command=["true"], cwd=tmp_path, workspace=tmp_path / "a"
    )
    silent = launch(*words, command=["true"], cwd=tmp_path, workspace=tmp_path / "b")

    assert (told.exit["afterExitCode"], silent.exit["afterExitCode"]) == (0, 0)
    assert ((tmp_path / "told").read_text(), (tmp_path / "told.log").read_text()) == (
        "out\n", "err\n",
    )  # fmt: skip
    assert sorted(path.name for path in (silent.workspace / "run-0").iterdir()) == ["app.log"]


@pytest.mark.parametrize("trap", ["mkfifo", "ln -s ../../victim"])
def test_what_the_application_left_in_its_files_place(
    launch: Any, tmp_path: Path, trap: str
) -> None:
    """A FIFO that nobody reads or a link: the command is not started, nothing is overwritten."""
    (tmp_path / "victim").write_text("precious")
    done = launch(
        *after("echo", "ran"), *OUTPUT, "--output-env", "OUT",
        command=["sh", "-c", f'cd "$OUT" && {trap} report'],
    )  # fmt: skip

    assert (done.code, done.exit["afterExitCode"]) == (0, None)
    assert (tmp_path / "victim").read_text() == "precious"


def test_not_with_the_inner_form(launcher: Path, tmp_path: Path) -> None:
    """launch --record has no such command."""
    words = [launcher, "--record", tmp_path / "record", *after("touch", tmp_path / "ran")]
    done = subprocess.run([*words, "--", "true"])

    assert done.returncode == 0
    assert json.loads((tmp_path / "record").read_text())["afterExitCode"] is None
    assert not (tmp_path / "ran").exists()
