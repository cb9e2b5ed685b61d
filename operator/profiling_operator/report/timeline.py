"""The time line: kernels, copies, ranges and calls, a line for each stream and thread.

What is narrower than a step stands together with its neighbours, and the step grows until there are
few enough pieces. A piece that stands for several is paler the less of its time was busy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from markupsafe import Markup

from profiling_operator.report import slices, svg, words
from profiling_operator.report.flame import fitting
from profiling_operator.report.slices import Slice, Trace, Track

PIECES = 2500
"""Of all tracks together."""
BYTES = 300_000
TRACKS = 24
DEPTH = 5
"""Slices within each other are drawn below each other, so many."""
ROW = 18
WIDE = 1100
"""Pixels: a label is what fits into its piece on a page of this width."""
LONGEST = 8
"""Steps that one piece of several slices takes at most."""
PALEST = 0.35
AXIS = 18
TICKS = 6
LABELLED, LABELLED_INSET = 40, 2
"""Pixels: narrower and lower pieces have no label."""
INSET = {"memcpy": 2, "memset": 4, "api": 2, "os": 3}
"""Pixels by which kinds are lower than others, so that more than their colour tells them apart."""
KINDS = {
    "kernel": "kernel", "memcpy": "copy", "memset": "memory set", "range": "range",
    "api": "call of the GPU's API", "os": "call of the system", "timer": "timer",
}  # fmt: skip


@dataclass
class Piece:
    """One slice, or neighbours that are too narrow."""

    start: float
    end: float
    depth: int
    count: int = 0
    busy: float = 0.0
    times: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Nanoseconds by name and kind."""

    def add(self, one: Slice) -> None:
        """Let it stand for another slice, too."""
        self.count += 1
        self.busy += one.end - one.start
        self.end = max(self.end, one.end)
        self.times[one.name, one.kind] += round((one.end - one.start) * 1000)

    @property
    def most(self) -> tuple[str, str]:
        """Name and kind of what took most of it."""
        return self.times.most_common(1)[0][0]


@dataclass(frozen=True)
class Line:
    """A track: its picture, and the same in words."""

    process: str
    name: str
    picture: Markup
    slices: str
    busy: str
    share: str
    longest: str


@dataclass(frozen=True)
class Timeline:
    """All of it."""

    axis: Markup
    lines: tuple[Line, ...]
    kinds: tuple[tuple[str, str], ...]
    """Those that are drawn: class, and words."""
    said: tuple[str, ...]
    """What is not drawn, or not by itself."""


def draw(trace: Trace, budget: int = BYTES) -> Timeline | None:
    """The picture of a trace, of at most so many bytes; None where there is nothing to draw."""
    of_run = slices.first_run(trace.tracks)
    shown = _shown(of_run)
    start = min((one.slices[0].start for one in shown), default=0.0)
    end = max((piece.end for one in shown for piece in one.slices), default=0.0)
    if not end > start or not budget:
        return None
    step = (end - start) / WIDE
    while step < LONGEST * (end - start):  # by then each depth is one piece
        pieces = _pieces_of(shown, step)
        if pieces is not None:
            lines = tuple(
                _line(track, some, start, end) for track, some in zip(shown, pieces, strict=True)
            )
            if sum(len(one.picture.encode()) for one in lines) <= budget:
                said = tuple(_said(trace, of_run, shown, pieces, step))
                return Timeline(_axis(end - start), lines, tuple(_kinds(pieces)), said)
        step *= 2
    return None


def _kinds(pieces: Iterable[Sequence[Piece]]) -> Iterator[tuple[str, str]]:
    """Those that are drawn, in the order in which they are told."""
    drawn = {piece.most[1] for some in pieces for piece in some}
    return ((kind, title) for kind, title in KINDS.items() if kind in drawn)


def _shown(tracks: Sequence[Track]) -> list[Track]:
    """The busiest, in the order of the page: of GPUs, and, where there is room, of threads."""
    gpus = [one for one in tracks if one.is_of_gpu]
    threads = [one for one in tracks if not one.is_of_gpu]
    room = max(TRACKS - len(threads), TRACKS * 2 // 3)
    shown = _busiest(gpus, room)
    return [*shown, *_busiest(threads, TRACKS - len(shown))]


def _busiest(tracks: Sequence[Track], count: int) -> list[Track]:
    busy = [one.busy for one in tracks]
    chosen = sorted(range(len(tracks)), key=lambda at: -busy[at])[:count]
    return [tracks[at] for at in sorted(chosen)]


def _pieces_of(tracks: Sequence[Track], step: float) -> list[list[Piece]] | None:
    """The pieces of each track, if with this step they are few enough."""
    found: list[list[Piece]] = []
    left = PIECES
    for track in tracks:
        found.append(list(islice(_pieces(track.slices, step), left + 1)))
        left -= len(found[-1])
        if left < 0:
            return None
    return found


def _pieces(some: Iterable[Slice], step: float) -> Iterator[Piece]:
    """Slices by their start, each below those that it lies in, as pieces."""
    ends: list[float] = []
    waiting: dict[int, Piece] = {}
    for one in some:
        while ends and ends[-1] <= one.start:
            ends.pop()
        depth = len(ends)
        ends.append(one.end)
        if depth >= DEPTH:
            continue
        piece = waiting.get(depth)
        if piece is None or not _joins(piece, one, step):
            if piece is not None:
                yield piece
            piece = waiting[depth] = Piece(one.start, one.end, depth)
        piece.add(one)
    yield from waiting.values()


def _joins(piece: Piece, one: Slice, step: float) -> bool:
    """Whether a slice is so narrow, and so near, that it stands with those before it."""
    is_narrow = one.end - one.start < step and piece.end - piece.start < LONGEST * step
    # A wide one by itself stays so.
    is_open = piece.count > 1 or piece.end - piece.start < step
    return is_narrow and is_open and one.start - piece.end < step


def _line(track: Track, pieces: Sequence[Piece], start: float, end: float) -> Line:
    rows = 1 + max((one.depth for one in pieces), default=0)
    label = f"{words.name(f'{track.process} {track.name}')}: {_counts(track)}"
    whole = end - start
    picture = svg.element(
        "svg", *(_drawn(one, start, whole) for one in pieces), class_="track", role="img",
        aria_label=label, width="100%", height=rows * ROW,
    )  # fmt: skip
    longest = max(track.slices, key=lambda one: one.end - one.start)
    return Line(
        process=words.name(track.process, 80),
        name=words.name(track.name, 80),
        picture=picture,
        slices=_counts(track),
        busy=_time(track.busy),
        share=words.share(track.busy / whole),
        longest=f"{words.name(longest.name, 80)}, {_time(longest.end - longest.start)}",
    )


def _counts(track: Track) -> str:
    """`12 kernels, 3 copies`."""
    return ", ".join(
        words.counted(count, KINDS[kind], _plural(kind))
        for kind, count in track.kinds.most_common()
    )


def _plural(kind: str) -> str:
    one = KINDS[kind]
    if one.startswith("call"):
        return one.replace("call", "calls", 1)
    return "copies" if one == "copy" else f"{one}s"


def _drawn(piece: Piece, start: float, whole: float) -> Markup:
    """A piece with its tooltip, and a label if one fits."""
    left, width = (piece.start - start) / whole, (piece.end - piece.start) / whole
    first, kind = piece.most
    inset = INSET.get(kind, 0)
    busy = piece.busy / (piece.end - piece.start) if piece.end > piece.start else 1.0
    is_alone = piece.count == 1
    content = [svg.element("title", _told(piece, start))]
    content.append(svg.element(
        "rect", width="100%", height=ROW - 1 - 2 * inset, y=inset,
        fill_opacity=None if is_alone else round(max(PALEST, min(1.0, busy)), 1),
    ))  # fmt: skip
    label = fitting(words.name(first, 80), width * WIDE) if width * WIDE > LABELLED else ""
    if label and is_alone and inset <= LABELLED_INSET:
        content.append(svg.element("text", label, x=4, y=13))
    return svg.element(
        "svg", *content, class_=f"k-{kind}", x=svg.percent(left), y=piece.depth * ROW,
        width=_least(width), height=ROW - 1,
    )  # fmt: skip


def _least(width: float) -> str:
    """A width that is to be seen."""
    return svg.percent(width) if width * WIDE > 1 else "1"


def _told(piece: Piece, start: float) -> str:
    """The tooltip."""
    first, kind = piece.most
    name = words.name(first, 120)
    took = f"{_time(piece.end - piece.start)} at {_time(piece.start - start)}"
    if piece.count == 1:
        return f"{name}: {KINDS[kind]} of {took}"
    kinds = {one for _, one in piece.times}
    what = (KINDS[kind], _plural(kind)) if len(kinds) == 1 else ("event", "events")
    several = words.counted(piece.count, *what)
    return f"{several} in {took}, busy {_time(piece.busy)}: mostly {name}"


def _axis(whole: float) -> Markup:
    """Times from the beginning."""
    ticks = [
        svg.element(
            "text", _time(one), class_="axis", x=svg.percent(one / whole), y=13,
            text_anchor=None if one == 0 else "middle",
        )
        for one in svg.ticks(0.0, whole * 0.97, TICKS)
    ]  # fmt: skip
    return svg.element("svg", *ticks, class_="times", aria_hidden="true", width="100%", height=AXIS)


def _said(
    trace: Trace,
    of_run: Sequence[Track],
    shown: Sequence[Track],
    pieces: Iterable[Sequence[Piece]],
    step: float,
) -> Iterator[str]:
    if len(of_run) < len(trace.tracks):
        yield f"This is the first run; {slices.FILE} has all of them."
    if trace.is_cut:
        yield f"Only the first {words.count(slices.SLICES_LIMIT)} slices of {slices.FILE} are here."
    if len(shown) < len(of_run):
        left = len(of_run) - len(shown)
        yield f"Of {len(of_run)} lines the busiest are here; {left} are not."
    merged = sum(one.count for some in pieces for one in some if one.count > 1)
    if merged:
        yield (
            f"{words.counted(merged, 'slice')} shorter than {_time(step)} stand together with "
            "their neighbours."
        )


def _time(microseconds: float) -> str:
    return words.amount(microseconds * 1000, "ns")
