"""SQLite databases that were left by others: opened for reading alone, and bounded in all they do.

A database comes from the application's side, so its schema is hostile, too: views, triggers,
virtual tables and computed columns are not asked; its pages may form a circle, so what a query does
is counted; journals beside it are not looked at. What is damaged or cut off raises sqlite3.Error
when it is reached, and the rows before it are good.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from profiling_operator.errors import ArtifactError

MAGIC = b"SQLite format 3\0"
HEAD_BYTES = 100
LARGEST_PAGE = 1 << 16  # as 1, since its number does not fit in
LONGEST_VALUE = 1 << 24  # bytes of a text, a blob or a row
LONGEST_STATEMENT = 1 << 16
MOST_COLUMNS = 500
SCHEMA_STEPS = 200_000
"""Of SQLite's virtual machine, which takes about ten for each table and index of a schema."""
STEPS_PER_BYTE = 16
"""A table's row takes a step per column and a few more, and a byte per column and a few more."""
STEPS_AT_ONCE = 10_000  # between two looks at how many it were
CACHE_KIB = 8192
DESCRIPTORS = Path("/proc/self/fd")

LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: LONGEST_VALUE,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: LONGEST_STATEMENT,
    sqlite3.SQLITE_LIMIT_COLUMN: MOST_COLUMNS,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
}
SETTINGS = (
    "PRAGMA trusted_schema = OFF",
    "PRAGMA writable_schema = ON",  # nothing may be written all the same; it forgives a file's end
    "PRAGMA query_only = ON",
    "PRAGMA cell_size_check = ON",
    "PRAGMA mmap_size = 0",  # a file that gets shorter while it is read would be a SIGBUS
    f"PRAGMA cache_size = -{CACHE_KIB}",
)


class _Steps:
    """Counts what SQLite does, and ends it when that is more than the file can need."""

    def __init__(self) -> None:
        self.left = SCHEMA_STEPS // STEPS_AT_ONCE

    def __call__(self) -> int:
        self.left -= 1
        return self.left < 0


@contextmanager
def connect(
    stream: BinaryIO, *, steps_per_byte: int = STEPS_PER_BYTE
) -> Iterator[sqlite3.Connection]:
    """The database in an open file, at which it stays: nobody can put another one in its place.

    Text that is no UTF-8 has U+FFFD in it. `steps_per_byte` is for queries that read a table more
    than a few times. Raises sqlite3.Error where the file is no database or its schema is damaged,
    ArtifactError where SQLite got hold of another file. In queries too much work is an
    sqlite3.OperationalError, `interrupted`.
    """
    status = os.fstat(stream.fileno())
    known = _files()
    address = f"file:{DESCRIPTORS}/{stream.fileno()}?mode=ro&immutable=1"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
        _refuse_other(status, known)
        steps = _Steps()
        connection.set_progress_handler(steps, STEPS_AT_ONCE)
        connection.text_factory = _text
        for limit, value in LIMITS.items():
            connection.setlimit(limit, value)
        for setting in SETTINGS:
            connection.execute(setting)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # reads the schema
        if steps.left < 0:
            raise sqlite3.OperationalError("the schema is too large")
        steps.left = 1 + (SCHEMA_STEPS + status.st_size * steps_per_byte) // STEPS_AT_ONCE
        yield connection


def missing_bytes(stream: BinaryIO) -> int:
    """How much of a file is cut off, by what its head says; the place in the stream is changed."""
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    if len(head) < HEAD_BYTES or head[24:28] != head[92:96]:
        return 0  # the number of pages is only valid with the changes that it was written with
    page = int.from_bytes(head[16:18], "big")
    pages = int.from_bytes(head[28:32], "big")
    size = os.fstat(stream.fileno()).st_size
    return max(0, (LARGEST_PAGE if page == 1 else page) * pages - size)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _files() -> set[tuple[str, int, int]]:
    """What this process has open: descriptor, device and inode."""
    found = set()
    for name in os.listdir(DESCRIPTORS):
        with suppress(OSError):  # the folder's own is closed again
            status = os.stat(DESCRIPTORS / name)
            found.add((name, status.st_dev, status.st_ino))
    return found


def _refuse_other(status: os.stat_result, known: set[tuple[str, int, int]]) -> None:
    """SQLite follows the descriptor to the file's path and opens that: what did it get?"""
    got = {(device, inode) for _, device, inode in _files() - known}
    if (status.st_dev, status.st_ino) not in got:
        raise ArtifactError("was replaced while it was opened")


def tables(connection: sqlite3.Connection) -> frozenset[str]:
    """The names of its tables; views and virtual tables, which run code, are none."""
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0"
    return frozenset(name for (name,) in connection.execute(query) if isinstance(name, str))


def columns(connection: sqlite3.Connection, table: str) -> tuple[str, ...]:
    """A table's columns in their order, without computed ones; none where there is no table."""
    found = connection.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", (table,))
    return tuple(name for (name,) in found if isinstance(name, str))


def quoted(name: str) -> str:
    """A table's or a column's name as it may stand in a query."""
    return '"' + name.replace('"', '""') + '"'


def select(connection: sqlite3.Connection, table: str, names: Sequence[str]) -> sqlite3.Cursor:
    """All rows of a table, in its order, with the columns named; NULL for those it lacks.

    The values may be of any type, whatever their columns' are.
    """
    present = frozenset(columns(connection, table))
    wanted = ", ".join(quoted(name) if name in present else "NULL" for name in names)
    return connection.execute(f"SELECT {wanted} FROM {quoted(table)} NOT INDEXED")  # noqa: S608
