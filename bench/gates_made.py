"""Made series for `gates.py`: jobs of which nothing changed, in several shapes of noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

SPREADS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1)
"""Median absolute deviations of repetitions, as shares."""
NORMAL_MAD = 0.6745
"""Of values with a standard deviation of 1."""
LOGNORMAL_MAD = 0.599
"""Of exp(normal)."""
BIMODAL = 0.9


def _normal(random: Random) -> float:
    return random.gauss(0, 1) / NORMAL_MAD


def _lognormal(random: Random) -> float:
    """A long tail to the right, as where other programs interrupt."""
    return (math.exp(random.gauss(0, 1)) - 1) / LOGNORMAL_MAD


def _bimodal(random: Random) -> float:
    """Two speeds, as of two kinds of cores."""
    return random.choice((-BIMODAL, BIMODAL)) + random.gauss(0, 0.3)


def _outliers(random: Random) -> float:
    """One repetition of ten is far slower."""
    value = _normal(random)
    return value if random.random() < 0.9 else 6 * abs(value)


@dataclass(frozen=True)
class Shape:
    """How repetitions and jobs vary; a repetition's noise has a median absolute deviation of 1."""

    repetition: Callable[[Random], float]
    between: float = 0.0
    """Deviation of jobs, in those of their repetitions."""
    wild: float = 0.0
    """The share of jobs that deviate four times as much."""

    def job(self, random: Random, spread: float, repetitions: int) -> list[float]:
        """The repetitions of one job around 1."""
        factor = 4 if random.random() < self.wild else 1
        base = 1 + spread * self.between * factor * random.gauss(0, 1)
        values = (base * (1 + spread * self.repetition(random)) for _ in range(repetitions))
        return [max(one, 0.01) for one in values]


SHAPES: Mapping[str, Shape] = {
    "normal": Shape(_normal),
    "lognormal": Shape(_lognormal),
    "bimodal": Shape(_bimodal),
    "outliers": Shape(_outliers),
    "normal, jobs vary as much": Shape(_normal, between=1.0),
    "lognormal, jobs vary as much": Shape(_lognormal, between=1.0),
    "normal, one job of ten is wild": Shape(_normal, between=0.5, wild=0.1),
    "jobs vary, repetitions hardly": Shape(lambda random: 0.1 * _normal(random), between=1.0),
}


def series(shape: Shape, seed: str, jobs: int, repetitions: int) -> list[list[float]]:
    """One series; its spread is one of SPREADS."""
    random = Random(seed)  # noqa: S311 - no secret depends on it
    spread = random.choice(SPREADS)
    return [shape.job(random, spread, repetitions) for _ in range(jobs)]
