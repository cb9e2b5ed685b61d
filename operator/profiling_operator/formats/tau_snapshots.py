"""From the states of TAU's XML to entries: those of text profiles, and a time series where it is.

Of each thread the last state becomes what a text profile of it would become. A thread with several
states is a series as well (see `tau_series`). Where text profiles of a thread lie beside the XML,
they have its last state, and only the series is taken from here. Derived entities are left out:
they are statistics over the threads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from profiling_operator.captures import Capture, Fate, FileNote
from profiling_operator.entries import Entry, Number
from profiling_operator.formats import tau_entries, tau_metadata
from profiling_operator.formats.tau_entries import Event, Families, Place, Timer
from profiling_operator.formats.tau_numbers import number, unit_of_metric
from profiling_operator.formats.tau_series import Series, Span
from profiling_operator.formats.tau_states import State, States, ThreadFacts, Token

MOST_THREADS = 1_000_000
ZERO_TIMES_KEPT = b"CUDA"
"""Text profiles hold events that never happened only where their names begin so."""

ThreadNumbers = tuple[int, int, int]
"""Node, context, thread."""


@dataclass(frozen=True)
class XmlFile:
    """One file, and what is known of its surroundings."""

    path: str
    size: int
    folder: str = ""
    profiled: Collection[ThreadNumbers] = ()
    """Threads of which a text profile lies beside it."""
    seen: set[str] = field(default_factory=set)
    """The ids of threads in the XML files beside it that were read before; those of this one are
    added. Ids hold the process, so other runs' threads have others."""


class Snapshots:
    """Reads one XML file."""

    def __init__(self, file: XmlFile, capture: Capture, families: Families) -> None:
        """Nothing read yet."""
        self.metadata: dict[str, str] = {}
        """Of the first thread that has some."""
        self._file = file
        self._capture = capture
        self._families = families
        self._states = States()
        self._series: dict[str, Series] = {}
        self._last: State | None = None
        self._began = 0
        self._count = 0
        self.threads: set[ThreadNumbers] = set()
        """Those of which there was a state."""
        self._left_out = 0
        self._remarks = tau_entries.Remarks()

    def entries(self, stream: BinaryIO) -> Iterator[Entry]:
        """Every entry of the file."""
        for state in self._states.read(stream, self._file.size):
            self.metadata = self.metadata or state.facts.metadata
            yield from self._take(state)
        yield from self._end_thread()

    def notes(self, broken: str = "") -> Iterator[FileNote]:
        """What is to be said of the file."""
        states = self._states
        for line, message in states.problems:
            yield FileNote(self._file.path, None, message, line)
        if states.unlisted:
            yield FileNote(self._file.path, None, f"{states.unlisted} more problems in this file")
        cut = any(message.startswith("truncated") for _, message in states.problems)
        remarks = {
            broken: broken,
            "truncated": cut and not broken,
            f"{len(states.derived)} statistics over the threads are left out": states.derived,
            f"{self._left_out} threads are in other profiles as well": self._left_out,
        }
        told = [remark for remark, holds in remarks.items() if holds] + self._remarks.texts()
        fate = Fate.CONVERTED if self.threads else Fate.REFUSED
        if not self.threads and not told:
            told = ["no profile in it"]
        yield FileNote(self._file.path, fate, "; ".join(told))

    def _take(self, state: State) -> Iterator[Entry]:
        """Hold a state; the one before it was not the last when it is of the same thread."""
        last = self._last
        if last is None or last.facts.id != state.facts.id:
            yield from self._end_thread()
            self._began = tau_metadata.started_by(state.facts.metadata) or 0
        else:
            if self._count == 1:
                yield from self._added(last)
            yield from self._added(state)
        self._last = state
        self._count += 1

    def _end_thread(self) -> Iterator[Entry]:
        """The last state is what a text profile would tell."""
        state, self._last, self._count, self._series = self._last, None, 0, {}
        if state is None:
            return
        facts = state.facts
        numbers, seen = (facts.node, facts.context, facts.thread), self._file.seen
        self.threads.add(numbers)
        if numbers in self._file.profiled or facts.id in seen or len(seen) >= MOST_THREADS:
            self._left_out += 1
            return
        seen.add(facts.id)
        for index, metric in enumerate(state.metrics):
            place = self._place(facts, metric)
            timers = self._timers(state, index, place)
            self._remarks.look_at(timers.values())
            yield from tau_entries.of_timers(timers.values(), place)
        place = self._place(facts, state.metrics[0] if state.metrics else "TIME")
        yield from tau_entries.of_events(self._events(state, place).values(), place)

    def _added(self, state: State) -> Iterator[Entry]:
        """What a state adds to the one before, as a piece of the time series."""
        until = tau_metadata.nanoseconds(state.microseconds)
        if until is None:
            return
        span = Span(self._began or until, until, state.name)
        self._began = until
        for index, metric in enumerate(state.metrics):
            place = self._place(state.facts, metric)
            series = self._series.setdefault(metric, Series(place))
            yield from series.timers(self._timers(state, index, place).values(), span)
            if index == 0:
                yield from series.events(self._events(state, place).values(), span)

    def _timers(self, state: State, index: int, place: Place) -> dict[str, Timer]:
        moulds, scale = self._families.of(place), unit_of_metric(place.metric)[1]
        found: list[Timer] = []
        for name, groups, numbers in state.timers:
            calls, subroutines = _scaled(numbers[0], 1), _scaled(numbers[1], 1)
            exclusive = _scaled(numbers[2 + 2 * index], scale)
            inclusive = _scaled(numbers[3 + 2 * index], scale)
            mould = moulds.timer(name, groups)
            found.append((mould, calls, subroutines, _clamped(exclusive), _clamped(inclusive)))
        held: dict[str, Timer] = {}
        tau_entries.gather_timers(held, found)
        return held

    def _events(self, state: State, place: Place) -> dict[str, Event]:
        moulds = self._families.of(place)
        held: dict[str, Event] = {}
        for name, numbers in state.events:
            times, largest, smallest, mean, squares = (_scaled(one, 1) for one in numbers)
            happened = times or name.startswith(ZERO_TIMES_KEPT)
            if times is not None and times >= 0 and mean is not None and happened:
                one = Event(moulds.event(name), times, largest, smallest, mean, squares)
                tau_entries.gather_events(held, [one])
        return held

    def _place(self, facts: ThreadFacts, metric: str) -> Place:
        return tau_entries.place_of(
            self._capture,
            (facts.node, facts.context, facts.thread),
            metric,
            tau_metadata.started_by(facts.metadata),
            facts.metadata.get("Hostname"),
            self._file.folder,
        )


def _scaled(token: Token, scale: int) -> Number | None:
    return token * scale if isinstance(token, int) else number(token, scale)


def _clamped(value: Number | None) -> Number | None:
    """TAU's clocks can go back a little."""
    return 0 if value is not None and value < 0 else value
