"""TAU's traces, `tautrace.<node>.<context>.<thread>.trc` and the merged `tau.trc`: every event.

Records of 24 bytes in the byte order of the machine that wrote them: event (int32), node and thread
(uint16), parameter (int64), microseconds since the Unix epoch (uint64). What an event is stands in
the definitions (see `tau_definitions`):

- a timer is entered (parameter 1) and left (-1): an entry of kind `range` when it is left, with its
  duration, the exclusive part of it (without inner ranges) and the path of its callers;
- a user event is triggered: an entry of kind `counter`. TAU writes three records: 0, the value, 0;
- a message is sent or received: a `counter` of bytes with peer, tag and communicator as attributes,
  never additive, since TAU counts them in user events as well.

Where a profile of the thread is there as well it holds the sums of all this: then nothing of the
trace is additive. A range that is not left by itself, but by an outer one or the end of the trace,
says `unfinished`.

Writer: tau2 src/Profile/Tracer.cpp.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from typing import BinaryIO

import msgspec

from profiling_operator import entries
from profiling_operator.entries import Entry
from profiling_operator.formats import tau_names
from profiling_operator.formats.tau_definitions import FIXED, Definition, Use
from profiling_operator.formats.tau_metadata import EARLIEST, LATEST
from profiling_operator.formats.tau_ranges import CallPlace, CallTree

RECORD = 24
RECORDS_AT_ONCE = 4096
FIELDS = "iHHqQ"
ORDERS = ("<", ">")
MICROSECOND = 1000
SECOND = 10**6
NO_NODE = 2**16 - 1
MOST_OPEN = 50_000
"""Ranges that are open at once, over all threads."""
MOST_THREADS = 20_000
UNDEFINED = Definition(Use.NOTHING, tau_names.event(b""))

Record = tuple[int, int, int, int, int]
"""Event, node, thread, parameter, time."""
Open = tuple[int, int, CallPlace]
"""A range that is not left yet: event, begin, place in the call tree."""


class _Thread:
    """One thread's open ranges."""

    __slots__ = ("counts", "inner", "last", "open", "process", "thread", "triple", "triple_at")

    def __init__(self, process: int, thread: int) -> None:
        self.process = -1 if process == NO_NODE else process
        self.thread = thread
        self.open: list[Open] = []
        self.inner: list[int] = [0]
        """Time in inner ranges, of the thread and of each open range."""
        self.counts: dict[int, int] = {}
        """How often an event is open."""
        self.last = 0
        """The time of its last record."""
        self.triple = -1
        """Of which event the last record was, and the which of its three records."""
        self.triple_at = 0


class Trace:
    """Reads one trace; afterwards it tells what was wrong."""

    def __init__(self, events: Mapping[int, Definition], tree: CallTree) -> None:
        """Records mean what `events` say."""
        self.count = 0
        """Entries."""
        self.is_whole = False
        """Whether it was a trace from its first to its last record."""
        self._events = events
        self._tree = tree
        self._threads: dict[tuple[int, int], _Thread] = {}
        self._open = 0
        self._second = -1
        self._prefix = ""
        self._faults: dict[str, int] = {}

    def entries(self, stream: BinaryIO) -> Iterator[Entry]:
        """Every entry of the trace."""
        first = stream.read(RECORD)
        order = byte_order(first)
        if order is None:
            foreign = "the first record has no time in microseconds since 1970"
            self._fault(foreign if first else "truncated: it is empty")
            return
        unpack = struct.Struct(order + FIELDS).iter_unpack
        block = first
        while block:
            left = len(block) % RECORD
            if left:
                self._fault("truncated: it ends within a record")
            found = self._read(unpack(block[: len(block) - left]))
            self.count += len(found)
            yield from found
            block = stream.read(RECORD * RECORDS_AT_ONCE)
        for thread in self._threads.values():
            unfinished = len(thread.open)
            self._fault("ranges end with the trace", unfinished)
            found = [self._leave_innermost(thread, thread.last, True) for _ in range(unfinished)]
            self.count += len(found)
            yield from found
        self.is_whole = not self._faults

    def summary(self) -> str:
        """What is to be said of the trace; starts with `truncated` when it is cut off."""
        told = [f"{count} {text}" if count > 1 else text for text, count in self._faults.items()]
        return "; ".join(sorted(told, key=lambda one: not one.startswith("truncated")))

    def _read(self, records: Iterable[Record]) -> list[Entry]:
        """The entries of some records."""
        events = self._events
        found: list[Entry] = []
        thread: _Thread | None = None
        at = (-1, -1)
        for event, node, number, parameter, time in records:
            definition = events.get(event, UNDEFINED)
            use = definition.use
            if use is Use.NOTHING:
                if definition is UNDEFINED:
                    self._fault("records of events without a definition")
                continue
            if thread is None or at != (node, number):
                at = node, number
                thread = self._thread(node, number)
            if thread is None or not EARLIEST <= time < LATEST:
                self._fault("records with an impossible time or thread")
                continue
            thread.last = time
            if use is Use.RANGE:
                found += self._range(thread, event, definition, parameter, time)
            elif use is Use.MESSAGE or _is_value(thread, event, parameter):
                found.append(self._counter(thread, event, definition, parameter, time))
        return found

    def _range(
        self, thread: _Thread, event: int, definition: Definition, parameter: int, time: int
    ) -> Iterable[Entry]:
        """Enter or leave a range; the entries of those that are left."""
        if parameter > 0:
            self._enter(thread, event, definition, time)
        elif thread.open and thread.open[-1][0] == event:
            return (self._leave_innermost(thread, time, False),)
        elif thread.counts.get(event):
            return self._leave(thread, event, time)
        else:
            self._fault("ranges left, but not entered")
        return ()

    def _thread(self, node: int, number: int) -> _Thread | None:
        """A thread of the trace; None for another one where there are too many."""
        thread = self._threads.get((node, number))
        if thread is None and len(self._threads) < MOST_THREADS:
            thread = self._threads[node, number] = _Thread(node, number)
        return thread

    def _enter(self, thread: _Thread, event: int, definition: Definition, time: int) -> None:
        if self._open >= MOST_OPEN:
            self._fault(f"ranges past {MOST_OPEN} open ones")
            return
        outer = thread.open[-1][2] if thread.open else self._tree.root
        place = outer.inner.get(event) or self._tree.below(outer, event, definition.shape)
        self._open += 1
        thread.open.append((event, time, place))
        thread.inner.append(0)
        thread.counts[event] = thread.counts.get(event, 0) + 1

    def _leave(self, thread: _Thread, event: int, time: int) -> Iterator[Entry]:
        """Leave a range that is open, and those in it that were not left."""
        while thread.open[-1][0] != event:
            self._fault("ranges end with an outer one")
            yield self._leave_innermost(thread, time, True)
        yield self._leave_innermost(thread, time, False)

    def _leave_innermost(self, thread: _Thread, time: int, is_unfinished: bool) -> Entry:
        event, begin, place = thread.open.pop()
        self._open -= 1
        thread.counts[event] -= 1
        duration = max(0, time - begin)
        inner = thread.inner.pop()
        thread.inner[-1] += duration
        entry = msgspec.structs.replace(
            place.template,
            time=self._time(begin),
            path=place.told,
            process=thread.process,
            thread=thread.thread,
            duration=duration * MICROSECOND,
            exclusive=max(0, duration - inner) * MICROSECOND,
        )
        if not is_unfinished:
            return entry
        attributes = {**(entry.attributes or {}), "unfinished": True}
        return msgspec.structs.replace(entry, attributes=attributes)

    def _counter(
        self, thread: _Thread, event: int, definition: Definition, parameter: int, time: int
    ) -> Entry:
        template = self._tree.counter(event, definition)
        attributes = template.attributes
        if definition.use is Use.MESSAGE:
            parameter, message = _message(parameter)
            attributes = {**(attributes or {}), **message}
        return msgspec.structs.replace(
            template,
            time=self._time(time),
            process=thread.process,
            thread=thread.thread,
            value=parameter,
            attributes=attributes,
        )

    def _time(self, microseconds: int) -> str:
        """As RFC 3339; most times are within the same second as the one before."""
        second, fraction = divmod(microseconds, SECOND)
        if second != self._second:
            self._second = second
            self._prefix = entries.rfc3339(second * entries.NANOSECONDS)[: -len("000000000Z")]
        return f"{self._prefix}{fraction:06d}000Z"

    def _fault(self, text: str, count: int = 1) -> None:
        if count:
            self._faults[text] = self._faults.get(text, 0) + count


def byte_order(record: bytes) -> str | None:
    """The byte order in which a record's time is one of this century; None where there is none."""
    if len(record) < RECORD:
        return None
    times = {order: struct.unpack(order + FIELDS, record)[-1] for order in ORDERS}
    return next((order for order, time in times.items() if EARLIEST <= time < LATEST), None)


def _is_value(thread: _Thread, event: int, parameter: int) -> bool:
    """Whether a record of a user event is the one with the value: the second of 0, value, 0.

    A writer that leaves the zeros out writes the value alone.
    """
    if event != thread.triple:
        thread.triple, thread.triple_at = event, 0
    if event >= FIXED or (parameter and thread.triple_at != 1):
        thread.triple_at = 0
        return True
    thread.triple_at = (thread.triple_at + 1) % 3
    return thread.triple_at == 2  # noqa: PLR2004 - the second has just passed


def _message(parameter: int) -> tuple[int, dict[str, int]]:
    """A message's bytes, and the peer, tag and communicator that are packed between them.

    Bits 63-56 peer, 55-48 tag, 47-42 communicator, 41-32 length; then 31-24 peer, 23-16 tag,
    15-0 length: the high halves, then the low ones.
    """
    bits = parameter & (2**64 - 1)
    length = (bits >> 32 & 0x3FF) << 16 | bits & 0xFFFF
    peer = (bits >> 56 & 0xFF) << 8 | bits >> 24 & 0xFF
    tag = (bits >> 48 & 0xFF) << 8 | bits >> 16 & 0xFF
    return length, {"peer": peer, "tag": tag, "communicator": bits >> 42 & 0x3F}
