"""What nvprof's databases count: unified memory, and events and metrics of kernels.

Events and metrics have numbers that mean something else on each GPU, so they are named by them.
"""

from __future__ import annotations

import functools
import math
import sqlite3
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from profiling_operator.entries import Kind, Number
from profiling_operator.formats import sqlite_files
from profiling_operator.formats.nvprof_markers import Moment
from profiling_operator.formats.nvprof_names import PREFIX, Names, Where, number

MOST_KERNELS = 200_000
LARGEST_COUNT = 1 << 52
VALUE_BYTES = 8
REPLAYED = {"replayed": True}


class _Unified(NamedTuple):
    """What a kind of counter of unified memory is, and whose."""

    name: str
    is_copy: bool = False
    of_target: bool = False
    counts: bool = False
    """Its value is a count; else each row is one, and its value another thing."""
    has_bytes: bool = False


UNIFIED = {
    1: _Unified("[Unified Memory Memcpy HtoD]", is_copy=True, of_target=True, has_bytes=True),
    2: _Unified("[Unified Memory Memcpy DtoH]", is_copy=True, has_bytes=True),
    3: _Unified("[Unified Memory CPU page faults]"),
    4: _Unified("[Unified Memory GPU page faults]", counts=True),
    5: _Unified("[Unified Memory page thrash]", has_bytes=True),
    6: _Unified("[Unified Memory page throttle]"),
    7: _Unified("[Unified Memory remote mapping]", has_bytes=True),
    8: _Unified("[Unified Memory Memcpy DtoD]", is_copy=True, has_bytes=True),
}
OF_CPU = frozenset({3, 5, 6})


def unified(connection: sqlite3.Connection, names: Names) -> Iterator[Moment]:
    """Copies with their bytes, which kernels wait for; faults and the like as counters."""
    columns = ("counterKind", "value", "start", "end", "srcId", "dstId", "streamId", "processId")
    table = f"{PREFIX}UNIFIED_MEMORY_COUNTER"
    for kind, value, start, end, source, target, stream, process in sqlite_files.select(
        connection, table, columns
    ):
        known = UNIFIED.get(kind) or _Unified(f"[Unified Memory counter {kind!s:.40}]", counts=True)
        device = None if kind in OF_CPU else number(target if known.of_target else source)
        amount = number(value)
        fields: dict[str, Any] = {"name": known.name}
        if known.has_bytes and amount is not None:
            fields["attributes"] = {"bytes": amount}
        if known.is_copy:
            of = Where(number(process), None, device, number(stream))
            yield Moment(Kind.MEMCPY, start, end, of, fields)
            continue
        fields |= _valued(amount if known.counts else 1)
        of = Where(number(process), None, device)
        yield Moment(Kind.COUNTER, start, None, of, {**fields, "additive": True})


def _valued(value: Number | None) -> dict[str, Any]:
    return {} if value is None else {"value": value, "unit": "1"}


class _Kernels:
    """When the kernels began that were counted, and on which GPU; found when asked; bounded."""

    def __init__(self, connection: sqlite3.Connection, tables: frozenset[str]) -> None:
        self._connection = connection
        self._tables = tables

    @functools.cached_property
    def _known(self) -> dict[int, tuple[Any, Any, Any]]:
        known: dict[int, tuple[Any, Any, Any]] = {}
        columns = ("correlationId", "start", "deviceId", "name")
        for table in {f"{PREFIX}CONCURRENT_KERNEL", f"{PREFIX}KERNEL"} & self._tables:
            for correlation, start, device, name in sqlite_files.select(
                self._connection, table, columns
            ):
                if len(known) >= MOST_KERNELS:
                    return known
                known[correlation] = (start, device, name)
        return known

    def of(self, correlation: object) -> tuple[Any, Any, Any] | None:
        """Start, GPU and number of the name."""
        return self._known.get(correlation) if type(correlation) is int else None


def events(connection: sqlite3.Connection, names: Names) -> Iterator[Moment]:
    """What was counted while a kernel ran."""
    kernels = _Kernels(connection, names.tables)
    columns = ("id", "value", "correlationId", "domain")
    for identity, value, correlation, domain in sqlite_files.select(
        connection, f"{PREFIX}EVENT", columns
    ):
        name = f"event {identity!s:.40}"
        more = {"domain": domain} if number(domain) is not None else {}
        fields = _of_kernel(names, name, number(value), correlation, kernels)
        fields["attributes"] |= more
        yield _counted(Kind.COUNTER, fields, kernels.of(correlation), names)


def metrics(connection: sqlite3.Connection, names: Names) -> Iterator[Moment]:
    """Metrics of kernels: eight bytes that are a count or a floating-point number."""
    kernels = _Kernels(connection, names.tables)
    columns = ("id", "value", "correlationId")
    for identity, value, correlation in sqlite_files.select(connection, f"{PREFIX}METRIC", columns):
        name = f"metric {identity!s:.40}"
        fields = _of_kernel(names, name, metric_value(value), correlation, kernels)
        yield _counted(Kind.METRIC, fields, kernels.of(correlation), names)


def metric_value(value: object) -> Number | None:
    """A metric's value. Its type is not told: as a count, no floating-point number is small."""
    if not isinstance(value, bytes) or len(value) != VALUE_BYTES:
        return number(value)
    count = int.from_bytes(value, "little")
    if count < LARGEST_COUNT:
        return count
    found: float = struct.unpack("<d", value)[0]
    return found if math.isfinite(found) else None


def _of_kernel(
    names: Names, name: str, value: Number | None, correlation: object, kernels: _Kernels
) -> dict[str, Any]:
    kernel = kernels.of(correlation)
    attributes: dict[str, Any] = dict(REPLAYED)
    if kernel:
        attributes["kernel"] = names.function(kernel[2])
    if number(correlation) is not None:
        attributes["correlationId"] = correlation
    return {"name": name, "metric": name, "attributes": attributes, **_valued(value)}


def _counted(
    kind: Kind, fields: dict[str, Any], kernel: tuple[Any, Any, Any] | None, names: Names
) -> Moment:
    """At its kernel's beginning, or at the beginning of the run."""
    start, device = (kernel[0], number(kernel[1])) if kernel else (None, None)
    fields["additive"] = kind is Kind.COUNTER
    return Moment(kind, start, None, Where(names.process, None, device), fields)
