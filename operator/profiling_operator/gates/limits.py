"""Absolute limits: `max` and `min`, in the unit of the measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from profiling_operator.gates import words
from profiling_operator.gates.parts import Part
from profiling_operator.spec.job import Gate

Field = Literal["max", "min"]


@dataclass(frozen=True)
class Limit:
    """One limit of a gate, in the unit of the measure."""

    field: Field
    number: Decimal

    def is_met(self, value: float) -> bool:
        """Whether a value keeps it; it may be reached exactly."""
        exact = Decimal(value)
        return exact <= self.number if self.field == "max" else exact >= self.number

    def relation(self, value: float) -> str:
        """The sign between a value and this limit."""
        below, above = ("≤", ">") if self.field == "max" else ("<", "≥")
        return below if self.is_met(value) == (self.field == "max") else above


def judge(gate: Gate, value: float, unit: str) -> list[Part]:
    """What there is to say about a value: of the limits, and of those that have no sense."""
    limits, senseless = _limits(gate, unit)
    skipped = [Part("Skipped", one) for one in senseless]
    if not limits:
        return skipped
    missed = [limit for limit in limits if not limit.is_met(value)]
    told = missed or limits
    said = f"{gate.statistic} {_compared(value, told, unit)}"
    word: Literal["Failed", "Passed"] = "Failed" if missed else "Passed"
    return [Part(word, said, limit=float(told[0].number)), *skipped]


def _limits(gate: Gate, unit: str) -> tuple[list[Limit], list[str]]:
    """The gate's limits, and what is wrong with those that cannot be compared."""
    limits: list[Limit] = []
    senseless: list[str] = []
    pairs: tuple[tuple[Field, str | int | None], ...] = (("max", gate.max), ("min", gate.min))
    for field, written in pairs:
        if written is not None:
            try:
                limits.append(Limit(field, words.in_unit(written, unit)))
            except ValueError as error:
                senseless.append(f"{field} {error}")
    return limits, senseless


def _compared(value: float, limits: Sequence[Limit], unit: str) -> str:
    """`1.31 s > max 1.2 s`: with so many digits that different numbers look different."""
    exact = Decimal(value)
    digits = words.telling_digits((exact, *(limit.number for limit in limits)), unit)
    sides = (
        f"{limit.relation(value)} {limit.field} {words.shown(limit.number, unit, digits)}"
        for limit in limits
    )
    return f"{words.shown(exact, unit, digits)} {' and '.join(sides)}"
