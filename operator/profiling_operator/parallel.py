"""Work shared among processes, one of which may die: of memory, or in a library's native code."""

from __future__ import annotations

import math
import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")
MOST_PROCESSES = 16

Part = TypeVar("Part")
Result = TypeVar("Result")


def available(limit: Path = CPU_LIMIT) -> int:
    """How many processors may be kept busy: those that may be used, within the cgroup's limit."""
    count = len(os.sched_getaffinity(0))
    with suppress(OSError, ValueError):  # no cgroup v2, or `max`: no limit
        quota, period = map(int, limit.read_text().split())
        count = min(count, math.ceil(quota / period))
    return max(1, min(count, MOST_PROCESSES))


def in_order(
    work: Callable[[Part], Result], parts: Sequence[Part], processes: int
) -> Iterator[Result | None]:
    """The results of all parts in their order; None for one whose process died.

    `work` is a function of a module, since it goes to other processes by name; what it raises is
    raised here.
    """
    done = 0
    with suppress(BrokenProcessPool):  # by one part, and nobody knows by which
        for result in _together(work, parts, processes):
            yield result
            done += 1
    for part in parts[done:]:
        yield _alone(work, part)


def _together(
    work: Callable[[Part], Result], parts: Sequence[Part], processes: int
) -> Iterator[Result]:
    pool = _pool(min(processes, len(parts)))
    try:
        waiting: list[Future[Result]] = [pool.submit(work, part) for part in parts]
        waiting.reverse()
        while waiting:
            yield waiting.pop().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _alone(work: Callable[[Part], Result], part: Part) -> Result | None:
    with _pool(1) as pool, suppress(BrokenProcessPool):
        return pool.submit(work, part).result()
    return None


def _pool(processes: int) -> ProcessPoolExecutor:
    """New processes, not copies of this one: it may have threads that hold locks."""
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"))
