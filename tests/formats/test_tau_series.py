"""A series tells what was added from state to state."""

from __future__ import annotations

import pytest

from profiling_operator.entries import Kind
from profiling_operator.formats import tau_series
from profiling_operator.formats.tau_entries import Event, Families, Place, Timer
from profiling_operator.formats.tau_series import Series, Span

PLACE = Place(time="t", metric="TIME", process=1, context=0, thread=2)
MOULDS = Families().of(PLACE)
FIRST = Span(1_000_000_000, 3_000_000_000, "warm-up")
SECOND = Span(3_000_000_000, 4_000_000_000)


def timer(name: bytes, calls: int | None, exclusive: int | None) -> Timer:
    """A state of a timer."""
    return MOULDS.timer(name, b"MPI"), calls, 7, exclusive, exclusive


def test_differences() -> None:
    """Of the first state all, then what was added; what did not change is left out."""
    series = Series(PLACE)
    first = list(series.timers([timer(b"f", 2, 100), timer(b"g", 1, 5)], FIRST))
    second = list(series.timers([timer(b"f", 5, 250), timer(b"g", 1, 5)], SECOND))

    assert [(one.name, one.calls, one.exclusive, one.inclusive) for one in first] == [
        ("f", 2, 100, 100),
        ("g", 1, 5, 5),
    ]
    assert [(one.name, one.calls, one.exclusive) for one in second] == [("f", 3, 150)]
    assert {(one.kind, one.additive) for one in first + second} == {(Kind.METRIC, False)}


def test_times_and_names_of_states() -> None:
    """An entry begins with the state before and ends with its own."""
    [entry] = Series(PLACE).timers([timer(b"f", 2, 100)], FIRST)

    assert entry.time == "1970-01-01T00:00:01.000000000Z"
    assert entry.attributes == {
        "group": ["MPI"],
        "until": "1970-01-01T00:00:03.000000000Z",
        "state": "warm-up",
    }
    assert (entry.process, entry.thread, entry.unit) == (1, 2, "ns")


def test_user_events() -> None:
    """Their totals; a timer of the same name is another thing."""
    series = Series(PLACE)
    mould = MOULDS.event(b"f")
    list(series.timers([timer(b"f", 2, 100)], FIRST))
    list(series.events([Event(mould, 2, 9, 1, 5, None)], FIRST))
    [entry] = series.events([Event(mould, 3, 9, 1, 6, None)], SECOND)

    assert (entry.calls, entry.value, entry.max) == (1, 8, None)


def test_unknown_numbers_stay_unknown() -> None:
    """Nothing is made up of nan."""
    series = Series(PLACE)
    list(series.timers([timer(b"f", 2, None)], FIRST))
    [entry] = series.timers([timer(b"f", 3, 10)], SECOND)

    assert (entry.calls, entry.exclusive) == (1, 10)


def test_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit new names have no series."""
    monkeypatch.setattr(tau_series, "MOST_NAMES", 1)
    series = Series(PLACE)

    assert len(list(series.timers([timer(b"f", 1, 1), timer(b"g", 1, 1)], FIRST))) == 1
