"""Sums by name and run."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_operator import sums
from profiling_operator.entries import Entry, Kind

TIME = "2026-11-23T10:00:00.000000000Z"


def entry(**given: Any) -> Entry:
    """An entry of one number."""
    return Entry(time=TIME, job="ci/x", **given)


ENTRIES = st.lists(
    st.builds(
        entry,
        collector=st.sampled_from("cd"),
        name=st.sampled_from(("hot", "cold")),
        kind=st.sampled_from(Kind),
        additive=st.booleans(),
        run=st.integers(0, 2),
        unit=st.sampled_from(("ns", "1")),
        metric=st.sampled_from((None, "TIME", "CPU_TIME", "hot")),
        calls=st.none() | st.integers(0, 3),
        exclusive=st.none() | st.integers(0, 9),
        duration=st.none() | st.integers(0, 9),
        value=st.none() | st.integers(0, 9),
    )
)


def told(totals: sums.Totals) -> Any:
    """All that was added up."""
    return totals.kinds, {
        name: (
            {
                metric: (
                    times.inclusive.by_name, times.exclusive.by_name, times.sampled.by_name,
                    {kind: one.by_name for kind, one in times.events.items()},
                )
                for metric, times in one.by_metric.items()
            },
            list(one.by_metric),
            one.counters.by_name,
            one.units,
            (one.gauges.by_name, one.gauges.units),
        )
        for name, one in totals.by_collector.items()
    }  # fmt: skip


def of(entries: list[Entry]) -> sums.Totals:
    """Entries added up."""
    found = sums.Totals()
    for one in entries:
        found.add(one)
    return found


@given(ENTRIES, ENTRIES)
def test_parts_add_up_to_the_whole(first: list[Entry], second: list[Entry]) -> None:
    """As if all entries had come one after the other, also from another process."""
    merged = of(first)
    merged.merge(pickle.loads(pickle.dumps(of(second))))  # noqa: S301

    assert told(merged) == told(of(first + second))


def test_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit the smallest are given up, and it says so; the largest are exact."""
    monkeypatch.setattr(sums, "NAMES_LIMIT", 100)
    monkeypatch.setattr(sums, "KEPT_NAMES", 50)
    found = sums.Sums()
    for number in range(1000):
        found.add("hot", 0, 1000)
        found.add(f"name {number}", 0, 1)

    assert len(found.by_name) <= 100
    assert found.truncated
    assert found.total("hot") == 1_000_000


def test_metrics_are_bounded() -> None:
    """A file may name any number of them."""
    found = of(
        [
            entry(collector="c", name="hot", kind=Kind.TIMER, additive=True, run=0, unit="ns",
                  metric=f"M{number}", exclusive=1)
            for number in range(2 * sums.METRICS_LIMIT)
        ]
    )  # fmt: skip

    assert next(iter(found.by_collector["c"].by_metric)) == "M0"
    assert len(found.by_collector["c"].by_metric) == sums.METRICS_LIMIT


def test_sums_of_several_kinds_are_put_side_by_side() -> None:
    """Their names tell which is which."""
    one, other = sums.Sums(), sums.Sums()
    one.add("x", 0, 1)
    other.add("x", 0, 2)

    assert sums.joined({"a": one, "b": other}).by_name == {"a:x": {0: 1}, "b:x": {0: 2}}


def reading(value: float | None, **more: Any) -> Entry:
    """What nvprof or nsys read off."""
    given: dict[str, Any] = {"run": 0, "unit": "%", "metric": "occupancy", "name": "occupancy"}
    return entry(collector="c", kind=Kind.METRIC, additive=False, value=value, **{**given, **more})


def gauges(*entries: Entry) -> sums.Gauges:
    """The metrics of entries."""
    return of(list(entries)).by_collector["c"].gauges


def test_metrics_are_no_sums() -> None:
    """Their mean counts launches, over kernels and devices; a run without one has no value."""
    found = gauges(reading(10, calls=3, max=15), reading(50, calls=1, device=1), reading(7, run=2))

    assert found.means().values("occupancy", (0, 1, 2)) == (20, 7)
    assert found.largest().values("occupancy", (0, 1, 2)) == (50, 7)
    assert found.units == {"occupancy": "%"}


@pytest.mark.parametrize("other", [
    reading(None), reading(10**6, unit="By"), reading(10**6, calls=-1),
    reading(10**6, metric="TIME"),
], ids=["no value", "another unit", "no count", "a series"])  # fmt: skip
def test_some_readings_are_not_told(other: Entry) -> None:
    """They have no value, another unit than the first, or are amounts."""
    assert gauges(reading(10), other).means().values("occupancy", (0,)) == (10,)


def test_metrics_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones are kept."""
    monkeypatch.setattr(sums, "GAUGES_LIMIT", 2)

    found = gauges(*(reading(1, name=name, metric=name) for name in "abcab"))

    assert list(found.by_name) == ["a", "b"]
