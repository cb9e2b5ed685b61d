"""NVTX ranges."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

import made_up_nsys
from made_up_nsys import GLOBAL_PID, PID, SESSION
from profiling_operator.captures import Capture
from profiling_operator.entries import Entry, Kind
from profiling_operator.formats import nsys_ranges
from profiling_operator.formats.nsys_events import Events
from profiling_operator.formats.nsys_export import Export
from profiling_operator.formats.nsys_ranges import Ranges
from profiling_operator.frozen import Frozen

TID = GLOBAL_PID + PID


def push_pop(start: Any, end: Any, text: str | None, **more: Any) -> dict[str, Any]:
    """A row of a range."""
    return {
        "start": start, "end": end, "eventType": 59, "globalTid": TID, "text": text, "domainId": 0,
    } | more  # fmt: skip


def entries(path: Path, *rows: dict[str, Any]) -> tuple[list[Entry], Events]:
    """What rows of NVTX_EVENTS become."""
    made_up_nsys.write(
        path / "a.sqlite",
        TARGET_INFO_SESSION_START_TIME=SESSION,
        StringIds=made_up_nsys.strings("numbered"),
        NVTX_EVENTS=rows,
    )
    export = Export(sqlite3.connect(path / "a.sqlite"), Capture((), Frozen(), 0))
    events = Events(export)
    return list(Ranges(export, events).entries()), events


def test_ranges_nest_in_their_thread(tmp_path: Path) -> None:
    """The path is what has not ended; a text stands in place or under a number."""
    told, _ = entries(
        tmp_path,
        push_pop(0, 100, "step"),
        push_pop(10, 40, None, textId=0),
        push_pop(20, 30, "inner"),
        push_pop(40, 60, "next"),
        push_pop(50, 55, "elsewhere", globalTid=TID + 1),
        push_pop(120, 130, "after"),
    )

    assert [one.path for one in told] == [
        ("step",),
        ("step", "numbered"),
        ("step", "numbered", "inner"),
        ("step", "next"),
        ("elsewhere",),
        ("after",),
    ]
    assert {(one.kind, one.additive, one.unit) for one in told} == {(Kind.RANGE, False, "ns")}
    assert [one.duration for one in told] == [100, 30, 10, 20, 5, 10]
    assert (told[4].process, told[4].thread) == (PID, PID + 1)


def test_domains_and_categories_have_names(tmp_path: Path) -> None:
    """They may come after their first range; a number of its own is the payload."""
    (told,), _ = entries(
        tmp_path,
        push_pop(5, 6, "read", domainId=1, category=7, int64Value=4096),
        {"start": 0, "eventType": 75, "globalTid": TID, "domainId": 1, "text": "io library"},
        {"start": 0, "eventType": 33, "globalTid": TID, "domainId": 1, "category": 7, "textId": 0},
        {"start": 0, "eventType": 39, "globalTid": TID, "text": "a thread's name"},
    )

    assert told.attributes == {"domain": "io library", "category": "numbered", "payload": 4096}


def test_marks_and_ranges_across_threads(tmp_path: Path) -> None:
    """A mark takes no time; what is not pushed has no path; what has not ended has no duration."""
    told, _ = entries(
        tmp_path,
        push_pop(5, None, "mark", eventType=34),
        push_pop(5, 9, "across", eventType=60),
        push_pop(7, None, "open"),
        push_pop(8, 9, "in it"),
    )

    assert [(one.name, one.duration, one.path) for one in told] == [
        ("mark", 0, None),
        ("across", 4, None),
        ("open", None, ("open",)),
        ("in it", 1, ("open", "in it")),
    ]
    assert told[2].attributes == {"unfinished": True}


@pytest.mark.parametrize("times", [(9, 5), ("x", 5), (None, 5), (5, "y")])
def test_impossible_times(tmp_path: Path, times: tuple[Any, Any]) -> None:
    """The row is left out and counted."""
    told, events = entries(tmp_path, push_pop(*times, "bad"), push_pop(1, 2, "good"))

    assert [one.name for one in told] == ["good"]
    assert events.spoilt == {"NVTX_EVENTS": 1}


def test_depth_is_bounded(tmp_path: Path) -> None:
    """A thousand ranges in each other do not make paths of a thousand."""
    told, _ = entries(tmp_path, *(push_pop(one, 10_000 - one, f"r{one}") for one in range(1000)))

    assert len(told) == 1000
    assert max(len(one.path or ()) for one in told) == nsys_ranges.DEEPEST


def test_a_table_without_columns(tmp_path: Path) -> None:
    """Nothing is asked of columns that are not there."""
    told, _ = entries(tmp_path, {"start": 1, "end": 2})

    assert told == []
