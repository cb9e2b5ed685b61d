"""The events of an export as entries: kernels, copies, calls, ranges, scheduling, counted things.

Each reader goes through one table once, in the table's order. What rows have in common is made
once; what a row's own values spoil, is left out and counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from profiling_operator.entries import Entry, Kind, rfc3339
from profiling_operator.formats import nsys_shapes
from profiling_operator.formats.nsys_export import Export
from profiling_operator.formats.nsys_shapes import Shape

COLLECTOR = "nsys"
TIME = "TIME"
LARGEST = 2**63 - 1
KEPT = 1 << 15
FIXED = 4  # columns of each row: start, end, and two that are fleeting
SPOILT = (TypeError, ValueError, OverflowError)
ON_CPU = "[on CPU]"
MOST_THREADS = 1 << 16
T = TypeVar("T")

FAULTS = "[Unified Memory {} page faults]"


class _Kept(dict[tuple[object, ...], T], Generic[T]):
    """What was made from the same values before; bounded, and only of numbers."""

    def __init__(self, make: Callable[[tuple[object, ...]], T]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, row: tuple[object, ...]) -> T:
        made = self._make(row)
        if len(self) >= KEPT:
            self.clear()
        if all(one is None or isinstance(one, int) for one in row):
            self[row] = made
        return made


class Events:
    """Reads the tables of one export."""

    def __init__(self, export: Export) -> None:
        """Know the export; nothing is read yet."""
        self.spoilt: dict[str, int] = {}
        """Rows left out, by table."""
        self._export = export
        capture = export.capture
        self._host = export.host
        self._job, self._run = capture.job, capture.run
        self._offset, self._clock = export.clock.offset, export.clock.note

    def spoil(self, table: str) -> None:
        """Count a row that is left out."""
        self.spoilt[table] = self.spoilt.get(table, 0) + 1

    def time(self, moment: Any) -> str:
        """An event's time; raises one of SPOILT for what is none."""
        return rfc3339(moment + self._offset)

    def of(self, shape: Shape) -> Iterator[Entry]:
        """The entries of a table of events. Raises sqlite3.Error where it is damaged."""
        first, second = (*(one for _, one in shape.fleeting), "", "")[:2]
        fleeting = (*(one for one, _ in shape.fleeting), "", "")[:2]
        kind, offset, clock = shape.kind, self._offset, self._clock
        host, job, run, export = self._host, self._job, self._run, self._export
        sized, placed = FIXED + len(shape.sized), FIXED + len(shape.sized) + len(shape.place)
        sizes = _Kept(nsys_shapes.size)
        places = _Kept(lambda row: nsys_shapes.where(export, row))
        things = _Kept(
            lambda row: shape.describe(export, dict(zip(shape.columns, row, strict=True)))
        )
        columns = ("start", "end", *fleeting, *shape.sized, *shape.place, *shape.columns)
        for row in export.rows(shape.table, columns):
            start, end, one, other = row[:FIXED]
            try:
                name, additive, attributes, is_told = things[row[placed:]]
                process, thread, device, stream, context = places[row[sized:placed]]
                duration = end - start
                time = rfc3339(start + offset)
                if not 0 <= duration <= LARGEST:
                    raise ValueError("no duration")
            except SPOILT:
                self.spoil(shape.table)
                continue
            if not is_told:
                continue
            told = {**sizes[row[FIXED:sized]], **attributes, **context}
            if isinstance(one, int):
                told[first] = one
            if isinstance(other, int):
                told[second] = other
            yield Entry(
                time=time,
                job=job,
                run=run,
                collector=COLLECTOR,
                kind=kind,
                name=name,
                additive=additive,
                host=host,
                process=process,
                thread=thread,
                device=device,
                stream=stream,
                metric=TIME,
                unit="ns",
                duration=duration,
                clock=clock,
                attributes=told or None,
            )

    def scheduling(self) -> Iterator[Entry]:
        """A thread's time on a processor, from where it is put on it to where it is taken off."""
        running: dict[object, tuple[Any, object]] = {}
        table = "SCHED_EVENTS"
        for start, cpu, is_in, thread in self._export.rows(
            table, ("start", "cpu", "isSchedIn", "globalTid")
        ):
            if is_in:
                if len(running) >= MOST_THREADS:
                    running.clear()
                if isinstance(thread, int):
                    running[thread] = (start, cpu)
                continue
            began, where = running.pop(thread, (None, None))
            if began is None:
                continue  # it ran before the recording began
            try:
                attributes = {"cpu": where} if isinstance(where, int) else None
                yield self._of_thread(Kind.OS, ON_CPU, thread, began, start, attributes)
            except SPOILT:
                self.spoil(table)

    def _of_thread(
        self, kind: Kind, name: str, thread: Any, start: Any, end: Any, attributes: Any
    ) -> Entry:
        duration = end - start
        if not 0 <= duration <= LARGEST:
            raise ValueError("no duration")
        process, number = self._export.threads[thread]
        return Entry(
            time=self.time(start), job=self._job, run=self._run, collector=COLLECTOR, kind=kind,
            name=name, additive=False, host=self._host, process=process, thread=number,
            metric=TIME, unit="ns", duration=duration, clock=self._clock, attributes=attributes,
        )  # fmt: skip

    def counted(self) -> Iterator[Entry]:
        """Page faults of unified memory, allocations on the GPU, and the GPU's own counters."""
        yield from self._values(
            "CUDA_UM_CPU_PAGE_FAULT_EVENTS", "start", (), lambda _: (FAULTS.format("CPU"), "1", 1)
        )
        yield from self._values(
            "CUDA_UM_GPU_PAGE_FAULT_EVENTS", "start", ("numberOfPageFaults",),
            lambda more: (FAULTS.format("GPU"), "1", more[0]),
        )  # fmt: skip
        yield from self._values(
            "CUDA_GPU_MEMORY_USAGE_EVENTS", "start", ("bytes", "memoryOperationType"),
            lambda more: (ALLOCATIONS.get(more[1], "[GPU memory]"), "By", more[0]), Kind.METRIC,
        )  # fmt: skip

    def _values(
        self,
        table: str,
        when: str,
        columns: tuple[str, ...],
        meaning: Callable[[tuple[Any, ...]], tuple[str, str, Any]],
        kind: Kind = Kind.COUNTER,
    ) -> Iterator[Entry]:
        for start, pid, device, *more in self._export.rows(
            table, (when, "globalPid", "deviceId", *columns)
        ):
            name, unit, value = meaning(tuple(more))
            try:
                if not isinstance(value, int):
                    raise TypeError("no number")
                yield self.valued(
                    kind, name, start, unit=unit, value=value,
                    process=self._export.threads[pid][0] if isinstance(pid, int) else None,
                    device=device if isinstance(device, int) else None,
                )  # fmt: skip
            except SPOILT:
                self.spoil(table)

    def valued(self, kind: Kind, name: str, start: Any, **fields: Any) -> Entry:
        """An entry with a value; raises one of SPOILT where its time is none."""
        return Entry(
            time=self.time(start), job=self._job, run=self._run, collector=COLLECTOR, kind=kind,
            name=name, additive=kind is Kind.COUNTER, host=self._host, metric=name,
            clock=self._clock, **fields,
        )  # fmt: skip


# ENUM_CUDA_DEV_MEM_EVENT_OPER
ALLOCATIONS = {0: "[GPU memory allocated]", 1: "[GPU memory freed]"}
