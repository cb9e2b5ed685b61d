"""The tables of nvprof's databases that list activities: what a GPU does, and CUDA's calls.

Each row has a beginning, an end, a stream, and a number that ties a call to what it began. The rest
is the same in many rows and is told once: a kernel is launched the same way again and again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from profiling_operator.entries import Kind
from profiling_operator.formats import nvprof_calls
from profiling_operator.formats.nvprof_names import Names, number, thread

TIMED = ("start", "end", "correlationId", "streamId")
COPY_KINDS = ("HtoD", "DtoH", "HtoA", "AtoH", "AtoA", "AtoD", "DtoA", "DtoD", "HtoH", "PtoP")
MEMORY_KINDS = ("", "Pageable", "Pinned", "Device", "Array", "Managed")
MEMORY_KINDS_STATIC = ("Device Static", "Managed Static")
ASYNCHRONOUS = 1

Values = tuple[Any, ...]


class Steady(NamedTuple):
    """What rows have in common that differ in their times only."""

    name: str
    process: int | None
    thread: int | None
    device: int | None
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Which columns are asked for besides TIMED, and what they mean."""

    kind: Kind
    columns: tuple[str, ...]
    describe: Callable[[Names, Values], Steady]
    additive: bool = True


def _known(names: Names, device: object, context: object, **more: Any) -> dict[str, Any]:
    """Attributes, without those that the database does not have."""
    ordinal = number(device)
    name = None if ordinal is None else names.devices.get(ordinal)
    found = {"deviceName": name or None, "context": number(context), **more}
    return {key: value for key, value in found.items() if value is not None}


def _kernel(names: Names, values: Values) -> Steady:
    device, context, name, *launch = values
    sizes = [number(one) for one in launch[:6]]
    attributes = _known(
        names,
        device,
        context,
        grid=None if None in sizes else sizes[:3],
        block=None if None in sizes else sizes[3:],
        registersPerThread=number(launch[6]),
        staticSharedMemory=number(launch[7]),
        dynamicSharedMemory=number(launch[8]),
    )
    return Steady(names.function(name), names.process, None, number(device), attributes)


def _copy(names: Names, values: Values) -> Steady:
    device, context, kind, source, target, size, flags, *between = values
    attributes = _known(
        names,
        device,
        context,
        bytes=number(size),
        srcMemType=_memory(source),
        dstMemType=_memory(target),
        srcDevice=number(between[0]) if between else None,
        dstDevice=number(between[1]) if between else None,
        asynchronous=True if flags == ASYNCHRONOUS else None,
    )
    name = f"[CUDA memcpy {_one_of(COPY_KINDS, kind, 1) or 'Unknown'}]"
    return Steady(name, names.process, None, number(device), attributes)


def _set(names: Names, values: Values) -> Steady:
    device, context, memory, size, value = values
    attributes = _known(
        names, device, context, bytes=number(size), value=number(value), srcMemType=_memory(memory)
    )
    return Steady("[CUDA memset]", names.process, None, number(device), attributes)


def _runtime(names: Names, values: Values) -> Steady:
    return _called(nvprof_calls.runtime_call(values[0]), values)


def _driver(names: Names, values: Values) -> Steady:
    return _called(nvprof_calls.driver_call(values[0]), values)


def _called(name: str, values: Values) -> Steady:
    _, process, of_thread, result = values
    attributes = {"returnValue": result} if number(result) else {}
    return Steady(name, number(process), thread(of_thread), None, attributes)


def _memory(kind: object) -> str | None:
    """As nvprof prints it."""
    return _one_of(MEMORY_KINDS, kind, 0) or _one_of(MEMORY_KINDS_STATIC, kind, 6)


def _one_of(texts: tuple[str, ...], value: object, first: int) -> str | None:
    at = number(value)
    return texts[at - first] if at is not None and 0 <= at - first < len(texts) else None


GPU = ("deviceId", "contextId")
LAUNCH = (
    *GPU, "name", "gridX", "gridY", "gridZ", "blockX", "blockY", "blockZ",
    "registersPerThread", "staticSharedMemory", "dynamicSharedMemory",
)  # fmt: skip
COPY = (*GPU, "copyKind", "srcKind", "dstKind", "bytes", "flags")
CALL = ("cbid", "processId", "threadId", "returnValue")

TABLES: dict[str, Table] = {
    "CONCURRENT_KERNEL": Table(Kind.KERNEL, LAUNCH, _kernel),
    "KERNEL": Table(Kind.KERNEL, LAUNCH, _kernel),
    "CDP_KERNEL": Table(Kind.KERNEL, LAUNCH, _kernel, additive=False),
    "MEMCPY": Table(Kind.MEMCPY, COPY, _copy),
    "MEMCPY2": Table(Kind.MEMCPY, (*COPY, "srcDeviceId", "dstDeviceId"), _copy),
    "MEMSET": Table(Kind.MEMSET, (*GPU, "memoryKind", "bytes", "value"), _set),
    "RUNTIME": Table(Kind.API, CALL, _runtime),
    "DRIVER": Table(Kind.API, CALL, _driver),
}
"""By name; kernels stand in the first one, unless nvprof was told to launch one at a time. Kernels
that kernels launch run within those."""
