"""Folded stacks as a result folder keeps them: `root;inner;leaf WEIGHT`, a line each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from profiling_operator.exports.places import Stack

FILE = "folded.txt"
LINES_LIMIT = 200_000
FRAMES_LIMIT = 2_000_000
"""In all stacks together."""
LINE_LIMIT = 1 << 20
"""Bytes; a longer line is none of ours."""
DEPTH_LIMIT = 4096
"""Frames of a stack; what is deeper counts for the last of them."""
OTHERS: Stack = ("[other stacks]",)
"""Where the weight of stacks goes that came after a limit."""


def read(path: Path) -> dict[Stack, float]:
    """The stacks with their weights; nothing where there is no such file. Raises OSError.

    Anyone may have written it: what is no folded line is passed over, and past the limits all
    weight is that of `[other stacks]`, so that totals stay what they are.
    """
    found: dict[Stack, float] = {}
    names: dict[str, str] = {}
    frames = 0
    for text, weight in _lines(path):
        stack = tuple(
            names.setdefault(one, one) for one in text.split(";", DEPTH_LIMIT)[:DEPTH_LIMIT]
        )
        if stack not in found:
            frames += len(stack)
            if len(found) >= LINES_LIMIT or frames > FRAMES_LIMIT:
                stack = OTHERS
        found[stack] = found.get(stack, 0.0) + weight
    return found


def _lines(path: Path) -> Iterator[tuple[str, float]]:
    """The text and the weight of each line."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        while line := file.readline(LINE_LIMIT):
            text, blank, number = line.decode("utf-8", "replace").rstrip("\n").rpartition(" ")
            weight = _number(number)
            if blank and text and line.endswith(b"\n") and weight:
                yield text, weight


def _number(text: str) -> float:
    """A weight; 0 for what is none."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0
