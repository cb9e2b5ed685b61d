"""The lines of nvprof's logs: banners, tables with a head by name, trees, and plain words.

    ==7838== NVPROF is profiling process 7838, command: ./a.out
    ==7838== Profiling result:
    "Start","Duration","Grid X",…,"Device","Context","Stream","Name","Correlation_ID"
    ms,us,,…,,,,,
    0.314575,1.391000,1024,…,"Tesla V100-SXM2-16GB (0)","1","7","vectorAdd(float*, int)",103

The columns depend on the program, the units on each file and column; events and metrics have units
glued to their cells instead. nvprof escapes no quotes: a name may hold some. `========` stands for
the process in what nvprof says of itself. Tables without `--csv` give the same rows, see
nvprof_text. Checked against nvprof 11.8 on databases made for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import BinaryIO, NamedTuple

from profiling_operator.formats import nvprof_text, nvprof_tree
from profiling_operator.formats.nvprof_text import Layout
from profiling_operator.formats.nvprof_tree import Node
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
    r"No .{1,80} profiled\b.{0,40}|Total CPU (?:Page faults|thrashes|throttles): \d+|"
    r"Data collected at \d+Hz frequency"
)
DIGITS = frozenset("0123456789")
PLAIN_BEGINS = ("No ", "Total ", "Data ")
# Total CPU Page faults: 49
CPU_TOTAL = re.compile(r"Total CPU (Page faults|thrashes|throttles): (\d{1,18})")
HEAD_WORDS = ('"Name"', '"Kernel"', '"Total Size"')
"""Each head of CSV has one of them."""
TEXT_BEGINS = (
    *("Type ", "Time(%) ", "Start ", "Count ", "Invocations ", "Device ", nvprof_text.KERNEL),
)
# Thread 2814442240
THREAD = re.compile(r"Thread (\d{1,18})")
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


class Traced(NamedTuple):
    """A row of a trace, not taken apart: most of its text is the same in many rows."""

    table: Table
    line: int
    start: str
    duration: str
    rest: str
    """The other cells; the last one is the correlation id."""

    def row(self) -> Row | Malformed:
        """The same, taken apart."""
        cells = split(f"{self.start},{self.duration},{self.rest}")
        return _row(self.table, self.line, cells)


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
class Branch:
    """A line of a profile of the CPU."""

    line: int
    mode: str
    """`bottom up`, `top down` or `flat`."""
    process: int | None
    thread: int | None
    node: Node


@dataclass(frozen=True)
class Malformed:
    """A line in a table that is none of its rows."""

    line: int
    message: str


Found = Row | Traced | Notice | Branch | Malformed


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
        self._thread: int | None = None
        self._table: Table | None = None
        self._traces: Table | None = None
        """The table, where its rows need not be taken apart."""
        self._layout: Layout | None = None
        """Of a table for people."""
        self._tree = ""
        """The mode of a profile of the CPU."""
        self._wants_units = False
        self._said: list[Notice] = []
        """A warning and the lines that continue it, until something else follows."""

    def take(self, at: int, text: str) -> Iterable[Found]:
        """What a line gives, after what it ends."""
        banner = BANNER.fullmatch(text) if text.startswith("==") else None
        if banner:
            return [*self.flush(), *self._banner(at, banner)]
        if not text.strip():
            self._end()
            return self.flush()
        if self._traces is not None and text[0] in DIGITS:
            return self._trace_cells(at, text)
        if text.startswith(PLAIN_BEGINS) and PLAIN.fullmatch(text):
            self._end()
            return [*self.flush(), Notice(at, Level.PLAIN, text, self._process)]
        return self._branch(at, text) if self._tree else self._in_table(at, text)

    def _in_table(self, at: int, text: str) -> Iterable[Found]:
        if text.lstrip().startswith(TEXT_BEGINS) and self._begins_text(text):
            return self.flush()
        return self._text_cells(at, text) if self._layout else self._trace_cells(at, text)

    def flush(self) -> Sequence[Notice]:
        """The warning that was open, whole."""
        if not self._said:
            return ()
        first = self._said[0]
        text = " ".join(one.text.strip() for one in self._said)[:LONGEST_NOTICE]
        self._said.clear()
        return (Notice(first.line, first.level, text, first.process),)

    def _end(self) -> None:
        """Whatever was open is over."""
        self._table = self._traces = self._layout = None
        self._tree = ""

    def _banner(self, at: int, found: re.Match[str]) -> Sequence[Notice]:
        text = (found[2] or "").strip()
        thread = THREAD.fullmatch(text) if self._tree else None
        if thread:
            self._thread = int(thread[1])
            return (Notice(at, Level.INFO, text, self._process),)
        self._end()
        self._process = int(found[1]) if found[1] else None
        device = DEVICE.fullmatch(text)
        levelled = LEVELLED.fullmatch(text)
        if levelled:
            self._said.append(Notice(at, Level(levelled[1]), levelled[2], self._process))
            return ()
        self._device = device[1] if device else ""
        self._title = text if text.endswith(TITLES) else self._title
        tree = nvprof_tree.TITLE.fullmatch(text)
        self._tree, self._thread = (tree[1], None) if tree else ("", None)
        return (Notice(at, Level.INFO, text[:LONGEST_NOTICE], self._process),)

    def _branch(self, at: int, text: str) -> Iterable[Found]:
        """A line of a tree; its head, where there is one, says nothing."""
        if text.startswith("Time(%)"):
            return ()
        node = nvprof_tree.node(text)
        if node is None:
            return (Malformed(at, "no line of a CPU profile"),)
        return (Branch(at, self._tree, self._process, self._thread, node),)

    def _begins_text(self, text: str) -> bool:
        """Whether a line is the head of a table for people, or tells whose lines follow."""
        if self._table is not None and self._layout is None:
            return False  # below a head of CSV
        device = DEVICE.fullmatch(text)
        if device:
            self._device = device[1]
        told = self._layout.told(text) if self._layout else None
        if told or device:
            self._layout = told
            return True
        begun = nvprof_text.layout(text, self._device)
        shape = _shape(begun.columns) if begun else None
        if begun is None or shape is None:
            return False
        self._layout = begun
        self._begin(shape, begun.columns)
        return True

    def _text_cells(self, at: int, text: str) -> Iterable[Found]:
        layout, table = self._layout, self._table
        assert layout is not None and table is not None  # noqa: S101 - for mypy: they come together
        units = layout.units(text) if self._wants_units else None
        self._wants_units = False
        if units is not None:
            self._table = replace(table, units=units)
            return ()
        cells = layout.cells(text)
        if cells is None:
            return (Malformed(at, "no line of the table above it"),)
        if layout.titles[0] == "Type" and cells[0] != layout.type:
            self._layout = replace(layout, type=cells[0])
        return (_row(table, at, cells),)

    def _cells(self, at: int, text: str) -> Iterable[Found]:
        shape = _shape(split(text)) if text.startswith('"') and _may_be_head(text) else None
        if shape:
            self._layout = None
            self._begin(shape, split(text))
            return self.flush()
        table = self._table
        if table is None:
            self._continue(at, text)
            return ()
        cells = split(text)
        if self._wants_units:
            self._wants_units = False
            if _are_units(cells, table):
                units = zip(table.columns, cells, strict=True)
                self._table = replace(table, units={name: unit for name, unit in units if unit})
                self._traces = self._table if _is_plain_trace(self._table) else None
                return ()
        return (_row(table, at, cells),)

    def _trace_cells(self, at: int, text: str) -> Iterable[Found]:
        """A row of a table whose units are known, or another head."""
        parts = text.split(",", 2)
        if self._traces is None or len(parts) < 3 or text[0] not in DIGITS:  # noqa: PLR2004
            return self._cells(at, text)
        return (Traced(self._traces, at, *parts),)

    def _begin(self, shape: Shape, cells: Sequence[str]) -> None:
        self._table = Table(shape, tuple(cells), {}, self._process, self._title, self._device)
        self._traces = None
        self._wants_units = shape in WITH_UNITS

    def _continue(self, at: int, text: str) -> None:
        """A warning's second line has no banner; what follows nothing is not nvprof's."""
        if 0 < len(self._said) < MOST_CONTINUED:
            first = self._said[0]
            self._said.append(Notice(at, first.level, text, first.process))


def _is_plain_trace(table: Table) -> bool:
    """Whether the times stand first, and nothing behind the correlation id."""
    columns = table.columns
    return columns[:2] == ("Start", "Duration") and columns[-1] == "Correlation_ID"


def _may_be_head(text: str) -> bool:
    return any(word in text for word in HEAD_WORDS)


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
