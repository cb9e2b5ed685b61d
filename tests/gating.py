"""Makes gates, measures and verdicts for tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

import making
from profiling_operator import gates
from profiling_operator.baselines import Accepted, Identity, Snapshot, Values, Window
from profiling_operator.machines import Machine
from profiling_operator.spec.job import Gate
from profiling_operator.status import GateStatus
from profiling_operator.summary import Measured

FEW = settings(max_examples=25, deadline=None)
"""For what draws a thousand times itself."""
HOT = "timer:hot/inclusive"
MEASURES = [
    Measured("app/duration", "ns", (2e9, 4e9, 3e9)),
    Measured("app/peakMemory", "By", (3 << 30,)),
    Measured("timer:hot/exclusive", "ns", (1.0,)),
    Measured(HOT, "ns", (1.31e9,)),
    Measured("timer:cold/inclusive", "ns", (5e6,)),
    Measured("counter:flops/value", "1", (1_234_567,)),
    Measured("counter:occupancy/value", "%", (81.25,)),
    Measured("counter:late/value", "ms", (1500.0,)),
    Measured("counter:read/value", "By/s", (float(2 << 30),)),
]
SOME_WORDS = st.text(st.characters(), max_size=50)  # lone surrogates and control characters too


def evaluate(*given: Any) -> list[GateStatus]:
    """The verdicts alone."""
    return [one.status for one in gates.evaluate(*given)]


def skip(*given: Any) -> list[GateStatus]:
    """The verdicts alone."""
    return [one.status for one in gates.skip(*given)]


def gate(measure: str = HOT, **fields: Any) -> Gate:
    """A gate of a job."""
    return making.job(gates=[{"measure": measure, **fields}]).spec.gates[0]


def verdict(measure: str = HOT, **fields: Any) -> GateStatus:
    """The verdict of a gate that is about one measure."""
    (found,) = evaluate([gate(measure, **fields)], MEASURES)
    return found


HERE = Machine(gpus=("NVIDIA H100",), driver="570.1", cpu="AMD")


def accepted(values: Sequence[float], **more: Any) -> Accepted:
    """A job of a baseline that measured `x`; `unit`, `measure` and `machine` may be others."""
    unit, measure = more.get("unit", "ns"), more.get("measure", "x")
    measures = {measure: Values(unit=unit, values=tuple(values))}
    return Accepted(job="j", uid="u", machine=more.get("machine", HERE), measures=measures)


def snapshot(*jobs: Accepted, **more: Any) -> Snapshot:
    """Of the baseline `main`, with a window for each device."""
    devices = dict.fromkeys(job.machine.device for job in jobs)
    windows = (
        Window(
            identity=Identity(), device=device,
            jobs=tuple(job for job in jobs if job.machine.device == device),
        )
        for device in devices
    )  # fmt: skip
    return Snapshot(name="main", windows=tuple(windows), **more)
