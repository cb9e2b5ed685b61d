"""Samples as slices of a time line: neighbours that share the beginning of their stacks share those
slices, as in the flame charts of browsers.

A sample says what ran at one moment. It stands for the time until the next one, or for the usual
distance where the next one is further than twice that: the thread was not running meanwhile.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from profiling_operator.exports.places import Stack

DEPTH_LIMIT = 100
FAR = 2


class Sample(NamedTuple):
    """A stack, root first, at a moment in nanoseconds."""

    time: int
    stack: Stack


class Slice(NamedTuple):
    """A frame that was there from a moment to another one, in as many samples."""

    start: int
    end: int
    name: str
    samples: int


class _Open(NamedTuple):
    name: str
    start: int
    before: int
    """Samples before it."""


def of_thread(samples: Sequence[Sample]) -> Iterator[Slice]:
    """The slices of one thread's samples, which are in order; each one as it ends.

    Of deep stacks the outermost frames are there.
    """
    usual = usual_distance(samples)
    open_frames: list[_Open] = []
    previous = 0
    for number, (time, stack) in enumerate(samples):
        is_near = time - previous <= FAR * usual
        shared = _shared(open_frames, stack) if is_near else 0
        yield from _closed(open_frames, shared, time if is_near else previous + usual, number)
        for name in stack[shared:DEPTH_LIMIT]:
            open_frames.append(_Open(name, time, number))
        previous = time
    yield from _closed(open_frames, 0, previous + usual, len(samples))


def usual_distance(samples: Sequence[Sample]) -> int:
    """The median of the distances between neighbours at different moments; 0 without any."""
    pairs = pairwise(samples)
    distances = [second.time - first.time for first, second in pairs if second.time > first.time]
    return round(statistics.median(distances)) if distances else 0


def _shared(open_frames: Sequence[_Open], stack: Stack) -> int:
    """How many frames, from the root on, go on."""
    for number, one in enumerate(open_frames):
        if number >= len(stack) or one.name != stack[number]:
            return number
    return len(open_frames)


def _closed(open_frames: list[_Open], keep: int, end: int, number: int) -> Iterator[Slice]:
    """Those that end: of two from the same moment, the outer one is first."""
    for one in open_frames[keep:]:
        yield Slice(one.start, end, one.name, number - one.before)
    del open_frames[keep:]
