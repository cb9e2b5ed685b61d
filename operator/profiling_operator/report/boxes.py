"""Where the boxes of a flame graph are: the widest are chosen, the rest stands together. No I/O.

Stacks are sorted, so that those with one beginning stand side by side: a box is a range of them,
and only boxes that are drawn are ever looked into. So fifty thousand stacks, or one of ten thousand
frames, cost what is drawn of them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from profiling_operator.exports.places import Stack

MOST = 2000
"""Boxes of a picture."""
ROWS = 64
ROWS_ALWAYS, BROAD = 16, 0.05
"""Rows that are drawn however little there is in them; deeper ones need so large a share."""
NARROWEST = 0.0005
"""Share of the width: half a pixel."""

Sides = tuple[float, ...]
"""The weight in each of the profiles that are drawn in one picture: one, or two that are compared.
A box is as wide as their sum."""


@dataclass(frozen=True)
class Box:
    """A frame, or several neighbours that are too narrow."""

    name: str
    row: int
    """0 is the row of the box that holds all others."""
    left: float
    """A share of the whole width, as `width`."""
    width: float
    sides: Sides
    of_parent: float
    """Share of the box that it was called from."""
    merged: int = 0
    """How many frames it stands for; 0: it is one frame."""


@dataclass(frozen=True)
class Layout:
    """A picture's boxes, parents before children."""

    boxes: tuple[Box, ...]
    rows: int
    totals: Sides
    frames: int
    """How many there are, drawn or not."""
    is_cut: bool
    """Some are deeper than there are rows."""

    @property
    def drawn(self) -> int:
        """Frames with a box of their own."""
        return sum(not one.merged for one in self.boxes[1:])


@dataclass(frozen=True)
class _Node:
    """Stacks of one beginning: those from `first` to `last`, which agree in `row` frames."""

    name: str
    row: int
    first: int
    last: int


@dataclass
class _Chosen:
    """A node that is drawn, with those of its children that are."""

    node: _Node
    weight: float
    children: list[_Chosen] = field(default_factory=list)
    others: list[_Node] = field(default_factory=list)
    """Children that have no box of their own."""


class Sorted:
    """Stacks in their order, and what they weigh up to each."""

    def __init__(self, stacks: Mapping[Stack, Sides], sides: int = 1) -> None:
        self.stacks = sorted(stacks)
        self.frames = _frames(self.stacks)
        """Boxes that there would be without a limit."""
        self._sums = [
            list(accumulate((stacks[one][side] for one in self.stacks), initial=0.0))
            for side in range(sides)
        ]

    def sides(self, node: _Node) -> Sides:
        """What a node weighs."""
        return tuple(max(0.0, sums[node.last] - sums[node.first]) for sums in self._sums)

    def weight(self, node: _Node) -> float:
        """Its width."""
        return sum(self.sides(node))

    def children(self, node: _Node) -> Iterator[_Node]:
        """The frames that were called from it."""
        stacks, row, first = self.stacks, node.row, node.first
        if first < node.last and len(stacks[first]) == row:
            first += 1  # the time of its own
        while first < node.last:
            name, end = stacks[first][row], first + 1
            while end < node.last and stacks[end][row] == name:
                end += 1
            yield _Node(name, row + 1, first, end)
            first = end


def lay_out(there: Sorted, most: int = MOST, rows: int = ROWS) -> Layout:
    """The boxes of these stacks: at most so many frames, in at most so many rows below the first.

    Of children, the widest is the leftmost. Empty where nothing has a weight.
    """
    root = _Node("all", 0, 0, len(there.stacks))
    totals = there.sides(root)
    if not sum(totals) > 0:
        return Layout((), 0, totals, 0, is_cut=False)
    placed = list(_place(there, _choose(there, root, most, rows)))
    deepest = _deepest(placed)
    is_thin = any(one.row > deepest for one in placed)
    return Layout(
        tuple(one for one in placed if one.row <= deepest),
        rows=1 + deepest,
        totals=totals,
        frames=there.frames,
        is_cut=is_thin or (deepest == rows and any(len(one) > rows for one in there.stacks)),
    )


def _deepest(placed: Sequence[Box]) -> int:
    """The last row that is worth its place: a thin tower would make a tall picture of nothing."""
    widths: dict[int, float] = {}
    for one in placed:
        widths[one.row] = widths.get(one.row, 0.0) + one.width
    return max(row for row, width in widths.items() if row <= ROWS_ALWAYS or width >= BROAD)


def _choose(there: Sorted, root: _Node, most: int, rows: int) -> _Chosen:
    """The heaviest frames: a frame is never heavier than its parent, so parents come first."""
    top = _Chosen(root, there.weight(root))
    least = NARROWEST * top.weight
    waiting: list[tuple[float, int, _Chosen, _Node]] = []
    number = 0

    def look_into(parent: _Chosen) -> None:
        nonlocal number
        for child in there.children(parent.node) if parent.node.row < rows else ():
            weight = there.weight(child)
            if weight < least or weight <= 0:
                parent.others.append(child)
            else:
                number += 1
                heapq.heappush(waiting, (-weight, number, parent, child))

    look_into(top)
    while waiting:
        weight, _, parent, node = heapq.heappop(waiting)
        if most <= 0:
            parent.others.append(node)
            continue
        most -= 1
        chosen = _Chosen(node, -weight)
        parent.children.append(chosen)
        look_into(chosen)
    return top


def _place(there: Sorted, top: _Chosen) -> Iterator[Box]:
    """The boxes, row by row; what has none of its own stands right of its siblings."""
    whole = top.weight
    yield Box("all", 0, 0.0, 1.0, there.sides(top.node), 1.0)
    level: Sequence[tuple[_Chosen, float]] = [(top, 0.0)]
    while level:
        below: list[tuple[_Chosen, float]] = []
        for parent, left in level:
            for child in parent.children:
                width = child.weight / whole
                sides, share = there.sides(child.node), child.weight / parent.weight
                yield Box(child.node.name, child.node.row, left, width, sides, share)
                below.append((child, left))
                left += width
            yield from _merged(there, parent, left, whole)
        level = below


def _merged(there: Sorted, parent: _Chosen, left: float, whole: float) -> Iterator[Box]:
    """The box of those that have none, if it is wide enough itself."""
    several = [there.sides(one) for one in parent.others]
    sides = tuple(map(sum, zip(*several, strict=True)))
    width = sum(sides) / whole
    if width >= NARROWEST:
        count = len(parent.others)
        name = f"{count} more" if count > 1 else parent.others[0].name
        row, share = parent.node.row + 1, sum(sides) / parent.weight
        yield Box(name, row, left, width, sides, share, merged=count)


def _frames(stacks: Sequence[Stack]) -> int:
    """Frames of sorted stacks, each beginning counted once."""
    pairs = zip((Stack(), *stacks), stacks, strict=False)
    return sum(len(stack) - _common(before, stack) for before, stack in pairs)


def _common(one: Stack, other: Stack) -> int:
    """How many frames both begin with."""
    for at, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return at
    return min(len(one), len(other))
