"""The flame graph of two profiles: as wide as both are, coloured by what grew and what shrank.

A box is as wide as the mean of both, so that what is new and what is gone are seen alike. Colours
stand beside signs and numbers: whoever does not see them reads the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from profiling_operator.exports.places import Stack
from profiling_operator.report import boxes, flame, words
from profiling_operator.report.boxes import Box, Sides
from profiling_operator.report.differences import percent, signed
from profiling_operator.report.flame import Mark

DEGREES = (0.002, 0.01, 0.03, 0.1)
"""Parts of the larger total: from these on, a change is coloured more strongly."""
TOP = 30


class Scale(StrEnum):
    """What makes two profiles comparable."""

    RUN = "run"
    """Both are divided by their number of runs: times are those of one run."""
    TOTAL = "total"
    """Both have the same width: shares of their own total."""


@dataclass(frozen=True)
class Profile:
    """The stacks of a job."""

    stacks: Mapping[Stack, float]
    runs: int
    told: flame.Told


@dataclass(frozen=True)
class Shift:
    """A frame whose own time changed, wherever it was called from."""

    name: str
    before: float
    after: float

    @property
    def difference(self) -> float:
        """Positive: it grew."""
        return self.after - self.before


@dataclass(frozen=True)
class Differential:
    """The picture, and the same as a list."""

    picture: flame.Picture
    shifts: tuple[Shift, ...]
    totals: Sides
    told: flame.Told


def draw(before: Profile, after: Profile, scale: Scale, budget: int = flame.BYTES) -> Differential:
    """The flame graph of what changed."""
    stacks = _together(before, after, scale)
    there = boxes.Sorted(stacks, 2)
    told = words.share if scale is Scale.TOTAL else after.told
    totals = (sum(one[0] for one in stacks.values()), sum(one[1] for one in stacks.values()))
    title = "Differential flame graph: the wider a box, the more time was spent in it in both jobs"

    def mark(box: Box) -> Mark:
        return _mark(box, max(totals), told)

    layout, drawing = flame.within(budget, there, lambda one: flame.drawn(one, title, mark))
    picture = flame.Picture(drawing, layout.drawn, flame.left_out(layout))
    return Differential(picture, _shifts(stacks), totals, told)


def _together(before: Profile, after: Profile, scale: Scale) -> dict[Stack, Sides]:
    """Each stack with its weight in both."""
    left, right = _divisor(before, scale), _divisor(after, scale)
    return {
        stack: (before.stacks.get(stack, 0.0) / left, after.stacks.get(stack, 0.0) / right)
        for stack in dict.fromkeys((*before.stacks, *after.stacks))
    }


def _divisor(profile: Profile, scale: Scale) -> float:
    total = sum(profile.stacks.values())
    return (total or 1.0) if scale is Scale.TOTAL else max(profile.runs, 1)


def _mark(box: Box, largest: float, told: flame.Told) -> Mark:
    before, after = box.sides
    difference = after - before
    degree = sum(abs(difference) >= one * largest for one in DEGREES)
    said = f"{told(before)} before, {told(after)} after, {change(before, after, told)}"
    if not degree:
        return Mark("same", said)
    style, sign = ("up", "+") if difference > 0 else ("down", "−")
    return Mark(f"{style}{degree}", said, f"{sign} ", f" {told(abs(difference))}")


def change(before: float, after: float, told: flame.Told) -> str:
    """`+0.3 s (+25.0 %)`, `new`, `gone`."""
    if not before or not after:
        return "new" if after else "gone"
    difference = after - before
    if not difference:
        return "no change"
    return f"{signed(told(abs(difference)), difference)} ({percent(difference / before)})"


def _shifts(stacks: Mapping[Stack, Sides]) -> tuple[Shift, ...]:
    """The frames whose own time changed most."""
    before: dict[str, float] = {}
    after: dict[str, float] = {}
    for stack, (left, right) in stacks.items():
        before[stack[-1]] = before.get(stack[-1], 0.0) + left
        after[stack[-1]] = after.get(stack[-1], 0.0) + right
    found = (Shift(name, before[name], after[name]) for name in before)
    changed = [one for one in found if one.difference]
    return tuple(sorted(changed, key=lambda one: (-abs(one.difference), one.name))[:TOP])
