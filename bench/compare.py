"""How often `profjob compare` takes noise for a change, and how often it finds one.

    python bench/compare.py [COMPARISONS]

Prints a table: noise, repetitions, measures that are compared at a time; how many of all measures
without a change seem slower, in how many comparisons one of them counts as slower (`--fail-above`),
and in how many of all measures +20 % and +50 % count. Made-up numbers, a fixed seed.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "operator"))

from profiling_operator.report import differences
from profiling_operator.report.differences import Change, Verdict
from profiling_operator.report.results import Measured

Noise = Callable[[random.Random], float]

SEED = 5
NOISES: dict[str, Noise] = {
    "normal, 5 %": lambda chance: chance.gauss(100, 5),
    "lognormal, 10 %": lambda chance: 100 * math.exp(chance.gauss(0, 0.1)),
    "two modes": lambda chance: chance.gauss(100, 2) + 15 * (chance.random() < 0.25),
}
REPETITIONS = (2, 3, 5, 7, 10, 20)
MEASURES = (3, 100)
FASTER = 5  # of few measures, so many more comparisons


def main() -> None:
    """Print the table."""
    comparisons = int(sys.argv[1]) if sys.argv[1:] else 40
    print("| noise | repetitions | measures | seem slower | one counts | +20 % | +50 % |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, noise in NOISES.items():
        for repetitions in REPETITIONS:
            for measures in MEASURES:
                count = comparisons * (1 if measures > FASTER else FASTER)
                told = " | ".join(f"{one:.1%}" for one in _row(noise, repetitions, measures, count))
                print(f"| {name} | {repetitions} | {measures} | {told} |", flush=True)


def _row(noise: Noise, repetitions: int, measures: int, count: int) -> Sequence[float]:
    """The shares of one line."""
    chance = random.Random(SEED)  # noqa: S311 - noise is no secret
    seem = one_counts = 0
    found = {1.2: 0, 1.5: 0}
    for _ in range(count):
        before = _job(chance, noise, repetitions, measures)
        after = _job(chance, noise, repetitions, measures)
        same = differences.changes(before, after)
        seem += sum(one.verdict is Verdict.SLOWER for one in same)
        one_counts += any(_counts(one) for one in same)
        for factor in found:
            found[factor] += sum(map(_counts, differences.changes(before, _slower(after, factor))))
    every = count * measures
    return seem / every, one_counts / count, *(one / every for one in found.values())


def _job(chance: random.Random, noise: Noise, repetitions: int, measures: int) -> list[Measured]:
    return [
        Measured(
            measure=f"m{number}", unit="ns", values=tuple(noise(chance) for _ in range(repetitions))
        )
        for number in range(measures)
    ]


def _slower(job: Sequence[Measured], factor: float) -> list[Measured]:
    return [
        Measured(measure=one.measure, unit=one.unit, values=tuple(at * factor for at in one.values))
        for one in job
    ]


def _counts(one: Change) -> bool:
    return one.is_slower_by(0)


if __name__ == "__main__":
    main()
