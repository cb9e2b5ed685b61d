"""TAU's text profiles, `profile.<node>.<context>.<thread>`: one file, one thread, one metric.

    5 templated_functions_MULTI_TIME
    # Name Calls Subrs Excl Incl ProfileCalls # <metadata>...</metadata>
    "main() C [{app.c} {10,1}-{20,2}]" 1 4 120 51781 0 GROUP="TAU_DEFAULT"
    ...
    0 aggregates
    2 userevents
    # eventname numevents max min mean sumsqr
    "Message size for reduce" 1 8 8 8 64

Writer: tau2 src/Profile/Profiler.cpp. It escapes nothing, and rewrites files in place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import BinaryIO

from profiling_operator.entries import Entry, Number
from profiling_operator.formats import tau_lines
from profiling_operator.formats.tau_lines import LONGEST_LINE, Event, Head, Timer
from profiling_operator.formats.tau_names import Names
from profiling_operator.formats.tau_numbers import deviation, number, total, unit_of_metric

COLLECTOR = "tau"
HELD_TIMERS = 200_000
HELD_BYTES = 1 << 26
MOST_PROBLEMS = 20

# Timers that TAU itself puts around a program that has none.
OWN_TIMERS = frozenset({".TAU application", "taupreload_main"})


@dataclass(frozen=True)
class Problem:
    """Something wrong in a file; line 0 means the whole file."""

    line: int
    message: str


@dataclass(frozen=True)
class Place:
    """What is the same in all entries of one file."""

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


class Reading:
    """One pass over the lines after the head; afterwards it tells what was wrong."""

    def __init__(self, stream: BinaryIO, head: Head, place: Place, names: Names) -> None:
        """Read from a stream that stands behind the head."""
        self.problems: list[Problem] = []
        self.timers = 0
        self.events = 0
        self._unusable_timers = 0
        self._unusable_events = 0
        self._throttled = 0
        self._only_own = True
        self._announced_events = 0
        self._with_events = False
        self._ended = False
        self._unlisted = 0
        self._lines = enumerate(iter(partial(stream.readline, LONGEST_LINE), b""), 3)
        self._head = head
        self._place = place
        self._names = names
        self._unit, self._scale = unit_of_metric(place.metric)

    def entries(self, with_events: bool = True) -> Iterator[Entry]:
        """Every entry of the file. Bad lines are left out and become problems."""
        self._with_events = with_events
        if not self._head.text.startswith(b"# Name"):
            self._problem(2, "no line that names the columns")
        for timers in self._read_timers():
            self._look_at(timers)
            yield from self._timer_entries(timers)
        for events in self._read_events() if with_events else ():
            yield from self._event_entries(events)
        if self._unlisted:
            self.problems.append(Problem(0, f"{self._unlisted} more problems in this file"))

    @property
    def found_any(self) -> bool:
        """Whether there was anything to read, or the file rightly says that there is nothing."""
        return bool(self.timers or self.events or not self._head.timers)

    def summary(self) -> str:
        """What is to be said of the whole file; starts with `truncated` when it is cut off."""
        announced, found = self._head.timers, self.timers
        missing = announced - found - self._unusable_timers
        remarks = {
            f"truncated: {found} of {announced} timers": missing > 0,
            "truncated: it ends behind its timers": missing <= 0 and not self._ended,
            f"truncated: {self.events} of {self._announced_events} user events": (
                self._with_events and self.events + self._unusable_events < self._announced_events
            ),
            f"{found} timers, {announced} announced": found > announced,
            f"{self._throttled} throttled, their calls and times are lower bounds": self._throttled,
            "only TAU's own timers": found > 0 and self._only_own,
        }
        return "; ".join(remark for remark, holds in remarks.items() if holds)

    def _problem(self, line: int, message: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(line, message))
        else:
            self._unlisted += 1

    def _read_timers(self) -> Iterator[Iterable[Timer]]:
        """The timers, held back until the next section: those of equal names are added up."""
        held: dict[str, Timer] = {}
        room = HELD_BYTES
        known, scale, whole_timer = self._names.known, self._scale, tau_lines.whole_timer
        timer: Timer | None
        for at, line in self._lines:
            if found := whole_timer(line):
                raw, groups, calls, subrs, excl, incl = found
                shape = known.get((raw, groups)) or self._names.timer(raw, groups)
                timer = (shape, calls, subrs, excl * scale, incl * scale)
            elif self._begins_section(line):
                break
            elif not (timer := self._odd_timer(at, line)):
                continue
            self.timers += 1
            key = timer[0].key
            held[key] = tau_lines.together(held[key], timer) if key in held else timer
            room -= len(line)
            if room < 0 or len(held) >= HELD_TIMERS:
                yield held.values()
                held, room = {}, HELD_BYTES
        yield held.values()

    def _begins_section(self, line: bytes) -> bool:
        """Whether a line begins the aggregates, which TAU never writes any of, or the events."""
        aggregates = tau_lines.AGGREGATES.match(line)
        events = tau_lines.USER_EVENTS.match(line)
        if aggregates:
            deque(islice(self._lines, int(aggregates[1])), maxlen=0)
        if events:
            self._announced_events = int(events[1])
        self._ended = self._ended or bool(aggregates or events)
        return bool(aggregates or events)

    def _odd_timer(self, at: int, line: bytes) -> Timer | None:
        """A timer with decimals, negative or impossible numbers; None and a problem for others.

        A last line without its line feed is cut: the summary tells that something is missing.
        """
        found = tau_lines.TIMER.match(line)
        if found is None:
            if line.endswith(b"\n"):
                self._unusable_timers += 1
                self._problem(at, "not a timer's line")
            return None
        raw, calls, subrs, excl, incl, groups = found.groups()
        shape = self._names.timer(raw, groups)
        return shape, number(calls), number(subrs), self._time(at, excl), self._time(at, incl)

    def _time(self, at: int, text: bytes) -> Number | None:
        value = number(text, self._scale)
        if value is None:
            self._problem(at, f"{text.decode('utf-8', 'replace')} is not a number")
        elif value < 0:
            self._problem(at, f"negative value {text.decode('utf-8', 'replace')} taken as 0")
            value = 0
        return value

    def _look_at(self, timers: Iterable[Timer]) -> None:
        """Note what the summary tells: throttled timers, and whether anything was measured."""
        self._throttled += sum(shape.throttled for shape, *_ in timers)
        self._only_own = self._only_own and all(shape.name in OWN_TIMERS for shape, *_ in timers)

    def _timer_entries(self, timers: Iterable[Timer]) -> Iterator[Entry]:
        place, unit, extra = self._place, self._unit, self._extra_attributes()
        for shape, calls, subroutines, exclusive, inclusive in timers:
            attributes = (
                {**shape.attributes, "subroutines": subroutines} if subroutines else shape.leaf
            )
            yield Entry(
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
                metric=place.metric,
                unit=unit,
                inclusive=inclusive,
                exclusive=exclusive,
                calls=calls,
                clock=place.clock,
                attributes={**attributes, **extra} if extra else attributes,
            )

    def _extra_attributes(self) -> dict[str, str]:
        return {"folder": self._place.folder} if self._place.folder else {}

    def _read_events(self) -> Iterator[Iterable[Event]]:
        """The user events, held back like the timers."""
        held: dict[str, Event] = {}
        room = HELD_BYTES
        for at, line in self._lines:
            event = self._event(at, line)
            if event is None:
                continue
            self.events += 1
            key = event.shape.key
            held[key] = tau_lines.combined(held[key], event) if key in held else event
            room -= len(line)
            if room < 0 or len(held) >= HELD_TIMERS:
                yield held.values()
                held, room = {}, HELD_BYTES
        yield held.values()

    def _event(self, at: int, line: bytes) -> Event | None:
        found = tau_lines.EVENT.match(line)
        if found is None:
            expected = self._begins_section(line) or line.startswith(b"# eventname")
            if line.endswith(b"\n") and not expected:
                self._unusable_events += 1
                self._problem(at, "not a user event's line")
            return None
        raw, *texts = found.groups()
        times, largest, smallest, mean, squares = (number(text) for text in texts)
        if times is None or times < 0 or mean is None:
            self._unusable_events += 1
            self._problem(at, "a user event without a usable count and mean")
            return None
        if None in (largest, smallest, squares):
            self._problem(at, "a user event with values that are no numbers")
        return Event(self._names.event(raw), times, largest, smallest, mean, squares)

    def _event_entries(self, events: Iterable[Event]) -> Iterator[Entry]:
        place, extra = self._place, self._extra_attributes()
        for shape, times, largest, smallest, mean, squares in events:
            yield Entry(
                time=place.time,
                job=place.job,
                run=place.run,
                collector=COLLECTOR,
                kind=shape.kind,
                name=shape.name,
                additive=shape.additive,
                path=shape.path,
                host=place.host,
                process=place.process,
                context=place.context,
                thread=place.thread,
                unit=shape.unit,
                value=total(times, mean),
                calls=times,
                min=smallest if times else None,
                max=largest if times else None,
                mean=mean if times else None,
                stddev=deviation(times, mean, squares),
                clock=place.clock,
                attributes={**shape.attributes, **extra} or None,
            )
