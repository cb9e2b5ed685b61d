"""The least that a reader written in Python must do: python convert_limits.py SET FOLDER TARGET.

A bare regular expression on each line, or a cursor over each table, and an entry that is ready-made
written as JSON for each line, sample or table's line that would become one. The entries are some
that ours makes of the same files, so that what is written is as long.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO

import msgspec
from convert_ours import capture_of, cpu_seconds

from profiling_operator import plan
from profiling_operator.collectors import Collector
from profiling_operator.entries import Entry

READY_EVERY = 397  # of the entries that ours makes
BUFFER = 1 << 18
TAU_LINE = re.compile(rb'"(.*)" (\S+) (\S+) (\S+) (\S+) (\S+)(?: GROUP="(.*)")? ?$')
PERF_HEADER = re.compile(
    rb"(\S.*?)\s+(?:(-?\d+)/)?(-?\d+)\s+(?:\[(\d+)\]\s+)?(?:(\d+)\.(\d+):\s+)?(?:(\d+)\s+)?(\S+):"
)
PERF_FRAME = re.compile(rb"\t *([0-9a-f]+) (.*) \((.*)\)$")
GRID = "gridX, gridY, gridZ, blockX, blockY, blockZ, registersPerThread, staticSharedMemory"
KERNEL = f"start, end, deviceId, contextId, streamId, correlationId, {GRID}, dynamicSharedMemory"
COPY = "start, end, deviceId, contextId, streamId, correlationId, bytes"
TABLES = {
    "nvprof": {
        "CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL": f"name, {KERNEL}",
        "CUPTI_ACTIVITY_KIND_MEMCPY": f"{COPY}, copyKind, srcKind, dstKind",
        "CUPTI_ACTIVITY_KIND_MEMSET": f"{COPY}, value",
        "CUPTI_ACTIVITY_KIND_RUNTIME": "cbid, start, end, processId, threadId, correlationId",
        "CUPTI_ACTIVITY_KIND_DRIVER": "cbid, start, end, processId, threadId, correlationId",
        "CUPTI_ACTIVITY_KIND_MARKER": "id, timestamp, objectKind, objectId, name, domain",
    },
    "nsys": {
        "CUPTI_ACTIVITY_KIND_KERNEL": f"demangledName, {KERNEL}",
        "CUPTI_ACTIVITY_KIND_MEMCPY": f"{COPY}, copyKind",
        "CUPTI_ACTIVITY_KIND_MEMSET": f"{COPY}, value",
        "CUPTI_ACTIVITY_KIND_RUNTIME": "nameId, start, end, globalTid, correlationId, returnValue",
        "NVTX_EVENTS": "start, end, eventType, text, textId, globalTid, domainId",
        "OSRT_API": "nameId, start, end, globalTid, returnValue",
        "SCHED_EVENTS": "start, cpu, isSchedIn, globalTid",
        "COMPOSITE_EVENTS": "id, start, cpu, globalTid, cpuCycles",
    },
}
CHAINS = "SELECT id, symbol, module, unresolved, stackDepth FROM SAMPLING_CALLCHAINS"


class Dump:
    """Writes ready-made entries, one for each time that it is called."""

    def __init__(self, stream: IO[bytes], made: list[Entry]) -> None:
        self.count = 0
        self._stream = stream
        self._next = itertools.cycle(made).__next__
        self._encode = msgspec.json.Encoder().encode_into
        self._buffer = bytearray()

    def __call__(self) -> None:
        self._encode(self._next(), self._buffer, -1)
        self._buffer += b"\n"
        self.count += 1
        if len(self._buffer) >= BUFFER:
            self.flush()

    def flush(self) -> None:
        """Hand over what is buffered."""
        self._stream.write(self._buffer)
        self._buffer.clear()


def tau(folder: Path, dump: Dump) -> None:
    """Each line of each file."""
    match = TAU_LINE.match
    for path in folder.glob("profile.*"):
        with path.open("rb") as lines:
            for line in itertools.islice(lines, 2, None):
                if found := match(line):
                    found.groups()
                    dump()


def perf(folder: Path, dump: Dump) -> None:
    """Each line of the text; an entry for each empty one."""
    frame, header = PERF_FRAME.match, PERF_HEADER.match
    with (folder / "perf.script").open("rb") as lines:
        for line in lines:
            if line == b"\n":
                dump()
            elif found := frame(line) or header(line):
                found.groups()


def databases(folder: Path, dump: Dump) -> None:
    """Each line of each table that becomes an entry, and call chains."""
    tool = "nvprof" if any(folder.glob("*.nvprof")) else "nsys"
    for path in (*folder.glob("*.nvprof"), *folder.glob("*.sqlite")):
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
            for query in _queries(connection, tool):
                for _ in connection.execute(query):
                    dump()
            for _ in connection.execute(CHAINS) if _has(connection, "SAMPLING_CALLCHAINS") else ():
                pass


def _queries(connection: sqlite3.Connection, tool: str) -> Iterator[str]:
    """Those of the tables that are there, with the columns that are."""
    for table, wanted in TABLES[tool].items():
        there = {line[1] for line in connection.execute(f"PRAGMA table_info({table})")}
        columns = [one for one in wanted.split(", ") if one in there]
        if columns:
            quoted = ", ".join('"end"' if one == "end" else one for one in columns)
            yield f"SELECT {quoted} FROM {table}"  # noqa: S608


def _has(connection: sqlite3.Connection, table: str) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,))
    return found.fetchone() is not None


LIMITS: dict[str, Callable[[Path, Dump], None]] = {
    "tau": tau,
    "perf": perf,
    "nvprof": databases,
    "nsys": databases,
}


def ready_made(collector: Collector, folder: Path) -> list[Entry]:
    """Some of the entries that ours makes, of each kind as many as there are."""
    items: Iterable[object] = collector.read(capture_of(collector, folder))
    made = (one for one in items if isinstance(one, Entry))
    return list(itertools.islice(made, 0, None, READY_EVERY))


def main() -> None:
    """Read and write, and print what it took."""
    name, folder, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    made = ready_made(plan.named("collectors", name, "collector"), folder)
    begin, cpu = time.perf_counter(), cpu_seconds()
    with target.open("wb") as stream:
        dump = Dump(stream, made)
        LIMITS[name](folder, dump)
        dump.flush()
        os.fsync(stream.fileno())
    wall, cpu = time.perf_counter() - begin, cpu_seconds() - cpu
    print(json.dumps({"wall": wall, "cpu": cpu, "count": dump.count}))


if __name__ == "__main__":
    main()
