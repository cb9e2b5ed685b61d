"""perf's samples as entries: each one at its own time, then sums for each function.

perf's clock is no wall clock, so times are anchored at a moment that is known by both: the start of
the run, or the `reference time` that the text itself holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from profiling_operator.entries import NANOSECONDS, Entry, Kind, rfc3339
from profiling_operator.formats import perf_script
from profiling_operator.formats.perf_script import Sample

CLOCKS = frozenset({"cpu-clock", "task-clock"})  # events that count nanoseconds
LONGEST_RUN = 31 * 24 * 3600 * NANOSECONDS
SLACK = NANOSECONDS  # clocks of containers and of the launcher may be read a moment apart
MOST_FUNCTIONS = 500_000
LARGEST = 2**63 - 1
NO_FRAME = "[no frame]"
OTHERS = "[other functions]"
ANCHORED = "anchored"


@dataclass(frozen=True)
class Place:
    """What the samples themselves do not tell."""

    job: str
    run: int
    host: str | None
    frequency: int
    """Samples per second: what one stands for where the text does not say it."""
    started: int
    started_monotonic: int | None


@dataclass(frozen=True)
class Anchor:
    """What makes a sample's time a wall clock's."""

    offset: int
    clock: str | None
    """`anchored` where that is a guess."""

    def time(self, sample: Sample) -> str:
        """When it was taken; the anchor's own moment where the sample has no time."""
        return rfc3339(self.offset + (sample.time or 0))


def find_anchor(first: int | None, place: Place, facts: Mapping[str, str]) -> Anchor:
    """By the time of the first sample: the best of the moments that are known."""
    if first is None:
        return Anchor(place.started, ANCHORED)
    monotonic = place.started_monotonic
    if monotonic is not None and -SLACK <= first - monotonic <= LONGEST_RUN:
        return Anchor(place.started - monotonic, None)
    pair = perf_script.reference(facts.get("reference time", ""))
    if pair and abs(first - pair[1]) <= LONGEST_RUN:
        return Anchor(pair[0] - pair[1], None)
    captured = perf_script.captured(facts.get("captured on", ""))
    return Anchor((place.started if captured is None else captured) - first, ANCHORED)


Thread = tuple[int | None, int | None]
# Event, thread, function.
Key = tuple[str, Thread, str]


class Entries:
    """Makes the entries of one text; its memory grows with functions and threads only."""

    def __init__(self, place: Place, facts: Mapping[str, str]) -> None:
        """Facts are looked at when the first sample comes."""
        self.samples = 0
        self.any_resolved = False
        self._place = place
        self._facts = facts
        self._anchor: Anchor | None = None
        self._began = ""
        self._sums: dict[Key, list[int]] = {}
        self._names: dict[Thread, str] = {}

    def sample(self, sample: Sample) -> Entry:
        """A sample's entry, which also counts for its functions."""
        if self._anchor is None:
            self._anchor = find_anchor(sample.time, self._place, self._facts)
            self._began = self._anchor.time(sample)
        path = tuple([frame.name for frame in sample.frames]) or (NO_FRAME,)
        weight = self._weight(sample)
        self.samples += 1
        self._count(sample, path, weight)
        return Entry(
            time=self._anchor.time(sample),
            kind=Kind.SAMPLE,
            name=path[-1],
            additive=False,
            path=path,
            exclusive=weight,
            calls=1,
            attributes=_attributes(sample),
            **self._common(sample.event, (sample.process, sample.thread)),
        )

    def _common(self, event: str, thread: Thread) -> dict[str, Any]:
        is_time = event.partition(":")[0] in CLOCKS
        return {
            "job": self._place.job,
            "run": self._place.run,
            "collector": "perf",
            "host": self._place.host,
            "process": thread[0],
            "thread": thread[1],
            "metric": "TIME" if is_time else event,
            "unit": "ns" if is_time else "1",
            "clock": self._anchor.clock if self._anchor else None,
        }

    def _weight(self, sample: Sample) -> int:
        if sample.period is not None:
            return sample.period
        is_time = sample.event.partition(":")[0] in CLOCKS
        return NANOSECONDS // self._place.frequency if is_time else 1

    def _count(self, sample: Sample, path: tuple[str, ...], weight: int) -> None:
        """Add to each function on the stack once, however often it is there."""
        thread = (sample.process, sample.thread)
        if sample.command:
            self._names[thread] = sample.command  # the last one: a new thread has its parent's
        if not self.any_resolved:
            self.any_resolved = any(frame.is_resolved for frame in sample.frames)
        for name in dict.fromkeys(path):
            self._of(sample.event, thread, name)[0] += weight
        leaf = self._of(sample.event, thread, path[-1])
        leaf[1] += weight
        leaf[2] += 1

    def _of(self, event: str, thread: Thread, name: str) -> list[int]:
        """A function's inclusive and exclusive sum, and its samples."""
        sums = self._sums.get((event, thread, name))
        if sums is None:
            if len(self._sums) >= MOST_FUNCTIONS:
                thread, name = (None, None), OTHERS
            sums = self._sums.setdefault((event, thread, name), [0, 0, 0])
        return sums

    def timers(self) -> Iterator[Entry]:
        """What the functions of each thread add up to."""
        for (event, thread, name), (inclusive, exclusive, samples) in self._sums.items():
            thread_name = self._names.get(thread)
            yield Entry(
                time=self._began,
                kind=Kind.TIMER,
                name=name,
                additive=True,
                inclusive=min(inclusive, LARGEST),
                exclusive=min(exclusive, LARGEST),
                calls=samples,
                attributes={"threadName": thread_name} if thread_name else None,
                **self._common(event, thread),
            )


def _attributes(sample: Sample) -> dict[str, Any] | None:
    found = {
        "threadName": sample.command,
        "cpu": sample.cpu,
        "dso": sample.frames[-1].module if sample.frames else "",
    }
    return {name: value for name, value in found.items() if value not in {None, ""}} or None
