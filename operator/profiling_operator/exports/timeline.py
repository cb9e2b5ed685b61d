"""What has a moment of its own, for a time line in a viewer: see `trace`, which writes it.

Events with a duration, samples, counters. Sums over a run are not among them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

import msgspec

from profiling_operator.entries import GPU_KINDS, Entry, Kind, epoch_nanoseconds
from profiling_operator.exports import trace
from profiling_operator.exports.slices import Sample
from profiling_operator.exports.trace import Value
from profiling_operator.exports.tracks import Span, Track

EVENTS_LIMIT = 15_000
"""Of each kind: the longest."""
MOMENTS_LIMIT = 10_000
"""Of samples, and of counters' values: spread over the whole time."""
SLACK = 1.5
"""What is kept meanwhile, as a multiple of a limit."""
ATTRIBUTES_LIMIT = 1000
"""Bytes; an event with more is shown without any."""
LARGEST = 10**18
"""Nanoseconds, 31 years."""
TRACKS_SHARED = 10_000
LAST = "~"
"""After every time."""

# Looked up once: an enumeration's members cost more than all the rest.
SAMPLE, COUNTER, METRIC = Kind.SAMPLE, Kind.COUNTER, Kind.METRIC
EPOCH = "1970-01-01T00:00:00.000000000Z"

PlainTrack = tuple[
    tuple[int, str, str | None, int | None, int | None, int | None, int | None],
    int | None,
    str,
    bool,
    str,
]
"""A track as plain tuples, which are made in half the time."""
Item = tuple[float, str, Any, bytes, PlainTrack]
"""Rank, time read backwards, name or stack, attributes as JSON, track. A duration is its rank,
negative. The first of times that are read backwards are spread over the whole of them: theirs are
the roundest numbers. Among equals, who came first is first."""

_rank = itemgetter(0, 1)
_encode = msgspec.json.Encoder().encode


class Kept:
    """The first items by their rank, up to a limit; taken in parts and merged, it is the same ones.

    `last_rank` and `last_time` are those of the last one within the limit.
    """

    def __init__(self, limit: int) -> None:
        """Nothing yet."""
        self.seen = 0
        self.last_rank = 1.0
        self.last_time = LAST
        self._limit = limit
        self._items: list[Item] = []

    def __len__(self) -> int:
        """How many there are, within the limit."""
        return min(len(self._items), self._limit)

    def add(self, item: Item) -> None:
        """Keep an item, unless too many come before it."""
        self._items.append(item)
        if len(self._items) > self._limit * SLACK:
            self.items()

    def items(self) -> list[Item]:
        """The items, in their order."""
        self._items.sort(key=_rank)
        if len(self._items) > self._limit:
            del self._items[self._limit :]
            self.last_rank, self.last_time, *_ = self._items[-1]
        return self._items

    def takes(self, rank: float, time: str) -> bool:
        """Whether such an item may be among the first."""
        return rank < self.last_rank or (rank == self.last_rank and time <= self.last_time)

    def merge(self, other: Kept) -> None:
        """Add another's items, which came later."""
        self.seen += other.seen
        for item in other.items():
            if self.takes(item[0], item[1]):
                self.add(item)


class Timeline:
    """Takes entries one by one and keeps those that make a time line.

    Bounded: of events of each kind the longest are kept, of samples and counters an even choice.
    """

    def __init__(self) -> None:
        """Nothing yet."""
        self._events: dict[str, Kept] = {}
        self._samples = Kept(MOMENTS_LIMIT)
        self._counts = Kept(MOMENTS_LIMIT)
        self._tracks: dict[PlainTrack, PlainTrack] = {}
        """Each one once: most items are of the same few."""

    def add(self, entry: Entry) -> None:
        """Keep an entry if it has a moment of its own."""
        kind, duration = entry.kind, entry.duration
        if duration is not None:
            self._add_event(entry, kind, duration)
        elif kind is SAMPLE:
            if entry.calls == 1:  # else it is a sum
                self._add_sample(entry)
        elif (kind is COUNTER or kind is METRIC) and entry.calls is None:
            self._add_count(entry)

    def _add_event(self, entry: Entry, kind: Kind, duration: float) -> None:
        kept = self._events.get(kind)
        if kept is None:
            kept = self._events[kind.value] = Kept(EVENTS_LIMIT)
        kept.seen += 1
        # Most come after the last one that is kept. What is no number is refused, too.
        if -duration > kept.last_rank or not 0 <= duration <= LARGEST:
            return
        time = entry.time[::-1]
        if kept.takes(-duration, time) and entry.unit == "ns":
            track = self._shared(_track(entry, kind in GPU_KINDS, ""))
            kept.add((-duration, time, entry.name, _attributes(entry), track))

    def _add_sample(self, entry: Entry) -> None:
        kept = self._samples
        kept.seen += 1
        time = entry.time[::-1]
        if time <= kept.last_time:
            way = "samples" if entry.unit == "ns" else f"{entry.metric} samples"
            track = self._shared(_track(entry, False, way))
            kept.add((0, time, entry.path or (entry.name,), b"", track))

    def _add_count(self, entry: Entry) -> None:
        value, kept = entry.value, self._counts
        if value is None or value - value != 0:  # no finite number
            return
        kept.seen += 1
        time = entry.time[::-1]
        if time <= kept.last_time:
            name = entry.name if entry.unit in {None, "1"} else f"{entry.name} [{entry.unit}]"
            thread, _, *_ = _track(entry, entry.device is not None, "")
            track = self._shared((thread, None, "", entry.device is not None, ""))
            kept.add((0, time, name, _encode({"value": value}), track))

    def _shared(self, track: PlainTrack) -> PlainTrack:
        if len(self._tracks) > TRACKS_SHARED:
            self._tracks.clear()
        return self._tracks.setdefault(track, track)

    def merge(self, other: Timeline) -> None:
        """Add another's entries, which came later, as if they had been added here."""
        for kind, kept in other._events.items():
            self._events.setdefault(kind, Kept(EVENTS_LIMIT)).merge(kept)
        self._samples.merge(other._samples)
        self._counts.merge(other._counts)

    @property
    def left_out(self) -> int:
        """How many entries with a moment of their own are not kept."""
        kept = (*self._events.values(), self._samples, self._counts)
        return sum(one.seen - len(one) for one in kept)

    def __bool__(self) -> bool:
        """Whether there is anything to draw."""
        return any(map(len, self._events.values())) or any(
            any(True for _ in series(kept.items(), key))
            for kept, key in ((self._samples, _recording), (self._counts, _counter))
        )

    def write(self, path: Path, name: str) -> None:
        """Write what there is to draw, and how much was left out."""
        samples = list(series(self._samples.items(), _recording))
        counts = list(series(self._counts.items(), _counter))
        events = {kind: kept.items() for kind, kept in self._events.items()}
        times = (item[1][::-1] for item in chain(samples, counts, *events.values()))
        tracks = {item[4]: Track.of(item[4]) for item in chain(samples, counts, *events.values())}
        drawing = trace.Drawing(
            start=_nanoseconds(min(times, default=EPOCH)),
            spans=[(tracks[one[4]], _span(kind, one)) for kind in events for one in events[kind]],
            samples=[(tracks[one[4]], Sample(_moment(one), one[2])) for one in samples],
            values=[(tracks[one[4]], Value(_moment(one), one[2], one[3])) for one in counts],
            left_out=self._told(),
        )
        trace.write(path, name, drawing)

    def _told(self) -> dict[str, Any]:
        """What was left out, by kind."""
        told: dict[str, Any] = {}
        for kind, kept in sorted(self._events.items()):
            if kept.seen > len(kept):
                shortest = min((-item[0] for item in kept.items()), default=0)
                told[kind] = {
                    "entries": kept.seen - len(kept),
                    "notLongerThanNanoseconds": shortest,
                }
        for kind, kept in ((SAMPLE.value, self._samples), (COUNTER.value, self._counts)):
            if kept.seen > len(kept):
                told[kind] = {"entries": kept.seen - len(kept)}
        return told


def series(items: Sequence[Item], key: Callable[[Item], Hashable]) -> Iterator[Item]:
    """Items of such series as have different times: the others are sums that begin with the run."""
    times: dict[Hashable, str] = {}
    moving: set[Hashable] = set()
    for item in items:
        one = key(item)
        if times.setdefault(one, item[1]) != item[1]:
            moving.add(one)
    return (item for item in items if key(item) in moving)


def _recording(item: Item) -> Hashable:
    """What samples were taken together: those of a collector in a run."""
    return item[4][0][:2]


def _counter(item: Item) -> Hashable:
    return item[2], item[4]


def _track(entry: Entry, on_gpu: bool, way: str) -> PlainTrack:
    attributes = entry.attributes
    name = attributes.get("threadName", "") if attributes else ""
    thread = (
        entry.run,
        entry.collector,
        entry.host,
        entry.process,
        entry.context,
        None if on_gpu else entry.thread,
        entry.device if on_gpu else None,
    )
    return (
        thread,
        entry.stream if on_gpu else None,
        name if isinstance(name, str) else "",
        on_gpu,
        way,
    )


def _attributes(entry: Entry) -> bytes:
    """As JSON, with where it is in the program."""
    told = entry.attributes
    if entry.source is not None:
        told = {**(told or {}), "source": entry.source}
    encoded = _encode(told) if told else b""
    return encoded if len(encoded) <= ATTRIBUTES_LIMIT else b""


@functools.lru_cache(maxsize=4096)  # of a million entries most are within minutes
def _second(text: str) -> int:
    return epoch_nanoseconds(f"{text}Z")


def _nanoseconds(time: str) -> int:
    return _second(time[:19]) + int(time[20:29])


def _moment(item: Item) -> int:
    return _nanoseconds(item[1][::-1])


def _span(kind: str, item: Item) -> Span:
    rank, _, name, attributes, track = item
    start = _moment(item)
    return Span(start, start + round(-rank), name, f"{track[0][1]},{kind}", attributes)
