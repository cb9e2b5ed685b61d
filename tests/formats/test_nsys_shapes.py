"""Which tables hold what."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

import made_up_nsys
from made_up_nsys import GLOBAL_PID, PID, SESSION
from profiling_operator.captures import Capture
from profiling_operator.entries import Entry, Kind
from profiling_operator.formats import nsys_shapes
from profiling_operator.formats.nsys_events import Events
from profiling_operator.formats.nsys_export import Export
from profiling_operator.frozen import Frozen

TID = GLOBAL_PID + PID
NAMES = ("cudaLaunchKernel_v7000", "MPI_Send", "poll", "_Z4stepi", "step", "cublasSgemm_v2")
ON_GPU = {"start": 10, "end": 30, "globalPid": GLOBAL_PID, "deviceId": 0, "streamId": 7}
IN_THREAD = {"start": 10, "end": 30, "globalTid": TID}


def only(path: Path, table: str, row: dict[str, Any]) -> Entry | None:
    """The entry that a table's one row makes, if any."""
    tables: dict[str, Any] = {table: [row]}
    names = made_up_nsys.strings(*NAMES)
    made_up_nsys.write(
        path / "a.sqlite", TARGET_INFO_SESSION_START_TIME=SESSION, StringIds=names, **tables
    )
    export = Export(sqlite3.connect(path / "a.sqlite"), Capture((), Frozen(), 0))
    events = Events(export)
    shapes = (*nsys_shapes.SHAPES, *nsys_shapes.others(export))
    found = [entry for shape in shapes for entry in events.of(shape)]
    assert len(found) <= 1 and not events.spoilt
    return found[0] if found else None


@pytest.mark.parametrize(
    ("table", "row", "kind", "name", "additive", "attributes"),
    [
        pytest.param(
            "CUPTI_ACTIVITY_KIND_KERNEL", ON_GPU | {"mangledName": 3}, Kind.KERNEL, "step(int)",
            True, None, id="a kernel of which only the mangled name is known",
        ),
        pytest.param(
            "CUPTI_ACTIVITY_KIND_KERNEL", ON_GPU | {"shortName": 4}, Kind.KERNEL, "step", True,
            None, id="or the short one",
        ),
        pytest.param(
            "CUPTI_ACTIVITY_KIND_GRAPH_TRACE", ON_GPU | {"graphId": 5}, Kind.KERNEL,
            "[CUDA graph]", True, {"graphId": 5}, id="a graph as a whole",
        ),
        pytest.param(
            "CUPTI_ACTIVITY_KIND_MEMCPY",
            ON_GPU | {"copyKind": 1, "srcKind": 0, "dstKind": 2, "bytes": 64, "correlationId": 8},
            Kind.MEMCPY, "[CUDA memcpy HtoD]", True,
            {"srcMemType": "Pageable", "dstMemType": "Device", "correlationId": 8, "bytes": 64},
            id="a copy",
        ),
        pytest.param(
            "CUPTI_ACTIVITY_KIND_MEMCPY", ON_GPU | {"copyKind": 11, "bytes": 64}, Kind.MEMCPY,
            "[Unified Memory Memcpy HtoD]", False, {"bytes": 64}, id="kernels wait for this copy",
        ),
        pytest.param(
            "CUPTI_ACTIVITY_KIND_MEMCPY", ON_GPU | {"copyKind": 77}, Kind.MEMCPY, "[CUDA memcpy]",
            True, None, id="a copy of a kind to come",
        ),
        pytest.param(
            "CUPTI_ACTIVITY_KIND_MEMSET", ON_GPU | {"bytes": 64}, Kind.MEMSET, "[CUDA memset]",
            True, {"bytes": 64}, id="a set",
        ),
        pytest.param(
            "CUPTI_ACTIVITY_KIND_SYNCHRONIZATION", ON_GPU | {"syncType": 3}, Kind.API,
            "Stream sync", False, {"api": "synchronization"}, id="waiting, which a call tells too",
        ),
        pytest.param(
            "CUPTI_ACTIVITY_KIND_RUNTIME",
            IN_THREAD | {"nameId": 0, "eventClass": 0, "returnValue": 2, "correlationId": 8},
            Kind.API, "cudaLaunchKernel", True,
            {"api": "runtime", "correlationId": 8, "returnValue": 2}, id="a call of CUDA's",
        ),
        pytest.param(
            "MPI_P2P_EVENTS", IN_THREAD | {"textId": 1, "size": 8, "remoteRank": 3, "tag": 0},
            Kind.API, "MPI_Send", True, {"api": "mpi", "remoteRank": 3, "tag": 0, "bytes": 8},
            id="a message",
        ),
        pytest.param(
            "OSRT_API", IN_THREAD | {"nameId": 2, "eventClass": 27, "returnValue": 1}, Kind.OS,
            "poll", True, {"returnValue": 1}, id="a system call",
        ),
        pytest.param(
            "OSRT_API", IN_THREAD | {"nameId": 2, "nestingLevel": 1}, Kind.OS, "poll", False,
            {"nestingLevel": 1}, id="a nested one is in the time of another",
        ),
        pytest.param(
            "PROFILER_OVERHEAD", IN_THREAD | {"nameId": 4}, Kind.OS, "step", False,
            {"group": "profiler overhead"}, id="what nsys did itself",
        ),
        pytest.param(
            "CUBLAS_EVENTS", IN_THREAD | {"nameId": 5}, Kind.API, "cublasSgemm_v2", False,
            {"api": "cublas"}, id="any library's calls",
        ),
        pytest.param(
            "OPENMP_EVENT_KIND_TASK", IN_THREAD | {"nameId": 4}, Kind.API, "step", False,
            {"api": "openmp_task"}, id="OpenMP",
        ),
    ],
)  # fmt: skip
def test_what_a_row_is(
    tmp_path: Path,
    table: str,
    row: dict[str, Any],
    kind: Kind,
    name: str,
    additive: bool,
    attributes: dict[str, Any] | None,
) -> None:
    """Kind, name and what else is known; columns that an older nsys lacks are not."""
    entry = only(tmp_path, table, row)

    assert entry is not None
    assert (entry.kind, entry.name, entry.additive) == (kind, name, additive)
    assert entry.attributes == attributes
    assert (entry.process, entry.thread) == (PID, PID if "globalTid" in row else None)


@pytest.mark.parametrize(
    ("table", "row"),
    [
        pytest.param(
            "OSRT_API", IN_THREAD | {"nameId": 2, "eventClass": 31}, id="a mark of nsys's"
        ),
        pytest.param("SLI_STATS", IN_THREAD, id="no name"),
        pytest.param("GPU_EVENTS", {"start": 1, "end": 2, "nameId": 1}, id="no thread"),
    ],
)
def test_what_is_not_told(tmp_path: Path, table: str, row: dict[str, Any]) -> None:
    """Marks of nsys's own, and tables of which too little is known."""
    assert only(tmp_path, table, row) is None
