"""NVTX's ranges and nvprof's own overhead in its databases."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from profiling_operator.entries import Kind
from profiling_operator.formats import sqlite_files
from profiling_operator.formats.nvprof_names import PREFIX, Names, Where, number, where
from profiling_operator.formats.nvprof_rows import clean

MOST_OPEN = 100_000
MARKS, STARTS, ENDS = 1, 2, 4
OVERHEADS = {
    1: "driver's compiler", 1 << 16: "CUPTI's buffers", 2 << 16: "CUPTI's instrumentation",
    3 << 16: "CUPTI's resources",
}  # fmt: skip


class Moment(NamedTuple):
    """Something with a time of its own, and fields of its entry."""

    kind: Kind
    start: int | None
    """None: it is not told; then it is the beginning of the run."""
    end: int | None
    where: Where
    fields: dict[str, Any]


@dataclass
class _Pairs:
    """Beginnings and ends by their number, in whatever order they come; bounded."""

    names: Names
    waiting: dict[int, tuple[Any, ...]] = field(default_factory=dict)

    def take(self, one: tuple[Any, ...]) -> Iterator[Moment]:
        flags, time, identity = one[:3]
        if type(time) is not int or type(identity) is not int or type(flags) is not int:
            return
        if flags & MARKS:
            yield self._moment(one, None)
            return
        other = self.waiting.pop(identity, None)
        if other is None or bool(other[0] & ENDS) == bool(flags & ENDS):
            if len(self.waiting) >= MOST_OPEN:
                yield from self.open()
            self.waiting[identity] = one
            return
        begun, ended = (other, one) if flags & ENDS else (one, other)
        yield self._moment(begun, ended[1])

    def open(self) -> Iterator[Moment]:
        """Those whose end was not told."""
        for one in self.waiting.values():
            if not one[0] & ENDS:
                yield self._moment(one, None, open=True)
        self.waiting.clear()

    def _moment(self, begun: tuple[Any, ...], end: int | None, **attributes: Any) -> Moment:
        _, start, _, kind, blob, name, domain = begun
        in_domain = self.names.of(domain) if number(domain) else ""
        if in_domain:
            attributes["domain"] = in_domain
        fields = {"name": clean(self.names.of(name)), "attributes": attributes or None}
        return Moment(Kind.RANGE, start, end, where(kind, blob), fields)


def ranges(connection: sqlite3.Connection, names: Names) -> Iterator[Moment]:
    """Ranges with their beginning and end; markers and ranges that never ended have no end."""
    columns = ("flags", "timestamp", "id", "objectKind", "objectId", "name", "domain")
    pairs = _Pairs(names)
    for one in sqlite_files.select(connection, f"{PREFIX}MARKER", columns):
        yield from pairs.take(one)
    yield from pairs.open()


def overheads(connection: sqlite3.Connection, names: Names) -> Iterator[Moment]:
    """Time that measuring itself took."""
    columns = ("overheadKind", "start", "end", "objectKind", "objectId")
    for what, start, end, kind, blob in sqlite_files.select(
        connection, f"{PREFIX}OVERHEAD", columns
    ):
        name = f"[Overhead: {OVERHEADS.get(what, 'unknown')}]"
        yield Moment(Kind.RANGE, start, end, where(kind, blob), {"name": name})
