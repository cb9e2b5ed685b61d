"""Exports that look like those of Nsight Systems, of any size, with varied names and values.

    python tests/made_up_nsys.py FILE [KERNELS]

`old` is the schema of 2022: EXPORT_META_DATA, all tables there though empty, NVTX texts in place;
`new` that of 2025: META_DATA_EXPORT, tables only where they hold something, columns in between.
"""

from __future__ import annotations

import random
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

UTC = 1_781_267_898_002_099_210
PID, GPUS, THREADS, STREAMS = 4711, 4, 8, 16
VM = 1 << 48
TID_BITS = 24
GLOBAL_PID = VM + (PID << TID_BITS)
TYPES = ("float", "double", "int", "__half", "long", "unsigned char")
VERBS = ("gemm", "reduce", "scan", "softmax", "layer_norm", "im2col", "transpose", "stencil")
CALLS = ("cudaLaunchKernel_v7000", "cudaMemcpyAsync_v3020", "cudaStreamSynchronize_v3020")
OS_CALLS = ("pthread_cond_wait", "poll", "read", "ioctl", "sem_timedwait", "fopen")
KERNEL_NAMES, FUNCTIONS, CHAIN_KINDS = 400, 2000, 3000
PERIOD = 1_000_000

TABLES = {
    "StringIds": "id INTEGER NOT NULL PRIMARY KEY, value TEXT NOT NULL",
    "TARGET_INFO_SESSION_START_TIME": "utcEpochNs INTEGER, utcTime TEXT, localTime TEXT",
    "TARGET_INFO_GPU": "vmId INTEGER NOT NULL, id INTEGER NOT NULL, name TEXT",
    "ThreadNames": "nameId INTEGER NOT NULL, priority INTEGER, globalTid INTEGER",
    "TARGET_INFO_GPU_METRICS": "typeId INTEGER, metricId INTEGER, metricName TEXT",
    "CUPTI_ACTIVITY_KIND_KERNEL": (
        "start INTEGER NOT NULL, end INTEGER NOT NULL, deviceId INTEGER NOT NULL,"
        " contextId INTEGER NOT NULL,{new} streamId INTEGER NOT NULL, correlationId INTEGER,"
        " globalPid INTEGER, demangledName INTEGER NOT NULL, shortName INTEGER NOT NULL,"
        " mangledName INTEGER, registersPerThread INTEGER NOT NULL, gridX INTEGER NOT NULL,"
        " gridY INTEGER NOT NULL, gridZ INTEGER NOT NULL, blockX INTEGER NOT NULL,"
        " blockY INTEGER NOT NULL, blockZ INTEGER NOT NULL, staticSharedMemory INTEGER NOT NULL,"
        " dynamicSharedMemory INTEGER NOT NULL, graphNodeId INTEGER"
    ),
    "CUPTI_ACTIVITY_KIND_MEMCPY": (
        "start INTEGER NOT NULL, end INTEGER NOT NULL, deviceId INTEGER NOT NULL,"
        " contextId INTEGER NOT NULL,{new} streamId INTEGER NOT NULL, correlationId INTEGER,"
        " globalPid INTEGER, bytes INTEGER NOT NULL, copyKind INTEGER NOT NULL, srcKind INTEGER,"
        " dstKind INTEGER"
    ),
    "CUPTI_ACTIVITY_KIND_RUNTIME": (
        "start INTEGER NOT NULL, end INTEGER NOT NULL, eventClass INTEGER NOT NULL,"
        " globalTid INTEGER, correlationId INTEGER, nameId INTEGER NOT NULL,"
        " returnValue INTEGER NOT NULL, callchainId INTEGER"
    ),
    "NVTX_EVENTS": (
        "start INTEGER NOT NULL, end INTEGER, eventType INTEGER NOT NULL, rangeId INTEGER,"
        " category INTEGER, color INTEGER, text TEXT, globalTid INTEGER, endGlobalTid INTEGER,"
        " textId INTEGER, domainId INTEGER, uint64Value INTEGER"
    ),
    "OSRT_API": (
        "start INTEGER NOT NULL, end INTEGER NOT NULL, eventClass INTEGER NOT NULL,"
        " globalTid INTEGER, nameId INTEGER NOT NULL, returnValue INTEGER NOT NULL,"
        " nestingLevel INTEGER, callchainId INTEGER"
    ),
    "SCHED_EVENTS": (
        "start INTEGER NOT NULL, cpu INTEGER NOT NULL, isSchedIn INTEGER NOT NULL,"
        " globalTid INTEGER"
    ),
    "COMPOSITE_EVENTS": (
        "id INTEGER NOT NULL PRIMARY KEY, start INTEGER NOT NULL, cpu INTEGER,"
        " threadState INTEGER, globalTid INTEGER, cpuCycles INTEGER NOT NULL"
    ),
    "SAMPLING_CALLCHAINS": (
        "id INTEGER NOT NULL, symbol INTEGER NOT NULL, module INTEGER NOT NULL,"
        " kernelMode INTEGER, unresolved INTEGER, originalIP INTEGER, stackDepth INTEGER NOT NULL,"
        " PRIMARY KEY (id, stackDepth)"
    ),
    "GPU_METRICS": (
        "timestamp INTEGER NOT NULL, typeId INTEGER NOT NULL, metricId INTEGER NOT NULL,"
        " value INTEGER NOT NULL"
    ),
}
METRICS = ("SMs Active [Throughput %]", "GPC Clock Frequency [MHz]")

Row = tuple[object, ...]


@dataclass(frozen=True)
class Made:
    """What was put into an export: rows by table, and the time of all kernels."""

    rows: dict[str, int]
    kernel_nanoseconds: int


def make(path: Path, *, schema: str = "new", kernels: int = 100, seed: int = 1) -> Made:
    """Write an export with so many kernels, and as many of other events as go with them."""
    chance = random.Random(seed)
    strings = list(_strings(chance))
    times = [chance.randrange(1_000, 1_000_000) for _ in range(kernels)]
    filled: dict[str, Iterable[Row]] = {
        "StringIds": enumerate(strings),
        "TARGET_INFO_SESSION_START_TIME": [(UTC, "2026-06-12T12:38:18", "2026-06-12T12:38:18")],
        "TARGET_INFO_GPU": [(VM, gpu, f"NVIDIA H100 {gpu}") for gpu in range(GPUS)],
        "ThreadNames": [(len(strings) - 1, 20, _thread(one)) for one in range(THREADS)],
        "TARGET_INFO_GPU_METRICS": [
            (gpu, number, name) for gpu in range(GPUS) for number, name in enumerate(METRICS)
        ],
        "CUPTI_ACTIVITY_KIND_KERNEL": _kernels(chance, times, schema),
        "CUPTI_ACTIVITY_KIND_MEMCPY": _copies(chance, kernels // 5, schema),
        "CUPTI_ACTIVITY_KIND_RUNTIME": _calls(chance, kernels),
        "NVTX_EVENTS": _ranges(chance, kernels // 2),
        "OSRT_API": _os_calls(chance, kernels // 4),
        "SCHED_EVENTS": _scheduling(chance, kernels // 4),
        "COMPOSITE_EVENTS": _samples(chance, kernels // 4),
        "SAMPLING_CALLCHAINS": _chains(chance, kernels // 4),
        "GPU_METRICS": _metrics(chance, kernels // 10),
    }
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        _facts(connection, schema)
        counts = {name: _fill(connection, name, rows, schema) for name, rows in filled.items()}
    return Made(counts, sum(times))


def write(path: Path, **tables: Sequence[Mapping[str, object]]) -> Path:
    """A small export with just these tables, a row a mapping; columns have the types of values."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for name, rows in tables.items():
            columns = list(dict.fromkeys(column for row in rows for column in row))
            connection.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
            marks = ", ".join("?" * len(columns))
            filled = [[row.get(column) for column in columns] for row in rows]
            connection.executemany(f"INSERT INTO {name} VALUES ({marks})", filled)  # noqa: S608
    return path


def strings(*texts: str) -> list[dict[str, object]]:
    """StringIds, numbered from 0."""
    return [{"id": number, "value": text} for number, text in enumerate(texts)]


SESSION = [{"utcEpochNs": UTC}]


def _facts(connection: sqlite3.Connection, schema: str) -> None:
    table = "META_DATA_EXPORT" if schema == "new" else "EXPORT_META_DATA"
    version = "2025.1.3.140" if schema == "new" else "2022.2.1.31"
    connection.execute(f"CREATE TABLE {table} (name TEXT, value TEXT)")
    facts = {"EXPORT_PRODUCT_VERSION": version, "EXPORT_PARAM_TIME_SHIFT": "0"}
    connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", facts.items())  # noqa: S608


def _fill(connection: sqlite3.Connection, name: str, rows: Iterable[Row], schema: str) -> int:
    """A table with its rows; the new schema has none without rows."""
    new = " greenContextId INTEGER," if schema == "new" else ""
    definition = TABLES[name].format(new=new)
    connection.execute(f"CREATE TABLE {name} ({definition})")
    columns = len(connection.execute(f"PRAGMA table_info({name})").fetchall())
    marks = ", ".join("?" * columns)
    connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)  # noqa: S608
    count = int(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0])  # noqa: S608
    if not count and schema == "new":
        connection.execute(f"DROP TABLE {name}")
    return count


def _strings(chance: random.Random) -> Iterator[str]:
    """Kernels, then CUDA's calls, the system's, functions, and a file at the end."""
    for number in range(KERNEL_NAMES):
        kind, verb = chance.choice(TYPES), chance.choice(VERBS)
        sizes = f"{chance.randrange(1, 9)}, {chance.randrange(32, 513)}"
        yield f"void lib{number % 17}::{verb}_{number}<{kind}, {sizes}>({kind} const *, {kind} *)"
    yield from CALLS
    yield from OS_CALLS
    for number in range(FUNCTIONS):
        yield f"app::{chance.choice(VERBS)}::step{number}(std::vector<{chance.choice(TYPES)}> &)"
    yield "/opt/app/lib/libapp.so"


FIRST_CALL = KERNEL_NAMES
FIRST_OS_CALL = FIRST_CALL + len(CALLS)
FIRST_FUNCTION = FIRST_OS_CALL + len(OS_CALLS)
MODULE = FIRST_FUNCTION + FUNCTIONS


def _thread(number: int) -> int:
    return GLOBAL_PID + PID + number


def _kernels(chance: random.Random, times: list[int], schema: str) -> Iterator[Row]:
    start = 10**9
    for number, time in enumerate(times):
        start += chance.randrange(100, 5000)
        name = int(chance.random() ** 2 * KERNEL_NAMES)
        new = (None,) if schema == "new" else ()
        yield (
            *(start, start + time, number % GPUS, 1, *new, 7 + chance.randrange(STREAMS), number),
            *(GLOBAL_PID, name, name, None, 16 + name % 200, 1 + chance.randrange(400), 1, 1),
            *(32 << name % 5, 1, 1, name % 3 * 1024, 0, None),
        )


def _copies(chance: random.Random, count: int, schema: str) -> Iterator[Row]:
    for number in range(count):
        start = 10**9 + number * 9_000
        new = (None,) if schema == "new" else ()
        size, kind = chance.randrange(1, 1 << 24), chance.choice((1, 2, 8))
        end = start + size // 12 + 1_000
        yield start, end, number % GPUS, 1, *new, 7, number, GLOBAL_PID, size, kind, 0, 2


def _calls(chance: random.Random, count: int) -> Iterator[Row]:
    for number in range(count):
        start = 10**9 + number * 2_500
        name = FIRST_CALL + min(chance.randrange(12), 2)
        end = start + chance.randrange(500, 90_000)
        yield start, end, 0, _thread(chance.randrange(THREADS)), number, name, 0, None


def _ranges(chance: random.Random, count: int) -> Iterator[Row]:
    """Steps, each around some parts; half of the texts are numbers, half in place."""
    rest = (None,) * 2
    yield 0, None, 75, *rest, None, "app", _thread(0), None, None, 1, None
    for number in range(count):
        step, part = divmod(number, 5)
        start = 10**9 + step * 50_000 + part * 9_000
        end = start + (45_000 if not part else chance.randrange(1_000, 8_000))
        text = (f"step {step}", None) if not part else (None, FIRST_FUNCTION + part)
        thread, payload = _thread(step % THREADS), step if not part else None
        yield start, end, 59, *rest, None, text[0], thread, None, text[1], 1, payload


def _os_calls(chance: random.Random, count: int) -> Iterator[Row]:
    for number in range(count):
        start = 10**9 + number * 10_000
        name = FIRST_OS_CALL + chance.randrange(len(OS_CALLS))
        end = start + chance.randrange(1_000, 2_000_000)
        yield start, end, 27, _thread(number % THREADS), name, chance.randrange(512), 0, 0


def _scheduling(chance: random.Random, count: int) -> Iterator[Row]:
    for number in range(count):
        moment = 10**9 + number // THREADS * 40_000 + chance.randrange(1_000)
        yield moment, number % 4, int(number // THREADS % 2 == 0), _thread(number % THREADS)


def _samples(chance: random.Random, count: int) -> Iterator[Row]:
    for number in range(count):
        start = 10**9 + number // THREADS * PERIOD + chance.randrange(900)
        yield number + 1, start, number % 4, 1, _thread(number % THREADS), 1


def _chains(chance: random.Random, count: int) -> Iterator[Row]:
    kinds = [
        [int(chance.random() ** 2 * FUNCTIONS) for _ in range(chance.randrange(1, 24))]
        for _ in range(CHAIN_KINDS)
    ]
    for number in range(count):
        for depth, name in enumerate(kinds[int(chance.random() ** 2 * CHAIN_KINDS)]):
            unresolved = 1 if name % 50 == 0 else None
            address = 0x55_0000_0000 + name * 64
            symbol = FIRST_FUNCTION + name
            yield number + 1, symbol, MODULE, None, unresolved, address, depth


def _metrics(chance: random.Random, count: int) -> Iterator[Row]:
    for number in range(count):
        gpu, metric = number % GPUS, number // GPUS % len(METRICS)
        yield 10**9 + number * 2_000, gpu, metric, chance.randrange(101 if not metric else 1980)


if __name__ == "__main__":
    made = make(Path(sys.argv[1]), kernels=int(sys.argv[2]) if sys.argv[2:] else 100)
    print(made)
