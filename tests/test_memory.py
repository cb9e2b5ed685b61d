"""Memory of a conversion is bounded, whatever the profile."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import made_up_nsys
import made_up_nvprof

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))

from made import perf, tau  # noqa: E402 - the generators of the benchmark

SIZE = 8 << 20
MOST = 150_000_000
# Prints how much this process had at most, with all that a result folder needs being added up. Not
# by getrusage: there the largest that its parent was counts, too.
CONVERT = r"""
import re, sys
from pathlib import Path
from profiling_operator import artifacts, entries, registry
from profiling_operator.captures import Capture
from profiling_operator.convert import Conversion
folder, name = Path(sys.argv[1]), sys.argv[2]
collector = registry.load("collectors", name)
scan = artifacts.scan(folder / "in")
with entries.create(folder / "entries.jsonl.gz") as writer:
    converted = Conversion(writer).take(collector, Capture(scan.artifacts, collector.options(), 0))
peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
print(converted.entries, int(peak[1]) * 1024)
"""


def stacks(folder: Path, size: int) -> None:
    """Stacks of py-spy's, each of them another one."""
    with (folder / "profile.folded").open("w", encoding="utf-8") as file:
        for number in range(size // 60):
            file.write(
                f"main (a.py:1);step_{number % 997} (b.py:{number});hot (c.py:3) {number % 7}\n"
            )


def database(module: object) -> Callable[[Path, int], None]:
    """A maker of databases: a kernel with all that goes with it takes some hundred bytes."""

    def make(folder: Path, size: int) -> None:
        module.make(folder / "made.sqlite", kernels=size // 400, seed=1)  # type: ignore[attr-defined]
        (folder / "made.sqlite").rename(
            folder / ("a.sqlite" if module is made_up_nsys else "a.nvprof")
        )

    return make


MAKERS: dict[str, Callable[[Path, int], None]] = {
    "tau": lambda folder, size: tau.write(folder, size, 1, tau.RANKS),
    "perf": lambda folder, size: perf.write(folder / "perf.script", size, 1),
    "pyspy": stacks,
    "nvprof": database(made_up_nvprof),
    "nsys": database(made_up_nsys),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_conversion_takes_little_memory(name: str, tmp_path: Path) -> None:
    """With all sums, stacks and time lines that a result folder needs."""
    (tmp_path / "in").mkdir()
    MAKERS[name](tmp_path / "in", SIZE)

    done = subprocess.run(
        [sys.executable, "-c", CONVERT, str(tmp_path), name],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT / "operator")},
    )  # fmt: skip
    entries, memory = map(int, done.stdout.split())

    assert entries > SIZE // 4000
    assert memory < MOST
