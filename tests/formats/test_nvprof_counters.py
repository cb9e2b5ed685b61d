"""What a database counts; the whole is looked at with the databases' own tests."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

import made_up_nvprof
from made_up_nvprof import STARTED
from profiling_operator.entries import Kind
from profiling_operator.formats import nvprof_counters, sqlite_files
from profiling_operator.formats.nvprof_markers import Moment
from profiling_operator.formats.nvprof_names import Names


@pytest.mark.parametrize(("value", "number"), [
    (struct.pack("<Q", 21), 21), (struct.pack("<Q", 0), 0), (struct.pack("<d", 93.75), 93.75),
    (struct.pack("<d", -1e300), -1e300), (struct.pack("<d", float("inf")), None), (b"\1", None),
    (struct.pack("<d", float("nan")), None), (7, 7), ("7", None), (None, None),
])  # fmt: skip
def test_a_metric_is_a_count_or_a_number(value: object, number: float | None) -> None:
    """Which of them, only its size tells: a count is small."""
    assert nvprof_counters.metric_value(value) == number


@pytest.fixture
def found(tmp_path: Path) -> dict[str, list[Moment]]:
    """What is counted in a database with something of everything, and with things unknown."""
    path = tmp_path / "db"
    made_up_nvprof.make_all(path)
    with made_up_nvprof.sqlite3.connect(path) as more:
        made_up_nvprof.insert(more, "UNIFIED_MEMORY_COUNTER", [
            {"counterKind": kind, "value": 16, "start": STARTED, "end": STARTED, "srcId": 1}
            for kind in (5, 6, 7, 8, 99)
        ], made_up_nvprof.VERSION)  # fmt: skip
        made_up_nvprof.insert(
            more, "EVENT", [{"id": 9, "value": 1, "correlationId": 999}], made_up_nvprof.VERSION
        )
    more.close()
    with path.open("rb") as stream, sqlite_files.connect(stream) as connection:
        names = Names(connection, sqlite_files.tables(connection))
        readers = (nvprof_counters.unified, nvprof_counters.events, nvprof_counters.metrics)
        return {one.__name__: list(one(connection, names)) for one in readers}


def test_unified_memory_is_told_as_nvprof_s_traces_do(found: dict[str, list[Moment]]) -> None:
    """Copies with bytes, faults and the like as counters, of a GPU or of none."""
    told = [
        (one.kind, one.fields["name"].removeprefix("[Unified Memory "), one.where.device,
         one.fields.get("value"), (one.fields.get("attributes") or {}).get("bytes"))
        for one in found["unified"]
    ]  # fmt: skip

    assert told == [
        (Kind.MEMCPY, "Memcpy HtoD]", 0, None, 8192), (Kind.MEMCPY, "Memcpy DtoH]", 0, None, 8192),
        (Kind.COUNTER, "CPU page faults]", None, 1, None),
        (Kind.COUNTER, "GPU page faults]", 0, 8192, None),
        (Kind.COUNTER, "page thrash]", None, 1, 16),
        (Kind.COUNTER, "page throttle]", None, 1, None),
        (Kind.COUNTER, "remote mapping]", 1, 1, 16), (Kind.MEMCPY, "Memcpy DtoD]", 1, None, 16),
        (Kind.COUNTER, "counter 99]", 1, 16, None),
    ]  # fmt: skip


def test_events_and_metrics_stand_at_their_kernel(found: dict[str, list[Moment]]) -> None:
    """With its name, GPU and beginning; without it, at the beginning of the run."""
    event, other = found["events"]
    metrics = found["metrics"]

    assert (event.start, event.where.device) == (STARTED + 11_000, 1)
    assert event.fields["attributes"]["kernel"].startswith("kernel(")
    assert (event.fields["value"], event.fields["additive"]) == (320, True)
    assert (other.start, other.where.device, other.fields["name"]) == (None, None, "event 9")
    assert [one.fields["value"] for one in metrics] == [93.75, 21]
    assert [(one.kind, one.fields["additive"]) for one in metrics] == [(Kind.METRIC, False)] * 2


def test_kernels_kept_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit a counter has no kernel."""
    monkeypatch.setattr(nvprof_counters, "MOST_KERNELS", 0)
    made_up_nvprof.make_all(tmp_path / "db")

    with (tmp_path / "db").open("rb") as stream, sqlite_files.connect(stream) as connection:
        names = Names(connection, sqlite_files.tables(connection))
        (event,) = nvprof_counters.events(connection, names)

    assert event.start is None
    assert "kernel" not in event.fields["attributes"]
