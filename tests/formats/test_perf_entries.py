"""Samples as entries: whose time is whose, and what adds up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from profiling_operator.entries import Entry, Kind
from profiling_operator.formats import perf_entries
from profiling_operator.formats.perf_entries import NO_FRAME, OTHERS, Entries, Place, find_anchor
from profiling_operator.formats.perf_script import Frame, Sample

STARTED = 1_790_000_000_000_000_000
MONOTONIC = 2_000_000_000_000
REFERENCE = "2026-11-24 16:29:18 = 1795537758.5 (TOD) = 1743.25 (monotonic)"


def place(**changes: Any) -> Place:
    """Where a run is that began at STARTED, by a launcher that told both clocks."""
    given = {
        "job": "ci/x", "run": 3, "host": None, "frequency": 100, "started": STARTED,
        "started_monotonic": MONOTONIC,
    }  # fmt: skip
    return Place(**{**given, **changes})


def sample(*names: str, **changes: Any) -> Sample:
    """A sample of cpu-clock, 1 s after the start, with a stack of functions, root first."""
    frames = tuple(Frame(name, "/opt/app") for name in names)
    given = {
        "command": "app", "process": 7, "thread": 8, "cpu": 1, "time": MONOTONIC + 10**9,
        "event": "cpu-clock", "period": 10, "frames": frames,
    }  # fmt: skip
    return Sample(**{**given, **changes})


def timers(*taken: Sample, **where: Any) -> list[Entry]:
    """What samples add up to."""
    entries = Entries(place(**where), {})
    for one in taken:
        entries.sample(one)
    return list(entries.timers())


def numbers(entries: list[Entry]) -> dict[str, tuple[Any, Any, Any]]:
    """Inclusive, exclusive and calls by name."""
    return {one.name: (one.inclusive, one.exclusive, one.calls) for one in entries}


def test_a_sample_is_an_entry_at_its_own_time() -> None:
    """The wall clock is the run's start and what has passed since by the monotonic clock."""
    entry = Entries(place(), {}).sample(sample("main", "hot"))

    assert entry == Entry(
        time="2026-09-21T14:13:21.000000000Z", job="ci/x", run=3, collector="perf",
        kind=Kind.SAMPLE, name="hot", additive=False, path=("main", "hot"), process=7, thread=8,
        metric="TIME", unit="ns", exclusive=10, calls=1,
        attributes={"threadName": "app", "cpu": 1, "dso": "/opt/app"},
    )  # fmt: skip


@pytest.mark.parametrize(("first", "monotonic", "facts", "moment", "clock"), [
    (MONOTONIC + 5, MONOTONIC, {}, STARTED + 5, None),
    (MONOTONIC - 5, MONOTONIC, {}, STARTED - 5, None),
    (MONOTONIC + 5, MONOTONIC, {"reference time": REFERENCE}, STARTED + 5, None),
    (1_743_750_000_000, None, {"reference time": REFERENCE}, 1_795_537_759 * 10**9, None),
    (1_743_750_000_000, MONOTONIC, {"reference time": REFERENCE}, 1_795_537_759 * 10**9, None),
    (5, None, {"captured on": "Wed Feb  4 09:30:00 2026"}, 1_770_197_400 * 10**9, "anchored"),
    (5, None, {"captured on": "nonsense", "reference time": "x"}, STARTED, "anchored"),
    (5, MONOTONIC, {}, STARTED, "anchored"),
    (MONOTONIC + 32 * 86400 * 10**9, MONOTONIC, {}, STARTED, "anchored"),
    (5, None, {}, STARTED, "anchored"),
    (None, MONOTONIC, {}, STARTED, "anchored"),
])  # fmt: skip
def test_times_are_anchored_as_well_as_can_be(
    first: int | None,
    monotonic: int | None,
    facts: Mapping[str, str],
    moment: int,
    clock: str | None,
) -> None:
    """By the launcher's clocks, else by the text's own, else by a guess that says so."""
    anchor = find_anchor(first, place(started_monotonic=monotonic), facts)

    assert (anchor.offset + (first or 0), anchor.clock) == (moment, clock)


def test_the_first_sample_anchors_all() -> None:
    """What has passed between two samples stays, and the sums begin with the first one."""
    entries = Entries(place(started_monotonic=None), {})

    first = entries.sample(sample("main", time=5))
    second = entries.sample(sample("main", time=7))

    assert first.time.endswith("20.000000000Z") and second.time.endswith("20.000000002Z")
    assert [one.time for one in entries.timers()] == [first.time]
    assert {one.clock for one in (first, second, *entries.timers())} == {"anchored"}


def test_functions_add_up_in_each_thread() -> None:
    """Inclusive counts each sample once, exclusive where the function is the innermost one."""
    found = timers(
        sample("main", "hot"), sample("main", "hot", "hot"), sample("main"),
        sample("main", "hot", thread=9),
    )  # fmt: skip

    first = [one for one in found if one.thread == 8]
    assert numbers(first) == {"main": (30, 10, 1), "hot": (20, 20, 2)}
    assert numbers([one for one in found if one.thread == 9]) == {
        "main": (10, 0, 0), "hot": (10, 10, 1),
    }  # fmt: skip
    assert all(one.additive and one.kind is Kind.TIMER and one.unit == "ns" for one in found)


def test_events_are_kept_apart() -> None:
    """Clocks measure nanoseconds, everything else is counted under its own name."""
    found = timers(
        sample("hot"), sample("hot", event="task-clock:ppp"), sample("hot", event="cycles:u"),
        sample("hot", event="page-faults", period=None), sample("hot", period=None),
    )  # fmt: skip

    assert [(one.metric, one.unit, one.exclusive) for one in found] == [
        ("TIME", "ns", 10 + 10**9 // 100), ("TIME", "ns", 10), ("cycles:u", "1", 10),
        ("page-faults", "1", 1),
    ]  # fmt: skip


def test_a_sample_without_a_stack_counts() -> None:
    """It is told under a name of its own."""
    (timer,) = timers(sample())

    assert (timer.name, timer.exclusive) == (NO_FRAME, 10)


def test_a_thread_has_the_name_that_it_had_last() -> None:
    """A new thread has its parent's name until it takes its own."""
    (timer,) = timers(sample("f", command="perf-exec"), sample("f"), sample("f", command=""))

    assert timer.attributes == {"threadName": "app"}


def test_functions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes past the limit is added up under one name, so the total stays right."""
    monkeypatch.setattr(perf_entries, "MOST_FUNCTIONS", 3)

    found = timers(*[sample(f"f{number}") for number in range(10)])

    assert numbers(found)[OTHERS] == (70, 70, 7)
    assert sum(one.exclusive or 0 for one in found) == 100


def test_sums_fit_their_readers() -> None:
    """Hostile periods end at what 64 bits hold."""
    (timer,) = timers(*[sample("f", period=10**18 - 1)] * 20)

    assert timer.exclusive == 2**63 - 1


@pytest.mark.parametrize(("frames", "resolved"), [
    ((Frame("[unknown] (app)", "/opt/app", False),), False), ((), False),
    ((Frame("[unknown]", "", False), Frame("hot")), True),
])  # fmt: skip
def test_it_knows_whether_any_function_has_a_name(
    frames: tuple[Frame, ...], resolved: bool
) -> None:
    """One frame of one sample is enough."""
    entries = Entries(place(), {})

    entries.sample(sample(frames=frames))

    assert (entries.samples, entries.any_resolved) == (1, resolved)
