"""The GPU's own counters in an export: GPU_METRICS, sampled many thousand times a second.

Their names, which hold their units, are in TARGET_INFO_GPU_METRICS: `SMs Active [Throughput %]`.
The last 8 bits of a type are the number of the GPU.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from profiling_operator.entries import Entry, Kind
from profiling_operator.formats.nsys_events import SPOILT, Events
from profiling_operator.formats.nsys_export import Export
from profiling_operator.formats.nsys_names import UNKNOWN, clean

TABLE, NAMES = "GPU_METRICS", "TARGET_INFO_GPU_METRICS"
MOST_METRICS = 10_000
GPU_MASK = 0xFF
# GPC Clock Frequency [MHz]   DRAM Read Bandwidth [Throughput %]
WITH_UNIT = re.compile(r"(.*\S)\s*\[([^\[\]]*)\]")
UNITS = {"MHz": "MHz", "bytes": "By", "bytes/s": "By/s", "W": "W", "C": "Cel"}


def entries(export: Export, events: Events) -> Iterator[Entry]:
    """A metric entry per value. Raises sqlite3.Error where the table is damaged."""
    known = _names(export)
    time = "timestamp" if export.has(TABLE, "timestamp") else "start"
    for start, kind, metric, value in export.rows(TABLE, (time, "typeId", "metricId", "value")):
        name, unit = known.get((kind, metric), (UNKNOWN, "1"))
        try:
            if not isinstance(value, int | float) or not isinstance(kind, int):
                raise TypeError("no number")
            device = kind & GPU_MASK
            yield events.valued(Kind.METRIC, name, start, unit=unit, value=value, device=device)
        except SPOILT:
            events.spoil(TABLE)


def _names(export: Export) -> dict[tuple[object, object], tuple[str, str]]:
    """Name and unit by type and metric."""
    rows = export.rows(NAMES, ("typeId", "metricId", "metricName"))
    return {
        (kind, metric): _split(clean(name))
        for kind, metric, name in islice(rows, MOST_METRICS)
        if isinstance(name, str)
    }


def _split(name: str) -> tuple[str, str]:
    found = WITH_UNIT.fullmatch(name)
    if not found:
        return name, "1"
    return found[1], "%" if "%" in found[2] else UNITS.get(found[2], "1")
