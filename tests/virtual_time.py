"""An event loop whose clock jumps: a day of waiting takes no time, and goes the same each time."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Found = TypeVar("Found")


class _Jump(selectors.DefaultSelector):
    """Where a loop would sleep until its next timer, time moves on instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now."""
        if timeout is None and len(self.get_map()) < 2:  # its own pipe only
            raise RuntimeError("nothing is left that could happen")
        self.now += max(0.0, timeout or 0.0)
        return super().select(0 if timeout is not None else None)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Begins at 0."""

    def __init__(self) -> None:
        """With a selector that does not sleep."""
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Seconds since it was made."""
        return self._jump.now


def run(coroutine: Coroutine[Any, Any, Found]) -> Found:
    """What a coroutine returns, in virtual time. No callback and no task may fail meanwhile."""
    bugs: list[Any] = []
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: bugs.append(context))
        found = runner.run(coroutine)
    assert bugs == []
    return found
