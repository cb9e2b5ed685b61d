"""Many measures at once: what may look changed by chance, and what surely has changed. No I/O.

A band holds 99 of 100 measures without a change; of a thousand, ten would seem to have one. So
whoever looks at all of them asks for more: a wider band, by Student's distribution, since the
spread of a few repetitions is badly known; and repetitions that hardly overlap, since noise with
two modes moves medians further than any band of theirs says.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

from profiling_operator.gates import noise

OUTLIERS = 5
"""One of so many repetitions may lie where it wants."""
STEPS = 100


@functools.lru_cache(maxsize=256)
def strictness(measures: int, repetitions: int) -> float:
    """How much wider noise is where so many measures, of at least two repetitions, are compared."""
    rest, freedom = 1 - noise.CERTAINTY, max(repetitions - 1, 1)
    return quantile(1 - rest / max(measures, 1), freedom) / quantile(noise.CERTAINTY, freedom)


def is_apart(lower: Sequence[float], higher: Sequence[float]) -> bool:
    """Whether repetitions lie above others, but for a few outliers."""
    return sorted(higher)[len(higher) // OUTLIERS] > sorted(lower)[-1 - len(lower) // OUTLIERS]


def quantile(share: float, freedom: int) -> float:
    """Of Student's distribution, the value that so large a share (over one half) lies below."""
    low, high = 0.0, 1.0
    while distribution(high, freedom) < share:
        high *= 2
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if distribution(middle, freedom) < share else (low, middle)
    return high


def distribution(value: float, freedom: int) -> float:
    """The share that lies below a value, by the finite sums for whole degrees of freedom.

    https://dlmf.nist.gov/8.17 has them as the incomplete beta function of whole and half numbers.
    """
    angle = math.atan(value / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    is_odd = freedom % 2
    term, total = (cosine, 0.0) if is_odd else (1.0, 0.0)
    for number in range(freedom // 2):
        total += term
        step = 2 * number + 1 + is_odd
        term *= step / (step + 1) * cosine * cosine
    part = 2 / math.pi * (angle + sine * total) if is_odd else sine * total
    return (1 + part) / 2
