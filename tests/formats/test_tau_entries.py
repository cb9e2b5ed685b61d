"""Timers and user events become entries by templates; equal names in one file are one."""

from __future__ import annotations

import pytest

from profiling_operator.entries import Entry, Kind
from profiling_operator.formats import tau_entries
from profiling_operator.formats.tau_entries import Event, Families, Place, Remarks, Timer

PLACE = Place(time="t", metric="TIME", job="n/j", process=1, context=0, thread=2, folder="a")


def timer(name: bytes, *numbers: float | None, groups: bytes = b"MPI") -> Timer:
    """A timer of PLACE."""
    calls, subroutines, exclusive, inclusive = numbers
    mould = Families().of(PLACE).timer(name, groups)
    return mould, calls, subroutines, exclusive, inclusive


def event(name: bytes, *numbers: float | None) -> Event:
    """A user event of PLACE."""
    times, largest, smallest, mean, squares = numbers
    assert times is not None and mean is not None
    return Event(Families().of(PLACE).event(name), times, largest, smallest, mean, squares)


def test_a_timers_entry() -> None:
    """Every field; subroutines only among the attributes."""
    other = Place(time="u", metric="TIME", job="n/j", process=7, thread=8)
    entries = list(tau_entries.of_timers([timer(b"f", 3, 4, 5, 9), timer(b"g", 1, 0, 2, 2)], other))

    assert entries[0] == Entry(
        time="u",
        job="n/j",
        run=0,
        collector="tau",
        kind=Kind.TIMER,
        name="f",
        additive=True,
        process=7,
        context=0,
        thread=8,
        metric="TIME",
        unit="ns",
        inclusive=9,
        exclusive=5,
        calls=3,
        attributes={"group": ["MPI"], "subroutines": 4, "folder": "a"},
    )
    assert entries[1].attributes == {"group": ["MPI"], "subroutines": 0, "folder": "a"}


def test_an_events_entry() -> None:
    """Total, mean and deviation; an event that never happened has no extremes."""
    some, none = tau_entries.of_events(
        [event(b"Message size", 2, 30, 10, 20, 1000), event(b"CUDA", 0, 0, 0, 0, 0)], PLACE
    )

    assert (some.kind, some.unit, some.metric) == (Kind.COUNTER, "By", None)
    assert (some.value, some.calls, some.min, some.max, some.stddev) == (40, 2, 10, 30, 10.0)
    assert (none.value, none.calls, none.min, none.max, none.mean) == (0, 0, None, None, None)


def test_ranks_share_their_moulds() -> None:
    """Places that differ in process, thread and time only; not those of another metric."""
    families = Families()
    first = families.of(PLACE)

    assert families.of(Place("u", "TIME", None, "n/j", 0, None, 9, 0, 9, "a")) is first
    assert families.of(Place("t", "PAPI_TOT_CYC", job="n/j", process=1, context=0)) is not first


def test_families_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of folders do not fill the memory."""
    monkeypatch.setattr(tau_entries, "FAMILIES_KEPT", 2)
    families = Families()
    first = families.of(PLACE)
    for index in range(5):
        families.of(Place("t", f"METRIC{index}"))

    assert families.of(PLACE) is not first


def test_timers_of_one_name_add_up() -> None:
    """An unknown value counts as nothing."""
    held: dict[str, Timer] = {}
    tau_entries.gather_timers(held, [timer(b"a", 2, 1, 300, None), timer(b"b", 1, 0, 1, 1)])
    tau_entries.gather_timers(held, [timer(b" a  ", 3, 2, 400, 500)])

    assert held["a"][1:] == (5, 3, 700, 500)
    assert held["b"][1:] == (1, 0, 1, 1)


def test_timers_of_one_name_in_one_block_add_up() -> None:
    """As well as in two."""
    held: dict[str, Timer] = {}
    tau_entries.gather_timers(held, [timer(b"a", 1, 0, 1, 2), timer(b"a ", 1, 0, 1, 2)])

    assert [one[1:] for one in held.values()] == [(2, 0, 2, 4)]


def test_events_of_one_name_are_combined() -> None:
    """As if all values had been seen together."""
    held: dict[str, Event] = {}
    tau_entries.gather_events(
        held, [event(b"a", 2, 10, 2, 6, 104), event(b"a", 1, 30, None, 30, 9)]
    )

    assert held["a"][1:] == (3, 30, 2, 14, 113)
    empty = event(b"a", 0, None, None, 0, None)
    assert tau_entries.combined(empty, empty)[1:] == (0, None, None, 0, None)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], []),
        ([b".TAU application", b"taupreload_main"], ["only TAU's own timers"]),
        ([b".TAU application", b"f"], []),
        (
            [b"f", b"g [THROTTLED]"],
            ["1 throttled, their calls and times are lower bounds"],
        ),
        ([b"f", b"[SAMPLE] UNRESOLVED /app", b"[SAMPLE] ADDR 0x4"], ["no sample has a name"]),
        ([b"f", b"[SAMPLE] UNRESOLVED /app", b"[SAMPLE] g [{a.c} {1}]"], []),
    ],
    ids=["nothing", "own", "measured", "throttled", "nameless", "one-named"],
)
def test_remarks(names: list[bytes], told: list[str]) -> None:
    """What the timers of a file tell together."""
    remarks = Remarks()
    remarks.look_at([timer(name, 1, 0, 1, 1, groups=b"") for name in names])

    assert remarks.texts() == told
