"""The databases of nvprof (`-o`, `.nvprof` and `.nvvp`): the only ones of its files with a clock.

A table per kind of activity, `CUPTI_ACTIVITY_KIND_…`, whose times are nanoseconds since the Unix
epoch; texts stand in `StringTable`. All tables are there, most are empty, and columns differ by
version: they are found by their names. Checked against nvprof 11.8, which imports what tests make.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from profiling_operator.entries import NANOSECONDS, Entry, rfc3339
from profiling_operator.errors import ArtifactError
from profiling_operator.formats import (
    nvprof_activities,
    nvprof_counters,
    nvprof_markers,
    sqlite_files,
)
from profiling_operator.formats.nvprof_activities import Steady, Table, Values
from profiling_operator.formats.nvprof_entries import COLLECTOR, METRIC, Place
from profiling_operator.formats.nvprof_markers import Moment
from profiling_operator.formats.nvprof_names import PREFIX, Names

EARLIEST = 1_150_000_000 * NANOSECONDS  # 2006, before CUDA
LATEST = 4_100_000_000 * NANOSECONDS  # 2099
KEPT = 10_000
NANOSECOND = "ns"
SAME_FROM = len(nvprof_activities.TIMED)
SECONDS_LENGTH = 20  # of 2026-01-31T12:00:00.
STRINGS = "StringTable"
DESCRIBING = frozenset({
    *("DEVICE", "DEVICE_ATTRIBUTE", "CONTEXT", "STREAM", "NAME", "MARKER_DATA", "FUNCTION"),
    *("MODULE", "SOURCE_LOCATOR", "CUDA_EVENT", "PC_SAMPLING_RECORD_INFO"),
})  # fmt: skip
"""Tables that measure nothing."""
MOMENTS: dict[str, Callable[[sqlite3.Connection, Names], Iterator[Moment]]] = {
    "MARKER": nvprof_markers.ranges,
    "OVERHEAD": nvprof_markers.overheads,
    "UNIFIED_MEMORY_COUNTER": nvprof_counters.unified,
    "EVENT": nvprof_counters.events,
    "METRIC": nvprof_counters.metrics,
}


KNOWN = DESCRIBING | MOMENTS.keys() | nvprof_activities.TABLES.keys()


class Reading:
    """Reads one database: entries first; what is wrong with it is known at the end."""

    def __init__(self, place: Place) -> None:
        """Nothing read yet."""
        self.count = 0
        self.damage = ""
        """Why not all of it could be read."""
        self.is_nvprofs = False
        self._place = place
        self._began = rfc3339(place.started)
        self._untimed: Counter[str] = Counter()
        self._unread: list[str] = []

    def problems(self) -> Iterator[str]:
        """What was left out, for notes."""
        for table, lines in self._untimed.items():
            yield f"{PREFIX}{table}: {lines} rows without a usable time left out"
        if self._unread:
            yield f"tables that are not read: {', '.join(self._unread)}"

    def entries(self, stream: BinaryIO) -> Iterator[Entry]:
        """Entries table by table. Damage ends a table, and the next one is tried."""
        missing = sqlite_files.missing_bytes(stream)
        if missing:
            self.damage = f"damaged: the last {missing} bytes are cut off"
        try:
            with sqlite_files.connect(stream) as connection:
                for table, made in self._tables(connection):
                    try:
                        yield from made
                    except sqlite3.Error as error:
                        self._damaged(error, table)
        except sqlite3.Error as error:
            self._damaged(error)
        except ArtifactError as error:
            self.damage = str(error)

    def _damaged(self, error: sqlite3.Error, table: str = "") -> None:
        where = f"{table}: " if table else ""
        self.damage = self.damage or f"damaged: {where}{error}"

    def _tables(self, connection: sqlite3.Connection) -> Iterator[tuple[str, Iterator[Entry]]]:
        tables = sqlite_files.tables(connection)
        self.is_nvprofs = STRINGS in tables and any(one.startswith(PREFIX) for one in tables)
        if not self.is_nvprofs:
            return
        names = Names(connection, tables)
        for name, table in nvprof_activities.TABLES.items():
            if f"{PREFIX}{name}" in tables:
                yield f"{PREFIX}{name}", self._activities(connection, name, table, names)
        for name, moments in MOMENTS.items():
            if f"{PREFIX}{name}" in tables:
                yield f"{PREFIX}{name}", self._moments(name, moments(connection, names))
        for one in sorted(tables):
            name = one.removeprefix(PREFIX)
            if name != one and name not in KNOWN and _has_any(connection, one):
                self._unread.append(name)

    def _activities(
        self, connection: sqlite3.Connection, name: str, table: Table, names: Names
    ) -> Iterator[Entry]:
        """The rows of a table, each at its time; most of an entry is made once for many."""
        place, kind, additive, describe = self._place, table.kind, table.additive, table.describe
        job, run, host = place.job, place.run, place.host
        known: dict[Values, Steady] = {}
        count, untimed, second, before = 0, 0, 0, ""
        columns = (*nvprof_activities.TIMED, *table.columns)
        try:
            for row in sqlite_files.select(connection, f"{PREFIX}{name}", columns):
                start, end, correlation, stream = row[:SAME_FROM]
                if not (type(start) is type(end) is int and EARLIEST <= start <= end <= LATEST):
                    untimed += 1
                    continue
                key = row[SAME_FROM:]
                found = known.get(key)
                if found is None:
                    if len(known) >= KEPT:
                        known.clear()
                    found = known[key] = describe(names, key)
                text, process, thread, device, attributes = found
                if not 0 <= start - second < NANOSECONDS:
                    second = start - start % NANOSECONDS
                    before = rfc3339(start)[:SECONDS_LENGTH]
                if type(correlation) is int:
                    attributes = attributes.copy()
                    attributes["correlationId"] = correlation
                count += 1
                yield Entry(
                    time=f"{before}{str(start)[-9:]}Z",
                    job=job,
                    run=run,
                    collector=COLLECTOR,
                    kind=kind,
                    name=text,
                    additive=additive,
                    host=host,
                    process=process,
                    thread=thread,
                    device=device,
                    stream=stream if type(stream) is int else None,
                    metric=METRIC,
                    unit=NANOSECOND,
                    duration=end - start,
                    attributes=attributes or None,
                )
        finally:
            self.count += count
            self._untimed += Counter({name: untimed})

    def _moments(self, table: str, moments: Iterator[Moment]) -> Iterator[Entry]:
        for one in moments:
            end = one.start if one.end is None else one.end
            if one.start is None:
                time = self._began
            elif type(one.start) is type(end) is int and EARLIEST <= one.start <= end <= LATEST:
                time = rfc3339(one.start)
            else:
                self._untimed[table] += 1
                continue
            self.count += 1
            yield self._entry(one, time)

    def _entry(self, one: Moment, time: str) -> Entry:
        fields: dict[str, Any] = {"additive": False, **one.fields}
        if one.start is not None and one.end is not None:
            fields |= {"duration": one.end - one.start, "unit": NANOSECOND, "metric": METRIC}
        if one.start is None:
            fields["clock"] = "anchored"
        place, (process, thread, device, stream) = self._place, one.where
        return Entry(
            time=time,
            job=place.job,
            run=place.run,
            collector=COLLECTOR,
            kind=one.kind,
            host=place.host,
            process=process,
            thread=thread,
            device=device,
            stream=stream,
            **fields,
        )


def _has_any(connection: sqlite3.Connection, table: str) -> bool:
    query = f"SELECT 1 FROM {sqlite_files.quoted(table)} NOT INDEXED LIMIT 1"  # noqa: S608
    try:
        return connection.execute(query).fetchone() is not None
    except sqlite3.Error:
        return False
