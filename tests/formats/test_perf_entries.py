"""Samples as entries: whose time is whose, and what adds up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from profiling_operator.entries import Entry, Kind
from profiling_operator.formats import perf_entries
from profiling_operator.formats.perf_entries import OTHERS, Entries, Place, find_anchor
from profiling_operator.formats.perf_frames import EMPTY, Callers, Frame, Stack
from profiling_operator.formats.perf_script import Fact, Found, Origin, Sample

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


def stack(*frames: Frame) -> Stack:
    """Frames, root first."""
    if not frames:
        return EMPTY
    *callers, leaf = frames
    return Stack(Callers(tuple(callers), tuple(one.name for one in callers)), leaf)


def sample(*names: str, frames: tuple[Frame, ...] = (), **changes: Any) -> Sample:
    """A sample of cpu-clock, 1 s after the start, with a stack of functions, root first."""
    frames = frames or tuple(Frame(name, "/opt/app") for name in names)
    origin = Origin(
        changes.pop("command", "app"), 7, changes.pop("thread", 8), changes.pop("cpu", 1)
    )
    given = {"time": MONOTONIC + 10**9, "event": "cpu-clock", "period": 10, **changes}
    return Sample(origin=origin, stack=stack(*frames), **given)


def told(entries: Entries, *found: Found) -> list[Entry]:
    """The entries of samples, one each; of all else there are none."""
    return [one for one in entries.all_of(found, lambda _: ()) if isinstance(one, Entry)]


def timers(*taken: Sample, **where: Any) -> list[Entry]:
    """What samples add up to."""
    entries = Entries(place(**where), {})
    told(entries, *taken)
    return list(entries.timers())


def numbers(entries: list[Entry]) -> dict[str, tuple[Any, Any, Any]]:
    """Inclusive, exclusive and calls by name."""
    return {one.name: (one.inclusive, one.exclusive, one.calls) for one in entries}


def test_a_sample_is_an_entry_at_its_own_time() -> None:
    """The wall clock is the run's start and what has passed since by the monotonic clock."""
    (entry,) = told(Entries(place(), {}), Fact("arch", "x"), sample("main", "hot"))

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

    first, second = told(entries, sample("main", time=5), sample("main", time=7))

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
    """Clocks measure nanoseconds, of which only the first one is the time; the rest is counted."""
    found = timers(
        sample("hot"), sample("hot", event="task-clock:ppp"), sample("hot", event="cycles:u"),
        sample("hot", event="page-faults", period=None), sample("hot", period=None),
    )  # fmt: skip

    assert [(one.metric, one.unit, one.exclusive) for one in found] == [
        ("TIME", "ns", 10 + 10**9 // 100), ("task-clock:ppp", "ns", 10), ("cycles:u", "1", 10),
        ("page-faults", "1", 1),
    ]  # fmt: skip


def test_a_sample_without_a_stack_counts() -> None:
    """It is told under a name of its own."""
    (timer,) = timers(sample())

    assert (timer.name, timer.exclusive) == ("[no frame]", 10)


def test_a_thread_has_the_name_that_it_had_last() -> None:
    """A new thread has its parent's name until it takes its own."""
    (timer,) = timers(sample("f", command="perf-exec"), sample("f"), sample("f", command=""))

    assert timer.attributes == {"threadName": "app", "dso": "/opt/app"}


def test_functions_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes past the limit is added up under one name, so the total stays right."""
    monkeypatch.setattr(perf_entries, "FUNCTION_BYTES", 3 * perf_entries.ROOM_OF_FUNCTION)

    found = timers(*[sample(f"f{number}") for number in range(10)])

    assert numbers(found)[OTHERS] == (70, 70, 7)
    assert sum(one.exclusive or 0 for one in found) == 100


def test_sums_fit_their_readers() -> None:
    """Hostile periods end at what 64 bits hold."""
    (timer,) = timers(*[sample("f", period=10**18 - 1)] * 20)

    assert timer.exclusive == 2**63 - 1


@pytest.mark.parametrize(("frames", "resolved"), [
    ((Frame("[unknown] (app)", "/opt/app", is_resolved=False),), False), ((), False),
    ((Frame("[unknown]", is_resolved=False), Frame("hot")), True),
])  # fmt: skip
def test_it_knows_whether_any_function_has_a_name(
    frames: tuple[Frame, ...], resolved: bool
) -> None:
    """One frame of one sample is enough."""
    entries = Entries(place(), {})

    told(entries, sample(frames=frames))

    assert (entries.samples, entries.any_resolved) == (1, resolved)


def test_a_sample_tells_of_its_innermost_frame() -> None:
    """Where it is, whether it was inlined, and how much of the stack is the kernel's."""
    kernel = Frame("schedule", "[kernel.kallsyms]", is_kernel=True)
    inlined = Frame("inner", is_inlined=True)

    found = told(
        Entries(place(), {}),
        sample(frames=(Frame("main", "/opt/app"), kernel, kernel), command=""),
        sample(frames=(Frame("main", "/opt/app"), inlined), cpu=None),
    )

    assert [one.attributes for one in found] == [
        {"cpu": 1, "dso": "[kernel.kallsyms]", "kernelFrames": 2},
        {"threadName": "app", "inlined": True},
    ]


def test_functions_tell_where_they_are() -> None:
    """Their file, if there is one function of that name only, and whether they are the kernel's."""
    kernel = Frame("read", "[kernel.kallsyms]", is_kernel=True)

    found = timers(
        sample(frames=(Frame("main", "/opt/app"), Frame("init", "/opt/a.so"), kernel)),
        sample(frames=(Frame("main", "/opt/app"), Frame("init", "/opt/b.so"))),
    )

    assert {one.name: one.attributes for one in found} == {
        "main": {"threadName": "app", "dso": "/opt/app"},
        "init": {"threadName": "app"},
        "read": {"threadName": "app", "dso": "[kernel.kallsyms]", "kernel": True},
    }
    assert numbers(found)["init"] == (20, 10, 1)


@pytest.mark.parametrize(("name", "value"), [("HELD_FRAMES", 200), ("MOST_ORIGINS", 3)])
def test_sums_do_not_depend_on_what_is_held(
    monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    """However often samples are added to their functions in between."""
    taken = [
        sample("main", f"f{n % 7}", *["g"] * (n % 3), thread=n % 5, cpu=n % 2, period=n)
        for n in range(200)
    ]
    whole = timers(*taken)

    monkeypatch.setattr(perf_entries, name, value)

    assert sorted(timers(*taken), key=str) == sorted(whole, key=str)


def test_events_are_bounded() -> None:
    """A text that names a new one with every sample is added up under one name."""
    found = timers(*[sample("f", event=f"e{n}") for n in range(perf_entries.MOST_EVENTS + 50)])

    assert len({one.metric for one in found}) == perf_entries.MOST_EVENTS + 1
    assert sum(one.calls or 0 for one in found) == perf_entries.MOST_EVENTS + 50


def test_other_tools_are_no_part_of_the_application() -> None:
    """What measures beside perf is counted, and left out."""
    entries = Entries(place(), {})

    found = told(entries, sample("main"), sample("sample_python", command="py-spy"))

    assert (len(found), entries.samples, entries.of_tools) == (1, 1, 1)
    assert [one.name for one in entries.timers()] == ["main"]
