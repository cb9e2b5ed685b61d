"""Which jobs are to be looked at, and when: each once, however often it was mentioned."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator

from profiling_operator.backoff import pauses

FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 60.0


class Agenda:
    """UIDs that are due. One is never handed out twice at a time. For one event loop."""

    def __init__(self) -> None:
        """Nothing is due."""
        self._due: deque[str] = deque()
        self._since: dict[str, float] = {}
        self._busy: set[str] = set()
        self._again: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, Iterator[float]] = {}
        self._filled = asyncio.Event()

    def mark(self, uid: str) -> None:
        """Something has happened to it."""
        if uid in self._busy:
            self._again.add(uid)
            return
        if uid not in self._since:
            self._since[uid] = self._now()
            self._due.append(uid)
            self._filled.set()

    def later(self, uid: str, seconds: float) -> None:
        """Look at it then, although nothing may have happened; replaces an earlier wish."""
        self._cancel(uid)
        self._timers[uid] = asyncio.get_running_loop().call_later(
            max(0.0, seconds), self._ring, uid
        )

    def retry(self, uid: str) -> float:
        """Look at it again after a failure: endless, ever less often, not all at once. Seconds."""
        waits = self._failures.setdefault(uid, pauses(FIRST_BACKOFF, LONGEST_BACKOFF))
        pause = next(waits)
        self.later(uid, pause)
        return pause

    def succeeded(self, uid: str) -> None:
        """Its failures are over."""
        self._failures.pop(uid, None)

    async def take(self) -> str:
        """The next one that is due; the caller says `done` when it is."""
        while not self._due:
            self._filled.clear()
            await self._filled.wait()
        uid = self._due.popleft()
        del self._since[uid]
        self._busy.add(uid)
        return uid

    def done(self, uid: str) -> None:
        """It may be handed out again."""
        self._busy.discard(uid)
        if uid in self._again:
            self._again.discard(uid)
            self.mark(uid)

    def forget(self, uid: str) -> None:
        """It is gone."""
        self._cancel(uid)
        self._failures.pop(uid, None)

    def __len__(self) -> int:
        """How many are due and not being looked at."""
        return len(self._due)

    def oldest_seconds(self) -> float:
        """How long the one that has waited longest has been due."""
        return max((self._now() - since for since in self._since.values()), default=0.0)

    def waits(self) -> list[float]:
        """How many seconds each has been due. May be called by other threads."""
        now = time.monotonic()
        return [now - since for since in tuple(self._since.values())]

    def _ring(self, uid: str) -> None:
        self._timers.pop(uid, None)
        self.mark(uid)

    def _cancel(self, uid: str) -> None:
        timer = self._timers.pop(uid, None)
        if timer is not None:
            timer.cancel()

    @staticmethod
    def _now() -> float:
        return time.monotonic()
