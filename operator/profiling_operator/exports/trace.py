"""`trace.json`: the Trace Event Format of Chrome, which Perfetto reads, too.

`ts` and `dur` are MICROseconds, as the format asks. `ts` counts from the first event, whose wall
clock is in `otherData`: microseconds since 1970 would lose their nanoseconds in JavaScript.
https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from profiling_operator.entries import rfc3339
from profiling_operator.exports import slices, tracks
from profiling_operator.exports.slices import Sample
from profiling_operator.exports.tracks import NAME_SHOWN, Span, Track

SLICES_LIMIT = 30_000
"""Made of samples: past it, every second sample goes, until it is met."""
NANOSECONDS_PER_MICROSECOND = 1000

_encode = msgspec.json.Encoder().encode

Event = dict[str, Any]


class Value(NamedTuple):
    """What a counter was at a moment, nanoseconds since the Unix epoch."""

    time: int
    name: str
    value: bytes
    """As JSON: `{"value": 1}`."""


@dataclass
class Drawing:
    """What there is to draw."""

    start: int
    """Its first moment, nanoseconds since the Unix epoch."""
    spans: Sequence[tuple[Track, Span]]
    samples: Sequence[tuple[Track, Sample]]
    """Each beginning is spread over the whole time."""
    values: Sequence[tuple[Track, Value]]
    left_out: Mapping[str, Any]
    """What is not there, by kind."""


def write(path: Path, name: str, drawing: Drawing) -> None:
    """Write the file, event by event."""
    told: dict[str, Any] = {
        "exporter": "profiling-operator",
        "name": name,
        "startTime": rfc3339(drawing.start),
        "leftOut": dict(drawing.left_out),
    }
    with path.open("wb") as file:
        file.write(b'{"displayTimeUnit":"ns","traceEvents":[')
        for number, event in enumerate(_events(drawing, told)):
            file.write(b",\n" if number else b"\n")
            file.write(_encode(event))
        file.write(b'\n],"otherData":' + _encode(told) + b"}\n")


def _events(drawing: Drawing, told: dict[str, Any]) -> Iterator[Event]:
    """All events; `told` gets what turned out on the way."""
    spans = _by_track([*drawing.spans, *_of_samples(drawing.samples, told)])
    drawn_tracks = sorted({*spans, *(track for track, _ in drawing.values)}, key=tracks.order)
    names = tracks.Names(drawn_tracks)
    drawn = 0
    for track in drawn_tracks:
        for lane, span in tracks.lanes(spans.get(track, ())):
            drawn += 1
            yield _slice(names.lane(track, lane), span, drawing.start)
    if drawn < sum(map(len, spans.values())):
        told["leftOut"]["overlapping"] = sum(map(len, spans.values())) - drawn
    yield from _counters(drawing, names)
    yield from names.events()


def _by_track(placed: Iterable[tuple[Track, Span]]) -> dict[Track, list[Span]]:
    found: dict[Track, list[Span]] = {}
    for track, span in placed:
        found.setdefault(track, []).append(span)
    return found


def _of_samples(
    samples: Sequence[tuple[Track, Sample]], told: dict[str, Any]
) -> list[tuple[Track, Span]]:
    """The slices that samples make: of as many as the limit permits."""
    while True:
        made = list(islice(_sliced(samples), SLICES_LIMIT + 1))
        if len(made) <= SLICES_LIMIT:
            return made
        half = len(samples) // 2
        left_out = told["leftOut"].setdefault("sample", {"entries": 0})
        left_out["entries"] += len(samples) - half
        samples = samples[:half]


def _sliced(samples: Iterable[tuple[Track, Sample]]) -> Iterator[tuple[Track, Span]]:
    by_track: dict[Track, list[Sample]] = {}
    for track, sample in samples:
        by_track.setdefault(track, []).append(sample)
    for track, some in by_track.items():
        category = f"{track.thread.collector},sample"
        some.sort(key=attrgetter("time"))
        for one in slices.of_thread(some):
            # No attributes: speedscope takes them for a part of the name.
            yield track, Span(one.start, one.end, one.name, category, b"")


def _slice(lane: tracks.Lane, span: Span, start: int) -> Event:
    begin, end = span.start - start, span.end - start
    event = {
        "name": span.name[:NAME_SHOWN],
        "cat": span.category,
        "ph": "X",
        "ts": microseconds(begin),
        "dur": duration(begin, end),
        "pid": lane.process,
        "tid": lane.thread,
    }
    return {**event, "args": msgspec.Raw(span.attributes)} if span.attributes else event


def _counters(drawing: Drawing, names: tracks.Names) -> Iterator[Event]:
    """Counters belong to processes: where threads have one of the same name, theirs is added."""
    threads: dict[tuple[int, str], set[Track]] = {}
    for track, value in drawing.values:
        threads.setdefault((names.process(track), value.name), set()).add(track)
    for track, value in sorted(drawing.values, key=lambda one: one[1].time):
        process = names.process(track)
        is_shared = len(threads[process, value.name]) > 1
        words = f" ({names.thread_words(track)})" if is_shared else ""
        yield {
            "name": value.name[:NAME_SHOWN] + words[:NAME_SHOWN],
            "cat": f"{track.thread.collector},counter",
            "ph": "C",
            "ts": microseconds(value.time - drawing.start),
            "pid": process,
            "tid": process,
            "args": msgspec.Raw(value.value),
        }


def microseconds(nanoseconds: int) -> float:
    """A number whose thousandfold is cut off to the same nanoseconds, as Perfetto does it."""
    number = nanoseconds / NANOSECONDS_PER_MICROSECOND
    while int(number * NANOSECONDS_PER_MICROSECOND) < nanoseconds:
        number = math.nextafter(number, math.inf)
    return number


def duration(begin: int, end: int) -> float:
    """Microseconds from `begin` to `end`, which are nanoseconds.

    Viewers add it to the beginning: the sum is never beyond the end, where the next event begins.
    """
    first, last = microseconds(begin), microseconds(end)
    length = microseconds(end - begin)
    return length if first + length <= last else max(0.0, length - math.ulp(last))
