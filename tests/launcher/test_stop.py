"""How a run is ended: time limit, .run/stop, signals, the collector's stop sequence."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

STUBBORN = ["sh", "-c", "trap '' TERM INT; touch ready; while :; do sleep 0.05; done"]


@pytest.mark.parametrize("mode", ["fail", "stop"])
def test_time_limit(launch: Any, mode: str) -> None:
    """The limit is a failure, or with --on-timeout stop the normal end of a run."""
    done = launch("--timeout", "0.3", "--on-timeout", mode, "--grace", "5", command=["sleep", "60"])

    fields = ("reason", "origin", "timedOut", "exitCode", "signal")
    if mode == "fail":
        assert done.code == 124
        assert [done.exit[f] for f in fields] == ["AppTimedOut", "launcher", True, None, 15]
    else:
        assert done.code == 0
        assert [done.exit[f] for f in fields] == ["Completed", "app", True, None, 15]


def test_limit_counts_for_each_run(launch: Any) -> None:
    """With --on-timeout stop the next run follows, with a limit of its own."""
    done = launch(
        "--timeout", "0.3", "--on-timeout", "stop", "--repetitions", "3", command=["sleep", "60"]
    )

    assert (done.code, done.exit["runs"]) == (0, 3)
    assert all(done.run(k)["timedOut"] for k in range(3))


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        ("OutputTooLarge\nmore than 1 GiB\n", "OutputTooLarge", "more than 1 GiB"),
        ("Why", "Why", ""),
        ("", "Cancelled", ""),
    ],
)
def test_stop_file(start: Any, text: str, reason: str, message: str) -> None:
    """.run/stop ends the run; its lines are the reason and the message."""
    attempt = start(command=["sleep", "60"])
    attempt.wait_for("run-0/app.log")
    attempt.write("stop", text)
    done = attempt.finish()

    assert done.code == 143
    for outcome in (done.exit, done.run()):
        assert (outcome["reason"], outcome["message"]) == (reason, message)
        assert (outcome["origin"], outcome["signal"]) == ("launcher", 15)
        assert not outcome["timedOut"]


def test_stop_file_before_the_start(launch: Any, tmp_path: Path) -> None:
    """A stop that is there before the first run: nothing is started."""
    (tmp_path / "workspace/.run").mkdir(parents=True)
    (tmp_path / "workspace/.run/stop").write_text("Superseded\n")
    done = launch(command=["touch", tmp_path / "ran"])

    assert (done.code, done.exit["reason"], done.exit["runs"]) == (143, "Superseded", 0)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_to_the_launcher(start: Any, number: int) -> None:
    """TERM, INT and HUP end the run and the attempt: Cancelled, 143."""
    attempt = start("--repetitions", "3", command=["sleep", "60"], preexec_fn=default_signals)
    attempt.wait_for("run-0/app.log")
    time.sleep(0.3)
    attempt.process.send_signal(number)
    done = attempt.finish()

    assert (done.code, done.exit["reason"], done.exit["origin"]) == (143, "Cancelled", "launcher")
    assert (done.exit["runs"], done.exit["signal"]) == (1, 15)


def default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def test_application_that_ends_in_good_order(start: Any, tmp_path: Path) -> None:
    """What the application returns after TERM is recorded; the reason stays the stop's."""
    app = "trap 'exit 5' TERM; touch ready; while :; do sleep 0.05; done"
    attempt = start(command=["sh", "-c", app], cwd=tmp_path)
    attempt.wait_for("../ready")
    attempt.process.terminate()
    done = attempt.finish()

    assert (done.code, done.exit["reason"]) == (143, "Cancelled")
    assert (done.exit["exitCode"], done.exit["signal"]) == (5, None)


def test_application_that_ignores_term(start: Any, tmp_path: Path) -> None:
    """It is killed after the grace period; a second TERM does not begin a new one."""
    attempt = start("--grace", "2", command=STUBBORN, cwd=tmp_path)
    attempt.wait_for("../ready")
    began = time.monotonic()
    attempt.process.terminate()
    for _ in range(8):
        time.sleep(0.4)
        if attempt.process.poll() is None:
            attempt.process.terminate()
    done = attempt.finish()

    assert 1.9 < time.monotonic() - began < 20
    assert (done.code, done.exit["reason"], done.exit["signal"]) == (143, "Cancelled", 9)
    ended = done.run()["finishedMonotonicNs"]
    assert 1.9 < ended / 1e9 - began < 15


def test_stopped_early_when_all_are_gone(launch: Any) -> None:
    """The grace period ends when nothing is left to wait for."""
    began = time.monotonic()
    launch("--timeout", "0.2", "--grace", "50", command=["sleep", "60"])

    assert time.monotonic() - began < 20


def test_children_left_behind(launch: Any, tmp_path: Path, alive: Callable[[int], bool]) -> None:
    """What the application leaves behind is ended with it, also what ignores TERM."""
    app = "sleep 1000 & echo $! > a; (trap '' TERM; sleep 1000) & echo $! > b; sleep 0.2; exit 2"
    done = launch("--grace", "0.5", command=["sh", "-c", app], cwd=tmp_path)

    assert (done.code, done.exit["reason"]) == (2, "AppFailed")
    assert not alive(int((tmp_path / "a").read_text()))
    assert not alive(int((tmp_path / "b").read_text()))
    assert done.run()["finishedMonotonicNs"] < done.exit["finishedMonotonicNs"]


DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(sys.argv[1] + '.part', 'w').write(str(os.getpid()))
        os.rename(sys.argv[1] + '.part', sys.argv[1])
        time.sleep(1000)
    os._exit(0)
while not os.path.exists(sys.argv[1]): time.sleep(0.01)
"""


def test_daemon(launch: Any, script: Any, tmp_path: Path, alive: Callable[[int], bool]) -> None:
    """A daemon (two forks, its own session), which holds the pipes open, does not escape."""
    done = launch("--grace", "2", command=[*script(DAEMON), tmp_path / "pid"])

    assert (done.code, done.exit["reason"]) == (0, "Completed")
    assert not alive(int((tmp_path / "pid").read_text()))


def test_daemon_at_a_stop(start: Any, script: Any, tmp_path: Path, alive: Any) -> None:
    """The same when the run is stopped: targets are found by their parents."""
    app = script(DAEMON + "\ntime.sleep(1000)")
    attempt = start("--grace", "2", command=[*app, tmp_path / "pid"])
    attempt.wait_for("../pid")
    attempt.process.terminate()
    done = attempt.finish()

    assert done.exit["reason"] == "Cancelled"
    assert not alive(int((tmp_path / "pid").read_text()))


@pytest.mark.needs("root")
def test_process_of_another_user(public: Path) -> None:
    """What may not be signalled and does not end is CannotStop; timedOut stays true."""
    # Starting a root process below an ordinary launcher takes a trick: fork first, then exec.
    trick = """
import os, sys, time
if os.fork() == 0: time.sleep(12); os._exit(0)
os.setgroups([]); os.setgid(65534); os.setuid(65534)
os.execv(sys.argv[1], sys.argv[1:])
"""
    options = ["--workspace", public / "w", "--timeout", "0.3", "--grace", "0.3"]
    words = [sys.executable, "-S", "-c", trick, public / "launch", *options, "--", "sleep", "60"]

    done = subprocess.run(words, cwd="/", timeout=60)

    assert done.returncode == 125
    outcome = json.loads((public / "w/.run/exit.json").read_text())
    assert (outcome["reason"], outcome["origin"]) == ("CannotStop", "launcher")
    assert (outcome["timedOut"], outcome["signal"]) == (True, 15)


TOOL = """
import os, signal, subprocess, sys, time
asked = []
signal.signal(signal.SIGINT, lambda *args: asked.append(1))
child = "import signal, sys, time; signal.signal(signal.SIGINT, signal.SIG_IGN);"
child += "signal.signal(signal.SIGUSR2, lambda *args: (print('usr2'), sys.exit(3)));"
child += "print('ready', flush=True); time.sleep(60)"
app = subprocess.Popen([sys.executable, '-S', '-c', child])
while not asked:
    time.sleep(0.02)
    app.poll()
time.sleep(0.3)
open(os.environ['OUT'] + '/report', 'w').write('done')
sys.exit(0 * app.wait())
"""


def test_steps_tool_then_app(start: Any, script: Any, until: Any) -> None:
    """The steps are walked in order: INT to the tool, which writes; then USR2 to the rest."""
    attempt = start(
        "--output-env", "OUT", "--grace", "20",
        "--stop", "INT:tool:files:10", "--stop", "USR2:app:exit:10", command=script(TOOL),
    )  # fmt: skip
    until(lambda: (attempt.workspace / "run-0/app.log").exists() and attempt.log() == b"ready\n")
    began = time.monotonic()
    attempt.process.terminate()
    done = attempt.finish()

    assert done.log() == b"ready\nusr2\n"
    assert (done.workspace / "run-0/report").read_text() == "done"
    assert (done.exit["reason"], done.exit["exitCode"]) == ("Cancelled", 0)
    assert time.monotonic() - began > 1.2  # 0.3 s to the file, then 1 s of quiet


def test_step_waits_for_the_exit_of_its_targets(start: Any, script: Any, until: Any) -> None:
    """WAIT exit: the next step follows when the targets are gone, not when SECONDS are over."""
    attempt = start(
        "--output-env", "OUT", "--stop", "USR2:app:exit:50", "--stop", "INT:tool:exit:50",
        command=script(TOOL),
    )  # fmt: skip
    until(lambda: (attempt.workspace / "run-0/app.log").exists() and attempt.log() == b"ready\n")
    began = time.monotonic()
    attempt.process.terminate()
    done = attempt.finish()

    assert time.monotonic() - began < 30
    assert (done.workspace / "run-0/report").exists()
    assert done.exit["exitCode"] == 0


def test_step_is_bounded(start: Any, tmp_path: Path) -> None:
    """A target that does not react costs SECONDS (decimals allowed), then the sequence goes on."""
    attempt = start("--grace", "0.5", "--stop", "INT:tool:exit:0.7", command=STUBBORN, cwd=tmp_path)
    attempt.wait_for("../ready")
    began = time.monotonic()
    attempt.process.terminate()
    done = attempt.finish()

    assert 1.1 < time.monotonic() - began < 20
    assert done.exit["signal"] == 9


MEASURED = """
import mmap, os, signal, sys, time
out = os.environ['OUT']
file = open(sys.argv[1], 'r+b')
mapped = mmap.mmap(file.fileno(), 0)
def dump(number, frame):
    print('usr1', flush=True)
    time.sleep(0.3)
    open(out + '/tau/profile.0.0.0', 'w').write('data')
signal.signal(signal.SIGUSR1, dump)
open(out + '/ready', 'w')
while True: time.sleep(0.05)
"""
FAMILY = """
import json, os, signal, subprocess, sys
out = os.environ['OUT']
signal.signal(signal.SIGTERM, lambda *args: None)
children = [subprocess.Popen(words) for words in json.loads(sys.argv[1])]
json.dump([child.wait() for child in children], open(out + '/endings.part', 'w'))
os.rename(out + '/endings.part', out + '/endings')
"""


def test_step_mapped(start: Any, script: Any, tmp_path: Path) -> None:
    """USR1 to who has the library mapped and catches it; who would die of it is spared."""
    (tmp_path / "libTAU-test.so").write_bytes(b"x" * 4096)
    deaf = "import mmap, sys, time; f = open(sys.argv[1], 'r+b');"
    deaf += "m = mmap.mmap(f.fileno(), 0); time.sleep(60)"
    catches = "import signal, time\nwrong = lambda *args: print('no', flush=True)\n"
    catches += "signal.signal(signal.SIGUSR1, wrong)\n"
    measured = [*script(MEASURED), str(tmp_path / "libTAU-test.so")]
    other = script(catches + "time.sleep(60)")
    family = [measured, ["sleep", "60"], [*script(deaf), measured[-1]], other]
    attempt = start(
        "--output-env", "OUT", "--collector", "tau", "--stop", "USR1:mapped=libTAU:files:20",
        command=[*script(FAMILY), json.dumps(family)],
    )  # fmt: skip
    attempt.wait_for("run-0/ready")
    time.sleep(0.5)
    attempt.process.terminate()
    done = attempt.finish()

    assert done.log() == b"usr1\n"
    assert (done.workspace / "run-0/tau/profile.0.0.0").read_text() == "data"
    assert json.loads((done.workspace / "run-0/endings").read_text()) == [-15, -15, -15, -15]
    assert done.exit["reason"] == "Cancelled"


def test_step_without_a_target_is_skipped(start: Any) -> None:
    """Nobody has the library mapped: nothing is waited for."""
    attempt = start("--stop", "USR1:mapped=libNone:files:50", command=["sleep", "60"])
    attempt.wait_for("run-0/app.log")
    began = time.monotonic()
    attempt.process.terminate()

    assert attempt.finish().code == 143
    assert time.monotonic() - began < 20


def test_a_step_may_only_wait(launch: Any) -> None:
    """NONE signals nobody: a tool that ends by itself gets the time for it."""
    script = "trap 'echo told; exit 1' INT TERM; sleep 2; echo ended by itself"
    done = launch("--timeout", "0.5", "--stop", "NONE:tool:exit:30", command=["sh", "-c", script])

    assert done.log() == b"ended by itself\n"
    assert done.run()["reason"] == "AppTimedOut"
