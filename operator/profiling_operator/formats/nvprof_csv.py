"""The lines of `nvprof --csv` logs: banners, tables with a head by name, and plain words.

    ==7838== NVPROF is profiling process 7838, command: ./a.out
    ==7838== Profiling result:
    "Start","Duration","Grid X",…,"Device","Context","Stream","Name","Correlation_ID"
    ms,us,,…,,,,,
    0.314575,1.391000,1024,…,"Tesla V100-SXM2-16GB (0)","1","7","vectorAdd(float*, int)",103

The columns depend on the program, the units on each file and column; events and metrics have units
glued to their cells instead. nvprof escapes no quotes: a name may hold some. `========` stands for
the process in what nvprof says of itself. Checked against nvprof 11.8 on databases made for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import BinaryIO

from profiling_operator.formats.nvprof_units import UNITS

LONGEST_LINE = 1 << 20
LONGEST_NOTICE = 2000
MOST_CONTINUED = 5
TITLES = ("result:", "calls:")
CUT = "truncated: the last line is cut off"

# ==7838== Metric result:   ======== Warning: No profile data collected.
BANNER = re.compile(r"==(?:(\d{1,9})|====)==(?: (.*))?")
BANNER_LINE = re.compile(rb"^==(?:\d{1,9}|====)== ", re.MULTILINE)
# Warning: CUDA device error, GPU profiling skipped
LEVELLED = re.compile(r"(Warning|Error): (.*)", re.DOTALL)
# No kernels were profiled.   Total CPU Page faults: 49   Data collected at 100Hz frequency
PLAIN = re.compile(
    r"No .{1,80} profiled\b.{0,40}|Total CPU Page faults: \d+|Data collected at \d+Hz frequency"
)
# Total CPU Page faults: 49
CPU_FAULTS = re.compile(r"Total CPU Page faults: (\d{1,18})")
# Invocations    Metric Name …    Start  Duration …    Type  Time(%) …    Time(%)      Time …
TEXT_HEAD = re.compile(
    r"\s*(?:Invocations +(?:Event|Metric) Name|Start +Duration|Type +Time\(%\)|Time\(%\) +Time) .*"
)
# Device "Tesla V100-SXM2-16GB (0)"
DEVICE = re.compile(r'Device "(.*)"')


class Shape(StrEnum):
    """What a table lists."""

    TRACE = "trace"
    TOTALS = "totals"
    EVENTS = "events"
    METRICS = "metrics"
    UNIFIED = "unified memory"


HEADS: tuple[tuple[frozenset[str], Shape], ...] = (
    (frozenset({"Start", "Duration", "Name"}), Shape.TRACE),
    (frozenset({"Device", "Context", "Stream", "Kernel"}), Shape.TRACE),
    (frozenset({"Time(%)", "Time", "Calls", "Name"}), Shape.TOTALS),
    (frozenset({"Kernel", "Invocations", "Event Name"}), Shape.EVENTS),
    (frozenset({"Kernel", "Invocations", "Metric Name"}), Shape.METRICS),
    (frozenset({"Device", "Count", "Total Size", "Total Time"}), Shape.UNIFIED),
)
WITH_UNITS = frozenset({Shape.TRACE, Shape.TOTALS})


@dataclass(frozen=True)
class Table:
    """What is the same in all rows below one head."""

    shape: Shape
    columns: tuple[str, ...]
    units: Mapping[str, str]
    """By column; empty where cells carry their own."""
    process: int | None = None
    title: str = ""
    """The banner before it: `Profiling result:`, `API calls:`."""
    device: str = ""
    """In a summary per GPU, which one."""


@dataclass(frozen=True)
class Row:
    """One row, by column."""

    table: Table
    line: int
    cells: Mapping[str, str]


class Level(StrEnum):
    """How a notice is meant."""

    INFO = "info"
    WARNING = "Warning"
    ERROR = "Error"
    PLAIN = "plain"


@dataclass(frozen=True)
class Notice:
    """What nvprof says; info may hold the application's command line."""

    line: int
    level: Level
    text: str
    process: int | None = None


@dataclass(frozen=True)
class TextTable:
    """The head of a table for people, as nvprof prints it without --csv."""

    line: int


@dataclass(frozen=True)
class Malformed:
    """A line in a table that is none of its rows."""

    line: int
    message: str


Found = Row | Notice | TextTable | Malformed


def read(stream: BinaryIO) -> Iterator[Found]:
    """Everything that nvprof wrote, in its order; what is not its own goes unmentioned.

    One line is in memory at a time. Never raises for content.
    """
    reader = _Reader()
    lines = iter(partial(stream.readline, LONGEST_LINE), b"")
    for at, line in enumerate(lines, 1):
        if not line.endswith(b"\n") and len(line) < LONGEST_LINE:
            yield from reader.flush()
            yield Malformed(at, CUT)
            return
        yield from reader.take(at, line.decode("utf-8", "replace").rstrip("\r\n"))
    yield from reader.flush()


def split(text: str) -> list[str]:
    """The cells of a line, without the quotes around them; a name may hold quotes and commas.

    Nearly all lines have quotes around whole cells only, so what is between cells begins and ends
    with a comma: that takes a third of the time.
    """
    cells: list[str] = []
    parts = f",{text},".split('"')
    if len(parts) % 2 == 0:
        return _split_odd(text)
    for between, quoted in zip(parts[::2], (*parts[1::2], None), strict=True):
        if not (between.startswith(",") and between.endswith(",")):
            return _split_odd(text)
        if len(between) > 1:
            cells += between[1:-1].split(",")
        if quoted is not None:
            cells.append(quoted)
    return cells


def _split_odd(text: str) -> list[str]:
    """The same for quotes anywhere; each character is looked at a bounded number of times."""
    cells: list[str] = []
    at = 0
    while True:
        quoted = text.startswith('"', at)
        end = text.find('",' if quoted else ",", at + quoted)
        if end < 0:
            break
        cells.append(text[at + quoted : end])
        at = end + 1 + quoted
    rest = text[at:]
    if quoted and rest.endswith('"') and len(rest) > 1:
        return [*cells, rest[1:-1]]
    return [*cells, *(rest.split(",") if quoted else [rest])]


class _Reader:
    """What the lines before tell about the next one."""

    def __init__(self) -> None:
        self._process: int | None = None
        self._title = ""
        self._device = ""
        self._table: Table | None = None
        self._wants_units = False
        self._said: list[Notice] = []
        """A warning and the lines that continue it, until something else follows."""

    def take(self, at: int, text: str) -> Iterator[Found]:
        """What a line gives, after what it ends."""
        banner = BANNER.fullmatch(text) if text.startswith("==") else None
        if banner:
            yield from self.flush()
            yield from self._banner(at, banner)
        elif not text.strip():
            yield from self.flush()
            self._table = None
        elif PLAIN.fullmatch(text) or TEXT_HEAD.fullmatch(text):
            yield from self.flush()
            yield self._plain(at, text)
        else:
            yield from self._cells(at, text)

    def flush(self) -> Iterator[Notice]:
        """The warning that was open, whole."""
        if self._said:
            first = self._said[0]
            text = " ".join(one.text.strip() for one in self._said)[:LONGEST_NOTICE]
            yield Notice(first.line, first.level, text, first.process)
        self._said.clear()

    def _banner(self, at: int, found: re.Match[str]) -> Iterator[Notice]:
        self._table = None
        self._process = int(found[1]) if found[1] else None
        text = (found[2] or "").strip()
        device = DEVICE.fullmatch(text)
        levelled = LEVELLED.fullmatch(text)
        if levelled:
            self._said.append(Notice(at, Level(levelled[1]), levelled[2], self._process))
            return
        self._device = device[1] if device else ""
        self._title = text if text.endswith(TITLES) else self._title
        yield Notice(at, Level.INFO, text[:LONGEST_NOTICE], self._process)

    def _plain(self, at: int, text: str) -> Notice | TextTable:
        self._table = None
        if TEXT_HEAD.fullmatch(text):
            return TextTable(at)
        return Notice(at, Level.PLAIN, text, self._process)

    def _cells(self, at: int, text: str) -> Iterator[Found]:
        cells = split(text)
        shape = _shape(cells) if text.startswith('"') else None
        if shape:
            yield from self.flush()
            self._begin(shape, cells)
        elif self._table is None:
            self._continue(at, text)
        elif self._wants_units and _are_units(cells, self._table):
            self._set_units(cells)
        else:
            self._wants_units = False
            yield _row(self._table, at, cells)

    def _begin(self, shape: Shape, cells: Sequence[str]) -> None:
        self._table = Table(shape, tuple(cells), {}, self._process, self._title, self._device)
        self._wants_units = shape in WITH_UNITS

    def _set_units(self, cells: Sequence[str]) -> None:
        table = self._table
        assert table is not None  # noqa: S101 - for mypy: units follow a head
        units = {name: unit for name, unit in zip(table.columns, cells, strict=True) if unit}
        self._wants_units = False
        self._table = replace(table, units=units)

    def _continue(self, at: int, text: str) -> None:
        """A warning's second line has no banner; what follows nothing is not nvprof's."""
        if 0 < len(self._said) < MOST_CONTINUED:
            first = self._said[0]
            self._said.append(Notice(at, first.level, text, first.process))


def _shape(cells: Sequence[str]) -> Shape | None:
    names = frozenset(cells)
    return next((shape for needed, shape in HEADS if needed <= names), None)


def _are_units(cells: Sequence[str], table: Table) -> bool:
    known = all(cell in UNITS for cell in cells)
    return known and any(cells) and len(cells) == len(table.columns)


def _row(table: Table, at: int, cells: Sequence[str]) -> Row | Malformed:
    if len(cells) != len(table.columns):
        return Malformed(at, f"{len(cells)} cells below {len(table.columns)} columns")
    return Row(table, at, dict(zip(table.columns, cells, strict=True)))
