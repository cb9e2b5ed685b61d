"""What changed between two jobs: each measure, and whether it is more than noise. No I/O."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from profiling_operator.gates import noise
from profiling_operator.report import chance, words
from profiling_operator.report.results import Measured
from profiling_operator.spec.job import Statistic

TIME = "ns"
LARGEST = 1e300
"""Sums of such numbers are numbers still."""
FEWEST = 2
"""Repetitions; of fewer nobody can tell what is noise."""


class Verdict(StrEnum):
    """What became of a measure."""

    SLOWER = "slower"
    FASTER = "faster"
    MORE = "more"
    LESS = "less"
    NOISE = "within noise"
    UNTOLD = "cannot tell"
    NEW = "only after"
    GONE = "only before"
    UNITS = "other unit"


CHANGED = frozenset({Verdict.SLOWER, Verdict.FASTER, Verdict.MORE, Verdict.LESS})
SIGNS = {
    Verdict.SLOWER: "▲", Verdict.MORE: "▲", Verdict.FASTER: "▼", Verdict.LESS: "▼",
    Verdict.NOISE: "≈", Verdict.UNTOLD: "?", Verdict.NEW: "+", Verdict.GONE: "−",
    Verdict.UNITS: "!",
}  # fmt: skip


@dataclass(frozen=True)
class Side:
    """A measure of one of the two jobs."""

    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Over the repetitions."""
        return statistics.median(self.values)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the median is, with 95 % confidence."""
        return noise.interval(self.values, Statistic.MEDIAN)

    @property
    def shown(self) -> str:
        """The median."""
        return words.amount(self.median, self.unit)

    @property
    def told(self) -> str:
        """`1.31 s ±2.1 %`: the median, and how far the interval goes from it."""
        shown, found = self.shown, self.interval
        if found is None or not self.median:
            return shown
        far = max(found[1] - self.median, self.median - found[0]) / abs(self.median)
        return f"{shown} ±{far * 100:.1f}\u00a0%" if far < 1 else f"{shown} ±>100\u00a0%"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        interval = self.interval
        return {
            "unit": self.unit, "median": self.median, "values": list(self.values),
            "interval": interval and list(interval),
        }  # fmt: skip


@dataclass(frozen=True)
class Change:
    """A measure of both jobs, or of one that the other has not."""

    measure: str
    before: Side | None
    after: Side | None
    verdict: Verdict
    why: str = ""
    """Where it cannot be told."""
    band: tuple[float, float] | None = None
    """Where the second job would be without a change."""
    is_sure: bool = False
    """It changed beyond what chance makes of so many measures together."""

    @property
    def unit(self) -> str:
        """Of what is there."""
        side = self.after or self.before
        return side.unit if side else ""

    @property
    def difference(self) -> float | None:
        """Of the medians, where they can be subtracted."""
        if self.before is None or self.after is None or self.verdict is Verdict.UNITS:
            return None
        return self.after.median - self.before.median

    @property
    def relative(self) -> float | None:
        """The difference as a part of what was before; None where that was nothing."""
        if self.difference is None or not self.before or not self.before.median:
            return None
        part = self.difference / abs(self.before.median)
        return part if math.isfinite(part) else None

    @property
    def told(self) -> str:
        """`+4.2 %`; the difference itself where there was nothing before."""
        if self.difference is None:
            return words.UNKNOWN
        if self.relative is None:
            return signed(words.amount(abs(self.difference), self.unit), self.difference)
        return percent(self.relative)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "measure": self.measure, "unit": self.unit, "verdict": self.verdict.value,
            "why": self.why, "sure": self.is_sure,
            "difference": self.difference, "relative": self.relative,
            "band": self.band and list(self.band),
            "before": self.before and self.before.as_json(),
            "after": self.after and self.after.as_json(),
        }  # fmt: skip

    def is_slower_by(self, limit: float) -> bool:
        """Whether it surely became slower, and by more than so large a part."""
        relative = math.inf if self.relative is None else self.relative
        return self.verdict is Verdict.SLOWER and self.is_sure and relative > limit

    def may_be_slower_by(self, limit: float) -> bool:
        """Whether it seems so, and there are too few repetitions to tell."""
        difference = self.difference or 0.0
        relative = math.inf if self.relative is None else self.relative
        is_time = self.unit == TIME and self.verdict is Verdict.UNTOLD
        return is_time and difference > 0 and relative > limit


def changes(before: Sequence[Measured], after: Sequence[Measured]) -> list[Change]:
    """All measures of both, those whose time changed most first; what is no time comes later.

    Who looks at a few measures gives those alone: of fewer, more can be said for sure.
    """
    left, right = _sides(before), _sides(after)
    shared = len(left.keys() & right.keys())
    both = dict.fromkeys((*left, *right))
    found = [_change(one, left.get(one), right.get(one), shared) for one in both]
    return sorted(found, key=_weight)


def percent(part: float) -> str:
    """`+4.2 %`."""
    return signed(f"{abs(part) * 100:.1f}\u00a0%", part)


def signed(shown: str, number: float) -> str:
    """With the sign of a number before it."""
    return f"{'−' if number < 0 else '+'}{shown}"


def _sides(measured: Sequence[Measured]) -> Mapping[str, Side]:
    """By name; what is no number was not measured."""
    return {
        one.measure: Side(one.unit, one.values)
        for one in measured
        if one.values and all(abs(value) <= LARGEST for value in one.values)
    }


def _change(measure: str, before: Side | None, after: Side | None, shared: int) -> Change:
    if before is None or after is None:
        there = Verdict.NEW if before is None else Verdict.GONE
        return Change(measure, before, after, there)
    if before.unit != after.unit:
        why = f"{before.unit} is not {after.unit}"
        return Change(measure, before, after, Verdict.UNITS, why)
    if min(len(before.values), len(after.values)) < FEWEST:
        why = f"{_counted(before)} and {_counted(after)}: each job needs {FEWEST} at least"
        return Change(measure, before, after, Verdict.UNTOLD, why)
    found = noise.of_pair(before.values, after.values, Statistic.MEDIAN)
    verdict = _verdict(after.median, found, is_time=after.unit == TIME)
    is_sure = _is_sure(before.values, after.values, found, shared)
    return Change(measure, before, after, verdict, "", found.band, is_sure)


def _is_sure(
    before: Sequence[float], after: Sequence[float], found: noise.Noise, shared: int
) -> bool:
    """Whether it changed although it is one of so many measures."""
    strict = chance.strictness(shared, min(len(before), len(after)))
    far = statistics.median(after) - found.center
    if far > found.above * strict:
        return chance.is_apart(before, after)
    return far < found.below * strict and chance.is_apart(after, before)


def _verdict(value: float, found: noise.Noise, *, is_time: bool) -> Verdict:
    low, high = found.band
    if value > high:
        return Verdict.SLOWER if is_time else Verdict.MORE
    if value < low:
        return Verdict.FASTER if is_time else Verdict.LESS
    return Verdict.NOISE


def _counted(side: Side) -> str:
    return words.counted(len(side.values), "repetition")


def _weight(change: Change) -> tuple[int, float, str]:
    """Times by the difference; others by how large a part of themselves it is; what is the same."""
    if change.unit == TIME:
        present = [side.median for side in (change.before, change.after) if side]
        far = present[0] if len(present) == 1 else abs(change.difference or 0.0)
    else:
        far = abs(change.relative or 0.0)
    return (0 if change.unit == TIME else 1) if far else 2, -far, change.measure


def counted(several: Sequence[Change]) -> Iterator[tuple[Verdict, int]]:
    """How many there are of each verdict that occurs, in the order of the verdicts."""
    for verdict in Verdict:
        count = sum(one.verdict is verdict for one in several)
        if count:
            yield verdict, count
