"""Databases as nvprof writes them (`nvprof -o`), with made-up contents of any size.

Tables and columns are those of nvprof 11.8, which imports these files (`nvprof -i`). Names, values
and the order of things vary with the seed; the same arguments make the same bytes.
"""

from __future__ import annotations

import random
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

STARTED = 1_570_772_107_618_696_186
"""When the first thing began, nanoseconds since the Unix epoch."""
PID = 4711
THREAD = -1_480_525_056  # nvprof keeps 32 bits of a pthread's address, with their sign
VERSION = 12

TABLES = {
    "CONCURRENT_KERNEL": (
        "cacheConfig sharedMemoryConfig registersPerThread partitionedGlobalCacheRequested "
        "partitionedGlobalCacheExecuted start end completed deviceId contextId streamId gridX "
        "gridY gridZ blockX blockY blockZ staticSharedMemory dynamicSharedMemory "
        "localMemoryPerThread localMemoryTotal correlationId gridId name queued submitted "
        "launchType isSharedMemoryCarveoutRequested sharedMemoryCarveoutRequested "
        "sharedMemoryExecuted"
    ),
    "MEMCPY": (
        "copyKind srcKind dstKind flags bytes start end deviceId contextId streamId correlationId "
        "runtimeCorrelationId"
    ),
    "MEMCPY2": (
        "copyKind srcKind dstKind flags bytes start end deviceId contextId streamId srcDeviceId "
        "srcContextId dstDeviceId dstContextId correlationId"
    ),
    "MEMSET": ("value bytes start end deviceId contextId streamId correlationId flags memoryKind"),
    "RUNTIME": "cbid start end processId threadId correlationId returnValue",
    "DRIVER": "cbid start end processId threadId correlationId returnValue",
    "MARKER": "flags timestamp id objectKind objectId name domain",
    "MARKER_DATA": "flags id payloadKind payload color category",
    "OVERHEAD": "overheadKind objectKind objectId start end",
    "UNIFIED_MEMORY_COUNTER": (
        "counterKind value start end address srcId dstId streamId processId flags"
    ),
    "EVENT": "id value domain correlationId",
    "METRIC": "id value correlationId flags",
    "SYNCHRONIZATION": "type start end correlationId contextId streamId cudaEventId",
    "NAME": "objectKind objectId name",
    "CONTEXT": "contextId deviceId computeApiKind nullStreamId",
    "STREAM": "contextId streamId priority flag correlationId",
    "ENVIRONMENT": "deviceId timestamp environmentKind data",
    "DEVICE": (
        "flags globalMemoryBandwidth globalMemorySize constantMemorySize l2CacheSize "
        "numThreadsPerWarp coreClockRate numMemcpyEngines numMultiprocessors maxIPC "
        "maxWarpsPerMultiprocessor maxBlocksPerMultiprocessor maxSharedMemoryPerMultiprocessor "
        "maxRegistersPerMultiprocessor maxRegistersPerBlock maxSharedMemoryPerBlock "
        "maxThreadsPerBlock maxBlockDimX maxBlockDimY maxBlockDimZ maxGridDimX maxGridDimY "
        "maxGridDimZ computeCapabilityMajor computeCapabilityMinor id eccEnabled uuid name"
    ),
}
TABLES["KERNEL"] = TABLES["CONCURRENT_KERNEL"]
BLOBS = frozenset({"cacheConfig", "objectId", "payload", "data", "uuid"})
METRIC_BLOB = "METRIC"  # whose value is one; an event's is a number
SINCE_12 = frozenset(
    {"isSharedMemoryCarveoutRequested", "sharedMemoryCarveoutRequested", "sharedMemoryExecuted"}
)

LAUNCH, COPY, SET, SYNCHRONIZE, MALLOC = 211, 31, 49, 165, 20
DRIVER_LAUNCH = 307
WORDS = (
    "add", "advance", "apply", "assemble", "axpy", "blur", "bounce", "collide", "convolve", "copy",
    "dgemm", "dot", "exchange", "fft", "fill", "gather", "halo", "integrate", "jacobi", "kick",
    "limit", "mask", "norm", "pack", "pool", "project", "reduce", "relax", "sample", "scan",
    "scatter", "sgemm", "smooth", "sort", "spmv", "stream", "sum", "swap", "update", "warp",
)  # fmt: skip
PARAMETERS = ("Pf", "PKf", "Pd", "PKd", "i", "PKi", "f", "d", "Pj", "m")
COPIES = ((1, 1, 3), (1, 2, 3), (2, 3, 1), (2, 3, 2), (8, 3, 3))  # kind, from, to


@dataclass
class _Strings:
    """What StringTable holds; the same text has the same number."""

    known: dict[str, int] = field(default_factory=dict)

    def of(self, text: str) -> int:
        return self.known.setdefault(text, len(self.known) + 1)


def mangled(chance: random.Random) -> str:
    """A function's name as a C++ compiler writes it."""
    space, verb, noun = (chance.choice(WORDS) for _ in range(3))
    name = f"{verb}_{noun}{chance.randrange(1000)}"
    taken = "".join(chance.choices(PARAMETERS, k=chance.randint(1, 6)))
    if chance.random() < 0.3:
        return f"_ZN{len(space)}{space}{len(name)}{name}IfLi{chance.choice((16, 32))}EEEv{taken}"
    return f"_Z{len(name)}{name}{taken}"


def _create(connection: sqlite3.Connection, version: int) -> None:
    connection.execute(
        "CREATE TABLE StringTable(_id_ INTEGER PRIMARY KEY AUTOINCREMENT, "
        "value TEXT NOT NULL UNIQUE)"
    )
    connection.execute("CREATE TABLE Version(version INTEGER)")
    connection.execute("INSERT INTO Version VALUES(?)", (version,))
    for table in TABLES:
        typed = ", ".join(
            f"{name} {_type(table, name)} NOT NULL" for name in columns(table, version)
        )
        connection.execute(
            f"CREATE TABLE CUPTI_ACTIVITY_KIND_{table}"
            f"(_id_ INTEGER PRIMARY KEY AUTOINCREMENT, {typed})"
        )


def _type(table: str, name: str) -> str:
    return "BLOB" if name in BLOBS or (table, name) == (METRIC_BLOB, "value") else "INT"


def columns(table: str, version: int = VERSION) -> list[str]:
    """The columns of a table, but for the key."""
    return [one for one in TABLES[table].split() if version >= VERSION or one not in SINCE_12]


def insert(
    connection: sqlite3.Connection, table: str, lines: Iterable[dict[str, object]], version: int
) -> None:
    """Put lines into a table; what they leave out is 0, or a zero byte."""
    names = columns(table, version)
    empty = {name: b"\0" if _type(table, name) == "BLOB" else 0 for name in names}
    holes = ", ".join(f":{name}" for name in names)
    connection.executemany(
        f"INSERT INTO CUPTI_ACTIVITY_KIND_{table}({', '.join(names)}) VALUES({holes})",
        (empty | line for line in lines),
    )


def thread(pid: int = PID, number: int = THREAD) -> bytes:
    """Which thread, as 12 bytes."""
    return struct.pack("<iiI", pid, number, 0)


class _Life:
    """One process's life: calls, and what they began on the GPU, one after the other."""

    def __init__(self, seed: int, kernels: int, strings: _Strings) -> None:
        self.chance = random.Random(seed)
        self.left = kernels
        self.names = [
            strings.of(mangled(self.chance)) for _ in range(max(3, min(5000, kernels // 20)))
        ]
        self.now = STARTED
        self.correlation = 100

    def steps(self) -> Iterator[tuple[str, dict[str, object]]]:
        """What is put where."""
        while self.left > 0:
            if self.chance.random() < 0.15:
                yield from self._copied()
            elif self.chance.random() < 0.05:
                yield from self._set()
            yield from self._launched()
            self.left -= 1
            if self.left % 50 == 0:
                yield self._called(SYNCHRONIZE, self.chance.randint(2_000, 900_000))

    def _called(
        self, cbid: int, duration: int, table: str = "RUNTIME"
    ) -> tuple[str, dict[str, object]]:
        self.correlation += 1
        begin = self.now
        self.now += duration + self.chance.randint(100, 4000)
        return table, {
            "cbid": cbid, "start": begin, "end": begin + duration, "processId": PID,
            "threadId": THREAD, "correlationId": self.correlation,
        }  # fmt: skip

    def _on_gpu(self, duration: int) -> dict[str, object]:
        begin = self.now + self.chance.randint(500, 9000)
        return {
            "start": begin, "end": begin + duration, "deviceId": 0, "contextId": 1,
            "streamId": self.chance.choice((7, 7, 7, 13, 14)), "correlationId": self.correlation,
        }  # fmt: skip

    def _copied(self) -> Iterator[tuple[str, dict[str, object]]]:
        kind, source, target = self.chance.choice(COPIES)
        size = 1 << self.chance.randint(2, 26)
        yield self._called(COPY, self.chance.randint(3_000, 400_000))
        yield "MEMCPY", {
            "copyKind": kind, "srcKind": source, "dstKind": target, "bytes": size,
            "flags": self.chance.randint(0, 1), **self._on_gpu(900 + size // 11),
        }  # fmt: skip

    def _set(self) -> Iterator[tuple[str, dict[str, object]]]:
        size = 1 << self.chance.randint(4, 24)
        yield self._called(SET, self.chance.randint(2_000, 9_000))
        yield "MEMSET", {"bytes": size, "memoryKind": 3, **self._on_gpu(700 + size // 300)}

    def _launched(self) -> Iterator[tuple[str, dict[str, object]]]:
        yield self._called(LAUNCH, self.chance.randint(2_500, 30_000))
        which = min(int(self.chance.paretovariate(0.7)) - 1, len(self.names) - 1)
        where = self._on_gpu(self.chance.randint(900, 60_000) * (1 + which % 7))
        yield "CONCURRENT_KERNEL", {
            "name": self.names[which], "gridX": 1 << (which % 12), "gridY": 1 + which % 3,
            "gridZ": 1, "blockX": 32 << (which % 6), "blockY": 1, "blockZ": 1,
            "registersPerThread": 16 + which % 200, "staticSharedMemory": 512 * (which % 9),
            "dynamicSharedMemory": 1024 * (which % 5), "gridId": self.correlation,
            "completed": where["end"], **where,
        }  # fmt: skip


def make(path: Path, *, kernels: int = 100, seed: int = 0, version: int = VERSION) -> None:
    """A database with so many kernels, and calls, copies and memsets around them.

    A kernel with its call takes about 150 bytes.
    """
    with create(path, version) as connection:
        strings = _Strings()
        waiting: dict[str, list[dict[str, object]]] = {}
        for table, line in _Life(seed, kernels, strings).steps():
            waiting.setdefault(table, []).append(line)
            if len(waiting[table]) >= 10_000:
                insert(connection, table, waiting.pop(table), version)
        for table, lines in waiting.items():
            insert(connection, table, lines, version)
        gpu = strings.of("Tesla V100-SXM2-16GB")
        insert(connection, "DEVICE", [{**GPU, "name": gpu}], version)
        insert(connection, "CONTEXT", [{"contextId": 1, "computeApiKind": 1}], version)
        insert(connection, "OVERHEAD", _overhead(), version)
        insert(connection, "MARKER", _ranges(strings), version)
        name_strings(connection, strings.known)


GPU = {
    "computeCapabilityMajor": 7, "numThreadsPerWarp": 32, "coreClockRate": 1_530_000,
    "numMultiprocessors": 80, "maxThreadsPerBlock": 1024, "globalMemorySize": 16 << 30,
    "uuid": bytes(16),
}  # fmt: skip
OF_THREAD = 2
MARKS, STARTS, ENDS = 1, 2, 4  # flags of a marker


def _overhead() -> list[dict[str, object]]:
    where = {"objectKind": OF_THREAD, "objectId": thread()}
    kinds = (1 << 16, 2 << 16, 3 << 16)
    return [
        {"overheadKind": kind, "start": STARTED + at * 1000, "end": STARTED + at * 2000, **where}
        for at, kind in enumerate(kinds, 1)
    ]


def _ranges(strings: _Strings) -> Iterator[dict[str, object]]:
    """Ranges as NVTX writes them: one row where each starts, one where it ends."""
    where = {"objectKind": OF_THREAD, "objectId": thread()}
    for number in range(1, 4):
        begin = STARTED + number * 10_000
        name = strings.of(f"step {number}")
        yield {"flags": STARTS, "timestamp": begin, "id": number, "name": name, **where}
        yield {"flags": ENDS, "timestamp": begin + 5_000, "id": number, **where}


@contextmanager
def create(
    path: Path, version: int = VERSION, page_bytes: int = 4096
) -> Iterator[sqlite3.Connection]:
    """A new database with all tables, to be filled; what is put in is committed at the end."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA page_size = {page_bytes}")
        connection.execute("PRAGMA synchronous = OFF")
        _create(connection, version)
        yield connection
        connection.commit()


def make_all(path: Path, version: int = VERSION, without: frozenset[str] = frozenset()) -> None:
    """A small database with something of everything, one thing after the other.

    A kernel on the second of two GPUs that is counted, copies of each kind, unified memory, ranges
    and a marker, calls of both interfaces, and one row without a time. Its pages are small.
    """
    with create(path, version, page_bytes=512) as connection:
        strings = _Strings()
        for table, lines in _all_kinds(strings).items():
            insert(connection, table, () if table in without else lines, version)
        insert(connection, "MARKER", _ranges(strings), version)
        insert(connection, "OVERHEAD", _overhead(), version)
        name_strings(connection, strings.known)


def _all_kinds(strings: _Strings) -> dict[str, list[dict[str, object]]]:
    gpu, name = strings.of("Tesla V100-SXM2-16GB"), strings.of("_Z6kernelPKfi")
    shape = {"gridX": 4, "gridY": 2, "gridZ": 1, "blockX": 32, "blockY": 8, "blockZ": 1}
    kernel = {"name": name, "registersPerThread": 24, "dynamicSharedMemory": 2048, **shape}
    second = {"deviceId": 1, "contextId": 2, "streamId": 13}
    first = {"contextId": 1, "streamId": 7}
    mark = {"objectKind": OF_THREAD, "objectId": thread()}
    called = {"processId": PID, "threadId": THREAD}
    copies = [
        {
            "copyKind": kind,
            "srcKind": 1,
            "dstKind": 3,
            "bytes": 4096,
            **first,
            **_at(100 * kind, 50),
        }
        for kind in range(1, 9)
    ]
    return {
        "DEVICE": [{**GPU, "name": gpu}, {**GPU, "name": gpu, "id": 1}],
        "CONTEXT": [
            {"contextId": 1, "computeApiKind": 1},
            {"contextId": 2, "deviceId": 1, "computeApiKind": 1},
        ],
        "RUNTIME": [
            {"cbid": MALLOC, **called, **_at(0, 9_000), "correlationId": 4, "returnValue": 2},
            {"cbid": LAUNCH, **called, **_at(10_000, 700), "correlationId": 5},
            {"cbid": 9_999, **called, **_at(20_000, 1), "correlationId": 6},
        ],
        "DRIVER": [{"cbid": DRIVER_LAUNCH, **called, **_at(30_000, 800), "correlationId": 7}],
        "CONCURRENT_KERNEL": [
            {**kernel, **second, **_at(11_000, 1_500), "correlationId": 5},
            {**kernel, **second, "start": 0, "end": 0, "correlationId": 8},
        ],
        "MEMCPY": copies,
        "MEMCPY2": [
            {"copyKind": 10, "srcKind": 3, "dstKind": 3, "bytes": 1 << 20, "srcContextId": 1,
             "dstDeviceId": 1, "dstContextId": 2, "correlationId": 9, **first, **_at(2_000, 100)}
        ],
        "MEMSET": [{"bytes": 64, "memoryKind": 3, **first, **_at(3_000, 10), "correlationId": 10}],
        "UNIFIED_MEMORY_COUNTER": [
            {"counterKind": kind, "value": 8192, "srcId": 0, "dstId": 0, "processId": PID,
             "streamId": 7, "address": 0x7F0000000000, **_at(40_000 + kind, 20)}
            for kind in range(1, 5)
        ],
        "EVENT": [{"id": 3, "value": 320, "correlationId": 5}],
        "METRIC": [
            {"id": 3, "value": struct.pack("<d", 93.75), "correlationId": 5},
            {"id": 4, "value": struct.pack("<Q", 21), "correlationId": 5},
        ],
        "MARKER": [
            {"flags": MARKS, "timestamp": STARTED + 77, "id": 9, "name": strings.of("here"),
             "domain": strings.of("phase"), **mark}
        ],
    }  # fmt: skip


def _at(offset: int, duration: int) -> dict[str, object]:
    return {"start": STARTED + offset, "end": STARTED + offset + duration}


def name_strings(connection: sqlite3.Connection, known: Mapping[str, int]) -> None:
    """Put the texts, by their numbers."""
    lines = ((number, text) for text, number in known.items())
    connection.executemany("INSERT INTO StringTable VALUES(?, ?)", lines)
