"""CPU samples in an export: each at its own time, then sums for each function of each thread.

A sample is in COMPOSITE_EVENTS, its stack in SAMPLING_CALLCHAINS, a row a frame, the innermost at
depth 0. Both are read side by side in the order of the samples' numbers. What a sample stands for
is told nowhere, so it is found from the times between samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby, islice
from operator import itemgetter
from statistics import median
from typing import Any

from profiling_operator.entries import Entry, Kind, rfc3339
from profiling_operator.formats import sqlite_files
from profiling_operator.formats.nsys_events import COLLECTOR, LARGEST, SPOILT, TIME, Events
from profiling_operator.formats.nsys_export import Export
from profiling_operator.formats.nsys_names import UNKNOWN

EVENTS, CHAINS = "COMPOSITE_EVENTS", "SAMPLING_CALLCHAINS"
NO_FRAME = "[no frame]"
OTHERS = "[other functions]"
BROKEN = "[Broken backtraces]"  # nsys's own outermost frame, where it could not go on
FRAME = "CASE WHEN unresolved THEN -1 - module ELSE symbol END"
MOST_FRAMES = 4096
LONGEST_CHAIN = 1 << 15  # characters, some thousand frames
KEPT_FRAMES = 1 << 20
MOST_FUNCTIONS = 500_000
MOST_STACKS = 100_000
MOST_THREADS = 100_000
LOOKED_AT = 20_000  # samples from which the period is found
FEWEST_GAPS = 5
SLACK = 1.5
CLOSE = 0.05
MILLISECOND = 1_000_000

Path = tuple[str, ...]
Key = tuple[object, str]


class Samples:
    """Reads the samples of one export; its memory grows with functions and threads only."""

    def __init__(self, export: Export, events: Events, asked: int = MILLISECOND) -> None:
        """`asked`: the nanoseconds of a period, where the samples do not tell it."""
        self.count = 0
        self.any_resolved = False
        self._export = export
        self._events = events
        self._asked = asked
        self._period = asked
        self._began: int | None = None
        self._thread_names: dict[object, object] = {}
        self._paths: dict[str, Path] = {}
        self._room = KEPT_FRAMES
        self._stacks: Counter[Key] = Counter()
        self._sums: dict[Key, list[int]] = {}

    def entries(self) -> Iterator[Entry]:
        """A sample entry each. Raises sqlite3.Error where the tables are damaged."""
        if EVENTS not in self._export.tables:
            return
        self._period = self._found_period()
        self._read_thread_names()
        yield from self._samples()

    def _found_period(self) -> int:
        """The nanoseconds between samples of a thread that runs.

        Gaps while a thread waits are longer; so those count that are not much longer than the
        shortest tenth.
        """
        last: dict[object, int] = {}
        gaps = []
        for start, thread in islice(self._export.rows(EVENTS, ("start", "globalTid")), LOOKED_AT):
            if isinstance(start, int) and isinstance(thread, int):
                if thread in last and start > last[thread]:
                    gaps.append(start - last[thread])
                last[thread] = start
        if len(gaps) < FEWEST_GAPS:
            return self._asked
        gaps.sort()
        shortest = gaps[len(gaps) // 10]
        found = round(median([gap for gap in gaps if shortest <= gap <= SLACK * shortest]))
        return self._asked if abs(found - self._asked) <= CLOSE * self._asked else found

    def _read_thread_names(self) -> None:
        rows = self._export.rows("ThreadNames", ("globalTid", "nameId"))
        self._thread_names = {
            thread: name for thread, name in islice(rows, MOST_THREADS) if isinstance(name, int)
        }

    def _samples(self) -> Iterator[Entry]:
        capture, events = self._export.capture, self._events
        offset, clock = self._export.clock.offset, self._export.clock.note
        threads, period, stacks = self._export.threads, self._period, self._stacks
        host = self._export.host
        attributes: dict[tuple[object, object], dict[str, Any]] = {}
        for start, cpu, thread, chain in self._with_chains():
            path = self._paths.get(chain) or self._path(chain)
            about = attributes.get((thread, cpu)) or self._about(thread, cpu, attributes)
            try:
                time = rfc3339(start + offset)
                process, number = threads[thread]
            except SPOILT:
                events.spoil(EVENTS)
                continue
            if self._began is None:
                self._began = start
            self.count += 1
            stacks[thread, chain] += 1
            if len(stacks) > MOST_STACKS:
                self._add_up()
            yield Entry(
                time=time,
                job=capture.job,
                run=capture.run,
                collector=COLLECTOR,
                kind=Kind.SAMPLE,
                name=path[-1],
                additive=False,
                path=path,
                host=host,
                process=process,
                thread=number,
                metric=TIME,
                unit="ns",
                exclusive=period,
                calls=1,
                clock=clock,
                attributes=about or None,
            )

    def _with_chains(self) -> Iterator[tuple[Any, object, object, str]]:
        """Start, processor, thread, and the numbers of the stack's names, innermost first.

        Names of frames without a symbol are addresses, which differ from run to run: of those the
        file's number is there, below 0.
        """
        columns = "id, start, cpu, globalTid"
        if not all(self._export.has(EVENTS, one) for one in columns.split(", ")):
            return
        events = self._export.connection.execute(f"SELECT {columns} FROM {EVENTS} ORDER BY id")  # noqa: S608
        chains = self._chains()
        number, chain = next(chains, (None, ""))
        for key, start, cpu, thread in events:
            while number is not None and _comes_before(number, key):
                number, chain = next(chains, (None, ""))
            place = thread if isinstance(thread, int) else None
            yield start, cpu, place, chain if number == key else ""

    def _chains(self) -> Iterator[tuple[Any, str]]:
        needed = ("id", "symbol", "module", "unresolved", "stackDepth")
        if not all(self._export.has(CHAINS, one) for one in needed):
            return
        index = self._index()
        if index:  # of rows that an index has in order, SQLite puts a stack together
            by = f"INDEXED BY {sqlite_files.quoted(index)} GROUP BY id ORDER BY id"
            wanted = f"substr(group_concat({FRAME}), 1, {LONGEST_CHAIN})"
            query = f"SELECT id, {wanted} FROM {CHAINS} {by}"  # noqa: S608 - numbers and names
            yield from self._export.connection.execute(query)
            return
        query = f"SELECT id, {FRAME} FROM {CHAINS} ORDER BY id, stackDepth"  # noqa: S608
        frames = self._export.connection.execute(query)
        for number, some in groupby(frames, itemgetter(0)):
            yield number, ",".join(str(frame) for _, frame in islice(some, MOST_FRAMES))

    def _index(self) -> str:
        """The name of an index by sample and depth, as exports have one."""
        query = (
            "SELECT one.name FROM pragma_index_list(?) AS one WHERE (SELECT group_concat(name)"
            " FROM pragma_index_info(one.name)) = 'id,stackDepth' AND NOT one.partial"
        )
        found = self._export.connection.execute(query, (CHAINS,)).fetchone()
        return str(found[0]) if found else ""

    def _about(
        self, thread: object, cpu: object, known: dict[tuple[object, object], dict[str, Any]]
    ) -> dict[str, Any]:
        name = self._thread_names.get(thread)
        told = {
            "threadName": None if name is None else self._export.names[name],
            "cpu": cpu if isinstance(cpu, int) else None,
        }
        made = {key: value for key, value in told.items() if value is not None}
        if len(known) < MOST_THREADS and isinstance(cpu, int):
            known[thread, cpu] = made
        return made

    def _path(self, chain: str) -> Path:
        """The names of a stack, root first, and keep them."""
        names = [self._name(one) for one in reversed(chain.split(","))] if chain else []
        path = tuple(names[1:] if names[0] == BROKEN else names) if names else ()
        path = path or (NO_FRAME,)
        self._room -= len(path)
        if self._room < 0:
            self._paths.clear()
            self._room = KEPT_FRAMES
        self._paths[chain] = path
        return path

    def _name(self, digits: str) -> str:
        try:
            number = int(digits[:20])
        except ValueError:
            return UNKNOWN
        if number >= 0:
            self.any_resolved = self.any_resolved or self._export.names[number] != BROKEN
            return self._export.names[number]
        module = self._export.names[-1 - number].rpartition("/")[2]
        return f"{UNKNOWN} ({module})" if module != UNKNOWN else UNKNOWN

    def _add_up(self) -> None:
        """Add each stack's samples to its functions, to each once, however often it is there."""
        for (thread, chain), count in self._stacks.items():
            path = self._paths.get(chain) or self._path(chain)
            for name in dict.fromkeys(path):
                self._of(thread, name)[0] += count
            self._of(thread, path[-1])[1] += count
        self._stacks.clear()

    def _of(self, thread: object, name: str) -> list[int]:
        """A function's samples with and without those that it called."""
        found = self._sums.get((thread, name))
        if found is None:
            if len(self._sums) >= MOST_FUNCTIONS:
                thread, name = None, OTHERS
            found = self._sums.setdefault((thread, name), [0, 0])
        return found

    def timers(self) -> Iterator[Entry]:
        """What the functions of each thread add up to."""
        self._add_up()
        if self._began is None:
            return
        capture = self._export.capture
        time = self._events.time(self._began)
        for (thread, name), (inclusive, exclusive) in self._sums.items():
            process, number = self._export.threads[thread]
            about = self._thread_names.get(thread)
            yield Entry(
                time=time, job=capture.job, run=capture.run, collector=COLLECTOR, kind=Kind.TIMER,
                name=name, additive=True, host=self._export.host, process=process, thread=number,
                metric=TIME, unit="ns", inclusive=min(inclusive * self._period, LARGEST),
                exclusive=min(exclusive * self._period, LARGEST), calls=exclusive,
                clock=self._export.clock.note,
                attributes={"threadName": self._export.names[about]} if about is not None else None,
            )  # fmt: skip


def _comes_before(number: Any, key: Any) -> bool:
    """Whether a chain's sample has passed; numbers that are none end the walk."""
    return isinstance(number, int) and isinstance(key, int) and number < key
