"""nvprof's tables as entries.

Activities are kernels, copies, memsets and API calls, each with its time. Totals are the same added
up by name: their time is `inclusive`, their kind that of the activities. Metrics and events tell of
a kernel; nvprof runs it again for each group of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from profiling_operator.entries import Entry, Kind, Number, rfc3339
from profiling_operator.formats import nvprof_rows, nvprof_units
from profiling_operator.formats.nvprof_csv import CPU_FAULTS, Malformed, Notice, Row, Shape
from profiling_operator.formats.nvprof_rows import Activities, Activity
from profiling_operator.formats.nvprof_units import NANOSECONDS, Quantity

COLLECTOR = "nvprof"
METRIC = "TIME"
HELD_TOTALS = 100_000
LONGEST = 10**18  # nanoseconds: 31 years
EXTREMES = {"min": "Min", "max": "Max", "mean": "Avg"}
REPLAYED = {"replayed": True}
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

    def page_faults(self, notice: Notice) -> Iterator[Entry]:
        """The one number that stands in a sentence."""
        found = CPU_FAULTS.fullmatch(notice.text)
        if found:
            name = nvprof_rows.UNIFIED_NAMES["Total CPU Page faults"]
            value = _valued(Quantity(int(found[1])))
            yield self._entry(Kind.COUNTER, name, process=notice.process, **value)

    def totals(self) -> Iterator[Entry]:
        """The rows of summaries, now that all traces of the file are known."""
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
        where = {**activity.where, "time": rfc3339(self._place.started + int(start))}
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
            return self._entry(
                Kind.COUNTER, name, **nvprof_rows.where(row), **_valued(Quantity(size))
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
