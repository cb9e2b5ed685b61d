"""The Trace Event Format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies

from made_up_entries import SETTINGS
from profiling_operator.exports import trace
from profiling_operator.exports.places import Thread
from profiling_operator.exports.slices import Sample
from profiling_operator.exports.trace import Drawing, Value
from profiling_operator.exports.tracks import LANES_LIMIT, Span, Track

YEAR = 31_536_000 * 10**9


def track(thread: int = 1, way: str = "") -> Track:
    """A thread of process 7."""
    return Track(Thread(0, "c", None, 7, None, thread, None), None, "", False, way)


def written(tmp_path: Path, **drawn: Any) -> Any:
    """The file of a drawing."""
    empty = {"start": 0, "spans": (), "samples": (), "values": (), "left_out": {}}
    trace.write(tmp_path / "t.json", "ci/x", Drawing(**{**empty, **drawn}))
    return json.loads((tmp_path / "t.json").read_text())


def test_an_empty_file_is_valid(tmp_path: Path) -> None:
    """No event, and where time would begin."""
    assert written(tmp_path) == {
        "displayTimeUnit": "ns",
        "traceEvents": [],
        "otherData": {
            "exporter": "profiling-operator",
            "name": "ci/x",
            "startTime": "1970-01-01T00:00:00.000000000Z",
            "leftOut": {},
        },
    }


def test_what_has_no_room_is_told(tmp_path: Path) -> None:
    """Events of one thread that overlap without end."""
    spans = [(track(), Span(number, 1000 + number, "s", "c,range", b"")) for number in range(40)]

    body = written(tmp_path, spans=spans)

    assert sum(one["ph"] == "X" for one in body["traceEvents"]) == LANES_LIMIT
    assert body["otherData"]["leftOut"] == {"overlapping": 40 - LANES_LIMIT}


def test_samples_that_make_too_many_slices_are_halved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until they are few enough; the file says how many are gone."""
    monkeypatch.setattr(trace, "SLICES_LIMIT", 10)
    samples = [(track(), Sample(number, (f"f{number}",))) for number in range(32)]

    body = written(tmp_path, samples=samples, left_out={"sample": {"entries": 5}})

    assert sum(one["ph"] == "X" for one in body["traceEvents"]) == 8
    assert body["otherData"]["leftOut"] == {"sample": {"entries": 5 + 24}}


def test_counters_of_one_name_are_told_apart_by_thread(tmp_path: Path) -> None:
    """Viewers know counters by process and name; in the order of time."""
    values = [(track(at), Value(9 - at, "heap", b'{"value":1}')) for at in (1, 2)]
    values.append((track(1), Value(8, "load", b'{"value":2}')))

    events = written(tmp_path, values=values)["traceEvents"]

    assert [(one["name"], one["args"]) for one in events if one["ph"] == "C"] == [
        ("heap (Thread 2)", {"value": 1}),
        ("heap (Thread 1)", {"value": 1}),
        ("load", {"value": 2}),
    ]


@SETTINGS
@given(strategies.integers(0, YEAR // 12))
def test_microseconds_are_the_same_nanoseconds(nanoseconds: int) -> None:
    """Within a month, also for those who multiply and cut off."""
    assert int(trace.microseconds(nanoseconds) * 1000) == nanoseconds


@SETTINGS
@given(strategies.integers(0, YEAR // 12), strategies.integers(0, YEAR // 12))
def test_durations_never_reach_beyond_the_end(begin: int, length: int) -> None:
    """The sum that viewers make is the end, or a rounding before it."""
    found = trace.duration(begin, begin + length)

    end = trace.microseconds(begin + length)
    assert trace.microseconds(begin) + found <= end
    assert end - (trace.microseconds(begin) + found) < 0.002
    assert length - 2 <= int(found * 1000) <= length
