"""The curve of `gates.py` as a picture: how large a change is found with how many repetitions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

PANEL, HEIGHT, LEFT, TOP, GAP = 210, 170, 44, 34, 56
COLORS = ("#b3402a", "#9a6a00", "#2b6cb0", "#276749")
Points = Mapping[tuple[int, int, float], float]
"""Share found, by jobs of the window, repetitions and change in percent."""


def draw(points: Points) -> str:
    """The SVG: a panel for each size of the window, a line for each number of repetitions."""
    windows = sorted({window for window, _, _ in points})
    width = LEFT + len(windows) * (PANEL + GAP)
    body = "\n".join(
        line
        for index, window in enumerate(windows)
        for line in _panel(points, window, LEFT + index * (PANEL + GAP))
    )
    title = "How large a change is found, with 5 % noise and maxIncrease 5%"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {TOP + HEIGHT + 74}" '
        f'font-family="sans-serif" font-size="11" role="img" aria-label="{title}">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


def _panel(points: Points, window: int, left: float) -> Iterator[str]:
    largest = max(change for _, _, change in points)
    yield _text(left + PANEL / 2, TOP - 16, f"{window} jobs accepted", "middle")
    for share in (0, 0.5, 0.95, 1):
        y = TOP + HEIGHT * (1 - share)
        yield f'<path d="M{left} {y:.1f}h{PANEL}" stroke="#ccc"/>'
        yield _text(left - 5, y + 4, f"{share:.0%}".replace("%", " %"), "end")
    for change in (0, 10, 20, 30):
        if change <= largest:
            x = left + PANEL * change / largest
            yield _text(x, TOP + HEIGHT + 15, f"+{change} %" if change else "0", "middle")
    counts = sorted({count for _, count, _ in points})
    for index, (count, color) in enumerate(zip(counts, COLORS, strict=False)):
        found = sorted((c, s) for (w, r, c), s in points.items() if (w, r) == (window, count))
        if not found:
            continue
        yield _line(found, left, largest, color)
        x, y = left + (index % 2) * PANEL / 2, TOP + HEIGHT + 36 + 16 * (index // 2)
        yield f'<path d="M{x} {y - 4}h14" stroke="{color}" stroke-width="2"/>'
        yield _text(x + 18, y, f"{count} repetitions", "start")


def _line(found: Sequence[tuple[float, float]], left: float, largest: float, color: str) -> str:
    at = (
        f"{left + PANEL * change / largest:.1f},{TOP + HEIGHT * (1 - share):.1f}"
        for change, share in found
    )
    return f'<polyline points="{" ".join(at)}" fill="none" stroke="{color}" stroke-width="2"/>'


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#222">{escape(words)}</text>'
    )
