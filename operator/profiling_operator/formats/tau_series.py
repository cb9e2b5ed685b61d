"""Time series of TAU's measurements: what was added between one state of a thread and the next.

States are the snapshots of a `snapshot.<node>.<context>.<thread>` and the dumps with a time in
their name (`dump__Mon-Nov-23-12:31:27-2026__.0.0.0`). The last one is what a profile at the end
would hold and becomes the same entries; the series is told beside it, in entries

- of kind `metric`, never additive: they repeat what the last state counts,
- that begin with the state before (`time`) and end with their own (`attributes.until`),
- whose calls, exclusive and inclusive values (of user events: value) are what was added in between;
  what did not change is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from profiling_operator import entries
from profiling_operator.entries import Entry, Kind, Number
from profiling_operator.formats.tau_entries import Event, Mould, Place, Timer
from profiling_operator.formats.tau_numbers import total, within

MOST_NAMES = 200_000

Numbers = tuple[Number | None, ...]


@dataclass(frozen=True)
class Span:
    """From one state to the next, in nanoseconds since the Unix epoch."""

    begin: int
    end: int
    name: str = ""
    """What the program called the state."""


class Series:
    """The series of one thread and metric: give it the states one after the other."""

    def __init__(self, place: Place) -> None:
        """Nothing was measured before the first state."""
        self._place = place
        self._before: dict[tuple[str, bool], Numbers] = {}

    def timers(self, state: Iterable[Timer], span: Span) -> Iterator[Entry]:
        """What timers added."""
        for mould, calls, _, exclusive, inclusive in state:
            added = self._added((mould.key, False), (calls, exclusive, inclusive))
            if added:
                names = dict(zip(("calls", "exclusive", "inclusive"), added, strict=True))
                yield self._entry(mould, span, names)

    def events(self, state: Iterable[Event], span: Span) -> Iterator[Entry]:
        """What user events added."""
        for one in state:
            numbers = (one.times, total(one.times, one.mean))
            added = self._added((one.mould.key, True), numbers)
            if added:
                names = dict(zip(("calls", "value"), added, strict=True))
                yield self._entry(one.mould, span, names)

    def _added(self, key: tuple[str, bool], now: Numbers) -> Numbers | None:
        """The differences to the state before; None when there are none, or no room."""
        before = self._before.get(key)
        if before is None and len(self._before) >= MOST_NAMES:
            return None
        self._before[key] = now
        added = tuple(map(_difference, now, before or (0,) * len(now)))
        return added if any(added) else None

    def _entry(self, mould: Mould, span: Span, numbers: dict[str, Number | None]) -> Entry:
        attributes = dict(mould.template.attributes or {})
        attributes.pop("subroutines", None)  # of the last state, not of this piece
        attributes["until"] = entries.rfc3339(span.end)
        if span.name:
            attributes["state"] = span.name
        return msgspec.structs.replace(
            mould.template,
            kind=Kind.METRIC,
            additive=False,
            time=entries.rfc3339(span.begin),
            process=self._place.process,
            thread=self._place.thread,
            attributes=attributes,
            **numbers,
        )


@dataclass(frozen=True)
class Piece:
    """A state's piece of a series."""

    series: Series
    span: Span


def _difference(now: Number | None, before: Number | None) -> Number | None:
    return None if now is None else within(now - (before or 0))
