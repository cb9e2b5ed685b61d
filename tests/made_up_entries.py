"""Entries made up by hypothesis, and by hand, for tests of what adds them up."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import HealthCheck, settings, strategies

from profiling_operator.entries import Entry, Kind, Source, rfc3339

SETTINGS = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
BEGAN = 1_790_000_000_000_000_000
GPU = (Kind.KERNEL, Kind.MEMCPY, Kind.MEMSET)


def entry(name: str, at: int = 0, **more: Any) -> Entry:
    """A timer's entry, so many nanoseconds after the beginning, unless told otherwise."""
    given: dict[str, Any] = {
        "job": "ci/x",
        "run": 0,
        "collector": "c",
        "kind": Kind.TIMER,
        "additive": True,
        "metric": "TIME",
        "unit": "ns",
    }
    return Entry(time=rfc3339(BEGAN + at), name=name, **{**given, **more})


def event(name: str, at: int, duration: float, **more: Any) -> Entry:
    """Something with a beginning and a duration."""
    return entry(name, at, **{"kind": Kind.RANGE, "duration": duration, **more})


def sample(at: int, *path: str, **more: Any) -> Entry:
    """One sample, a millisecond of its metric."""
    given = {"kind": Kind.SAMPLE, "additive": False, "exclusive": 1_000_000, "calls": 1}
    return entry(path[-1], at, path=path, **{**given, **more})


def count(name: str, at: int, value: float, **more: Any) -> Entry:
    """What a counter was at a moment."""
    return entry(name, at, **{"kind": Kind.COUNTER, "value": value, "unit": "By", **more})


names = strategies.sampled_from(["main", "hot", "cold", "a;b", "line\nbreak", "f (a.py:3)", "\x00"])
paths = strategies.lists(names, min_size=1, max_size=4).map(tuple)
weights = strategies.one_of(
    strategies.integers(-5, 10**6),
    strategies.sampled_from([math.nan, math.inf, -1.0, 0.25, 1e30]),
)
places = strategies.fixed_dictionaries(
    {
        "run": strategies.integers(0, 1),
        "collector": strategies.sampled_from(["perf", "tau"]),
        "process": strategies.sampled_from([None, 1, 2]),
        "thread": strategies.sampled_from([None, 1, 2]),
        "attributes": strategies.sampled_from([None, {"threadName": "w"}, {"threadName": 3}]),
        "source": strategies.sampled_from(
            [None, Source(file="a.c", line=1), Source(file="a.c", line=2), Source(file="b.c")]
        ),
    }
)
timers = strategies.builds(
    lambda name, exclusive, where, metric: entry(
        name, exclusive=exclusive, metric=metric, unit="ns" if metric == "TIME" else "1", **where
    ),
    names,
    weights,
    places,
    strategies.sampled_from(["TIME", "PAPI_TOT_CYC"]),
)
with_paths = strategies.builds(
    lambda path, exclusive, kind, where: entry(
        path[-1], path=path, exclusive=exclusive, kind=kind, additive=False, **where
    ),
    paths,
    weights,
    strategies.sampled_from([Kind.TIMER, Kind.SAMPLE, Kind.RANGE]),
    places,
)
times = strategies.integers(0, 2000).map(lambda number: number * 1000)
gpu_events = strategies.builds(
    lambda name, at, duration, kind, where: event(
        name, at, duration, kind=kind, device=0, stream=where["thread"], **where
    ),
    names,
    times,
    weights,
    strategies.sampled_from(GPU),
    places,
)
events = strategies.builds(
    lambda name, at, duration, kind, where: event(name, at, duration, kind=kind, **where),
    names,
    times,
    weights,
    strategies.sampled_from([Kind.API, Kind.OS, Kind.RANGE]),
    places,
)
samples = strategies.builds(
    lambda path, at, where: sample(at, *path, **where), paths, times, places
)
counts = strategies.builds(
    lambda name, at, value, where: count(name, at, value, **where), names, times, weights, places
)
any_entries = strategies.lists(
    strategies.one_of(timers, with_paths, gpu_events, events, samples, counts), max_size=40
)
parts = strategies.lists(any_entries, min_size=1, max_size=4)
