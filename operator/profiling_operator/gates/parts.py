"""What verdicts are made of: a gate may have absolute limits and a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from profiling_operator.gates.noise import Interval
from profiling_operator.status import GateStatus

Word = Literal["Passed", "Failed", "Skipped"]
WORST_FIRST: tuple[Word, ...] = ("Failed", "Skipped", "Passed")


@dataclass(frozen=True)
class Part:
    """What one side of a gate says about a measure."""

    word: Word
    said: str
    limit: float | None = None
    """What was allowed, in the unit of the measure."""
    baseline: float | None = None
    """What the baseline has."""
    band: Interval | None = None
    """Where the baseline's jobs would have it without a change."""
    compared: int = 0
    """Jobs of the baseline that it was compared with."""


@dataclass(frozen=True)
class Judged:
    """A verdict with the numbers behind it, for files and pictures."""

    status: GateStatus
    statistic: str = "median"
    unit: str = ""
    values: tuple[float, ...] = ()
    """One for each repetition."""
    interval: Interval | None = None
    """Where the statistic is, with 95 % confidence."""
    band: Interval | None = None
    """Where the baseline's jobs would have it without a change."""
    compared: int = 0
    """Jobs of the baseline that it was compared with."""

    def as_json(self) -> dict[str, Any]:
        """As summary.json has it."""
        told = {
            "statistic": self.statistic, "unit": self.unit, "values": list(self.values),
            "interval": self.interval and list(self.interval),
            "band": self.band and list(self.band), "compared": self.compared,
        }  # fmt: skip
        return {**self.status.model_dump(exclude_none=True), **told}
