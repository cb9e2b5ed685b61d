"""What the page of a large profile takes: made-up recordings of nsys, and stacks of py-spy.

    python bench/report.py [--entries 1000000] [--peers FOLDER]

Prints a table: entries, sizes of what the page is made of, size of the page, time and peak memory
of making it in a process of its own, without its start. With `--peers`, flamegraph.pl of
FOLDER/FlameGraph draws the same folded.txt beside it; its picture alone has no limit.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "operator"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import made_up_nsys
from making import job
from profiling_operator import plan, uploader
from profiling_operator.executors import Observation, State
from profiling_operator.settings import Settings
from profiling_operator.workspace import Origin, RunRecord

ROOT = Path(__file__).resolve().parent.parent
MEGA = 1e6
ENTRIES_OF_A_KERNEL = 3.4  # with calls, copies, ranges and samples
FUNCTIONS = 60_007
PAGE = """
import re, sys, time
from pathlib import Path
from profiling_operator import report
begun = time.process_time()
report.write(Path(sys.argv[1]))
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(time.process_time() - begun, int(peak[1]) * 1024)
"""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--peers", type=Path)
    given = parser.parse_args()
    print("| profile | entries | folded.txt | trace.json | page | CPU seconds | peak memory | "
          "flamegraph.pl |")  # fmt: skip
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, make in MAKERS.items():
        with tempfile.TemporaryDirectory() as scratch:
            folder = _results(Path(scratch), name, make, given.entries)
            print(_row(folder, name, given.peers), flush=True)


def recording(folder: Path, entries: int) -> None:
    """A database of nsys."""
    made_up_nsys.make(folder / "profile.sqlite", kernels=int(entries / ENTRIES_OF_A_KERNEL))


def stacks(folder: Path, entries: int) -> None:
    """Stacks, each of them another one."""
    with (folder / "profile.folded").open("w") as file:
        for number in range(entries):
            step = f"step_{number % FUNCTIONS} (b.py:{number})"
            file.write(f"main (a.py:1);{step};hot (c.py:3) {number % 7}\n")


MAKERS: dict[str, Callable[[Path, int], None]] = {"nsys": recording, "pyspy": stacks}


def _results(scratch: Path, name: str, make: Callable[[Path, int], None], entries: int) -> Path:
    """The result folder of an attempt that left such a profile."""
    workspace, folder = scratch / "workspace", scratch / "results"
    (workspace / "run-0" / name).mkdir(parents=True)
    folder.mkdir()
    make(workspace / "run-0" / name, entries)
    began = "2026-11-30T00:00:00.000000000Z"
    record = RunRecord(
        index=0, warmup=False, reason="Completed", origin=Origin.APP, exit_code=0,
        started_at=began, finished_at=began, started_monotonic_ns=0, finished_monotonic_ns=10**9,
    )  # fmt: skip
    planned = plan.build_plan(job(collectors=[{"name": name}]))
    uploader.collect(
        workspace, planned, Observation(State.ENDED, runs=(record,)), folder, Settings()
    )
    return folder


def _row(folder: Path, name: str, peers: Path | None) -> str:
    entries = json.loads((folder / "summary.json").read_text())["entries"]["total"]
    done = subprocess.run(
        [sys.executable, "-c", PAGE, str(folder)],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT / "operator")},
    )  # fmt: skip
    seconds, memory = map(float, done.stdout.split())
    sizes = [_size(folder / one) for one in ("folded.txt", "trace.json", "report.html")]
    peer = _peer(folder, peers) if peers else "-"
    cells = [name, str(entries), *sizes, f"{seconds:.1f}", f"{memory / MEGA:.0f} MB", peer]
    return f"| {' | '.join(cells)} |"


def _size(path: Path) -> str:
    return f"{path.stat().st_size / MEGA:.2f} MB" if path.exists() else "-"


def _peer(folder: Path, peers: Path) -> str:
    """Size and time of the picture that flamegraph.pl draws."""
    begun = time.monotonic()
    words = ["perl", str(peers / "FlameGraph" / "flamegraph.pl"), str(folder / "folded.txt")]
    done = subprocess.run(words, capture_output=True, check=True)
    boxes = len(re.findall(rb"<rect", done.stdout))
    return f"{len(done.stdout) / MEGA:.2f} MB, {boxes} boxes, {time.monotonic() - begun:.1f} s"


if __name__ == "__main__":
    main()
