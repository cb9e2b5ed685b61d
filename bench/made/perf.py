"""Text as `perf script` prints it for a program of some threads, of any size.

Stacks of one thread change as real ones do: some functions return, others are called. What is
printed depends on the seed alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FUNCTIONS = 4000
THREADS = 12
DEEPEST = 64
PERIOD = 10_101_010
WORDS = ("solve", "flux", "halo", "pack", "mesh", "norm", "assemble", "reduce", "limit", "advect")
LIBRARIES = ("libm.so.6", "libstdc++.so.6.0.30", "libmpi.so.40.30.4", "libopenblas.so.0")
HEAD = """\
# ========
# captured on    : Tue Nov 24 16:29:19 2026
# hostname : host
# os release : 6.1.0
# perf version : 6.1.192
# arch : x86_64
# nrcpus online : 8
# reference time: 2026-11-24 16:29:18.993711 = 1795537758.993711 (TOD) = 1743.630767667 (monotonic)
# ========
#
"""


@dataclass
class Thread:
    """A thread, and the functions that are open in it, the outermost first."""

    name: str
    number: int
    stack: list[str] = field(default_factory=list)


def write(path: Path, size: int, seed: int) -> None:
    """So many bytes, up to the end of a sample."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    functions = [_function(chance, index) for index in range(FUNCTIONS)]
    with path.open("w", encoding="utf-8") as text:
        size -= text.write(HEAD)
        for sample in _samples(chance, functions):
            size -= text.write(sample)
            if size <= 0:
                return


def _function(chance: random.Random, index: int) -> str:
    """What stands behind an address: C++ mangled and not, C, the kernel, generated code."""
    one, other = chance.sample(WORDS, 2)
    library = f"/usr/lib/x86_64-linux-gnu/{chance.choice(LIBRARIES)}"
    choices = (
        f"_ZN3app{len(one)}{one}{len(other) + 4}{other}{index:04d}EPdiRKSt6vectorIiSaIiEE "
        "(/opt/app/app)",
        f"app::{one}::{other}<double, {index}>(std::vector<int> const&, app::Mesh<3>*) "
        "(/opt/app/app)",
        f"{one}_{other}_{index} (/opt/app/app)",
        f"{one}_{other}{index % 97} ({library})",
        f"[unknown] ({library})",
        f"sys_{one}_{index % 200} ([kernel.kallsyms])",
        f"Interpreted::{one}{index} (/tmp/perf-4711.map)",
    )
    return chance.choices(choices, (5, 5, 5, 4, 1, 2, 1))[0]


def _samples(chance: random.Random, functions: list[str]) -> Iterator[str]:
    names = ("app", "app", "DOM Worker")
    threads = [Thread(chance.choice(names), 4711 + number) for number in range(THREADS)]
    now = 1743_702_493_785
    while True:
        thread = chance.choice(threads)
        now += chance.randrange(1, 2_000_000)
        _step(chance, thread, functions)
        seconds, fraction = divmod(now, 10**9)
        period = PERIOD + chance.randrange(-1000, 1000)
        where = f"{thread.name} 4711/{thread.number} [{chance.randrange(8):03d}]"
        yield f"{where} {seconds:5d}.{fraction:09d}: {period:10d} cpu-clock:u: \n"
        yield "".join(
            f"\t{0x55AF49800000 + chance.randrange(1 << 22):16x} {one}\n"
            for one in reversed(thread.stack)
        )
        yield (
            "\t           891f4 start_thread (/usr/lib/x86_64-linux-gnu/libc.so.6)\n"
            "\t          1098eb clone3 (/usr/lib/x86_64-linux-gnu/libc.so.6)\n\n"
        )


def _step(chance: random.Random, thread: Thread, functions: list[str]) -> None:
    """Some functions return, others are called; some much more often than others."""
    left = max(0, len(thread.stack) - int(chance.expovariate(0.15)))
    called = int(chance.expovariate(0.17))
    some = [functions[int(FUNCTIONS * chance.random() ** 3)] for _ in range(called)]
    thread.stack = (thread.stack[:left] + some)[:DEEPEST]
