"""What an export of Nsight Systems tells of itself: tables, clock, product, complaints.

The SQLite schema differs between releases: tables are made only where they hold something, columns
are added in their middle, and the facts about the export moved from EXPORT_META_DATA to
META_DATA_EXPORT in 2023. https://docs.nvidia.com/nsight-systems/UserGuide/ (export schema).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from profiling_operator.captures import Capture
from profiling_operator.formats import sqlite_files
from profiling_operator.formats.nsys_names import Names, Threads, clean

FACTS = ("META_DATA_EXPORT", "EXPORT_META_DATA")
SESSION = "TARGET_INFO_SESSION_START_TIME"
EARLIEST, LATEST = 10**18, 4 * 10**18
"""Nanoseconds since the Unix epoch, 2001 to 2096: what is between them is a wall clock's."""
TIMED = (
    *("CUPTI_ACTIVITY_KIND_KERNEL", "CUPTI_ACTIVITY_KIND_RUNTIME", "NVTX_EVENTS", "OSRT_API"),
    *("COMPOSITE_EVENTS", "SCHED_EVENTS"),
)
MOST_FACTS = 10_000
MOST_COMPLAINTS = 20
LONGEST_COMPLAINT = 400
WARNING, ERROR = 2, 3  # ENUM_DIAGNOSTIC_SEVERITY_LEVEL
MOST_GPUS = 64
LONGEST_COMMAND = 4096


@dataclass(frozen=True)
class Clock:
    """What is added to an event's time to make it nanoseconds since the Unix epoch."""

    offset: int
    note: str | None
    """`anchored` where the export does not tell it."""


class Export:
    """An open export: what its tables need to be understood."""

    def __init__(self, connection: sqlite3.Connection, capture: Capture) -> None:
        """Read its facts. Raises sqlite3.Error where those are damaged."""
        self.connection = connection
        self.capture = capture
        self.tables = sqlite_files.tables(connection)
        self.facts = self._facts()
        self.names = Names(connection, "StringIds" in self.tables)
        self.threads = Threads()
        self.clock = self._clock()
        self.host = capture.host or self._own_host()

    @property
    def is_nsys(self) -> bool:
        """Whether it is one at all: of nvprof's tables some have the same names, these not."""
        return "StringIds" in self.tables and bool({*FACTS, SESSION} & self.tables or self.facts)

    def rows(self, table: str, names: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
        """A table's rows in its order; nothing where it is not there. Raises sqlite3.Error."""
        if table not in self.tables:
            return iter(())
        return sqlite_files.select(self.connection, table, names)

    def has(self, table: str, column: str) -> bool:
        """Whether a table has a column."""
        return table in self.tables and column in sqlite_files.columns(self.connection, table)

    def _facts(self) -> Mapping[str, str]:
        found = next((one for one in FACTS if one in self.tables), "")
        facts: dict[str, str] = {}
        for name, value in self.rows(found, ("name", "value")):
            if isinstance(name, str) and isinstance(value, str) and len(facts) < MOST_FACTS:
                facts[name[:LONGEST_COMMAND]] = value[:LONGEST_COMMAND]
        return facts

    def _clock(self) -> Clock:
        """Events count from the session's start, but for exports with `--ts-normalize`."""
        if self.facts.get("EXPORT_PARAM_TIME_NORMALIZE") == "true" or self._tells_wall_time():
            return Clock(0, None)
        for (start,) in self.rows(SESSION, ("utcEpochNs",)):
            if isinstance(start, int) and EARLIEST < start < LATEST:
                return Clock(start - self._shift(), None)
            break
        return Clock(self.capture.started - self._shift(), "anchored")

    def _shift(self) -> int:
        """What `--ts-shift` added to all times."""
        try:
            return int(self.facts.get("EXPORT_PARAM_TIME_SHIFT", "0"))
        except ValueError:
            return 0

    def _tells_wall_time(self) -> bool:
        """Whether the first events have such times, though the export does not say so."""
        firsts = map(self._first, TIMED)
        return any(isinstance(one, int) and EARLIEST < one < LATEST for one in firsts)

    def _first(self, table: str) -> object:
        """The start of its first event; that it is damaged is told when it is read."""
        with suppress(sqlite3.Error, UnicodeDecodeError):
            return next(self.rows(table, ("start",)), (None,))[0]
        return None

    def complaints(self) -> list[str]:
        """What nsys itself found wrong, errors before warnings."""
        if "DIAGNOSTIC_EVENT" not in self.tables:
            return []
        query = (
            "SELECT severity, substr(text, 1, ?) FROM DIAGNOSTIC_EVENT WHERE severity IN (?, ?)"
            " ORDER BY severity DESC LIMIT ?"
        )
        bounds = (LONGEST_COMPLAINT, WARNING, ERROR, MOST_COMPLAINTS)
        found = self.connection.execute(query, bounds)
        return [
            f"{'error' if severity == ERROR else 'warning'}: {clean(text)}"
            for severity, text in found
            if isinstance(text, str)
        ]

    def metadata(self) -> dict[str, str]:
        """Facts about the run; those that can carry people and secrets only where asked for."""
        told = {
            "nsys version": self.facts.get("EXPORT_PRODUCT_VERSION", ""),
            "nsys schema": self.facts.get("EXPORT_SCHEMA_VERSION", ""),
            "gpus": ", ".join(self._gpus()),
        }
        if self.capture.personal:
            told |= {"hostname": self._own_host() or "", "command": self._command()}
        return {name: value for name, value in told.items() if value}

    def _own_host(self) -> str | None:
        return self._environment("Hostname") or None if self.capture.personal else None

    def _gpus(self) -> Iterator[str]:
        for number, (name,) in enumerate(self.rows("TARGET_INFO_GPU", ("name",))):
            if number < MOST_GPUS and isinstance(name, str):
                yield clean(name[:LONGEST_COMPLAINT])

    def _environment(self, wanted: str) -> str:
        for name, value in self.rows("TARGET_INFO_SYSTEM_ENV", ("name", "value")):
            if name == wanted and isinstance(value, str):
                return clean(value[:LONGEST_COMMAND])
        return ""

    def _command(self) -> str:
        """The first process's, in its order in the table."""
        words = []
        for number, (name, value) in enumerate(self.rows("META_DATA_CAPTURE", ("name", "value"))):
            is_word = str(name).startswith(("PROCESS_0:COMMAND", "PROCESS_0:ARGUMENT_"))
            if is_word and isinstance(value, str) and number < MOST_FACTS:
                words.append(value[:LONGEST_COMMAND])
        return " ".join(words)[:LONGEST_COMMAND]
