"""What `profjob run` adds to a bare command: from start to result, beside the command itself.

    python bench/overhead.py --repetitions 10

Prints a Markdown table: the bare command, the command under the launcher alone, the whole of
`profjob run` with py-spy, each the median of all repetitions in one run of this script.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from profiling_operator import launcher

ROOT = Path(__file__).resolve().parent.parent
BUSY = """
def hot(size):
    total = 0
    for number in range(size):
        total += number * number % 7
    return total
for _ in range({rounds}):
    hot(400_000)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--rounds", type=int, nargs="+", default=[10, 100])
    given = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}\n")
    print("| command alone takes | how it is run | median s | fastest s | slowest s | adds s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for rounds in given.rounds:
        with tempfile.TemporaryDirectory() as scratch:
            _measure(Path(scratch), rounds, given.repetitions)


def _measure(scratch: Path, rounds: int, repetitions: int) -> None:
    command = [sys.executable, "-c", BUSY.format(rounds=rounds)]
    job = _write_job(scratch, command)
    ways: dict[str, Callable[[int], list[str]]] = {
        "bare": lambda number: command,
        "launcher alone": lambda number: [
            *(str(launcher.path()), "--workspace", str(scratch / f"w{number}"), "--", *command)
        ],
        "profjob run, pyspy": lambda number: [
            *(sys.executable, "-m", "profiling_operator", "run", "--quiet", str(job)),
            *("--results", str(scratch / "results")),
        ],
    }
    # Taking turns, so that what else the machine does falls on all of them.
    times: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(repetitions):
        for way, words in ways.items():
            times[way].append(_seconds(words(number), scratch))
    bare = statistics.median(times["bare"])
    for way, taken in times.items():
        median = statistics.median(taken)
        row = f"{bare:.2f} s | {way} | {median:.3f} | {min(taken):.3f} | {max(taken):.3f}"
        print(f"| {row} | {median - bare:.3f} |")


def _write_job(scratch: Path, command: list[str]) -> Path:
    job = scratch / "job.yaml"
    body = {
        "apiVersion": "profiling.dev/v1alpha1",
        "kind": "ProfilingJob",
        "metadata": {"name": "overhead"},
        "spec": {"app": {"command": command}, "collectors": [{"name": "pyspy"}]},
    }
    job.write_text(yaml.safe_dump(body))
    return job


def _seconds(words: list[str], scratch: Path) -> float:
    env = {**os.environ, "PROFJOB_STATE_DIR": str(scratch / "state")}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT / "operator"), env.get("PYTHONPATH", "")])
    began = time.perf_counter()
    subprocess.run(words, stdout=subprocess.DEVNULL, env=env, check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
