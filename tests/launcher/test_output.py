"""The application's output: logged, capped, passed on, whoever reads it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FLOOD = "import os\nwhile True: os.write(1, b'x' * 999 + b'\\n')"


def test_output_is_logged_and_passed_on(launch: Any) -> None:
    """app.log holds both streams as they arrived; each is passed on to its own stream."""
    done = launch(command=["sh", "-c", "echo out; sleep 0.2; echo err >&2; sleep 0.2; echo end"])

    assert (done.stdout, done.stderr) == (b"out\nend\n", b"err\n")
    assert done.log() == b"out\nerr\nend\n"
    assert (done.run()["logBytes"], done.run()["logTruncated"]) == (12, False)


def test_much_output_arrives_whole(launch: Any) -> None:
    """Many pipe buffers, read to the end although the application is gone by then."""
    done = launch(command=[sys.executable, "-S", "-c", "print('0123456789' * 200_000)"])

    assert done.stdout == done.log() == b"0123456789" * 200_000 + b"\n"


def test_log_is_capped(launch: Any) -> None:
    """Past the limit nothing is logged, and everything is passed on."""
    app = ["sh", "-c", "head -c 300000 /dev/zero"]
    done = launch("--log-limit", "10000", command=app)

    assert (len(done.stdout), len(done.log())) == (300_000, 10_000)
    assert (done.run()["logBytes"], done.run()["logTruncated"]) == (10_000, True)


def test_application_closes_its_output(launch: Any) -> None:
    """An application that closes its streams goes on, and its end is noticed."""
    done = launch(command=["sh", "-c", "echo hello; exec >&- 2>&-; sleep 0.3; exit 6"])

    assert (done.code, done.log()) == (6, b"hello\n")
    taken = done.run()["finishedMonotonicNs"] - done.run()["startedMonotonicNs"]
    assert taken > 0.29e9
    assert done.run()["userSeconds"] < 0.2


def test_reader_that_is_gone(start: Any) -> None:
    """Nobody reads any more: the application goes on and its output is logged."""
    app = "import time\nfor i in range(20000): print(i, 'x' * 20, flush=i % 100 == 0)"
    attempt = start(command=[sys.executable, "-S", "-c", app])
    attempt.process.stdout.close()
    attempt.process.wait(60)
    attempt.process.stderr.close()

    assert attempt.code == 0
    assert attempt.log().splitlines()[-1].startswith(b"19999 ")


def test_reader_that_is_blocked(start: Any) -> None:
    """A reader that does not read holds the application up, never the time limit."""
    attempt = start("--timeout", "0.5", "--grace", "1", command=[sys.executable, "-S", "-c", FLOOD])
    assert attempt.process.wait(60) == 124

    assert attempt.exit["reason"] == "AppTimedOut"
    assert attempt.log().count(b"\n") > 60
    assert len(attempt.process.stdout.read()) < 1_000_000


@pytest.mark.needs("mount")
def test_full_disk(launch: Any, tmp_path: Path) -> None:
    """A disk that fills up during the run costs the log's end, never the outcome."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    subprocess.run(mount, check=True)
    try:
        app = "cat /dev/zero > fill; echo lost; head -c 100000 /dev/zero; exit 3"
        done = launch("--chdir", disk, command=["sh", "-c", app], workspace=disk / "w")
        assert shutil.disk_usage(disk).free == 0
        assert (done.code, done.exit["exitCode"], done.exit["runs"]) == (3, 3, 1)
        assert (done.run()["reason"], done.run()["logTruncated"]) == ("AppFailed", True)
        assert len(done.stdout) == 100_005
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
