"""The names in an export of Nsight Systems: each text stands once, in StringIds, under a number.

There can be millions of them, so they are looked up when they are needed, and forgotten when there
are too many.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Hashable

from profiling_operator.formats.demangling import demangled

UNKNOWN = "[unknown]"
LONGEST_NAME = 16_384
KEPT_CHARACTERS = 8 << 20
OVERHEAD = 100  # of a text that is kept, in characters
LOOK_UP = "SELECT substr(value, 1, ?) FROM StringIds WHERE id = ?"
MOST_THREADS = 1 << 16

# GlobalTid: 8 bits of the virtual machine and more, 24 bits of the process, 24 bits of the thread.
BITS = 24
MASK = (1 << BITS) - 1


def clean(text: str) -> str:
    """A name with its blanks collapsed; never empty, never endless."""
    return " ".join(text[:LONGEST_NAME].split()) or UNKNOWN


class Names(dict[Hashable, str]):
    """Names by number, as `names[number]`; `[unknown]` for a number that is none's."""

    def __init__(self, connection: sqlite3.Connection, is_there: bool) -> None:
        """Nothing is read yet; `is_there`: the table is."""
        super().__init__()
        self._connection = connection
        self._is_there = is_there
        self._room = KEPT_CHARACTERS

    def __missing__(self, number: Hashable) -> str:
        """Look a name up, and keep it."""
        name = demangled(clean(self._found(number)))
        self._room -= len(name) + OVERHEAD
        if self._room < 0:
            self.clear()
            self._room = KEPT_CHARACTERS
        if isinstance(number, int):
            self[number] = name
        return name

    def _found(self, number: Hashable) -> str:
        if not self._is_there or not isinstance(number, int):
            return ""
        query = self._connection.execute(LOOK_UP, (LONGEST_NAME, number))
        found = query.fetchone()
        return found[0] if found and isinstance(found[0], str) else ""


Thread = tuple[int | None, int | None]
NOWHERE: Thread = (None, None)


class Threads(dict[Hashable, Thread]):
    """Process and thread, as the system numbers them, by GlobalTid; of a GlobalPid the process."""

    def __missing__(self, number: Hashable) -> Thread:
        """Take a number apart, and keep it."""
        if not isinstance(number, int):
            return NOWHERE
        if len(self) >= MOST_THREADS:
            self.clear()
        found = self[number] = (number >> BITS & MASK, number & MASK)
        return found
