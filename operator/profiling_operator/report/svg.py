"""Pieces of SVG: attributes and classes only, since pages may have no style of their own."""

from __future__ import annotations

import math
from collections.abc import Iterator

from markupsafe import Markup, escape

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def element(tag: str, *content: str, **attributes: str | float | None) -> Markup:
    """An element; what is no Markup yet is escaped. `_` in names is `-`, one at the end nothing."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_written(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(map(escape, content))
    # Names of elements and attributes are ours, and everything else has been escaped.
    return Markup(f"<{tag}{told}>{inner}</{tag}>" if inner else f"<{tag}{told}/>")  # noqa: S704


def percent(part: float) -> str:
    """A place, as a part of the whole width."""
    return f"{number(part * 100)}%"


def number(value: float) -> str:
    """With as few digits as a picture needs."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def ticks(low: float, high: float, about: int) -> Iterator[float]:
    """Round numbers between two, about so many."""
    if not high > low or not math.isfinite(high - low):
        return
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * one for one in STEPS if power * one >= rough * (1 - 1e-9))
    for at in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield at * step


def _written(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else number(value)
