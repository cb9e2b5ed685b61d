"""Events of Nsight Systems' exports as entries."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

import made_up_nsys
from made_up_nsys import GLOBAL_PID, PID, SESSION, UTC
from profiling_operator.captures import Capture
from profiling_operator.entries import Entry, Kind, epoch_nanoseconds
from profiling_operator.formats import nsys_events
from profiling_operator.formats.nsys_events import Events
from profiling_operator.formats.nsys_export import Export
from profiling_operator.formats.nsys_shapes import SHAPES
from profiling_operator.frozen import Frozen

TID = GLOBAL_PID + PID


def events(path: Path, **tables: Any) -> Events:
    """The events of an export with these tables."""
    given = {"TARGET_INFO_SESSION_START_TIME": SESSION} | tables
    made_up_nsys.write(path / "a.sqlite", **given)
    capture = Capture((), Frozen(), 0, job="ns/job", run=3, host="node")
    return Events(Export(sqlite3.connect(path / "a.sqlite"), capture))


def of(found: Events, table: str) -> list[Entry]:
    """The entries of a table."""
    return list(found.of(next(one for one in SHAPES if one.table == table)))


KERNEL = {
    "start": 10, "end": 25, "globalPid": GLOBAL_PID, "deviceId": 2, "streamId": 7, "contextId": 1,
    "demangledName": 0, "correlationId": 99, "registersPerThread": 32, "staticSharedMemory": 0,
    "gridX": 2, "gridY": 3, "gridZ": 1, "blockX": 512, "blockY": 1, "blockZ": 1,
}  # fmt: skip


def test_a_kernel(tmp_path: Path) -> None:
    """Times by the wall clock, its size, its place, and what ties it to its call."""
    names = made_up_nsys.strings("saxpy(double *, int)")
    found = events(tmp_path, StringIds=names, CUPTI_ACTIVITY_KIND_KERNEL=[KERNEL])

    (entry,) = of(found, "CUPTI_ACTIVITY_KIND_KERNEL")

    assert entry == Entry(
        time="2026-06-12T12:38:18.002099220Z",
        job="ns/job",
        run=3,
        collector="nsys",
        kind=Kind.KERNEL,
        name="saxpy(double *, int)",
        additive=True,
        host="node",
        process=PID,
        device=2,
        stream=7,
        metric="TIME",
        unit="ns",
        duration=15,
        attributes={
            "grid": [2, 3, 1],
            "block": [512, 1, 1],
            "registersPerThread": 32,
            "staticSharedMemory": 0,
            "context": 1,
            "correlationId": 99,
        },
    )
    assert epoch_nanoseconds(entry.time) == UTC + 10


@pytest.mark.parametrize(
    "spoilt",
    [
        {"start": None},
        {"start": "x"},
        {"start": 1.5},
        {"start": 2**63 - 1},
        {"end": None},
        {"end": b"x"},
        {"end": 9},
        {"end": float("inf")},
    ],
    ids=str,
)
def test_a_row_with_impossible_times_is_left_out(tmp_path: Path, spoilt: dict[str, Any]) -> None:
    """It is counted; the rows around it are there."""
    rows = [KERNEL, KERNEL | spoilt, KERNEL]
    found = events(tmp_path, CUPTI_ACTIVITY_KIND_KERNEL=rows)

    assert len(of(found, "CUPTI_ACTIVITY_KIND_KERNEL")) == 2
    assert found.spoilt == {"CUPTI_ACTIVITY_KIND_KERNEL": 1}


def test_values_of_other_types_are_not_told(tmp_path: Path) -> None:
    """A hostile file's columns hold anything; what is no number is not there."""
    other = {"deviceId": "gpu", "gridX": "many", "correlationId": b"1", "registersPerThread": 1.5}
    found = events(tmp_path, CUPTI_ACTIVITY_KIND_KERNEL=[KERNEL | other])

    (entry,) = of(found, "CUPTI_ACTIVITY_KIND_KERNEL")

    assert (entry.name, entry.device) == ("[unknown]", None)
    assert entry.attributes == {"staticSharedMemory": 0, "context": 1}


def test_memory_is_bounded_whatever_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made for equal rows is forgotten, and comes out the same."""
    monkeypatch.setattr(nsys_events, "KEPT", 4)
    rows = [KERNEL | {"streamId": number % 9, "gridX": number} for number in range(50)]
    found = events(tmp_path, CUPTI_ACTIVITY_KIND_KERNEL=rows)

    told = of(found, "CUPTI_ACTIVITY_KIND_KERNEL")

    assert [one.stream for one in told] == [number % 9 for number in range(50)]
    assert [(one.attributes or {})["grid"][0] for one in told] == list(range(50))


def test_a_thread_on_a_processor(tmp_path: Path) -> None:
    """From where it is put on to where it is taken off; what began before is left out."""
    rows = [
        {"start": 5, "cpu": 1, "isSchedIn": 0, "globalTid": TID},
        {"start": 10, "cpu": 3, "isSchedIn": 1, "globalTid": TID},
        {"start": 40, "cpu": 3, "isSchedIn": 0, "globalTid": TID},
        {"start": 50, "cpu": 3, "isSchedIn": 1, "globalTid": TID},
    ]

    (entry,) = events(tmp_path, SCHED_EVENTS=rows).scheduling()

    assert (entry.kind, entry.name, entry.duration) == (Kind.OS, "[on CPU]", 30)
    assert (entry.process, entry.thread, entry.additive) == (PID, PID, False)
    assert entry.attributes == {"cpu": 3}


def test_scheduling_that_cannot_be(tmp_path: Path) -> None:
    """A processor that is left before it is taken."""
    rows = [
        {"start": 10, "isSchedIn": 1, "globalTid": TID},
        {"start": 4, "isSchedIn": 0, "globalTid": TID},
    ]
    found = events(tmp_path, SCHED_EVENTS=rows)

    assert list(found.scheduling()) == []
    assert found.spoilt == {"SCHED_EVENTS": 1}


def test_counted_things(tmp_path: Path) -> None:
    """Page faults add up; what is allocated is a value at a time."""
    place = {"start": 10, "globalPid": GLOBAL_PID, "deviceId": 1}
    found = events(
        tmp_path,
        CUDA_UM_CPU_PAGE_FAULT_EVENTS=[place],
        CUDA_UM_GPU_PAGE_FAULT_EVENTS=[place | {"numberOfPageFaults": 17}],
        CUDA_GPU_MEMORY_USAGE_EVENTS=[
            place | {"bytes": 4096, "memoryOperationType": 0},
            place | {"bytes": 4096, "memoryOperationType": 1},
            place | {"bytes": None, "memoryOperationType": 1},
        ],
    )

    told = [(one.kind, one.name, one.value, one.unit, one.additive) for one in found.counted()]

    assert told == [
        (Kind.COUNTER, "[Unified Memory CPU page faults]", 1, "1", True),
        (Kind.COUNTER, "[Unified Memory GPU page faults]", 17, "1", True),
        (Kind.METRIC, "[GPU memory allocated]", 4096, "By", False),
        (Kind.METRIC, "[GPU memory freed]", 4096, "By", False),
    ]
    assert found.spoilt == {"CUDA_GPU_MEMORY_USAGE_EVENTS": 1}
