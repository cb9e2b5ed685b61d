"""TAU's text profiles, `profile.<node>.<context>.<thread>`: one file, one thread, one metric.

    5 templated_functions_MULTI_TIME
    # Name Calls Subrs Excl Incl ProfileCalls # <metadata>...</metadata>
    "main() C [{app.c} {10,1}-{20,2}]" 1 4 120 51781 0 GROUP="TAU_DEFAULT"
    ...
    0 aggregates
    2 userevents
    # eventname numevents max min mean sumsqr
    "Message size for reduce" 1 8 8 8 64

Where TAU traces as well, it adds its metadata as events named `KEY | VALUE`: they are no
measurements and may tell of people, so they are left out.

Writer: tau2 src/Profile/Profiler.cpp. It escapes nothing, and rewrites files in place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from profiling_operator.entries import Entry, Number
from profiling_operator.formats import tau_entries, tau_lines
from profiling_operator.formats.tau_entries import Event, Mould, Moulds, Place, Timer
from profiling_operator.formats.tau_lines import Head
from profiling_operator.formats.tau_names import LONGEST_KEPT
from profiling_operator.formats.tau_numbers import number, unit_of_metric
from profiling_operator.formats.tau_series import Piece

HELD_TIMERS = 200_000
HELD_BYTES = 1 << 26
MOST_PROBLEMS = 20
FIRST_LINE = 3
EVENT_NUMBERS = 5
EventNumbers = tuple[Number, Number | None, Number | None, Number, Number | None]


@dataclass(frozen=True)
class Problem:
    """Something wrong in a file; line 0 means the whole file."""

    line: int
    message: str


class Reading:
    """One pass over the lines after the head; afterwards it tells what was wrong."""

    def __init__(self, stream: BinaryIO, head: Head, place: Place, moulds: Moulds) -> None:
        """Read from a stream that stands behind the head."""
        self.problems: list[Problem] = []
        self.timers = 0
        self.events = 0
        self.remarks = tau_entries.Remarks()
        self._unusable_timers = 0
        self._unusable_events = 0
        self._announced_events = 0
        self._with_events = False
        self._ended = False
        self._unlisted = 0
        self._lines = tau_lines.Lines(stream, FIRST_LINE)
        self._head = head
        self.place = place
        self._moulds = moulds
        self._scale = unit_of_metric(place.metric)[1]

    def entries(self, with_events: bool = True) -> Iterator[Entry]:
        """Every entry of the file. Bad lines are left out and become problems."""
        return itertools.chain.from_iterable(self.batches(with_events))

    def batches(
        self, with_events: bool = True, is_last: bool = True, piece: Piece | None = None
    ) -> Iterator[Iterable[Entry]]:
        """The same in iterables of many entries.

        A state that is not the last one, and one that is, may be a piece of a time series.
        """
        for timers in self.timers_by_key():
            if piece:
                yield piece.series.timers(timers.values(), piece.span)
            if is_last:
                yield tau_entries.of_timers(timers.values(), self.place)
        for events in self.events_by_key() if with_events else ():
            if piece:
                yield piece.series.events(events.values(), piece.span)
            if is_last:
                yield tau_entries.of_events(events.values(), self.place)
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
        }
        told = [remark for remark, holds in remarks.items() if holds]
        return "; ".join(told + self.remarks.texts())

    def timers_by_key(self) -> Iterator[dict[str, Timer]]:
        """The timers, held back until the next section: those of equal names are added up.

        Several dictionaries where there are too many to be held.
        """
        if not self._head.text.startswith(b"# Name"):
            self._problem(2, "no line that names the columns")
        held: dict[str, Timer] = {}
        room = HELD_BYTES
        while not self._ended and (lines := self._lines.block()):
            tau_entries.gather_timers(held, self._timers_of(lines))
            room -= sum(map(len, lines))
            if room < 0 or len(held) >= HELD_TIMERS:
                self.remarks.look_at(held.values())
                yield held
                held, room = {}, HELD_BYTES
        tau_entries.gather_timers(held, self._last_timer())
        self.remarks.look_at(held.values())
        yield held

    def _timers_of(self, lines: list[bytes]) -> list[Timer]:
        """The timers of a block of lines, up to the next section."""
        end, last, guess = len(lines), tau_entries.NO_MOULD, self._moulds.first
        moulds: list[Mould] = []
        texts: list[bytes] = []
        odd: list[int] = []
        mould: Mould | None
        for index, line in enumerate(lines):
            if line.startswith(guess.prefix) and line.endswith(guess.suffix):
                mould, text = guess, line[guess.begin : guess.end]
            else:
                mould, text = self._find(line, last)
            if mould is None or b"." in text:
                if _is_section(line):
                    end = index
                    break
                odd.append(index)
                mould, text = mould or tau_entries.NO_MOULD, tau_lines.ZEROS
            moulds.append(mould)
            texts.append(text)
            last, guess = mould, mould.follower
        self._moulds.first = moulds[0] if moulds else tau_entries.NO_MOULD
        timers = self._with_numbers(lines, moulds, texts, odd)
        self.timers += len(timers)
        if end < len(lines):
            self._lines.put_back(lines[end + 1 :])
            self._begin_section(lines[end])
        return timers

    def _find(self, line: bytes, last: Mould) -> tuple[Mould | None, bytes]:
        """The mould of a line that follows on another one's, and its numbers.

        None where it does not look like a timer's line.
        """
        front, _, groups = line.rpartition(tau_entries.GROUP)
        name, _, text = front.rpartition(b'" ')
        if not (name.startswith(b'"') and groups.endswith(b'" ')):
            return None, text
        mould = self._moulds.timer(name, groups)
        if last is not tau_entries.NO_MOULD and len(name) <= LONGEST_KEPT:
            last.follower = mould
        return mould, text

    def _with_numbers(
        self, lines: list[bytes], moulds: list[Mould], texts: list[bytes], odd: list[int]
    ) -> list[Timer]:
        """The timers; odd lines are looked at one by one, for want of plain numbers all of them."""
        numbers, scale = tau_lines.five_numbers(texts), self._scale
        if numbers is None:
            numbers, odd = [(0, 0, 0, 0, 0)] * len(texts), list(range(len(texts)))
        timers: list[Timer | None] = [
            (mould, calls, subroutines, exclusive * scale, inclusive * scale)
            for mould, (calls, subroutines, exclusive, inclusive, _) in zip(
                moulds, numbers, strict=True
            )
        ]
        first = self._lines.number - len(lines)
        for index in odd:
            timers[index] = self._odd_timer(first + index, lines[index])
        return [one for one in timers if one] if odd else cast(list[Timer], timers)

    def _last_timer(self) -> list[Timer]:
        """A last line without its line feed; cut off, it is none, as the summary tells."""
        rest = b"" if self._ended else self._lines.rest
        timer = self._odd_timer(self._lines.number, rest) if tau_lines.TIMER.match(rest) else None
        self.timers += timer is not None
        return [timer] if timer else []

    def _begin_section(self, line: bytes) -> None:
        """Begin the aggregates, which TAU never writes any of, or the events."""
        aggregates = tau_lines.AGGREGATES.match(line)
        events = tau_lines.USER_EVENTS.match(line)
        if aggregates:
            self._lines.skip(int(aggregates[1]))
        if events:
            self._announced_events = int(events[1])
        self._ended = True

    def _odd_timer(self, at: int, line: bytes) -> Timer | None:
        """A timer with decimals, negative or impossible numbers; None and a problem for others."""
        found = tau_lines.TIMER.match(line)
        if found is None:
            self._unusable_timers += 1
            self._problem(at, "not a timer's line")
            return None
        raw, calls, subrs, excl, incl, groups = found.groups()
        mould = self._moulds.timer(raw, groups)
        return mould, number(calls), number(subrs), self._time(at, excl), self._time(at, incl)

    def _time(self, at: int, text: bytes) -> Number | None:
        value = number(text, self._scale)
        if value is None:
            self._problem(at, f"{text.decode('utf-8', 'replace')} is not a number")
        elif value < 0:
            self._problem(at, f"negative value {text.decode('utf-8', 'replace')} taken as 0")
            value = 0
        return value

    def events_by_key(self) -> Iterator[dict[str, Event]]:
        """The user events, held back like the timers. A last line without line feed may be cut."""
        self._with_events = True
        held: dict[str, Event] = {}
        room = HELD_BYTES
        while lines := self._lines.block():
            tau_entries.gather_events(held, self._events_of(lines))
            room -= sum(map(len, lines))
            if room < 0 or len(held) >= HELD_TIMERS:
                yield held
                held, room = {}, HELD_BYTES
        yield held

    def _events_of(self, lines: list[bytes]) -> Iterator[Event]:
        first = self._lines.number - len(lines)
        found = [
            (first + index, name, text)
            for index, line in enumerate(lines)
            for name, _, text in (line.rpartition(b'" '),)
            if self._is_event(first + index, line, name)
        ]
        numbers = tau_lines.five_decimals([text for _, _, text in found])
        for index, (at, name, text) in enumerate(found):
            values: EventNumbers | None = numbers[index] if numbers else None
            if values is None or values[0] < 0:
                values = self._odd_event(at, text)
            if values is None:
                continue
            self.events += 1
            if b" | " not in name or not self._repeats_metadata(name):
                yield Event(self._moulds.event(name[1:]), *values)

    def _is_event(self, at: int, line: bytes, name: bytes) -> bool:
        if name.startswith(b'"') and line.count(b" ", len(name)) == EVENT_NUMBERS:
            return True
        if announced := tau_lines.USER_EVENTS.match(line):
            self._announced_events = int(announced[1])
        elif not _is_section(line) and not line.startswith(b"# eventname"):
            self._unusable_events += 1
            self._problem(at, "not a user event's line")
        return False

    def _odd_event(self, at: int, text: bytes) -> EventNumbers | None:
        """The numbers of an event where some are none; None without a usable count and mean."""
        times, largest, smallest, mean, squares = (number(one) for one in text.split(b" "))
        if times is None or times < 0 or mean is None:
            self._unusable_events += 1
            self._problem(at, "a user event without a usable count and mean")
            return None
        if largest is None or smallest is None or squares is None:
            self._problem(at, "a user event with values that are no numbers")
        return times, largest, smallest, mean, squares

    def _repeats_metadata(self, name: bytes) -> bool:
        key = name[1:].partition(b" | ")[0]
        return b"<name>%b</name>" % key in self._head.text

    def _problem(self, line: int, message: str) -> None:
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(line, message))
        else:
            self._unlisted += 1


def _is_section(line: bytes) -> bool:
    found = not line.startswith(b'"')
    return bool(found and (tau_lines.AGGREGATES.match(line) or tau_lines.USER_EVENTS.match(line)))
