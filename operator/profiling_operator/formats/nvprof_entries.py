"""nvprof's tables as entries.

Activities are kernels, copies, memsets and API calls, each with its time. Totals are the same added
up by name: their time is `inclusive`, their kind that of the activities. Metrics and events tell of
a kernel; nvprof runs it again for each group of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from profiling_operator.entries import GPU_KINDS, Entry, Kind, Number, rfc3339
from profiling_operator.formats import nvprof_rows, nvprof_units
from profiling_operator.formats.nvprof_csv import (
    CPU_TOTAL,
    Branch,
    Malformed,
    Notice,
    Row,
    Shape,
    Table,
    Traced,
)
from profiling_operator.formats.nvprof_ranges import Ranges
from profiling_operator.formats.nvprof_rows import Activities, Activity
from profiling_operator.formats.nvprof_tree import Tree
from profiling_operator.formats.nvprof_units import NANOSECONDS, Quantity

COLLECTOR = "nvprof"
METRIC = "TIME"
HELD_TOTALS = 100_000
LONGEST = 10**18  # nanoseconds: 31 years
EXTREMES = {"min": "Min", "max": "Max", "mean": "Avg"}
REPLAYED = {"replayed": True}
SEEN_AGAIN = frozenset({*GPU_KINDS, Kind.API})
NOT_ADDITIVE = frozenset({Kind.TIMER, Kind.RANGE})  # they hold each other

Made = Entry | Malformed


@dataclass(frozen=True)
class Place:
    """What is the same in all entries of one file."""

    started: int
    """What the times are counted from, nanoseconds since the Unix epoch."""
    job: str = ""
    run: int = 0
    host: str | None = None
    events: frozenset[str] = frozenset()
    """A trace's columns that are counters; the others are metrics."""


class Reading:
    """Makes entries of one file's rows, one by one; totals come at the end.

    Totals repeat a trace of the same kind, so they are additive only where the file has none.
    """

    def __init__(self, place: Place) -> None:
        """Nothing read yet."""
        self._place = place
        self._began = rfc3339(place.started)
        self._totals: list[tuple[Kind, dict[str, Any]]] = []
        self._traced: set[Kind] = set()
        self._activities: Activities | None = None
        self._tree: Tree | None = None
        self._tree_of: tuple[str, int | None, int | None] | None = None
        self._ranges = Ranges()
        self._same: dict[str, Activity] = {}
        """Rows of a trace by the text that they have in common."""
        self._same_of: Table | None = None
        self._room = 0
        self._start_scale = self._duration_scale = 1

    def entries(self, row: Row) -> Iterator[Made]:
        """What a row says; a summary's rows come from `totals`."""
        match row.table.shape:
            case Shape.TRACE:
                yield from self._trace(row)
            case Shape.TOTALS:
                yield from self._hold(row)
            case Shape.UNIFIED:
                yield self._unified(row)
            case Shape.EVENTS:
                yield self._of_kernel(row, Kind.COUNTER, row.cells["Event Name"], "Total")
            case Shape.METRICS:
                yield self._of_kernel(row, Kind.METRIC, row.cells["Metric Name"], "Avg")

    def traced(self, one: Traced) -> Iterator[Made] | Entry:
        """The same for a row of a trace, of which most is known if it was there before."""
        same, comma, number = one.rest.rpartition(",")
        if self._same_of is not one.table:
            self._begin_trace(one.table)
        start = nvprof_units.time(one.start, self._start_scale)
        duration = nvprof_units.time(one.duration, self._duration_scale)
        is_number = number.isdecimal() and len(number) <= nvprof_units.MOST_DIGITS
        found = self._same.get(same) if is_number and comma else None
        if found is None or start is None or duration is None or start > LONGEST:
            return self._taken_apart(one, same)
        place, where, attributes = self._place, found.where, dict(found.attributes)
        attributes["correlationId"] = int(number)
        return Entry(
            time=rfc3339(place.started + start),
            job=place.job,
            run=place.run,
            collector=COLLECTOR,
            kind=found.kind,
            name=found.name,
            additive=True,
            host=place.host,
            process=where["process"],
            device=where["device"],
            stream=where["stream"],
            metric=METRIC,
            unit=NANOSECONDS,
            duration=duration,
            clock="anchored",
            attributes=attributes,
        )

    def _begin_trace(self, table: Table) -> None:
        self._same_of = table
        self._same.clear()
        self._room = nvprof_rows.KEPT_CHARACTERS
        self._start_scale, self._duration_scale = (
            nvprof_units.UNITS[table.units.get(column, "")].scale for column in table.columns[:2]
        )

    def _taken_apart(self, one: Traced, same: str) -> Iterator[Made]:
        """A row that is new, or unlike the others; the next one like it is known."""
        row = one.row()
        if isinstance(row, Malformed):
            yield row
            return
        yield from self._trace(row)
        activity = self._activities.describe(row) if self._activities else None
        if activity and activity.is_own and activity.kind in SEEN_AGAIN:
            self._traced.add(activity.kind)
            self._room -= len(same) + nvprof_rows.OVERHEAD
            if self._room < 0:
                self._same.clear()
                self._room = nvprof_rows.KEPT_CHARACTERS
            self._same[same] = activity

    def cpu_totals(self, notice: Notice) -> Iterator[Entry]:
        """The numbers of unified memory that stand in sentences."""
        found = CPU_TOTAL.fullmatch(notice.text)
        if found:
            name = nvprof_rows.UNIFIED_NAMES[found[1]]
            value = _valued(Quantity(int(found[2])))
            yield self._entry(Kind.COUNTER, name, process=notice.process, **value)

    def branch(self, found: Branch) -> Iterator[Made]:
        """What a line of a profile of the CPU ends; its own time comes with a later one."""
        of = (found.mode, found.process, found.thread)
        if self._tree is None or self._tree_of != of:
            yield from self._end_of_tree()
            self._tree, self._tree_of = Tree(found.mode, found.thread), of
        ended = self._tree.take(found.node)
        if ended is None:
            yield Malformed(found.line, "deeper than the line above it allows")
            return
        for fields in ended:
            yield self._entry(process=found.process, **fields)

    def _end_of_tree(self) -> Iterator[Entry]:
        if self._tree is not None and self._tree_of is not None:
            for fields in self._tree.end():
                yield self._entry(process=self._tree_of[1], **fields)
        self._tree = None

    def rest(self) -> Iterator[Entry]:
        """What the end of the file tells: the last tree, ranges that are open, and the summaries.

        Only now it is known which kinds have a trace.
        """
        yield from self._end_of_tree()
        for fields in self._ranges.open():
            yield self._entry(Kind.RANGE, additive=False, **fields)
        for kind, fields in self._totals:
            additive = fields.pop("additive") and kind not in self._traced
            yield self._entry(kind, additive=additive, **fields)
        self._totals.clear()

    def _entry(
        self, kind: Kind, name: str, *, time: str = "", additive: bool = True, **fields: Any
    ) -> Entry:
        place = self._place
        return Entry(
            time=time or self._began,
            job=place.job,
            run=place.run,
            collector=COLLECTOR,
            kind=kind,
            name=name,
            additive=additive,
            host=place.host,
            clock="anchored",
            **fields,
        )

    def _trace(self, row: Row) -> Iterator[Made]:
        """An activity, and each metric and event of it."""
        times = _times(row)
        if times is None:
            yield Malformed(row.line, "no usable start and duration")
            return
        start, duration = times
        if self._activities is None or self._activities.table is not row.table:
            self._activities = Activities(row.table)
        activity = self._activities.describe(row)
        known = _correlated(row, activity)
        began = self._place.started + int(start)
        if activity.kind is Kind.RANGE:
            for fields in self._ranges.take(activity.name, began, activity.where["process"]):
                yield self._entry(Kind.RANGE, additive=False, **fields)
            return
        where = {**activity.where, "time": rfc3339(began)}
        if "Start" in row.cells:
            replayed = REPLAYED if self._activities.extra and activity.kind is Kind.KERNEL else {}
            yield self._of_activity(activity, duration, where, known | replayed)
        for column in self._activities.extra:
            yield from self._of_launch(row, column, where, {"kernel": activity.name, **known})

    def _of_activity(
        self, one: Activity, duration: Number | None, where: dict[str, Any], known: dict[str, Any]
    ) -> Entry:
        attributes = {**one.attributes, **known}
        fields: dict[str, Any] = {**where, "attributes": attributes or None}
        if one.kind is Kind.COUNTER:
            return self._entry(one.kind, one.name, **fields, **_valued(one.amount))
        if one.is_own:
            self._traced.add(one.kind)
        fields |= _timed("duration", duration)
        return self._entry(one.kind, one.name, additive=one.is_own, metric=METRIC, **fields)

    def _of_launch(
        self, row: Row, column: str, where: dict[str, Any], attributes: dict[str, Any]
    ) -> Iterator[Entry]:
        """A metric or an event of one launch; copies have none."""
        unit = row.table.units.get(column, "")
        found = nvprof_units.read_metric(column, row.cells[column], unit)
        if found is None:
            return
        is_event = column in self._place.events
        name = nvprof_rows.clean(column)
        yield self._entry(
            Kind.COUNTER if is_event else Kind.METRIC,
            name,
            additive=is_event,
            metric=name,
            attributes=attributes | REPLAYED | nvprof_rows.remarks(found),
            **where,
            **_valued(found),
        )

    def _hold(self, row: Row) -> Iterator[Malformed]:
        """Keep a summary's row for the end."""
        cells, units = row.cells, row.table.units
        time = nvprof_units.value(cells["Time"], units.get("Time", ""))
        if time is None or time < 0:
            yield Malformed(row.line, "no usable time")
        elif len(self._totals) >= HELD_TOTALS:
            yield Malformed(row.line, f"more than {HELD_TOTALS} rows of summaries")
        else:
            kind = nvprof_rows.kind_of_total(row)
            repeats = kind in NOT_ADDITIVE or row.table.title.startswith(nvprof_rows.NVTX)
            fields = nvprof_rows.where(row) | {
                "name": nvprof_rows.clean(cells["Name"]),
                "additive": not repeats,
                "metric": METRIC,
                "unit": NANOSECONDS,
                "inclusive": time,
                "calls": nvprof_units.whole(cells["Calls"]),
            }
            self._totals.append((kind, fields | _extremes(row)))

    def _unified(self, row: Row) -> Entry:
        """A line of the summary of unified memory, which has page faults in the column of bytes."""
        cells = row.cells
        what = cells.get("", "")
        name = nvprof_rows.UNIFIED_NAMES.get(what) or nvprof_rows.clean(what)
        size = nvprof_units.value(cells["Total Size"])
        if "fault" in what:
            count = nvprof_units.value(cells["Count"]) if size is None else size
            return self._entry(
                Kind.COUNTER, name, **nvprof_rows.where(row), **_valued(Quantity(count))
            )
        times = _timed("inclusive", nvprof_units.value(cells["Total Time"]))
        return self._entry(
            Kind.MEMCPY,
            name,
            additive=False,
            metric=METRIC,
            calls=nvprof_units.whole(cells["Count"]),
            attributes=None if size is None else {"bytes": size},
            **nvprof_rows.where(row),
            **times,
        )

    def _of_kernel(self, row: Row, kind: Kind, name: str, column: str) -> Made:
        """A metric's mean, or an event's total, over the launches of a kernel."""
        cells = row.cells
        found = nvprof_units.read_metric(name, cells.get(column, ""))
        if found is None:
            return Malformed(row.line, f"{column} {cells.get(column, '')[:40]!r} is no value")
        attributes = {"kernel": nvprof_rows.clean(cells["Kernel"])} | REPLAYED
        if description := cells.get("Metric Description"):
            attributes["description"] = description
        return self._entry(
            kind,
            nvprof_rows.clean(name),
            additive=kind is Kind.COUNTER,
            metric=nvprof_rows.clean(name),
            calls=nvprof_units.whole(cells["Invocations"]),
            attributes=attributes | nvprof_rows.remarks(found),
            **nvprof_rows.where(row),
            **_valued(found),
            **_extremes(row),
        )


def _times(row: Row) -> tuple[Number, Number | None] | None:
    """Start and duration, as far as the table has them; None where they cannot be."""
    cells, units = row.cells, row.table.units
    start = nvprof_units.value(cells.get("Start", "0"), units.get("Start", ""))
    duration = nvprof_units.value(cells.get("Duration", ""), units.get("Duration", ""))
    if start is None or not 0 <= start <= LONGEST or (duration or 0) < 0:
        return None
    return start, duration


def _correlated(row: Row, activity: Activity) -> dict[str, Any]:
    """What ties a call of the API to its activity."""
    number = nvprof_units.whole(row.cells.get("Correlation_ID", ""))
    number = activity.correlation if number is None else number
    return {} if number is None else {"correlationId": number}


def _valued(quantity: Quantity) -> dict[str, Any]:
    return {} if quantity.value is None else {"value": quantity.value, "unit": quantity.unit}


def _timed(field: str, time: Number | None) -> dict[str, Any]:
    return {} if time is None else {field: time, "unit": NANOSECONDS}


def _extremes(row: Row) -> dict[str, Any]:
    cells, units = row.cells, row.table.units
    return {
        field: nvprof_units.value(cells.get(column, ""), units.get(column, ""))
        for field, column in EXTREMES.items()
    }
