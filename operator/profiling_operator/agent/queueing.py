"""Who is next, and which GPUs he gets. No I/O.

Jobs with GPUs and jobs without do not wait for each other. Nobody overtakes within what the one
before him could use: otherwise one that wants two GPUs might wait for ever, while those that want
one take each that becomes free.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from profiling_operator.agent.gpus import Gpu
from profiling_operator.artifacts import natural


@dataclass(frozen=True)
class Waiting:
    """An attempt that has no place yet."""

    name: str
    priority: int
    """That of its priority class: the higher one goes first."""
    since: str
    """When it began to wait, or was made (RFC 3339): the older one goes first."""
    gpus: int
    product: str | None = None
    """Only GPUs of this product."""

    @property
    def turn(self) -> tuple[Any, ...]:
        """What the queue is sorted by; no two attempts have the same."""
        return (-self.priority, _moment(self.since), natural(self.name), self.name)


def place(
    waiting: Iterable[Waiting], free: Sequence[Gpu], free_slots: int
) -> dict[str, tuple[str, ...]]:
    """Who starts now, with which GPUs; `free_slots` of those that want none may start.

    One that gets too few of what it could use keeps these from all behind it, until it gets the
    rest; one that this host can never serve must not be among them (see capacity.py).
    """
    placed: dict[str, tuple[str, ...]] = {}
    left = list(free)
    slots = free_slots
    for one in sorted(waiting, key=lambda one: one.turn):
        if one.gpus == 0:
            if slots > 0:
                placed[one.name] = ()
            slots -= 1
            continue
        usable = [gpu for gpu in left if gpu.is_of(one.product)]
        taken = usable[: one.gpus]
        if len(taken) == one.gpus:
            placed[one.name] = tuple(gpu.uuid for gpu in taken)
        left = [gpu for gpu in left if gpu not in taken]
    return placed


def _moment(since: str) -> datetime:
    """Fractions of a second differ in length, so that texts do not compare as times do."""
    moment = datetime.fromisoformat(since)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
