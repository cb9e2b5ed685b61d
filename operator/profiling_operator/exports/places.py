"""Whose time stacks are, and which of them count, so that all time is there and none of it twice.

The same time appears in several ways; of a thread, the best one there is is used, never two:

1. sampled stacks;
2. call paths of timers, then those of ranges, and what timers by themselves have beyond them;
3. timers without a path.

What a GPU does is time of its own and always there. Of several metrics of a collector one is used:
the first that is a time, else the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

TIME_UNIT = "ns"

Stack = tuple[str, ...]

# How stacks were seen, the best first.
SAMPLED, PATHS, RANGES, FLAT, ON_GPU = range(5)


class Thread(NamedTuple):
    """Whose time it is."""

    run: int
    collector: str
    host: str | None
    process: int | None
    context: int | None
    thread: int | None
    device: int | None

    @property
    def is_known(self) -> bool:
        """Otherwise it stands for several, whose own stacks may be there, too."""
        return (self.process, self.thread, self.device) != (None, None, None)


class Place(NamedTuple):
    """What stacks are kept apart by."""

    way: int
    metric: str | None
    unit: str
    name: str
    """The thread's."""
    thread: Thread


Key = tuple[
    int,
    str | None,
    str,
    str,
    tuple[int, str, str | None, int | None, int | None, int | None, int | None],
]
"""A place as plain tuples, which are made in half the time."""


Stacks = Mapping[Stack, int]


def chosen(kept: Mapping[Key, Stacks]) -> dict[Place, Stacks]:
    """The stacks that count, with their weights."""
    by_thread: dict[Thread, dict[int, list[Place]]] = {}
    for place in _of_main_metric(kept):
        by_thread.setdefault(place.thread, {}).setdefault(place.way, []).append(place)
    better = {
        (thread.run, thread.collector)
        for thread, ways in by_thread.items()
        if thread.is_known and min(ways) < FLAT
    }
    found: dict[Place, Stacks] = {}
    for thread, ways in by_thread.items():
        repeats = not thread.is_known and (thread.run, thread.collector) in better
        if not (repeats and min(ways) == FLAT):
            found |= _best({way: {one: kept[one] for one in ways[way]} for way in ways})
        found |= {place: kept[place] for place in ways.get(ON_GPU, ())}
    return found


def _of_main_metric(keys: Iterable[Key]) -> Iterator[Place]:
    """Places of the metric of each collector that is used."""
    main: dict[str, tuple[str | None, str]] = {}
    places = [Place(*key[:4], Thread(*key[4])) for key in keys]
    for place in places:
        known = main.setdefault(place.thread.collector, (place.metric, place.unit))
        if known[1] != TIME_UNIT and place.unit == TIME_UNIT:
            main[place.thread.collector] = (place.metric, place.unit)
    for place in places:
        if main[place.thread.collector] == (place.metric, place.unit):
            yield place


def _best(ways: Mapping[int, Mapping[Place, Stacks]]) -> dict[Place, Stacks]:
    """A thread's stacks, of the best way there is."""
    best = min((way for way in ways if way != ON_GPU), default=FLAT)
    found = dict(ways.get(best, {}))
    if best in {PATHS, RANGES}:
        first = next(iter(found))
        rest = _beyond(_added(ways.get(FLAT, {}).values()), _added(found.values()))
        found[first] = _added([found[first], rest])
    return found


def _added(several: Iterable[Mapping[Stack, int]]) -> dict[Stack, int]:
    together: dict[Stack, int] = {}
    for stacks in several:
        for stack, weight in stacks.items():
            together[stack] = together.get(stack, 0) + weight
    return together


def _beyond(flat: Mapping[Stack, int], paths: Mapping[Stack, int]) -> dict[Stack, int]:
    """What timers have beyond the paths that end in them: the time of those that begin a path."""
    reached: dict[str, int] = {}
    for stack, weight in paths.items():
        reached[stack[-1]] = reached.get(stack[-1], 0) + weight
    rest = {stack: weight - reached.get(stack[-1], 0) for stack, weight in flat.items()}
    return {stack: weight for stack, weight in rest.items() if weight > 0}


def told_apart(threads: Iterable[Thread]) -> frozenset[str]:
    """What has to be said of each thread, since it is not the same for all."""
    seen = list(threads)
    fields = ("run", "collector", "host", "process", "context")
    found = {one: {getattr(each, one) for each in seen} - {None} for one in fields}
    return frozenset(one for one in fields if len(found[one]) > 1)


def words(place: Place, told: frozenset[str]) -> str:
    thread = place.thread
    words = [
        f"Run {thread.run}" if "run" in told else "",
        thread.collector if "collector" in told else "",
        thread.host or "" if "host" in told else "",
        "" if thread.process is None else f"Process {thread.process}",
        "" if thread.context is None or "context" not in told else f"Context {thread.context}",
        "" if thread.thread is None else f"Thread {thread.thread}",
        f'"{place.name}"' if place.name else "",
        _gpu_word(place),
        f"({place.metric})" if place.unit != TIME_UNIT and place.metric else "",
    ]
    return " ".join(filter(None, words)) or "all"


def _gpu_word(place: Place) -> str:
    if place.thread.device is not None:
        return f"GPU {place.thread.device}"
    return "GPU" if place.way == ON_GPU else ""


def of_several(key: Key) -> Key:
    """The place of stacks whose own place came after a limit."""
    way, metric, unit, _, (run, collector, *_) = key
    return way, metric, unit, "", (run, collector, None, None, None, None, None)
