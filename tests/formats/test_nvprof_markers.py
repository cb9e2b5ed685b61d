"""Ranges, markers and overhead in a database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import made_up_nvprof
from made_up_nvprof import ENDS, MARKS, STARTED, STARTS
from profiling_operator.formats import nvprof_markers, sqlite_files
from profiling_operator.formats.nvprof_markers import Moment
from profiling_operator.formats.nvprof_names import Names


def moments(path: Path, table: str, *lines: dict[str, Any]) -> list[Moment]:
    """What a table's rows are."""
    with made_up_nvprof.create(path) as connection:
        known = {"one": 1, "two": 2, "phase": 3}
        made_up_nvprof.name_strings(connection, known)
        made_up_nvprof.insert(connection, table, lines, made_up_nvprof.VERSION)
    reader = {"MARKER": nvprof_markers.ranges, "OVERHEAD": nvprof_markers.overheads}[table]
    with path.open("rb") as stream, sqlite_files.connect(stream) as connection:
        return list(reader(connection, Names(connection, sqlite_files.tables(connection))))


def told(found: list[Moment]) -> list[tuple[Any, ...]]:
    """Name, start and end after the beginning, attributes."""
    return [
        (one.fields["name"], *(at and at - STARTED for at in (one.start, one.end)),
         one.fields["attributes"])
        for one in found
    ]  # fmt: skip


def test_beginnings_find_their_ends(tmp_path: Path) -> None:
    """By their number, whichever comes first; a number may be used again."""
    found = moments(
        tmp_path / "db", "MARKER",
        {"flags": STARTS, "timestamp": STARTED, "id": 1, "name": 1},
        {"flags": ENDS, "timestamp": STARTED + 9, "id": 2},
        {"flags": STARTS, "timestamp": STARTED + 4, "id": 2, "name": 2, "domain": 3},
        {"flags": ENDS, "timestamp": STARTED + 7, "id": 1},
        {"flags": STARTS, "timestamp": STARTED + 8, "id": 1, "name": 2},
        {"flags": ENDS, "timestamp": STARTED + 9, "id": 1},
    )  # fmt: skip

    assert told(found) == [
        ("two", 4, 9, {"domain": "phase"}), ("one", 0, 7, None), ("two", 8, 9, None),
    ]  # fmt: skip


def test_markers_and_open_ranges_have_no_end(tmp_path: Path) -> None:
    """An end without a beginning is nothing."""
    found = moments(
        tmp_path / "db", "MARKER",
        {"flags": MARKS, "timestamp": STARTED, "id": 1, "name": 1},
        {"flags": STARTS, "timestamp": STARTED, "id": 2, "name": 2},
        {"flags": ENDS, "timestamp": STARTED, "id": 3},
        {"flags": "x", "timestamp": STARTED, "id": 3},
        {"flags": STARTS, "timestamp": "x", "id": 3},
    )  # fmt: skip

    assert told(found) == [("one", 0, None, None), ("two", 0, None, {"open": True})]


def test_open_ranges_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are told as such before more are kept."""
    monkeypatch.setattr(nvprof_markers, "MOST_OPEN", 2)
    lines = [{"flags": STARTS, "timestamp": STARTED, "id": at, "name": 1} for at in range(5)]

    assert len(moments(tmp_path / "db", "MARKER", *lines)) == 5


def test_overhead_is_named(tmp_path: Path) -> None:
    """By its kind, and whose it is."""
    lines = [
        {"overheadKind": kind, "start": STARTED, "end": STARTED + 5, "objectKind": 2,
         "objectId": made_up_nvprof.thread()}
        for kind in (1, 1 << 16, 77)
    ]  # fmt: skip

    found = moments(tmp_path / "db", "OVERHEAD", *lines)

    assert [one.fields["name"] for one in found] == [
        "[Overhead: driver's compiler]", "[Overhead: CUPTI's buffers]", "[Overhead: unknown]",
    ]  # fmt: skip
    assert {one.where.process for one in found} == {made_up_nvprof.PID}
