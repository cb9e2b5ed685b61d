"""What the cells of nvprof's tables mean: names, kinds, devices, attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

from profiling_operator.entries import Kind
from profiling_operator.formats import nvprof_units
from profiling_operator.formats.nvprof_csv import Row, Table
from profiling_operator.formats.nvprof_units import Quantity

NAMELESS = "(no name)"
UNIFIED_COPY = "[Unified Memory Memc"  # as far as a table for people shows it beside metrics
NVTX = "NVTX"
KEPT_CHARACTERS = 1 << 23
OVERHEAD = 2000  # of a description, in characters

# [Range start] step 1 (Domain: <unnamed>)
MARK = re.compile(r"\[(Range start|Range end|Marker)\] (.*?)(?: \(Domain: (.{0,1000})\))?")
# cudaLaunch (vectorAdd(float const *, int) [1148])
CALL_OF_KERNEL = re.compile(r"(cu\w+) \(.* \[(\d{1,18})\]\)")
# vectorAdd(float const *, int) [1148]
WITH_CORRELATION = re.compile(r"(.*) \[(\d{1,18})\]")
# Tesla V100-SXM2-16GB (0)   Default (7)
WITH_NUMBER = re.compile(r"(.*) \((\d{1,9})\)")

KIND_OF_PREFIX = (
    ("[CUDA memcpy", Kind.MEMCPY),
    ("[CUDA memset", Kind.MEMSET),
    (UNIFIED_COPY, Kind.MEMCPY),
    ("[Unified Memory", Kind.COUNTER),
    ("[Range ", Kind.RANGE),
    ("[Marker] ", Kind.RANGE),
)
KIND_OF_TYPE = {"API calls": Kind.API, "GPU activities": Kind.KERNEL, "Range": Kind.RANGE}
# Before CUDA 9 a summary had no types, and a section for each of them.
TYPE_OF_TITLE = {"API calls:": "API calls"}
UNIFIED_NAMES = {
    "Host To Device": "[Unified Memory Memcpy HtoD]",
    "Device To Host": "[Unified Memory Memcpy DtoH]",
    "Device To Device": "[Unified Memory Memcpy DtoD]",
    "Transfers from Device": "[Unified Memory Memcpy DtoD]",
    "Gpu page fault groups": "[Unified Memory GPU page faults]",
    "Page faults": "[Unified Memory CPU page faults]",
    "thrashes": "[Unified Memory page thrash]",
    "throttles": "[Unified Memory page throttle]",
}
"""What a summary of unified memory calls a thing, and what a trace calls it."""
ONE_EACH = frozenset({UNIFIED_NAMES["thrashes"], UNIFIED_NAMES["throttles"]})

QUANTITIES = {
    "Registers Per Thread": "registersPerThread",
    "Static SMem": "staticSharedMemory",
    "Dynamic SMem": "dynamicSharedMemory",
    "Size": "bytes",
    "Throughput": "bytesPerSecond",
    "Context": "context",
}
WORDS = {
    "SrcMemType": "srcMemType",
    "DstMemType": "dstMemType",
    "Src Dev": "srcDevice",
    "Dst Dev": "dstDevice",
}
DIMENSIONS = {
    "grid": ("Grid X", "Grid Y", "Grid Z"),
    "block": ("Block X", "Block Y", "Block Z"),
}
TRACED = frozenset(
    {
        *("Start", "Duration", "Device", "Stream", "Name", "Kernel", "Correlation_ID"),
        *("Src Ctx", "Dst Ctx", "Unified Memory", "Virtual Address"),
        *QUANTITIES, *WORDS, *(column for columns in DIMENSIONS.values() for column in columns),
    }
)  # fmt: skip
"""The columns of a trace that are neither a metric's nor an event's."""
FLEETING = frozenset({"Start", "Duration", "Correlation_ID"})


def clean(name: str) -> str:
    """A name with its blanks collapsed; never empty."""
    return " ".join(name.split()) or NAMELESS


def kind_of_total(row: Row) -> Kind:
    """What a line of a summary adds up; types such as `OpenACC (excl)` are plain timers."""
    by_title = TYPE_OF_TITLE.get(row.table.title, "GPU activities")
    kind = KIND_OF_TYPE.get(row.cells.get("Type", by_title).rstrip(":"), Kind.TIMER)
    return _kind_of_name(row.cells["Name"], kind) if kind is Kind.KERNEL else kind


def _kind_of_name(name: str, other: Kind) -> Kind:
    return next((kind for prefix, kind in KIND_OF_PREFIX if name.startswith(prefix)), other)


def device(text: str) -> tuple[int | None, str]:
    """A GPU's ordinal and name."""
    found = WITH_NUMBER.fullmatch(text)
    return (int(found[2]), found[1]) if found else (None, text)


def stream(text: str) -> int | None:
    """A stream's number, alone or behind its name."""
    found = WITH_NUMBER.fullmatch(text)
    return nvprof_units.whole(found[2] if found else text)


@dataclass(frozen=True)
class Activity:
    """What a line of a trace tells besides its times."""

    kind: Kind
    name: str
    where: Mapping[str, Any]
    """Process, device and stream."""
    correlation: int | None
    attributes: Mapping[str, Any]
    amount: Quantity
    """What was counted, where that is no time."""

    @property
    def is_own(self) -> bool:
        """Its time is no other activity's: kernels wait while unified memory is copied."""
        return not self.name.startswith(UNIFIED_COPY)


class Activities:
    """Describes the lines of one trace; those that differ only in their times are one description.

    Bounded: it starts anew when much was kept.
    """

    def __init__(self, table: Table) -> None:
        """Know the columns; `extra` are the metrics and events, which have one each."""
        self.table = table
        self.extra = [column for column in table.columns if column not in TRACED]
        steady = [one for one in table.columns if one in TRACED - FLEETING]
        self._key = itemgetter(steady[0], *steady)  # of one name alone it would not make a tuple
        self._known: dict[tuple[str, ...], Activity] = {}
        self._room = KEPT_CHARACTERS

    def describe(self, row: Row) -> Activity:
        """The activity of a line; a correlation id in a column of its own is not in it."""
        key: tuple[str, ...] = self._key(row.cells)
        found = self._known.get(key)
        if found is None:
            self._room -= sum(map(len, key)) + OVERHEAD
            if self._room < 0:
                self._known.clear()
                self._room = KEPT_CHARACTERS
            found = self._known[key] = _describe(row)
        return found


def _describe(row: Row) -> Activity:
    cells = row.cells
    name, correlation = _named(cells)
    kind = _kind_of_activity(cells)
    amount = _unified_amount(row)
    attributes = {
        "deviceName": device(cells.get("Device", ""))[1] or None,
        **_dimensions(cells),
        **_quantities(row),
        **{key: cells.get(column) or None for column, key in WORDS.items()},
    }
    if kind is Kind.MEMCPY and amount.value is not None:
        attributes["bytes"] = amount.value
    known = {key: value for key, value in attributes.items() if value is not None}
    return Activity(kind, name, where(row), correlation, known, amount)


def _kind_of_activity(cells: Mapping[str, str]) -> Kind:
    """Only activities of the GPU have a device, and only kernels a grid."""
    if cells.get("Grid X") or "Kernel" in cells:
        return Kind.KERNEL
    return _kind_of_name(cells["Name"], Kind.KERNEL if cells.get("Device") else Kind.API)


class Mark(NamedTuple):
    """What a trace says of NVTX at a moment."""

    what: str
    """`Range start`, `Range end` or `Marker`."""
    name: str
    domain: str


def mark(name: str) -> Mark | None:
    """A range's beginning or end; None for other names."""
    found = MARK.fullmatch(name)
    return Mark(found[1], clean(found[2]), found[3] or "") if found else None


def _named(cells: Mapping[str, str]) -> tuple[str, int | None]:
    """The name and the correlation id, which old versions put behind a kernel's name."""
    name = cells.get("Name") or cells.get("Kernel", "")
    if "Correlation_ID" in cells:
        return clean(name), None
    found = CALL_OF_KERNEL.fullmatch(name) or WITH_CORRELATION.fullmatch(name)
    return (clean(found[1]), int(found[2])) if found else (clean(name), None)


def _dimensions(cells: Mapping[str, str]) -> dict[str, Any]:
    if not cells.get("Grid X"):
        return {}
    return {
        key: [nvprof_units.whole(cells.get(column, "")) for column in columns]
        for key, columns in DIMENSIONS.items()
    }


def _quantities(row: Row) -> dict[str, Any]:
    cells, units = row.cells, row.table.units
    return {
        key: nvprof_units.value(cells[column], units.get(column, ""))
        for column, key in QUANTITIES.items()
        if cells.get(column)
    }


def _unified_amount(row: Row) -> Quantity:
    """The number in the column `Unified Memory`: bytes or faults; an address is one fault."""
    text = row.cells.get("Unified Memory", "")
    name = row.cells.get("Name", "")
    if text.startswith("PC ") or name in ONE_EACH:
        return Quantity(1)
    is_copy = name.startswith(UNIFIED_COPY)
    unit = row.table.units.get("Unified Memory", "") if is_copy else ""
    return nvprof_units.read(text, unit) or Quantity(None)


def where(row: Row) -> dict[str, Any]:
    """Process, GPU and stream, as far as the table tells."""
    ordinal, _ = device(row.cells.get("Device") or row.table.device)
    number = stream(row.cells.get("Stream", ""))
    return {"process": row.table.process, "device": ordinal, "stream": number}


def remarks(quantity: Quantity) -> dict[str, Any]:
    """What of a cell is no number."""
    if quantity.level:
        return {"level": quantity.level}
    return {quantity.flaw: True} if quantity.flaw else {}
