"""perf's samples as entries: each one at its own time, then sums for each function.

perf's clock is no wall clock, so times are anchored at a moment that is known by both: the start of
the run, or the `reference time` that the text itself holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from profiling_operator import entries
from profiling_operator.captures import Item
from profiling_operator.entries import NANOSECONDS, Entry, rfc3339
from profiling_operator.formats import perf_head, perf_script
from profiling_operator.formats.perf_frames import Frame, Kind, Stack
from profiling_operator.formats.perf_head import Fact
from profiling_operator.formats.perf_script import Origin, Sample

COLLECTOR = "perf"
CLOCKS = frozenset({"cpu-clock", "task-clock"})  # events that count nanoseconds
LONGEST_RUN = 31 * 24 * 3600 * NANOSECONDS
SLACK = NANOSECONDS  # clocks of containers and of the launcher may be read a moment apart
HELD_FRAMES = 1 << 20
"""How many frames of stacks are held until they are added to their functions."""
ROOM_OF_SUMS = 50  # what equal samples need besides the frames of their stack, in frames
FUNCTION_BYTES = 1 << 25
"""How much room there is for functions; what comes then is added up under one name."""
ROOM_OF_FUNCTION = 300
MOST_ORIGINS = 1 << 15
MOST_THREADS = 1 << 16  # that are told by name
MOST_EVENTS = 1000
LARGEST = 2**63 - 1
OTHERS = "[other functions]"
OTHER_EVENTS = "[other events]"
SOME = Frame(OTHERS, is_resolved=False)
NOTHING = ("", None)
TOOLS = frozenset({"py-spy"})
"""What measures beside perf, and is no part of the application: the threads' names."""
SECONDS_TEXT = len("2026-01-31T12:00:00")
ANCHORED = "anchored"
TIME = "TIME"
SAMPLE, TIMER = entries.Kind.SAMPLE, entries.Kind.TIMER


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


def find_anchor(first: int | None, place: Place, facts: Mapping[str, str]) -> Anchor:
    """By the time of the first sample: the best of the moments that are known."""
    if first is None:
        return Anchor(place.started, ANCHORED)
    monotonic = place.started_monotonic
    if monotonic is not None and -SLACK <= first - monotonic <= LONGEST_RUN:
        return Anchor(place.started - monotonic, None)
    pair = perf_head.reference(facts.get("reference time", ""))
    if pair and abs(first - pair[1]) <= LONGEST_RUN:
        return Anchor(pair[0] - pair[1], None)
    captured = perf_head.captured(facts.get("captured on", ""))
    return Anchor((place.started if captured is None else captured) - first, ANCHORED)


class Attributes(dict[Kind, dict[str, Any] | None]):
    """What samples of one origin tell besides, by the kind of their stack; made when asked for."""

    def __init__(self, origin: Origin) -> None:
        super().__init__()
        self._origin = origin

    def __missing__(self, kind: Kind) -> dict[str, Any] | None:
        module, is_inlined, kernel_frames = kind
        told = _named(threadName=self._origin.command, cpu=self._origin.cpu, dso=module)
        if is_inlined:
            told["inlined"] = True
        if kernel_frames:
            told["kernelFrames"] = kernel_frames
        self[kind] = told or None
        return told or None


class Series(NamedTuple):
    """Samples of one event and one origin."""

    metric: str
    unit: str
    weight: int
    """What a sample stands for that does not say it."""
    sums: dict[Stack, list[int]]
    """The weight and the number of samples of each stack of the thread, on any processor, since
    they were last added up."""
    attributes: Attributes


class Function:
    """What the samples of a thread add up to for one function, of one event."""

    __slots__ = ("exclusive", "frame", "inclusive", "is_alone", "samples")

    def __init__(self, frame: Frame) -> None:
        self.inclusive = self.exclusive = self.samples = 0
        self.frame = frame
        self.is_alone = True  # no other file has one of that name


# Metric, unit, process, thread.
Group = tuple[str, str, int | None, int | None]
Other = Callable[[Fact | perf_script.Lost | perf_script.Malformed], Iterable[Item]]


class Entries:
    """Makes the entries of one text; its memory grows with functions and threads, up to a limit."""

    def __init__(self, place: Place, facts: Mapping[str, str]) -> None:
        """Facts are looked at when the first sample comes."""
        self.samples = 0
        self.of_tools = 0
        self.any_resolved = False
        self._place = place
        self._facts = facts
        self._anchor: Anchor | None = None
        self._began = ""
        self._series: dict[str, dict[Origin, Series]] = {}
        self._sums: dict[Group, dict[Stack, list[int]]] = {}
        self._origins = 0
        self._events: dict[str, tuple[str, str, int]] = {}
        self._functions: dict[Group, dict[str, Function]] = {}
        self._names: dict[tuple[int | None, int | None], str] = {}
        self._held_room = HELD_FRAMES
        self._room = FUNCTION_BYTES

    def all_of(self, found: Iterable[perf_script.Found], other: Other) -> Iterator[Item]:
        """An entry for each sample, which also counts for its functions; else what `other` says."""
        place, series_of = self._place, self._series
        job, run, host = place.job, place.run, place.host
        second, text = -1, ""
        for one in found:
            if not isinstance(one, Sample):
                yield from other(one)
                continue
            origin, time, event, period, stack = one
            if origin.command in TOOLS:
                self.of_tools += 1
                continue
            origins = series_of.get(event)
            series = (origins and origins.get(origin)) or self._new_series(event, origin)
            sums = series.sums.get(stack) or self._new_sums(series, stack)
            anchor = self._anchor or self._anchored(time)
            whole, nanoseconds = divmod(anchor.offset + (time or 0), NANOSECONDS)
            if whole != second:
                second, text = whole, rfc3339(whole * NANOSECONDS)[:SECONDS_TEXT]
            weight = series.weight if period is None else period
            sums[0] += weight
            sums[1] += 1
            self.samples += 1
            yield Entry(
                time=f"{text}.{nanoseconds:09d}Z",
                job=job,
                run=run,
                collector=COLLECTOR,
                kind=SAMPLE,
                name=stack.leaf.name,
                additive=False,
                path=stack.path,
                host=host,
                process=origin.process,
                thread=origin.thread,
                metric=series.metric,
                unit=series.unit,
                exclusive=weight,
                calls=1,
                clock=anchor.clock,
                attributes=series.attributes[stack.kind],
            )

    def _anchored(self, first: int | None) -> Anchor:
        self._anchor = anchor = find_anchor(first, self._place, self._facts)
        self._began = rfc3339(anchor.offset + (first or 0))
        return anchor

    def _new_series(self, event: str, origin: Origin) -> Series:
        if self._origins >= MOST_ORIGINS:
            self._add_up()
        self._origins += 1
        metric, unit, weight = self._kind_of(event)
        if origin.command and len(self._names) < MOST_THREADS:
            # The last one: a new thread has its parent's.
            self._names[origin.process, origin.thread] = origin.command
        sums = self._sums.setdefault((metric, unit, origin.process, origin.thread), {})
        series = Series(metric, unit, weight, sums, Attributes(origin))
        self._series.setdefault(event, {})[origin] = series
        return series

    def _new_sums(self, series: Series, stack: Stack) -> list[int]:
        self._held_room -= len(stack.path) + ROOM_OF_SUMS
        if self._held_room < 0:
            self._add_up()
        self.any_resolved = self.any_resolved or stack.is_resolved
        sums = series.sums[stack] = [0, 0]
        return sums

    def _kind_of(self, event: str) -> tuple[str, str, int]:
        """Metric, unit and weight of an event.

        Of several clocks, which tell the same, one is TIME: it would count twice.
        """
        known = self._events.get(event)
        if known is None and event.partition(":")[0] in CLOCKS:
            has_time = any(metric == TIME for metric, _, _ in self._events.values())
            known = (event if has_time else TIME, "ns", NANOSECONDS // self._place.frequency)
        elif known is None:
            known = (event if len(self._events) < MOST_EVENTS else OTHER_EVENTS, "1", 1)
        if len(self._events) < MOST_EVENTS:
            self._events[event] = known
        return known

    def _add_up(self) -> None:
        """Add what is held to its functions, and hold nothing any more."""
        for group, sums in self._sums.items():
            self._add(group, sums)
            sums.clear()
        if self._origins >= MOST_ORIGINS:
            self._sums.clear()
            self._series.clear()
            self._origins = 0
        self._held_room = HELD_FRAMES

    def _add(self, group: Group, sums: Mapping[Stack, list[int]]) -> None:
        """Add to each function on a stack once, however often it is there."""
        functions = self._functions.setdefault(group, {})
        for stack, (weight, samples) in sums.items():
            for name, frame in dict(zip(stack.path, stack.frames, strict=True)).items():
                function = functions.get(name) or self._function(group, frame)
                function.inclusive += weight
                if function.frame is not frame:
                    function.is_alone = function.is_alone and function.frame.module == frame.module
            function = functions.get(name) or self._function(group, frame)
            function.exclusive += weight
            function.samples += samples

    def _function(self, group: Group, frame: Frame) -> Function:
        """A new function; the one for all others where there is no room for it."""
        if self._room < 0:
            group, frame = (group[0], group[1], None, None), SOME
        functions = self._functions.setdefault(group, {})
        if frame.name not in functions:
            self._room -= 4 * len(frame.name) + ROOM_OF_FUNCTION
            functions[frame.name] = Function(frame)
        return functions[frame.name]

    def timers(self) -> Iterator[Entry]:
        """What the functions of each thread add up to."""
        self._add_up()
        place, clock = self._place, self._anchor.clock if self._anchor else None
        for (metric, unit, process, thread), functions in self._functions.items():
            thread_name = self._names.get((process, thread), "")
            for name, one in functions.items():
                yield Entry(
                    time=self._began,
                    job=place.job,
                    run=place.run,
                    collector=COLLECTOR,
                    kind=TIMER,
                    name=name,
                    additive=True,
                    host=place.host,
                    process=process,
                    thread=thread,
                    metric=metric,
                    unit=unit,
                    inclusive=min(one.inclusive, LARGEST),
                    exclusive=min(one.exclusive, LARGEST),
                    calls=one.samples,
                    clock=clock,
                    attributes=_of_function(one, thread_name),
                )


def _of_function(one: Function, thread_name: str) -> dict[str, Any] | None:
    told = _named(threadName=thread_name, dso=one.frame.module if one.is_alone else "")
    if one.frame.is_kernel:
        told["kernel"] = True
    return told or None


def _named(**facts: Any) -> dict[str, Any]:
    """Those that tell something; 0 does."""
    return {name: value for name, value in facts.items() if value not in NOTHING}
