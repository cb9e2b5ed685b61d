"""nvprof's profile of the CPU (`--cpu-profiling on`), a tree of text even with `--csv`.

    ======== CPU profiling result (bottom up):      ======== CPU profiling result (top down):
    Time(%)      Time  Name                         Time(%)      Time  Name
     70.00%     700ms  dot                          100.00%        1s  main
     70.00%     700ms  | solve(int)                  90.00%     900ms    solve(int)
     70.00%     700ms  |   main                      70.00%     700ms    | dot

Bottom up, callers stand below what they call, and a root's time is its own; top down it is the
other way, with the time of all that is called. Two characters are a level. Before CUDA 8 there were
shares alone, behind the levels: `|   0.03% munmap`. `--cpu-profiling-scope instruction` adds
` (solve.c:10 0x4)` to each name. Checked against nvprof 11.8 on databases made for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from profiling_operator.entries import Kind, Number, Source
from profiling_operator.formats import nvprof_units

TITLE = re.compile(r"CPU profiling result \((bottom up|top down|flat)\):")
DEEPEST = 256
ROUNDING = 2e-4
"""Times have five digits: what a line has more than the lines below it, by less, is nothing."""

#  70.00%     700ms  |   main
NODE = re.compile(
    r" *(\d{1,3}(?:\.\d{1,6})?)% +(\d[\d.]{0,15}(?:e[-+]?\d+)?[num]?s)  ((?:[| ] )*)(.+)"
)
# |   0.03% munmap
SHARE = re.compile(r"((?:[| ] )*) ?(\d{1,3}(?:\.\d{1,6})?)% (\S.*)")
# solve(int) (solve.c:10 0x4)   ??? (0x400a49)
PLACED = re.compile(r"(.*) \((?:(.+):(\d{1,9}) )?(0x[0-9a-f]{1,16})\)")


class Node(NamedTuple):
    """A line of a tree."""

    depth: int
    value: Number
    unit: str
    name: str
    source: Source | None = None


def node(text: str) -> Node | None:
    """What a line says; None for one that is no line of a tree."""
    found = NODE.fullmatch(text)
    if found:
        time = nvprof_units.read(found[2])
        return _placed(len(found[3]) // 2, time.value, "ns", found[4]) if time else None
    found = SHARE.fullmatch(text)
    return _placed(len(found[1]) // 2, float(found[2]), "%", found[3]) if found else None


def _placed(depth: int, value: Number | None, unit: str, text: str) -> Node | None:
    if value is None or depth >= DEEPEST:
        return None
    found = PLACED.fullmatch(text)
    name = " ".join((found[1] if found else text).split())
    source = Source(file=found[2], line=int(found[3])) if found and found[2] else None
    return Node(depth, value, unit, name, source) if name else None


@dataclass
class _Open:
    """A line whose lines below may go on."""

    node: Node
    below: Number = 0

    @property
    def left(self) -> Number:
        """What of its value is none of those below it."""
        rest = self.node.value - self.below
        return rest if rest > self.node.value * ROUNDING else 0


@dataclass
class Tree:
    """Takes a tree line by line; keeps one way from a root. What it gives are fields of entries.

    Each function has its own time once: bottom up and flat as a timer of its root, with samples
    that tell the whole ways; top down as a timer for each way.
    """

    mode: str
    thread: int | None = None
    _way: list[_Open] = field(default_factory=list)

    def take(self, one: Node) -> Iterator[dict[str, Any]] | None:
        """What ends with a line; None where the line is deeper than what it could belong to."""
        if one.depth > len(self._way):
            return None
        ended = list(self._end(one.depth))
        if self._way:
            self._way[-1].below += one.value
        self._way.append(_Open(one))
        return iter(ended)

    def end(self) -> Iterator[dict[str, Any]]:
        """What was still open."""
        yield from self._end(0)

    def _end(self, depth: int) -> Iterator[dict[str, Any]]:
        while len(self._way) > depth:
            yield from self._top_down() if self.mode == "top down" else self._bottom_up()
            self._way.pop()

    def _top_down(self) -> Iterator[dict[str, Any]]:
        last = self._way[-1]
        yield self._fields(
            Kind.TIMER,
            last.node,
            path=tuple(one.node.name for one in self._way),
            additive=True,
            inclusive=last.node.value,
            exclusive=last.left,
        )

    def _bottom_up(self) -> Iterator[dict[str, Any]]:
        last, root = self._way[-1], self._way[0].node
        if last.left and self.mode != "flat":
            path = tuple(one.node.name for one in reversed(self._way))
            yield self._fields(Kind.SAMPLE, root, path=path, additive=False, exclusive=last.left)
        if len(self._way) == 1:
            yield self._fields(Kind.TIMER, root, additive=True, exclusive=root.value)

    def _fields(self, kind: Kind, one: Node, **more: Any) -> dict[str, Any]:
        return {
            "kind": kind, "name": one.name, "source": one.source, "unit": one.unit,
            "metric": "TIME", "thread": self.thread, **more,
        }  # fmt: skip
