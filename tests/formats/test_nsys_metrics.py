"""The GPU's own counters."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

import made_up_nsys
from made_up_nsys import SESSION
from profiling_operator.captures import Capture
from profiling_operator.entries import Kind
from profiling_operator.formats import nsys_metrics
from profiling_operator.formats.nsys_events import Events
from profiling_operator.formats.nsys_export import Export
from profiling_operator.frozen import Frozen

GPU_1 = 0x0300_0000_0001


@pytest.mark.parametrize(
    ("told", "name", "unit"),
    [
        ("SMs Active [Throughput %]", "SMs Active", "%"),
        ("GPC Clock Frequency [MHz]", "GPC Clock Frequency", "MHz"),
        ("Compute Warps in Flight", "Compute Warps in Flight", "1"),
        ("Something [furlongs]", "Something", "1"),
    ],
)
def test_a_value(tmp_path: Path, told: str, name: str, unit: str) -> None:
    """Its unit stands in its name, the GPU's number in its type; rows without one are left out."""
    values = [{"timestamp": 10, "typeId": GPU_1, "metricId": 4, "value": 55}]
    made_up_nsys.write(
        tmp_path / "a.sqlite",
        TARGET_INFO_SESSION_START_TIME=SESSION,
        TARGET_INFO_GPU_METRICS=[{"typeId": GPU_1, "metricId": 4, "metricName": told}],
        GPU_METRICS=[*values, values[0] | {"value": "x"}],
    )
    export = Export(sqlite3.connect(tmp_path / "a.sqlite"), Capture((), Frozen(), 0))
    events = Events(export)

    (entry,) = nsys_metrics.entries(export, events)

    assert (entry.kind, entry.name, entry.metric) == (Kind.METRIC, name, name)
    assert (entry.value, entry.unit, entry.device, entry.additive) == (55, unit, 1, False)
    assert events.spoilt == {"GPU_METRICS": 1}
