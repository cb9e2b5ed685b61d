"""The lines of TAU's text profiles: the head, the grammar, how two lines of one name become one."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from profiling_operator.entries import Number
from profiling_operator.formats.tau_names import Shape
from profiling_operator.formats.tau_numbers import plus, total

LONGEST_LINE = 1 << 24
COLUMNS_LEFT = (1, 2)  # ProfileCalls, or SumExclSqr and ProfileCalls
LARGEST_WHOLE = 10**15  # a thousand times of it still fits into 64 bits
METRIC_OF_OLD_HEADER = {
    "templated_functions": "TIME",
    "templated_functions_hw_counters": "Hardware Counter",
}


# 5 templated_functions_MULTI_TIME
COUNT = re.compile(rb"(\d{1,9}) (templated_functions(?:_MULTI_)?)(.{0,1000})$")
NUMBER = rb"([-+.\w]{1,40})"
# "MPI_Init()  " 1 0 17983 17983 0 GROUP="MPI" -- or one number more, SumExclSqr.
TIMER = re.compile(
    rb'"(.*)" %b %b %b %b (?:[^ "]+ )?[^ "]+ GROUP="([^"]*)" ?\r?$' % ((NUMBER,) * 4)
)
# "Message size for reduce" 1 8 8 8 64 -- without its line feed the last number may be cut.
EVENT = re.compile(rb'"(.*)" %b %b %b %b %b ?\r?\n' % ((NUMBER,) * 5))
AGGREGATES = re.compile(rb"(\d{1,9}) aggregates\s*$")
USER_EVENTS = re.compile(rb"(\d{1,9}) userevents\s*$")


@dataclass(frozen=True)
class Head:
    """The first two lines of a file."""

    timers: int
    metric: str
    """As the count line says; the metadata's "Metric Name" is better."""
    text: bytes = field(repr=False)


# Calls, subroutines, exclusive and inclusive value in the entry's unit; None for nan and inf.
# A plain tuple, since one is made for each line.
Timer = tuple[Shape, Number | None, Number | None, Number | None, Number | None]


class Event(NamedTuple):
    """A user event's numbers."""

    shape: Shape
    times: Number
    max: Number | None
    min: Number | None
    mean: Number
    squares: Number | None


def read_head(stream: BinaryIO) -> Head | None:
    """Read the first two lines; None when this is not a text profile."""
    found = COUNT.match(stream.readline(2000))
    if not found:
        return None
    count, header, metric = (part.decode("utf-8", "replace").strip() for part in found.groups())
    return Head(
        int(count),
        METRIC_OF_OLD_HEADER.get(header + metric, metric),
        stream.readline(LONGEST_LINE),
    )


def whole_timer(line: bytes) -> tuple[bytes, bytes, int, int, int, int] | None:
    """A timer's name with the quote before it, groups with what is behind them, four numbers.

    Nearly all lines are such, and this takes a third of the time of the pattern `TIMER`; None for
    lines with other numbers, and for those that are none.
    """
    if not (line.startswith(b'"') and line.endswith(b'" \n')):
        return None
    front, _, groups = line.rpartition(b' GROUP="')
    name, _, numbers = front.rpartition(b'" ')
    try:
        calls, subrs, excl, incl, *rest = map(int, numbers.split())
    except ValueError:
        return None
    sane = len(rest) in COLUMNS_LEFT and 0 <= excl < LARGEST_WHOLE and 0 <= incl < LARGEST_WHOLE
    sane = sane and 0 <= calls < LARGEST_WHOLE and 0 <= subrs < LARGEST_WHOLE
    return (name, groups, calls, subrs, excl, incl) if sane else None


def together(one: Timer, other: Timer) -> Timer:
    """Two lines of one name are one timer: their numbers add up."""
    shape, *values = one
    calls, subroutines, exclusive, inclusive = map(plus, values, other[1:])
    return shape, calls, subroutines, exclusive, inclusive


def combined(one: Event, other: Event) -> Event:
    """Two lines of one name are one event: as if all its values had been seen together."""
    times = one.times + other.times
    added = plus(total(one.times, one.mean), total(other.times, other.mean)) or 0
    largest = [value for value in (one.max, other.max) if value is not None]
    smallest = [value for value in (one.min, other.min) if value is not None]
    return Event(
        one.shape,
        times,
        max(largest, default=None),
        min(smallest, default=None),
        added / times if times else 0,
        plus(one.squares, other.squares),
    )
