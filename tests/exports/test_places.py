"""Whose time stacks are, and which of them count."""

from __future__ import annotations

from typing import Any

import pytest

from profiling_operator.exports import places
from profiling_operator.exports.places import (
    FLAT,
    ON_GPU,
    PATHS,
    RANGES,
    SAMPLED,
    Key,
    Place,
    Stack,
    Thread,
)


def key(way: int, metric: str = "TIME", unit: str = "ns", name: str = "", **where: Any) -> Key:
    """A place, of thread 1 unless told otherwise."""
    given = {"run": 0, "collector": "c", "host": None, "process": 1, "context": None}
    return way, metric, unit, name, Thread(**{**given, "thread": 1, "device": None, **where})


def chosen(kept: dict[Key, dict[Stack, int]]) -> list[dict[Stack, int]]:
    """The stacks alone."""
    return [dict(one) for one in places.chosen(kept).values()]


@pytest.mark.parametrize("best", [SAMPLED, PATHS, RANGES, FLAT])
def test_the_best_way_is_chosen(best: int) -> None:
    """What tells less is left out, as it repeats the same time."""
    kept: dict[Key, dict[Stack, int]] = {key(way): {("f",): 1} for way in range(best, ON_GPU)}

    assert [place.way for place in places.chosen(kept)] == [best]


def test_what_a_gpu_does_is_always_there() -> None:
    """Beside whatever the CPU's threads have."""
    kept: dict[Key, dict[Stack, int]] = {
        key(SAMPLED): {("main",): 1},
        key(FLAT): {("main",): 1},
        key(ON_GPU, thread=None, device=0): {("k",): 5},
    }

    assert chosen(kept) == [{("main",): 1}, {("k",): 5}]


def test_paths_are_completed_from_timers() -> None:
    """By what a timer has beyond all paths that end in it; never by less than nothing."""
    kept: dict[Key, dict[Stack, int]] = {
        key(PATHS): {("a", "b"): 3, ("c", "b"): 4, ("a", "d"): 9},
        key(FLAT): {("a",): 1, ("b",): 10, ("d",): 8},
    }

    assert chosen(kept) == [
        {("a", "b"): 3, ("c", "b"): 4, ("a", "d"): 9, ("a",): 1, ("b",): 3},
    ]


def test_names_of_one_thread_are_one_thread() -> None:
    """A thread that was renamed has its samples under two names and its timers under one."""
    kept: dict[Key, dict[Stack, int]] = {
        key(SAMPLED, name="sh"): {("main",): 1},
        key(SAMPLED, name="python"): {("main",): 2},
        key(FLAT, name="python"): {("main",): 3},
    }

    assert chosen(kept) == [{("main",): 1}, {("main",): 2}]


def test_one_metric_of_a_collector_is_chosen_for_all_threads() -> None:
    """A time, even where it came later."""
    kept: dict[Key, dict[Stack, int]] = {
        key(FLAT, "cycles", "1"): {("main",): 1},
        key(FLAT, "TIME", "ns", process=2): {("main",): 2},
        key(FLAT, "CPU", "ns"): {("main",): 3},
    }

    assert chosen(kept) == [{("main",): 2}]


def test_stacks_of_several_threads_have_a_place() -> None:
    """It keeps run, collector and metric."""
    assert places.of_several(key(PATHS, name="w", run=3, host="h")) == key(
        PATHS, run=3, process=None, thread=None
    )


def test_only_what_differs_is_told() -> None:
    """And what is not known is no difference."""
    first = Thread(0, "perf", "a", 1, None, 1, None)

    assert places.told_apart([first]) == frozenset()
    assert places.told_apart([first, first._replace(run=1, context=0)]) == {"run"}


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (key(FLAT), "Process 1 Thread 1"),
        (key(FLAT, name="w"), 'Process 1 Thread 1 "w"'),
        (key(FLAT, process=None, thread=None), "all"),
        (key(FLAT, "cycles", "1"), "Process 1 Thread 1 (cycles)"),
        (key(ON_GPU, thread=None, device=2), "Process 1 GPU 2"),
        (key(ON_GPU, thread=None, process=None), "GPU"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_places_have_words(place: Key, words: str) -> None:
    """What viewers show in their lists."""
    whole = Place(*place[:4], Thread(*place[4]))

    assert places.words(whole, frozenset()) == words


def test_words_tell_what_differs() -> None:
    """In the order from the outside in."""
    place = Place(*key(FLAT)[:4], Thread(2, "tau", "node1", 1, 0, 1, None))

    words = places.words(place, frozenset({"run", "collector", "host", "context"}))

    assert words == "Run 2 tau node1 Process 1 Context 0 Thread 1"
