"""Which tables of an export hold what: an event a row, with its start and its end.

A row's columns are of two sorts: those that differ from row to row (times, sizes, correlation), and
those that are the same in many, from which a description is made once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from profiling_operator.entries import Kind
from profiling_operator.formats.nsys_export import Export
from profiling_operator.formats.nsys_names import UNKNOWN, clean

Values = Mapping[str, object]
NOTHING: Mapping[str, Any] = MappingProxyType({})

# cudaLaunchKernel_v7000
VERSION = re.compile(r"_v\d{4,6}$")
# CUPTI_ACTIVITY_KIND_OPENACC_DATA   CUBLAS_EVENTS   OPENMP_EVENT_KIND_TASK   NVVIDEO_ENCODER_API
AFFIXES = re.compile(r"^CUPTI_ACTIVITY_KIND_|(?:_EVENT_KIND|_EVENTS|_EVENT|_API)(?=_|$)")

# ENUM_CUDA_MEMCPY_OPER, in the words of nvprof, so that names do not depend on the tool.
COPIES = {
    0: "[CUDA memcpy]", 1: "[CUDA memcpy HtoD]", 2: "[CUDA memcpy DtoH]", 3: "[CUDA memcpy HtoA]",
    4: "[CUDA memcpy AtoH]", 5: "[CUDA memcpy AtoA]", 6: "[CUDA memcpy AtoD]",
    7: "[CUDA memcpy DtoA]", 8: "[CUDA memcpy DtoD]", 9: "[CUDA memcpy HtoH]",
    10: "[CUDA memcpy PtoP]", 11: "[Unified Memory Memcpy HtoD]",
    12: "[Unified Memory Memcpy DtoH]", 13: "[Unified Memory Memcpy DtoD]",
}  # fmt: skip
UNIFIED = frozenset({11, 12, 13})  # while they run, kernels wait for them
# ENUM_CUDA_MEM_KIND, ENUM_CUPTI_SYNC_TYPE, ENUM_NSYS_EVENT_CLASS
MEMORIES = {
    0: "Pageable", 1: "Pinned", 2: "Device", 3: "Array", 4: "Managed", 5: "Device Static",
    6: "Managed Static",
}  # fmt: skip
WAITS = {1: "Event sync", 2: "Stream wait sync", 3: "Stream sync", 4: "Context sync"}
APIS = {0: "runtime", 1: "driver"}
OS_CALL = 27  # ENUM_NSYS_EVENT_CLASS: others in OSRT_API are marks of nsys's own


class What(NamedTuple):
    """What rows of a table have in common that tell of the same thing."""

    name: str
    additive: bool
    attributes: Mapping[str, Any] = NOTHING
    is_told: bool = True
    """Others are left out: marks of nsys's own."""


class Where(NamedTuple):
    """What rows of a table have in common that happened in the same place."""

    process: int | None
    thread: int | None
    device: int | None
    stream: int | None
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Shape:
    """How one table is read."""

    table: str
    kind: Kind
    place: tuple[str, ...]
    """ON_GPU, or IN_THREAD."""
    columns: tuple[str, ...]
    """Those from which `describe` makes what a row tells of."""
    describe: Callable[[Export, Values], What]
    fleeting: tuple[tuple[str, str], ...] = ()
    """At most two columns, each with its attribute."""
    sized: tuple[str, ...] = ()
    """The columns of a launch's size."""


ON_GPU = ("globalPid", "deviceId", "streamId", "contextId")
IN_THREAD = ("globalTid",)
SIZES = ("gridX", "gridY", "gridZ", "blockX", "blockY", "blockZ")


def where(export: Export, row: tuple[object, ...]) -> Where:
    """The place of a row, by the columns of its shape's `place`."""
    if len(row) == len(IN_THREAD):
        return Where(*export.threads[_whole(row[0])], None, None, NOTHING)
    process, device, stream, context = map(_whole, row)
    attributes = NOTHING if context is None else {"context": context}
    return Where(export.threads[process][0], None, device, stream, attributes)


def size(row: tuple[object, ...]) -> Mapping[str, Any]:
    """How large a launch was, by the columns of SIZES; nothing for what is none."""
    if not row or not all(isinstance(one, int) for one in row):
        return NOTHING
    return {"grid": list(row[:3]), "block": list(row[3:])}


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def number(values: Values, column: str) -> int | None:
    """A column's number; the types of a hostile file's values are not its columns'."""
    return _whole(values.get(column))


def _numbers(values: Values, columns: tuple[str, ...]) -> dict[str, Any]:
    found = ((one, number(values, one)) for one in columns)
    return {name: value for name, value in found if value is not None}


KERNEL_NUMBERS = (
    *("registersPerThread", "staticSharedMemory", "dynamicSharedMemory"),
    *("localMemoryPerThread", "graphNodeId"),
)


def _kernel(export: Export, values: Values) -> What:
    names = (
        export.names[number(values, f"{one}Name")] for one in ("demangled", "mangled", "short")
    )
    name = next((one for one in names if one != UNKNOWN), UNKNOWN)
    return What(name, True, _numbers(values, KERNEL_NUMBERS))


def _copy(export: Export, values: Values) -> What:
    kinds = {"srcMemType": number(values, "srcKind"), "dstMemType": number(values, "dstKind")}
    more = {key: MEMORIES[kind] for key, kind in kinds.items() if kind in MEMORIES}
    kind = number(values, "copyKind") or 0
    more |= _numbers(values, ("graphNodeId",))
    return What(COPIES.get(kind, COPIES[0]), kind not in UNIFIED, more)


def _set(export: Export, values: Values) -> What:
    return What("[CUDA memset]", True, _numbers(values, ("graphNodeId",)))


def _graph(export: Export, values: Values) -> What:
    """A graph of kernels as a whole, where its nodes are not traced by themselves."""
    return What("[CUDA graph]", True, _numbers(values, ("graphId", "graphExecId")))


def _wait(export: Export, values: Values) -> What:
    name = WAITS.get(number(values, "syncType") or 0, "Synchronization")
    return What(name, False, {"api": "synchronization"})


def _cuda(export: Export, values: Values) -> What:
    name = VERSION.sub("", export.names[number(values, "nameId")])
    api = APIS.get(number(values, "eventClass") or 0)
    return What(name, True, {"api": api} if api else NOTHING)


def _os(export: Export, values: Values) -> What:
    """A call of the C library's; nested ones are in another's time."""
    level = number(values, "nestingLevel") or 0
    is_told = number(values, "eventClass") in {OS_CALL, None}
    name = export.names[number(values, "nameId")]
    return What(name, not level, {"nestingLevel": level} if level else NOTHING, is_told)


def _mpi(export: Export, values: Values) -> What:
    more = {"api": "mpi"} | _numbers(values, ("remoteRank", "rootRank", "tag"))
    return What(export.names[number(values, "textId")], True, more)


def _overhead(export: Export, values: Values) -> What:
    """What nsys did itself while the program ran."""
    return What(export.names[number(values, "nameId")], False, {"group": "profiler overhead"})


KIND = "CUPTI_ACTIVITY_KIND_"
MPI = ("P2P", "COLLECTIVES", "START_WAIT", "OTHER")
CALL = ("nameId", "eventClass")
CORRELATED = ("correlationId", "correlationId")
BYTES, RETURNED = ("bytes", "bytes"), ("returnValue", "returnValue")
NAMES = ("demangledName", "mangledName", "shortName")
COPIED = ("copyKind", "srcKind", "dstKind", "graphNodeId")
RANKED = ("textId", "remoteRank", "rootRank", "tag")

SHAPES: tuple[Shape, ...] = (
    Shape(
        f"{KIND}KERNEL", Kind.KERNEL, ON_GPU, (*NAMES, *KERNEL_NUMBERS), _kernel,
        (CORRELATED,), SIZES,
    ),
    Shape(f"{KIND}GRAPH_TRACE", Kind.KERNEL, ON_GPU, ("graphId", "graphExecId"), _graph),
    Shape(f"{KIND}MEMCPY", Kind.MEMCPY, ON_GPU, COPIED, _copy, (CORRELATED, BYTES)),
    Shape(f"{KIND}MEMSET", Kind.MEMSET, ON_GPU, ("graphNodeId",), _set, (CORRELATED, BYTES)),
    Shape(f"{KIND}SYNCHRONIZATION", Kind.API, ON_GPU, ("syncType",), _wait, (CORRELATED,)),
    Shape(f"{KIND}RUNTIME", Kind.API, IN_THREAD, CALL, _cuda, (CORRELATED, RETURNED)),
    Shape(f"{KIND}DRIVER", Kind.API, IN_THREAD, CALL, _cuda, (CORRELATED, RETURNED)),
    *(
        Shape(f"MPI_{one}_EVENTS", Kind.API, IN_THREAD, RANKED, _mpi, (("size", "bytes"),))
        for one in MPI
    ),
    Shape("OSRT_API", Kind.OS, IN_THREAD, (*CALL, "nestingLevel"), _os, (RETURNED,)),
    Shape("PROFILER_OVERHEAD", Kind.OS, IN_THREAD, CALL, _overhead),
    Shape(f"{KIND}OVERHEAD", Kind.OS, IN_THREAD, CALL, _overhead),
)  # fmt: skip

READ_OTHERWISE = frozenset({"NVTX_EVENTS", "CUDA_UM_GPU_PAGE_FAULT_EVENTS"})
MOST_OTHERS = 200


def others(export: Export) -> list[Shape]:
    """Tables of further libraries: whatever has a start, an end, a thread and a name."""
    known = {one.table for one in SHAPES} | READ_OTHERWISE
    return [
        shape
        for table in sorted(export.tables - known)[:MOST_OTHERS]
        if (shape := _other(export, table)) is not None
    ]


def _other(export: Export, table: str) -> Shape | None:
    if not all(export.has(table, one) for one in ("start", "end", "globalTid")):
        return None
    named = next((one for one in ("nameId", "textId") if export.has(table, one)), "")
    api = clean(AFFIXES.sub("", table).lower())

    def describe(export: Export, values: Values) -> What:
        return What(export.names[number(values, named)], False, {"api": api})

    return Shape(table, Kind.API, IN_THREAD, (named,), describe) if named else None
