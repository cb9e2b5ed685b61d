"""What an export of Nsight Systems tells of itself."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

import made_up_nsys
from made_up_nsys import SESSION, UTC
from profiling_operator.captures import Capture
from profiling_operator.formats.nsys_export import Clock, Export
from profiling_operator.frozen import Frozen

STARTED = 1_700_000_000_000_000_000
EVENT = {"start": 5, "end": 9, "globalTid": 0}


def export(path: Path, **tables: Any) -> Export:
    """An open export with these tables; `personal` as a capture has it."""
    personal = bool(tables.pop("personal", False))
    made_up_nsys.write(path / "a.sqlite", **tables)
    capture = Capture((), Frozen(), STARTED, personal=personal)
    return Export(sqlite3.connect(path / "a.sqlite"), capture)


def facts(**known: str) -> list[dict[str, object]]:
    """Rows of META_DATA_EXPORT."""
    return [{"name": f"EXPORT_{name}", "value": value} for name, value in known.items()]


@pytest.mark.parametrize(
    ("tables", "clock"),
    [
        pytest.param({}, Clock(STARTED, "anchored"), id="no session"),
        pytest.param(
            {"TARGET_INFO_SESSION_START_TIME": SESSION}, Clock(UTC, None), id="the session's start"
        ),
        pytest.param(
            {
                "TARGET_INFO_SESSION_START_TIME": SESSION,
                "META_DATA_EXPORT": facts(PARAM_TIME_NORMALIZE="true"),
            },
            Clock(0, None),
            id="normalised",
        ),
        pytest.param(
            {
                "TARGET_INFO_SESSION_START_TIME": SESSION,
                "META_DATA_EXPORT": facts(PARAM_TIME_SHIFT="-1000"),
            },
            Clock(UTC + 1000, None),
            id="shifted",
        ),
        pytest.param(
            {
                "TARGET_INFO_SESSION_START_TIME": SESSION,
                "META_DATA_EXPORT": facts(PARAM_TIME_SHIFT="soon"),
            },
            Clock(UTC, None),
            id="shifted by nonsense",
        ),
        pytest.param(
            {"TARGET_INFO_SESSION_START_TIME": SESSION, "OSRT_API": [EVENT | {"start": UTC + 5}]},
            Clock(0, None),
            id="times are a wall clock's",
        ),
        pytest.param(
            {"TARGET_INFO_SESSION_START_TIME": [{"utcEpochNs": 7}], "OSRT_API": [EVENT]},
            Clock(STARTED, "anchored"),
            id="an absurd start",
        ),
        pytest.param(
            {"TARGET_INFO_SESSION_START_TIME": [{"utcEpochNs": "noon"}]},
            Clock(STARTED, "anchored"),
            id="a start that is no number",
        ),
    ],
)
def test_the_clock(tmp_path: Path, tables: dict[str, Any], clock: Clock) -> None:
    """Events count from the session's start, where the export does not say otherwise."""
    assert export(tmp_path, **tables).clock == clock


@pytest.mark.parametrize("table", ["META_DATA_EXPORT", "EXPORT_META_DATA"])
def test_the_product_is_told(tmp_path: Path, table: str) -> None:
    """Under both names of the table; people are not."""
    known = facts(PRODUCT_VERSION="2025.1", USER="me", HOST="here")

    told = export(tmp_path, **{table: known}, TARGET_INFO_GPU=[{"name": "H100"}, {"name": None}])

    assert told.metadata() == {"nsys version": "2025.1", "gpus": "H100"}


def test_people_are_told_where_asked_for(tmp_path: Path) -> None:
    """Host and command line; the host is that of entries, too."""
    rows: list[dict[str, object]] = [
        {"name": "PROCESS_0:COMMAND", "value": "./a.out"},
        {"name": "PROCESS_0:ARGUMENT_0", "value": "--key=1"},
        {"name": "PROCESS_0:USER_NAME", "value": "me"},
    ]
    given = {
        "META_DATA_CAPTURE": rows,
        "TARGET_INFO_SYSTEM_ENV": [{"name": "Hostname", "value": "node7"}],
    }
    (tmp_path / "b").mkdir()

    assert export(tmp_path, **given).host is None
    told = export(tmp_path / "b", personal=True, **given)
    assert told.metadata() == {"hostname": "node7", "command": "./a.out --key=1"}
    assert told.host == "node7"


def test_complaints_come_errors_first(tmp_path: Path) -> None:
    """What only informs is left out."""
    found = export(
        tmp_path,
        DIAGNOSTIC_EVENT=[
            {"severity": 1, "text": "Profiling has started."},
            {"severity": 2, "text": "late\n events"},
            {"severity": 3, "text": "no memory"},
            {"severity": 3, "text": None},
        ],
    )

    assert found.complaints() == ["error: no memory", "warning: late events"]
    assert Export(sqlite3.connect(":memory:"), found.capture).complaints() == []


def test_what_is_an_export(tmp_path: Path) -> None:
    """Its own tables tell; nvprof's databases have others."""
    (tmp_path / "b").mkdir()
    kernels = {"CUPTI_ACTIVITY_KIND_KERNEL": [EVENT]}

    assert export(
        tmp_path, StringIds=made_up_nsys.strings("a"), META_DATA_EXPORT=facts(USER="")
    ).is_nsys
    assert not export(tmp_path / "b", StringTable=made_up_nsys.strings("a"), **kernels).is_nsys
