"""The size limit: the launcher ends a run whose workspace takes too much of the disk."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MEBIBYTE = 1 << 20
FILL = ["sh", "-c", 'head -c 3000000 /dev/zero > "$OUT/fill"; exec sleep 60']
LIMIT = ("--size-limit", str(MEBIBYTE), "--output-env", "OUT")


def test_too_much_output_ends_the_run(launch: Any) -> None:
    """More than the limit is a stop: OutputTooLarge, 143; both numbers are told, files are kept."""
    done = launch(*LIMIT, "--repetitions", "3", command=FILL)

    assert (done.code, done.exit["runs"]) == (143, 1)
    for outcome in (done.exit, done.run()):
        assert (outcome["reason"], outcome["origin"]) == ("OutputTooLarge", "launcher")
        assert (outcome["signal"], outcome["timedOut"]) == (15, False)
        said = re.fullmatch(r"the output takes (\d+) bytes, more than (\d+)", outcome["message"])
        assert said and int(said[1]) >= 3_000_000 and int(said[2]) == MEBIBYTE
    assert (done.workspace / "run-0/fill").stat().st_size == 3_000_000


def test_stop_sequence_is_walked(launch: Any, tmp_path: Path) -> None:
    """The collector's own steps come first, as with any other stop."""
    app = f"trap 'exit 5' USR1; {FILL[2].replace('exec sleep 60', 'while :; do sleep 0.1; done')}"
    done = launch(*LIMIT, "--stop", "USR1:tool:exit:20", command=["sh", "-c", app])

    assert (done.exit["reason"], done.exit["exitCode"]) == ("OutputTooLarge", 5)


@pytest.mark.parametrize("limit", [(), ("--size-limit", "0"), ("--size-limit", "200000000000")])
def test_no_limit(launch: Any, limit: tuple[str, ...]) -> None:
    """Absent or 0 there is no limit; one far away, beyond 32 bits, changes nothing."""
    app = 'head -c 3000000 /dev/zero > "$OUT/fill"; sleep 0.5'
    done = launch(*limit, "--output-env", "OUT", command=["sh", "-c", app])

    assert (done.code, done.exit["reason"]) == (0, "Completed")


def test_all_runs_count_and_links_do_not(launch: Any, tmp_path: Path) -> None:
    """What earlier runs left counts, in subfolders, too; what links lead to and holes do not."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/much").write_bytes(bytes(3_000_000))
    app = f"""mkdir -p "$OUT/a/b"; ln -s {tmp_path}/outside "$OUT/link"; truncate -s 1G "$OUT/hole"
    ln -s {tmp_path}/outside/much "$OUT/file"; head -c 400000 /dev/zero > "$OUT/a/b/fill"
    case "$OUT" in *-2) sleep 60; esac; sleep 0.5"""
    done = launch(*LIMIT, "--repetitions", "3", command=["sh", "-c", app])

    assert (done.exit["reason"], done.run(0)["reason"]) == ("OutputTooLarge", "Completed")
    said = re.search(r"takes (\d+)", done.exit["message"])
    assert said and MEBIBYTE < int(said[1]) < 2_500_000


def test_earlier_stop_wins(start: Any) -> None:
    """.run/stop was there first: its reason is recorded, though its run fills the disk after it."""
    app = """trap 'head -c 3000000 /dev/zero > "$OUT/fill"; sleep 3; exit 5' TERM; : > "$OUT/ready"
    while :; do sleep 0.1; done"""
    attempt = start(*LIMIT, command=["sh", "-c", app])
    attempt.wait_for("run-0/ready")
    attempt.write("stop", "Superseded\nby another one\n")
    done = attempt.finish()

    assert (done.workspace / "run-0/fill").stat().st_size == 3_000_000
    assert (done.code, done.exit["reason"], done.exit["exitCode"]) == (143, "Superseded", 5)
    assert done.exit["message"] == "by another one"


def test_later_stop_changes_nothing(start: Any) -> None:
    """.run/stop that comes while the run is being ended for its size: the size stays the reason."""
    app = f"trap ': > \"$OUT/ending\"' TERM; {FILL[2].replace('exec sleep 60', '')} "
    app += 'while [ ! -e "$OUT/../.run/stop" ]; do sleep 0.1; done'
    attempt = start(*LIMIT, command=["sh", "-c", app])
    attempt.wait_for("run-0/ending")
    attempt.write("stop", "Cancelled\n")
    done = attempt.finish()

    assert (done.code, done.exit["reason"]) == (143, "OutputTooLarge")
    assert done.exit["exitCode"] == 0


def test_vanishing_folders(launch: Any) -> None:
    """Folders that come and go while the launcher adds up do not hide what else is there."""
    app = """while :; do mkdir -p "$OUT/x/y" "$OUT/z"; rm -r "$OUT/x" "$OUT/z"; done &
    head -c 3000000 /dev/zero > "$OUT/fill"; wait"""
    done = launch(*LIMIT, "--timeout", "50", command=["sh", "-c", app])

    assert done.exit["reason"] == "OutputTooLarge"


DEEP = """
import os, sys, time
os.chdir(sys.argv[1])
for _ in range(3000):
    os.mkdir("d")
    os.chdir("d")
time.sleep(0.5)
"""


def test_endless_folders(launch: Any, tmp_path: Path) -> None:
    """Folders within folders, deeper than a path can name, do the launcher no harm."""
    words = ["--wrapper", "5", "--size-limit", "1e12"]
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    done = launch(
        *words, command=[sys.executable, "-S", "-c", DEEP, "{run}"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)),
    )  # fmt: skip
    subprocess.run(["rm", "-rf", done.workspace / "run-0"], check=True)

    assert (done.code, done.exit["reason"]) == (0, "Completed")
