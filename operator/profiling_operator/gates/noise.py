"""How far numbers differ although nothing changed: intervals and noise, by the bootstrap.

A bootstrap draws as many values as were measured, again and again, and looks at how the statistic
varies. All draws here come from one list of positions between 0 and 1 that is made once, from a
fixed seed: so the same numbers have the same verdict everywhere, in whatever order and unit. The
values are sorted, hence of a draw only those positions matter that become the statistic.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from random import Random
from statistics import NormalDist

from profiling_operator.spec.job import Statistic

DRAWS = 1000
SEED = 7
CONFIDENCE = 0.95
"""Of an interval, both ends together."""
CERTAINTY = 0.985
"""Of the noise, each end."""
KEPT = 64  # sets of draws
SEVERAL = 2

Row = tuple[float, ...]
Interval = tuple[float, float]


def p95(values: Sequence[float]) -> float:
    """The smallest value that at least 95 % of all do not exceed (nearest rank).

    It is always one of the values: of fewer than 20, the largest.
    """
    return sorted(values)[_rank95(len(values))]


STATISTICS: Mapping[Statistic, Callable[[Sequence[float]], float]] = {
    Statistic.MEDIAN: statistics.median,
    Statistic.MIN: min,
    Statistic.MEAN: statistics.fmean,
    Statistic.P95: p95,
}


def interval(values: Sequence[float], statistic: Statistic) -> Interval | None:
    """Where the statistic is, with 95 % confidence; None for a single value."""
    if len(values) < SEVERAL:
        return None
    power = exponent(values)
    drawn = sorted(_drawn(sorted(scaled(values, -power)), statistic, len(values)))
    rest = (1 - CONFIDENCE) / 2
    low, high = scaled((_quantile(drawn, rest), _quantile(drawn, 1 - rest)), power)
    return low, high


@dataclass(frozen=True)
class Noise:
    """What the jobs of a window have, and how far from it a job is that has not changed."""

    center: float
    below: float
    """Not above 0."""
    above: float
    """Not below 0."""

    @property
    def band(self) -> Interval:
        """Where a job is that has not changed."""
        return self.center + self.below, self.center + self.above


def of_window(
    window: Sequence[Sequence[float]], new: Sequence[float], statistic: Statistic
) -> Noise:
    """The noise of a new job beside the jobs of a window, each with its repetitions.

    Three things vary without a change: the repetitions of one job, the jobs beyond what their
    repetitions explain, and the center, which is the median of the jobs at hand.
    """
    each = sorted(STATISTICS[statistic](one) for one in window)
    center = statistics.median(each)
    usual = sorted(map(len, window))[len(window) // 2]
    pool = sorted(chain.from_iterable(map(_residuals, (*window, new))))
    theirs = _drawn(pool, statistic, usual)
    own = _drawn(pool, statistic, len(new))
    middle = _quantile(sorted(theirs), 0.5)
    jobs = _of_jobs([one - center for one in each], theirs)
    centers = _drawn(each, Statistic.MEDIAN, len(each), salt=2)
    return _noise(center, (
        (mine - middle) + job - (there - center)
        for mine, job, there in zip(own, jobs, centers, strict=True)
    ))  # fmt: skip


def of_pair(before: Sequence[float], after: Sequence[float], statistic: Statistic) -> Noise:
    """The noise of one job beside one other, as far as their repetitions tell: two at least each.

    How jobs vary beyond that is not to be known from two: a window tells more. Of a few repetitions
    the spread is badly known, too, so the draws are stretched as Student's t is.
    """
    pool = sorted(chain(_residuals(before), _residuals(after)))
    theirs = _drawn(pool, statistic, len(before), salt=3)
    own = _drawn(pool, statistic, len(after))
    stretches = _stretches(len(before) + len(after) - 1)
    pairs = zip(own, theirs, stretches, strict=True)
    center = STATISTICS[statistic](before)
    return _noise(center, ((mine - there) * stretch for mine, there, stretch in pairs))


def _noise(center: float, draws: Iterable[float]) -> Noise:
    """What changes without a change are like, by draws of them."""
    noise = sorted(draws)
    below, above = _quantile(noise, 1 - CERTAINTY), _quantile(noise, CERTAINTY)
    return Noise(center, min(below, 0.0), max(above, 0.0))


def _residuals(values: Sequence[float]) -> list[float]:
    """How repetitions lie around their own median, as wide as they lie around the true one.

    Normal values are 1 - 2/n + v around their own, where v is the variance of medians of n.
    """
    count = len(values)
    if count < SEVERAL:
        return []
    middle = statistics.median(values)
    narrowed = math.sqrt(1 - 2 / count + math.pi / (2 * (count | 1) + 1))
    return [(one - middle) / narrowed for one in values]


def _of_jobs(deviations: Sequence[float], within: Sequence[float]) -> list[float]:
    """How jobs vary beyond what their repetitions explain.

    Of a few jobs the variance is badly known: the draws are stretched as Student's t is.
    """
    count = len(deviations)
    seen = sum(one * one for one in deviations) / (count - 1)
    middle = statistics.fmean(within)
    explained = sum((one - middle) ** 2 for one in within) / len(within)
    if seen <= explained:
        return [0.0] * DRAWS
    beyond = math.sqrt((1 - explained / seen) * count / (count - 1))
    drawn = _drawn(deviations, Statistic.MEDIAN, 1, salt=1)
    return [one * beyond * stretch for one, stretch in zip(drawn, _stretches(count), strict=True)]


def _drawn(pool: Sequence[float], statistic: Statistic, count: int, salt: int = 0) -> list[float]:
    """The statistic of each draw of `count` values from a sorted pool, which may be empty."""
    size = len(pool)
    if not size:
        return [0.0] * DRAWS
    rows = _rows(statistic, count, salt)
    if len(rows[0]) == 1:
        return [pool[int(at * size)] for (at,) in rows]
    return [sum(pool[int(at * size)] for at in row) / len(row) for row in rows]


@functools.lru_cache(maxsize=KEPT)
def _rows(statistic: Statistic, count: int, salt: int) -> tuple[Row, ...]:
    """Of each draw of `count` positions, those whose mean is the statistic."""
    random = Random(SEED + salt)  # noqa: S311 - no secret depends on it
    draws = (sorted(random.random() for _ in range(count)) for _ in range(DRAWS))
    return tuple(_telling(statistic, one) for one in draws)


def _telling(statistic: Statistic, draw: Sequence[float]) -> Row:
    count = len(draw)
    if statistic is Statistic.MEAN:
        return tuple(draw)
    if statistic is Statistic.MEDIAN:
        return tuple(draw[(count - 1) // 2 : count // 2 + 1])
    return (draw[0 if statistic is Statistic.MIN else _rank95(count)],)


@functools.lru_cache(maxsize=KEPT)
def _stretches(count: int) -> tuple[float, ...]:
    """What makes normal draws those of Student's t, with the freedom of so many jobs."""
    random, normal = Random(SEED - 1), NormalDist()  # noqa: S311 - no secret depends on it
    freedom = count - 1
    squares = (
        sum(normal.inv_cdf(1 - random.random()) ** 2 for _ in range(freedom)) for _ in range(DRAWS)
    )
    return tuple(math.sqrt(freedom / one) for one in squares)


def exponent(values: Iterable[float]) -> int:
    """The power of two by which the largest of these numbers is about 1."""
    return max((math.frexp(one)[1] for one in values), default=0)


def scaled(values: Iterable[float], exponent: int) -> tuple[float, ...]:
    """Numbers times a power of two, which rounds none that is near the largest."""
    return tuple(math.ldexp(one, exponent) for one in values)


def is_finite(values: Iterable[float]) -> bool:
    """Whether all are numbers that can be computed with."""
    try:
        return all(map(math.isfinite, values))
    except OverflowError:  # an integer that no float holds
        return False


def _rank95(count: int) -> int:
    return math.ceil(count * 95 / 100) - 1


def _quantile(values: Sequence[float], share: float) -> float:
    """Of sorted values, the one that so large a share lies below."""
    return values[min(int(share * len(values)), len(values) - 1)]
