"""Limits against a baseline: a verdict needs a change that exceeds the limit and the noise."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from profiling_operator import quantities
from profiling_operator.baselines import Snapshot
from profiling_operator.gates import comparing, noise, words
from profiling_operator.gates.comparing import Comparable
from profiling_operator.gates.noise import Interval, Noise
from profiling_operator.gates.parts import Part
from profiling_operator.machines import Machine
from profiling_operator.spec.job import Gate
from profiling_operator.summary import Measured

JOBS_NEEDED = 5
REPETITIONS_NEEDED = 20
"""Of the baseline's jobs together."""


def judge(
    gate: Gate, one: Measured, value: float, snapshots: Sequence[Snapshot], machine: Machine
) -> list[Part]:
    """What there is to say about a measure beside the gate's baseline; nothing without one."""
    if gate.baseline is None:
        return []
    snapshot = next((known for known in snapshots if known.name == gate.baseline), None)
    if snapshot is None:
        return [_skipped(gate, "was not looked up")]
    if snapshot.problem:
        return [_skipped(gate, f"is not known: {snapshot.problem}")]
    found = comparing.comparable(snapshot, one, machine)
    if why := _too_few(found):
        return [_skipped(gate, f"{why}{_left_out(found)}")]
    return [_compared(gate, one, value, found, comparing.remark(machine))]


def _skipped(gate: Gate, why: str) -> Part:
    return Part("Skipped", f"baseline {gate.baseline} {why}")


def _too_few(found: Comparable) -> str:
    """Why nothing can be said; empty where it can."""
    count, repetitions = len(found.jobs), found.repetitions
    if not count and not found.left_out:
        return "has no accepted job yet; to accept one: profjob baseline accept"
    if not count:
        return "has no job that this one can be compared with"
    if count < JOBS_NEEDED:
        return f"has {words.counted(count, 'job')} to compare with, {JOBS_NEEDED} are needed"
    if repetitions < REPETITIONS_NEEDED:
        return f"has {repetitions} repetitions in {count} jobs, {REPETITIONS_NEEDED} are needed"
    return ""


def _left_out(found: Comparable) -> str:
    return f"; left out: {found.left_out}" if found.left_out else ""


@dataclass(frozen=True)
class _Change:
    """How far a value is from what the baseline has, in any unit."""

    gate: Gate
    value: float
    noise: Noise

    @property
    def difference(self) -> float:
        return self.value - self.noise.center

    @property
    def size(self) -> float:
        return abs(self.noise.center)

    @property
    def beyond_limit(self) -> bool:
        """Whether it changed more than the gate allows."""
        up, down = _share(self.gate.max_increase), _share(self.gate.max_decrease)
        return (self.difference > 0 and self.difference > up * self.size) or (
            self.difference < 0 and -self.difference > down * self.size
        )

    @property
    def beyond_noise(self) -> bool:
        return not self.noise.below <= self.difference <= self.noise.above

    @property
    def limit(self) -> float:
        """The limit on the side of the change, else the other one."""
        up, down = _share(self.gate.max_increase), _share(self.gate.max_decrease)
        goes_up = math.isinf(down) or (self.difference >= 0 and math.isfinite(up))
        return self.noise.center + (up if goes_up else -down) * self.size


def _share(percentage: str | None) -> float:
    return math.inf if percentage is None else float(quantities.parse_percentage(percentage))


def _compared(gate: Gate, one: Measured, value: float, found: Comparable, remark: str) -> Part:
    """The verdict. All is computed in a unit in which the largest number is about 1."""
    exponent = noise.exponent((*one.values, *(each for job in found.jobs for each in job)))
    jobs = [noise.scaled(job, -exponent) for job in found.jobs]
    mine = noise.scaled(one.values, -exponent)
    around = noise.of_window(jobs, mine, gate.statistic)
    center = _back(around.center, exponent)
    if not around.center and (value or around.band != (0.0, 0.0)):
        why = "is 0, and there is no percentage of it: use max or min"
        return replace(_skipped(gate, why), baseline=center, compared=len(jobs))
    change = _Change(gate, noise.STATISTICS[gate.statistic](mine), around)
    failed = change.beyond_limit and change.beyond_noise
    said = f"{gate.statistic} {words.shown(value, one.unit)} is {_said(change)}"
    there = f"baseline {gate.baseline}, {words.shown(center, one.unit)} of {len(jobs)} jobs"
    notes = _left_out(found) + (f"; {remark}" if remark else "")
    return Part(
        "Failed" if failed else "Passed",
        f"{said} {there}{_weighed(change)}{notes}",
        limit=_back(change.limit, exponent),
        baseline=center,
        band=_band(around, exponent),
        compared=len(jobs),
    )


def _said(change: _Change) -> str:
    if not change.difference:
        return "the same as"
    share = words.percent(abs(change.difference) / change.size)
    return f"{share} {'above' if change.difference > 0 else 'below'}"


def _weighed(change: _Change) -> str:
    """What is allowed, what the noise is, and what follows where they disagree."""
    allowed = (
        f"{field} {text}" for field, text in (
            ("maxIncrease", change.gate.max_increase), ("maxDecrease", change.gate.max_decrease),
        ) if text is not None
    )  # fmt: skip
    if not change.size:
        return f" ({', '.join(allowed)})"
    noise_of = change.noise.below if change.difference < 0 else change.noise.above
    told = f" ({', '.join(allowed)}; noise {words.percent(abs(noise_of) / change.size)})"
    if change.beyond_limit and not change.beyond_noise:
        return f"{told}: within the noise; more repetitions would tell"
    return told


def _band(around: Noise, exponent: int) -> Interval:
    low, high = around.band
    return _back(low, exponent), _back(high, exponent)


def _back(number: float, exponent: int) -> float:
    """In the unit of the measure; the largest number stands for what is larger."""
    try:
        return math.ldexp(number, exponent)
    except OverflowError:
        return math.copysign(sys.float_info.max, number)
