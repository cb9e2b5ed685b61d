"""Verdicts with their numbers."""

from __future__ import annotations

from profiling_operator.gates import Judged
from profiling_operator.status import GateStatus


def test_a_verdict_is_json() -> None:
    """What the status has, and the numbers behind it; what it has not is absent there."""
    status = GateStatus(measure="x", verdict="Passed", message="fine")
    judged = Judged(status, unit="ns", values=(1.0, 2.0), interval=(1.0, 2.0), compared=3)

    assert judged.as_json() == {
        "measure": "x", "verdict": "Passed", "message": "fine", "statistic": "median",
        "unit": "ns", "values": [1.0, 2.0], "interval": [1.0, 2.0], "band": None, "compared": 3,
    }  # fmt: skip
