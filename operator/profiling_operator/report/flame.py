"""A flame graph as SVG that needs no script and no style of its own: classes and attributes only.

Boxes are SVGs within the SVG, placed by percentages: they stretch with the page, their texts do
not, and a text that does not fit is cut at its box. The root is at the top, as a page is read.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from profiling_operator.exports.places import Stack
from profiling_operator.report import boxes, svg, words
from profiling_operator.report.boxes import Box, Layout

STYLE = Path(__file__).with_name("flame.css")
"""Rules for the classes, a part of report.css."""
BYTES = 300_000
"""Of the SVG."""
ROW = 18
"""Pixels from one row to the next."""
WIDE = 1200
"""Pixels: a label is what fits into its box on a page of this width."""
LETTER = 6.7
"""Pixels that a letter of 12 px takes in system fonts, on average."""
PADDING = 8
SHORTEST = 3
"""Letters: fewer tell nothing."""
COLOURS = 8
HEAVIEST = 20

Told = Callable[[float], str]
"""A weight in words: `1.2 s`."""


@dataclass(frozen=True)
class Mark:
    """How a box is drawn."""

    style: str
    """Its class."""
    said: str
    """What its tooltip tells, after its name."""
    before: str = ""
    """Stands before its name."""
    after: str = ""
    """And after it, if there is room."""


Marking = Callable[[Box], Mark]


@dataclass(frozen=True)
class Heavy:
    """A stack that has much time of its own, for those who do not look at pictures."""

    path: tuple[str, ...]
    weight: float
    share: float


@dataclass(frozen=True)
class Picture:
    """A flame graph, with the same in words."""

    svg: Markup
    """Empty where nothing was measured."""
    shown: int = 0
    """Frames with a box of their own."""
    said: str = ""
    """What is not drawn, in a sentence; empty when all is."""
    heaviest: tuple[Heavy, ...] = ()


def flame_graph(
    stacks: Mapping[Stack, float],
    title: str,
    told: Told,
    budget: int = BYTES,
    *,
    from_below: bool = False,
) -> Picture:
    """The flame graph of folded stacks; `title` is what a screen reader says of it.

    `from_below`: the root is at the bottom, as in the flame graphs of old.
    """
    total = sum(stacks.values())

    def mark(box: Box) -> Mark:
        said = f"{told(box.sides[0])}, {words.share(box.width)} of all"
        if box.row > 1:
            said += f", {words.share(box.of_parent)} of its caller"
        return Mark("more" if box.merged else f"c{colour(box.name)}", said)

    there = boxes.Sorted({stack: (weight,) for stack, weight in stacks.items()})
    layout, drawing = within(
        budget, there, lambda layout: drawn(layout, title, mark, from_below=from_below)
    )
    first = sorted(stacks, key=lambda one: (-stacks[one], one))[:HEAVIEST]
    heaviest = tuple(Heavy(one, stacks[one], stacks[one] / total) for one in first if total > 0)
    return Picture(drawing, layout.drawn, left_out(layout), heaviest)


def within(
    budget: int, there: boxes.Sorted, draw: Callable[[Layout], Markup]
) -> tuple[Layout, Markup]:
    """A picture of at most so many bytes: where names are long, of fewer boxes."""
    most = boxes.MOST
    while True:
        layout = boxes.lay_out(there, most)
        drawing = draw(layout)
        size = len(drawing.encode())
        if size <= budget or not most:
            return layout, drawing if size <= budget else Markup()
        most = min(most - 1, layout.drawn) * budget * 9 // (size * 10)


def drawn(layout: Layout, title: str, mark: Marking, *, from_below: bool = False) -> Markup:
    """The SVG of boxes."""
    if not layout.boxes:
        return Markup()
    rows = ((layout.rows - 1 - one.row if from_below else one.row) for one in layout.boxes)
    placed = zip(layout.boxes, rows, strict=True)
    return svg.element(
        "svg", *(_box(box, row * ROW, mark(box)) for box, row in placed),
        class_="flame", role="img", aria_label=title, width="100%", height=layout.rows * ROW,
    )  # fmt: skip


def _box(box: Box, top: int, mark: Mark) -> Markup:
    """One box, with a tooltip, and a label if one fits."""
    name = words.name(box.name)
    label = _label(mark, name, box.width * WIDE)
    return svg.element(
        "svg",
        svg.element("title", f"{name}: {mark.said}"),
        Markup('<rect width="100%" height="100%"/>'),
        svg.element("text", label, x=4, y=13) if label else Markup(),
        class_=mark.style,
        x=_places(box.left), y=top, width=_places(box.width), height=ROW - 1,
    )  # fmt: skip


def _label(mark: Mark, name: str, width: float) -> str:
    whole = f"{mark.before}{name}{mark.after}"
    return whole if fitting(whole, width) == whole else fitting(mark.before + name, width)


def fitting(text: str, width: float) -> str:
    """What of a text fits into so many pixels; empty where that would tell nothing."""
    letters = int((width - PADDING) / LETTER)
    if len(text) <= letters:
        return text
    return f"{text[: letters - 1]}…" if letters > SHORTEST else ""


def left_out(layout: Layout) -> str:
    """What a picture leaves out."""
    if layout.drawn >= layout.frames:
        return ""
    shown, frames = words.count(layout.drawn), words.count(layout.frames)
    said = f"{shown} of {frames} frames have a box of their own"
    if any(one.merged for one in layout.boxes):
        said += ", the narrowest of a caller share one"
    if layout.is_cut:
        said += f", and what is deeper than {layout.rows} rows is not drawn"
    return f"{said}."


def colour(name: str) -> int:
    """A number below COLOURS: the same for the same name, everywhere."""
    return zlib.crc32(name.encode(errors="replace")) % COLOURS


def _places(share: float) -> str:
    """A percentage with as few digits as a page of 4000 pixels needs."""
    return f"{share * 100:.3f}".rstrip("0").rstrip(".") + "%"
