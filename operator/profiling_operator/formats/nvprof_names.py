"""What the numbers in a database of nvprof's stand for: texts, GPUs, and whose they are."""

from __future__ import annotations

import sqlite3
import struct
from typing import NamedTuple

from profiling_operator.formats import nvprof_rows, sqlite_files
from profiling_operator.formats.demangling import demangled

PREFIX = "CUPTI_ACTIVITY_KIND_"
LONGEST_NAME = 1 << 13  # characters
KEPT_CHARACTERS = 1 << 22
MOST_DEVICES = 1024
WITH_PROCESS = ("RUNTIME", "DRIVER", "UNIFIED_MEMORY_COUNTER")
WITH_OBJECT = ("MARKER", "OVERHEAD", "NAME")
# 12 bytes: process and thread, or GPU, context and stream; nvprof may leave the last ones out.
OBJECT = struct.Struct("<III")
OF_PROCESS, OF_THREAD, OF_DEVICE, OF_CONTEXT, OF_STREAM = range(1, 6)
THREAD_BITS = 0xFFFFFFFF


class Where(NamedTuple):
    """Whose something is, as far as it is known."""

    process: int | None = None
    thread: int | None = None
    device: int | None = None
    stream: int | None = None


def number(value: object) -> int | None:
    """A number of the database; None for what is none: any column may hold anything."""
    return value if type(value) is int else None


def thread(value: object) -> int | None:
    """A thread: nvprof keeps 32 bits of its address, and prints them without a sign."""
    known = number(value)
    return None if known is None else known & THREAD_BITS


def where(kind: object, blob: object) -> Where:
    """What an object's kind and its bytes tell."""
    if not isinstance(blob, bytes):
        return Where()
    first, second, third = OBJECT.unpack(blob[: OBJECT.size].ljust(OBJECT.size, b"\0"))
    if kind == OF_PROCESS:
        return Where(first)
    if kind == OF_THREAD:
        return Where(first, second)
    if kind in {OF_DEVICE, OF_CONTEXT}:
        return Where(device=first)
    return Where(device=first, stream=third) if kind == OF_STREAM else Where()


class Names:
    """Looks texts up when they are asked for; bounded, whatever the database holds."""

    def __init__(self, connection: sqlite3.Connection, tables: frozenset[str]) -> None:
        """Find out whose database it is, and which GPUs it knows."""
        self._connection = connection
        self.tables = tables
        self._texts: dict[int, str] = {}
        self._room = KEPT_CHARACTERS
        self.process = self._process()
        self.devices = self._devices()

    def of(self, value: object) -> str:
        """A text as it stands there, by its number; empty where there is none."""
        key = number(value)
        if key is None:
            return ""
        found = self._texts.get(key)
        if found is None:
            found = self._find(key)
            self._room -= len(found) + 100
            if self._room < 0:
                self._texts.clear()
                self._room = KEPT_CHARACTERS
            self._texts[key] = found
        return found

    def function(self, value: object) -> str:
        """A function's name as it was written."""
        return nvprof_rows.clean(demangled(self.of(value)))

    def _find(self, key: int) -> str:
        query = "SELECT value FROM StringTable WHERE _id_ = ?"
        found = self._connection.execute(query, (key,)).fetchone()
        return found[0][:LONGEST_NAME] if found and isinstance(found[0], str) else ""

    def _devices(self) -> dict[int, str]:
        """The GPUs' names by their ordinals."""
        table = f"{PREFIX}DEVICE"
        if table not in self.tables:
            return {}
        found = sqlite_files.select(self._connection, table, ("id", "name")).fetchmany(MOST_DEVICES)
        return {at: self.of(name) for at, name in found if number(at) is not None}

    def _process(self) -> int | None:
        """The process: nvprof writes a file for each."""
        for table in WITH_PROCESS:
            for (found,) in self._first(table, ("processId",)):
                if number(found) is not None:
                    return number(found)
        for table in WITH_OBJECT:
            for kind, blob in self._first(table, ("objectKind", "objectId")):
                if where(kind, blob).process is not None:
                    return where(kind, blob).process
        return None

    def _first(self, table: str, columns: tuple[str, ...]) -> list[tuple[object, ...]]:
        if f"{PREFIX}{table}" not in self.tables:
            return []
        return sqlite_files.select(self._connection, f"{PREFIX}{table}", columns).fetchmany(1)
