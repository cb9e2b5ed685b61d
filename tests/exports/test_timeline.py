"""What has a moment of its own."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from made_up_entries import SETTINGS, any_entries, count, entry, event, parts, sample
from profiling_operator.entries import Entry, Kind, Source
from profiling_operator.exports import timeline
from profiling_operator.exports.timeline import Timeline


def timeline_of(entries: Iterable[Entry]) -> Timeline:
    """Entries, added."""
    made = Timeline()
    for one in entries:
        made.add(one)
    return made


def read(tmp_path: Path, made: Timeline) -> Any:
    """The file, as strict JSON."""
    made.write(tmp_path / "trace.json", "ci/x")
    text = (tmp_path / "trace.json").read_text()
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def drawn(tmp_path: Path, *entries: Entry) -> list[tuple[Any, ...]]:
    """What is drawn of entries: phase, name, begin, duration or value."""
    return [
        (one["ph"], one["name"], one["ts"], one.get("dur", one.get("args")))
        for one in read(tmp_path, timeline_of(entries))["traceEvents"]
        if one["ph"] != "M"
    ]


def test_events_are_microseconds_after_the_first(tmp_path: Path) -> None:
    """Nanoseconds stay, as decimals; the wall clock is told apart."""
    body = read(tmp_path, timeline_of([event("a", 1, 1_234), event("b", 10**9 + 1, 5)]))

    found = [(one["ts"], one["dur"]) for one in body["traceEvents"] if one["ph"] == "X"]
    assert found == [(0, 1.234), (1_000_000, 0.005)]
    assert body["otherData"] == {
        "exporter": "profiling-operator",
        "name": "ci/x",
        "startTime": "2026-09-21T14:13:20.000000001Z",
        "leftOut": {},
    }


@pytest.mark.parametrize(
    "kind", [Kind.KERNEL, Kind.MEMCPY, Kind.MEMSET, Kind.API, Kind.RANGE, Kind.OS]
)
def test_every_kind_of_event_is_drawn(tmp_path: Path, kind: Kind) -> None:
    """With its attributes and its place in the program."""
    one = event("e", 0, 2000, kind=kind, attributes={"bytes": 3}, source=Source(file="a.c", line=7))
    body = read(tmp_path, timeline_of([one]))

    assert body["traceEvents"][0] == {
        "name": "e",
        "cat": f"c,{kind.value}",
        "ph": "X",
        "ts": 0,
        "dur": 2,
        "pid": 1,
        "tid": 2,
        "args": {"bytes": 3, "source": {"file": "a.c", "line": 7}},
    }


def test_samples_become_slices(tmp_path: Path) -> None:
    """Each frame as long as it was on the stack."""
    found = drawn(tmp_path, sample(0, "main", "hot"), sample(1000, "main"), sample(2000, "main"))

    assert found == [("X", "main", 0, 3), ("X", "hot", 0, 1)]


def test_counters_have_values(tmp_path: Path) -> None:
    """And their unit in their name."""
    found = drawn(tmp_path, count("heap", 0, 5), count("heap", 1000, 7.5))

    assert found == [("C", "heap [By]", 0, {"value": 5}), ("C", "heap [By]", 1, {"value": 7.5})]


@pytest.mark.parametrize(
    "entries",
    [
        [entry("main", exclusive=5, inclusive=6, calls=1)],
        [sample(0, "main", calls=5), sample(9, "main", calls=3)],
        [sample(0, "main"), sample(0, "other")],
        [count("heap", 0, 5)],
        [count("heap", 0, 5), count("other", 9, 5)],
        [count("heap", 0, 5, calls=3), count("heap", 9, 5, calls=4)],
        [count("heap", 0, float("nan")), count("heap", 9, float("inf"))],
        [event("e", 0, 5, unit="1")],
        [event("e", 0, float("nan")), event("e", 0, -1), event("e", 0, 2e18)],
    ],
    ids=["timer", "sums", "same-time", "value", "values", "means", "no-number", "unit", "odd"],
)
def test_what_has_no_moment_is_not_drawn(tmp_path: Path, entries: list[Entry]) -> None:
    """Sums over a run, all of which begin with it, and what is no time at all."""
    made = timeline_of(entries)

    assert not made
    assert read(tmp_path, made)["traceEvents"] == []


def test_anything_to_draw_is_something() -> None:
    """Whichever of the three it is."""
    assert timeline_of([event("e", 0, 5)])
    assert timeline_of([sample(0, "main"), sample(9, "main")])
    assert timeline_of([count("heap", 0, 5), count("heap", 9, 6)])


def test_the_longest_events_of_each_kind_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the file says how many shorter ones there were."""
    monkeypatch.setattr(timeline, "EVENTS_LIMIT", 3)
    made = timeline_of(event(f"r{number}", number, number) for number in range(100))
    made.add(event("k", 0, 1, kind=Kind.KERNEL))

    body = read(tmp_path, made)

    names = {one["name"] for one in body["traceEvents"] if one["ph"] == "X"}
    assert names == {"r97", "r98", "r99", "k"}
    assert body["otherData"]["leftOut"] == {
        "range": {"entries": 97, "notLongerThanNanoseconds": 97}
    }
    assert made.left_out == 97


def test_samples_and_counters_that_are_kept_are_spread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the whole time, not from its beginning."""
    monkeypatch.setattr(timeline, "MOMENTS_LIMIT", 10)
    made = timeline_of(count("heap", number * 1000, number) for number in range(1000))
    for number in range(1000):
        made.add(sample(number * 1000, "main"))

    body = read(tmp_path, made)

    values = [one["args"]["value"] for one in body["traceEvents"] if one["ph"] == "C"]
    assert values == list(range(0, 1000, 100))
    assert body["otherData"]["leftOut"] == {"sample": {"entries": 990}, "counter": {"entries": 990}}
    assert ("main", 0, 1000) in {
        (one["name"], one["ts"], one["dur"]) for one in body["traceEvents"] if one["ph"] == "X"
    }


def test_large_attributes_are_left_away(tmp_path: Path) -> None:
    """The event is there."""
    made = timeline_of([event("e", 0, 5, attributes={"text": "x" * timeline.ATTRIBUTES_LIMIT})])

    assert "args" not in read(tmp_path, made)["traceEvents"][0]


@SETTINGS
@given(any_entries)
def test_the_file_is_valid_whatever_the_entries(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Entry]
) -> None:
    """Strict JSON, no number below zero, and every process and thread has its name."""
    made = timeline_of(entries)
    body = read(tmp_path_factory.mktemp("trace"), made)
    events = body["traceEvents"]
    named = {(one["pid"], one["tid"]) for one in events if one["name"] == "thread_name"}
    named |= {(one["pid"], one["tid"]) for one in events if one["name"] == "process_name"}

    assert bool(events) == bool(made)
    assert all(one["ts"] >= 0 and one.get("dur", 0) >= 0 for one in events)
    assert all((one["pid"], one["tid"]) in named for one in events)


@SETTINGS
@given(parts)
def test_parts_merged_are_the_whole(
    tmp_path_factory: pytest.TempPathFactory, several: list[list[Entry]]
) -> None:
    """Whatever each process has kept, also after it went through a pipe and past the limits."""
    tmp_path = tmp_path_factory.mktemp("trace")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timeline, "EVENTS_LIMIT", 3)
        patch.setattr(timeline, "MOMENTS_LIMIT", 4)
        merged = Timeline()
        for part in several:
            merged.merge(pickle.loads(pickle.dumps(timeline_of(part))))  # noqa: S301
        whole = timeline_of(one for part in several for one in part)

        assert read(tmp_path, merged) == read(tmp_path, whole)
        assert merged.left_out == whole.left_out


def test_times_far_apart_and_huge_names_are_valid(tmp_path: Path) -> None:
    """Centuries, in microseconds, and a name that is cut off."""
    far = event("x" * 10**6, 0, 5)
    first = Entry(
        time="0001-01-01T00:00:00.000000000Z",
        job="",
        run=0,
        collector="c",
        kind=Kind.RANGE,
        name="\x00\ufffe\u2028",
        additive=False,
        duration=10**18,
        unit="ns",
    )

    found = read(tmp_path, timeline_of([far, first]))["traceEvents"]

    assert [len(one["name"]) for one in found if one["ph"] == "X"] == [3, 250]
