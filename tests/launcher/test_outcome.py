"""What is recorded of an application that ends by itself, or never starts."""

from __future__ import annotations

import platform
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest


def test_every_exit_code_is_returned_and_recorded(start: Any, tmp_path: Path) -> None:
    """0 to 255: the launcher exits with the application's exit code and records it."""

    def attempt(code: int) -> tuple[object, ...]:
        done = start(command=["sh", "-c", f"exit {code}"], workspace=tmp_path / str(code)).finish()
        return (done.code, done.exit["exitCode"], done.exit["reason"], done.exit["signal"])

    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(attempt, range(256)))

    assert seen == [(n, n, "AppFailed" if n else "Completed", None) for n in range(256)]


def test_exit_139_is_not_a_segmentation_fault(launch: Any, tmp_path: Path) -> None:
    """Exit code 139 and death by SIGSEGV return the same code and are told apart."""
    exited = launch(command=["sh", "-c", "exit 139"], workspace=tmp_path / "a")
    killed = launch(command=["sh", "-c", "kill -SEGV $$"], workspace=tmp_path / "b")

    assert (exited.code, killed.code) == (139, 139)
    fields = ("reason", "origin", "exitCode", "signal")
    assert [exited.exit[f] for f in fields] == ["AppFailed", "app", 139, None]
    assert [killed.exit[f] for f in fields] == ["AppKilled", "app", None, signal.SIGSEGV]


def test_all_fields_are_there(launch: Any) -> None:
    """started.json, run-<k>.json and exit.json have every field of the contract."""
    done = launch("--name", "nbody", "--warmups", "1", command=["true"])

    assert {
        "protocol", "name", "pid", "startedAt", "startedMonotonicNs", "runs", "warmups",
    } <= set(done.read("started.json"))  # fmt: skip
    times = {"startedAt", "finishedAt", "startedMonotonicNs", "finishedMonotonicNs"}
    common = times | {"reason", "origin", "message", "exitCode", "signal", "timedOut"}
    assert common | {"protocol", "runs"} <= set(done.exit)
    assert common | {
        "index", "warmup", "userSeconds", "systemSeconds", "peakMemoryBytes", "toolExitCode",
        "toolSignal", "logBytes", "logTruncated",
    } <= set(done.run())  # fmt: skip
    started = done.read("started.json")
    assert (started["protocol"], started["name"], started["pid"]) == (1, "nbody", done.process.pid)
    assert (started["runs"], started["warmups"]) == (2, 1)
    assert (done.exit["protocol"], done.exit["runs"], done.exit["timedOut"]) == (1, 2, False)
    assert [done.run(k)["index"] for k in (0, 1)] == [0, 1]
    assert [done.run(k)["warmup"] for k in (0, 1)] == [True, False]


def test_times_agree(launch: Any) -> None:
    """Wall clock and monotonic clock tell the same story, in order."""
    done = launch(command=["sleep", "0.3"])

    for outcome in (done.exit, done.run()):
        start, end = (outcome[f][:26] + "Z" for f in ("startedAt", "finishedAt"))
        wall = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
        monotonic = (outcome["finishedMonotonicNs"] - outcome["startedMonotonicNs"]) / 1e9
        assert 0.29 < wall < 30
        assert abs(wall - monotonic) < 0.05
        assert outcome["startedAt"][-11:-1].lstrip(".").isdigit()
    now = datetime.now().timestamp()
    assert abs(datetime.fromisoformat(done.exit["finishedAt"][:26] + "Z").timestamp() - now) < 60


def test_processor_time_and_memory_are_measured(launch: Any) -> None:
    """The application's seconds of CPU and its peak memory, children included."""
    app = "x = bytearray(50_000_000)\nfor i in range(2_000_000): pass"
    command = ["sh", "-c", '"$0" -S -c "$1"; true', sys.executable, app]

    outcome = launch(command=command).run()

    assert 0.01 < outcome["userSeconds"] < 60
    assert 0 <= outcome["systemSeconds"] < 60
    assert 50_000_000 < outcome["peakMemoryBytes"] < 500_000_000


def test_missing_command(launch: Any) -> None:
    """A command that is not on PATH: CannotStart, 127, and the message names it."""
    done = launch(command=["no-such-command", "x"], env={"PATH": "/usr/bin:/bin"})

    assert done.code == 127
    outcome = done.run()
    fields = ("reason", "origin", "exitCode")
    assert [outcome[f] for f in fields] == ["CannotStart", "launcher", 127]
    assert outcome["message"] == "No such file or directory: no-such-command"
    assert b"no-such-command" in done.stderr


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        (b"#!/bin/sh\n", 0o644, "Permission denied"),
        (b"no program\n", 0o755, "Exec format error"),
        (b"\x7fELF\2\1\1" + bytes(9) + b"\2\0\xf3\xf3" + bytes(100), 0o755, "Exec format error"),
    ],
    ids=["not executable", "no format", "wrong architecture"],
)
def test_not_executable(
    launch: Any, tmp_path: Path, content: bytes, mode: int, message: str
) -> None:
    """A file that cannot be executed: CannotStart, 126; no shell is tried instead."""
    program = tmp_path / "program"
    program.write_bytes(content)
    program.chmod(mode)

    done = launch(command=[program])

    assert (done.code, done.exit["reason"]) == (126, "CannotStart")
    assert done.exit["message"] == f"{message}: {program}"


def test_missing_working_directory(launch: Any) -> None:
    """A working directory that is not there: CannotStart, and the message names it."""
    done = launch("--chdir", "/no/such/folder", command=["true"])

    assert (done.code, done.exit["reason"]) == (127, "CannotStart")
    assert done.exit["message"] == "No such file or directory: /no/such/folder"


def test_warmups_and_repetitions(launch: Any) -> None:
    """Runs are numbered from 0, warm-ups first, one after the other, each with its folder."""
    done = launch(
        "--warmups", "1", "--repetitions", "2", "--collector", "tau", "--collector", "perf",
        "--output-env", "OUT", command=["sh", "-c", 'ls "$OUT"; echo "$OUT"'],
    )  # fmt: skip

    assert (done.code, done.exit["runs"]) == (0, 3)
    assert [done.run(k)["warmup"] for k in range(3)] == [True, False, False]
    for k in range(3):
        folder = done.workspace / f"run-{k}"
        assert done.log(k) == f"app.log\nperf\ntau\n{folder}\n".encode()
    fields = ("startedMonotonicNs", "finishedMonotonicNs")
    times = [done.run(k)[f] for k in range(3) for f in fields]
    assert times == sorted(times)
    assert done.stdout == done.log(0) + done.log(1) + done.log(2)


def test_failure_ends_the_attempt(launch: Any) -> None:
    """After a run that is not Completed, none is started."""
    app = 'case "$OUT" in *run-1) exit 9;; esac'
    done = launch("--repetitions", "4", "--output-env", "OUT", command=["sh", "-c", app])

    assert (done.code, done.exit["runs"], done.exit["exitCode"]) == (9, 2, 9)
    assert not (done.workspace / "run-2").exists()


def test_odd_names_give_valid_json(launch: Any) -> None:
    """Any bytes in a name or a message still make valid JSON."""
    name = b'a "quoted" \\ name\n\x01 \xff\xfe \xc3\xa9 \xed\xa0\x80'
    command = [b'no-\xff-"such"\n\xe2\x82-command']
    done = launch("--name", name, command=command, env={"PATH": "/usr/bin:/bin"})

    assert done.read("started.json")["name"].startswith('a "quoted" \\ name\n\x01 ')
    assert done.exit["message"].startswith("No such file or directory: no-")
    assert '-"such"\n' in done.exit["message"]


def test_long_texts_fit_the_reserve(launch: Any) -> None:
    """A message is cut, so that the file fits the space that was reserved for it."""
    done = launch(command=["\x01" * 5000])

    assert done.exit["reason"] == "CannotStart"
    assert (done.workspace / ".run/exit.json").stat().st_size <= 4096
    assert (done.workspace / ".run/run-0.json").stat().st_size <= 4096


def test_version_and_usage(launcher: Path) -> None:
    """--version tells the version; a command line that is not understood is refused with 125."""
    version = subprocess.run([launcher, "--version"], capture_output=True)
    assert (version.returncode, version.stdout[:7]) == (0, b"launch ")

    for words in (
        [], ["--workspace", "w"], ["--workspace", "w", "--"], ["--", "true"], ["--bogus", "1"],
        ["--workspace", "w", "--timeout", "soon", "--", "true"], ["--workspace"],
        ["--workspace", "w", "--repetitions", "-1", "--", "true"],
        ["--workspace", "w", "--stop", "INT:tool:exit", "--", "true"],
        ["--workspace", "w", "--stop", "FOO:tool:exit:1", "--", "true"],
        ["--workspace", "w", "--stop", "INT:all:exit:1", "--", "true"],
        ["--workspace", "w", "--stop", "INT:tool:never:1", "--", "true"],
        ["--workspace", "w", "--stop", "INT:tool:exit:nan", "--", "true"],
    ):  # fmt: skip
        done = subprocess.run([launcher, *words], capture_output=True, cwd=launcher.parent)
        assert (done.returncode, done.stdout) == (125, b""), words
        assert b"not understood" in done.stderr
    assert not (launcher.parent / "w").exists()


@pytest.mark.needs("namespaces")
def test_as_pid_1(launcher: Path, tmp_path: Path) -> None:
    """As the first process of a container it obeys TERM, and its end ends the rest."""
    words = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    app = "trap 'exit 4' TERM; kill -TERM 1; (setsid sleep 1000 &); while :; do sleep 0.1; done"
    options = ["--workspace", tmp_path / "w", "--grace", "3"]

    done = subprocess.run([*words, launcher, *options, "--", "sh", "-c", app], timeout=60)

    assert done.returncode == 143
    assert b'"Cancelled"' in (tmp_path / "w/.run/exit.json").read_bytes()
    assert platform.system() == "Linux"
