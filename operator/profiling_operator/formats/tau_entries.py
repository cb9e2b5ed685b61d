"""From TAU's timers and user events to entries: what is equal for a name in all files is made once.

A name gets a template, an entry without numbers; the entry of a line is a copy with its numbers in.
Copying costs a quarter of making an entry from its twenty fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from profiling_operator.captures import Capture
from profiling_operator.entries import Entry, Kind, Number, rfc3339
from profiling_operator.formats.tau_names import Kept, Names, Shape, timer
from profiling_operator.formats.tau_numbers import deviation, plus, total, unit_of_metric

COLLECTOR = "tau"
FAMILIES_KEPT = 8

# Timers that TAU itself puts around a program that has none.
OWN_TIMERS = frozenset({".TAU application", "taupreload_main"})
NO_NAMES = ("UNRESOLVED", "ADDR ")
"""How the names of samples begin whose address belongs to no known function."""
GROUP = b' GROUP="'
THROTTLED, SAMPLE, NAMELESS, OWN = 1, 2, 4, 8


@dataclass(frozen=True)
class Place:
    """What is the same in all entries of one thread and metric."""

    time: str
    metric: str
    clock: str | None = None
    job: str = ""
    run: int = 0
    host: str | None = None
    process: int | None = None
    context: int | None = None
    thread: int | None = None
    folder: str = ""


def place_of(
    capture: Capture,
    thread: tuple[int, int, int],
    metric: str,
    began: int | None,
    host: str | None,
    folder: str,
) -> Place:
    """A thread's place, by its node, context and number; when it began, if its metadata tells."""
    return Place(
        time=rfc3339(capture.started if began is None else began),
        clock="anchored" if began is None else None,
        metric=metric,
        job=capture.job,
        run=capture.run,
        host=(host if capture.personal else None) or capture.host,
        process=thread[0],
        context=thread[1],
        thread=thread[2],
        folder=folder,
    )


def _mark(shape: Shape) -> int:
    is_sample = shape.attributes.get("role") == "sample" and shape.path is None
    return (
        THROTTLED * shape.throttled
        | SAMPLE * is_sample
        | NAMELESS * (is_sample and shape.name.startswith(NO_NAMES))
        | OWN * (shape.name in OWN_TIMERS)
    )


class Mould:
    """A name with its template."""

    __slots__ = ("begin", "end", "follower", "key", "mark", "prefix", "shape", "suffix", "template")

    def __init__(
        self, shape: Shape, template: Entry, prefix: bytes = b"", suffix: bytes = b""
    ) -> None:
        """For lines that begin and end so: what is between is their numbers."""
        self.key = shape.key
        """Equal keys in one file are one measurement."""
        self.template = template
        self.shape = shape
        self.mark = _mark(shape)
        """What a file's summary tells of it: GROUP = b' GROUP="'
THROTTLED, SAMPLE, NAMELESS, OWN; 0 for most."""
        self.prefix = prefix
        self.suffix = suffix
        self.begin = len(prefix)
        self.end = -len(suffix)
        self.follower: Mould = self
        """That of the next line in the last file: ranks write the same names in the same order."""


# Calls, subroutines, exclusive and inclusive value in the entry's unit; None for nan and inf.
# A plain tuple, since one is made for each line.
Timer = tuple[Mould, Number | None, Number | None, Number | None, Number | None]


class Event(NamedTuple):
    """A user event's numbers."""

    mould: Mould
    times: Number
    max: Number | None
    min: Number | None
    mean: Number
    squares: Number | None


NO_MOULD = Mould(
    timer(b"", b""),
    Entry(time="", job="", run=0, collector="", kind=Kind.TIMER, name="", additive=False),
    prefix=b"\n",
)
"""Stands where none is known; no line begins like it."""


class Moulds:
    """The moulds of all threads of one run that measure the same metric on the same host."""

    def __init__(self, place: Place, names: Names) -> None:
        """For places that are like this one but for process, thread and time."""
        self.timers: Kept[tuple[bytes, bytes], Mould] = Kept()
        """By a line's name with the quote before it, and its groups with what is behind them."""
        self.first = NO_MOULD
        """Of the first line in the last file."""
        self._events: Kept[bytes, Mould] = Kept()
        self._names = names
        self._place = place
        self._unit = unit_of_metric(place.metric)[0]
        self._extra = {"folder": place.folder} if place.folder else {}

    def timer(self, raw: bytes, groups: bytes) -> Mould:
        """The mould of a timer's line, with or without the quotes around its name and groups.

        `timers` may be asked first, it is faster.
        """
        mould = self.timers.get((raw, groups))
        if mould is None:
            shape = self._names.timer(raw, groups)
            template = self._template(shape, shape.leaf, self._place.metric, self._unit)
            mould = Mould(shape, template, raw + b'" ', GROUP + groups)
            if self.timers.keep((raw, groups), mould, len(raw)):
                self.first = NO_MOULD  # which would keep what is given up
        return mould

    def event(self, raw: bytes) -> Mould:
        """The mould of a user event."""
        mould = self._events.get(raw)
        if mould is None:
            shape = self._names.event(raw)
            template = self._template(shape, shape.attributes, None, shape.unit)
            mould = Mould(shape, template)
            self._events.keep(raw, mould, len(raw))
        return mould

    def _template(
        self, shape: Shape, attributes: dict[str, Any], metric: str | None, unit: str
    ) -> Entry:
        place = self._place
        return Entry(
            time=place.time,
            job=place.job,
            run=place.run,
            collector=COLLECTOR,
            kind=shape.kind,
            name=shape.name,
            additive=shape.additive,
            path=shape.path,
            source=shape.source,
            host=place.host,
            process=place.process,
            context=place.context,
            thread=place.thread,
            metric=metric,
            unit=unit,
            clock=place.clock,
            attributes={**attributes, **self._extra} or None,
        )


class Families:
    """Moulds of one capture by what places have in common: the ranks of a run share theirs."""

    def __init__(self) -> None:
        """Begin with nothing remembered."""
        self.names = Names()
        self._kept: dict[tuple[str | int | None, ...], Moulds] = {}

    def of(self, place: Place) -> Moulds:
        """The moulds for a place."""
        family = (place.metric, place.context, place.clock, place.host, place.folder)
        moulds = self._kept.get(family)
        if moulds is None:
            if len(self._kept) >= FAMILIES_KEPT:
                self._kept.clear()
            moulds = self._kept[family] = Moulds(place, self.names)
        return moulds


def of_timers(timers: Iterable[Timer], place: Place) -> Iterator[Entry]:
    """The entries of one thread's timers."""
    filled = msgspec.structs.replace
    time, process, thread = place.time, place.process, place.thread
    for mould, calls, subroutines, exclusive, inclusive in timers:
        template = mould.template
        attributes = template.attributes
        if subroutines:
            attributes = {**(attributes or {}), "subroutines": subroutines}
        yield filled(
            template,
            time=time,
            process=process,
            thread=thread,
            inclusive=inclusive,
            exclusive=exclusive,
            calls=calls,
            attributes=attributes,
        )


def of_events(events: Iterable[Event], place: Place) -> Iterator[Entry]:
    """The entries of one thread's user events."""
    for mould, times, largest, smallest, mean, squares in events:
        yield msgspec.structs.replace(
            mould.template,
            time=place.time,
            process=place.process,
            thread=place.thread,
            value=total(times, mean),
            calls=times,
            min=smallest if times else None,
            max=largest if times else None,
            mean=mean if times else None,
            stddev=deviation(times, mean, squares),
        )


def gather_timers(held: dict[str, Timer], found: list[Timer]) -> None:
    """Add timers to those held; lines of one name are one timer, their numbers add up."""
    fresh = {one[0].key: one for one in found}
    if len(fresh) == len(found) and held.keys().isdisjoint(fresh):
        held.update(fresh)
        return
    for one in found:
        key = one[0].key
        held[key] = together(held[key], one) if key in held else one


def gather_events(held: dict[str, Event], found: Iterable[Event]) -> None:
    """Add user events to those held."""
    for one in found:
        key = one.mould.key
        held[key] = combined(held[key], one) if key in held else one


def together(one: Timer, other: Timer) -> Timer:
    """Two lines of one name are one timer: their numbers add up."""
    mould, *values = one
    calls, subroutines, exclusive, inclusive = map(plus, values, other[1:])
    return mould, calls, subroutines, exclusive, inclusive


def combined(one: Event, other: Event) -> Event:
    """Two lines of one name are one event: as if all its values had been seen together."""
    times = one.times + other.times
    added = plus(total(one.times, one.mean), total(other.times, other.mean)) or 0
    largest = [value for value in (one.max, other.max) if value is not None]
    smallest = [value for value in (one.min, other.min) if value is not None]
    return Event(
        one.mould,
        times,
        max(largest, default=None),
        min(smallest, default=None),
        added / times if times else 0,
        plus(one.squares, other.squares),
    )


class Remarks:
    """What is to be said of a thread's timers as a whole."""

    def __init__(self) -> None:
        """Nothing seen."""
        self.samples = 0
        """Names of samples, without contexts and stacks."""
        self.nameless = 0
        self._throttled = 0
        self._only_own = True
        self._any = False

    def look_at(self, held: Iterable[Timer]) -> None:
        """Note what the timers of a part of a thread tell."""
        marks = [one[0].mark for one in held]
        self._any = self._any or bool(marks)
        self._only_own = self._only_own and all(mark & OWN for mark in marks)
        for mark in filter(None, marks):
            self._throttled += bool(mark & THROTTLED)
            self.samples += bool(mark & SAMPLE)
            self.nameless += bool(mark & NAMELESS)

    def texts(self) -> list[str]:
        """The remarks."""
        remarks = {
            f"{self._throttled} throttled, their calls and times are lower bounds": self._throttled,
            "only TAU's own timers": self._any and self._only_own,
            "no sample has a name": self.samples and self.samples == self.nameless,
        }
        return [remark for remark, holds in remarks.items() if holds]
