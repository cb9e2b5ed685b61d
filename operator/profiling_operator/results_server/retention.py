"""What is removed: old results, the oldest where they are too many, and uploads nobody ends."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from profiling_operator.results_server.counting import Counts
from profiling_operator.results_server.folders import Attempt, Folders
from profiling_operator.results_server.quotas import Quotas
from profiling_operator.results_server.uses import Uses
from profiling_operator.stores import Key
from profiling_operator.stores.documents import Documents
from profiling_operator.stores.keys import RESERVED

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """How long results are kept. 0: for ever, or without limit."""

    seconds: float = 0
    """From the report on."""
    bytes: int = 0
    """Of all results together; finished ones go, the oldest first."""
    unfinished_seconds: float = 86400
    """Since anything of a result folder without report was last written."""


def chosen(attempts: Iterable[Attempt], rules: Rules, now: float) -> Iterator[tuple[Attempt, str]]:
    """Which go at `now`, in seconds since the epoch, and why: `age`, `size` or `unfinished`."""
    kept = []
    for one in attempts:
        limit = rules.unfinished_seconds if one.finished is None else rules.seconds
        since = one.touched if one.finished is None else one.finished
        if limit and now - since > limit:
            yield one, "unfinished" if one.finished is None else "age"
        else:
            kept.append(one)
    size = sum(one.size for one in kept)
    finished = [one for one in kept if one.finished is not None]
    for one in sorted(finished, key=lambda one: one.finished or 0):
        if not rules.bytes or size <= rules.bytes:
            return
        size -= one.size
        yield one, "size"


@dataclass(frozen=True)
class Retention:
    """Removes what the rules say, and nothing that is being read or written. Baselines stay."""

    folders: Folders
    quotas: Quotas
    uses: Uses
    counts: Counts
    rules: Rules

    async def sweep(self) -> int:
        """Look at everything once; returns how many result folders went. Raises OSError."""
        attempts = await asyncio.to_thread(lambda: list(self.folders.attempts()))
        gone = [one.size for one, why in chosen(attempts, self.rules, time.time())
                if self._take_away(one.key, why)]  # fmt: skip
        self.counts.stored.set(sum(one.size for one in attempts) - sum(gone))
        self.counts.attempts.set(len(attempts) - len(gone))
        baselines = await asyncio.to_thread(Documents(self.folders.root).sizes)
        self.counts.baselines.set(len(baselines))
        self.counts.baseline_bytes.set(sum(baselines))
        await asyncio.to_thread(shutil.rmtree, self._bin, ignore_errors=True)
        return len(gone)

    async def keep_sweeping(self, seconds: float) -> None:
        """Look again and again, until cancelled. A disk that fails is no end."""
        while True:
            try:
                await self.sweep()
            except OSError:
                LOG.exception("retention could not look at everything")
            await asyncio.sleep(seconds)

    @property
    def _bin(self) -> Path:
        return self.folders.root / RESERVED / "removed"

    def _take_away(self, key: Key, why: str) -> bool:
        """In the event loop and without waiting: nobody begins to use the folder meanwhile."""
        if not self.uses.is_idle(key):
            return False
        self._bin.mkdir(parents=True, exist_ok=True)
        self.folders.discard(key, self._bin)
        self.quotas.forget(key)
        self.counts.removed.labels(why).inc()
        LOG.info("removed %s: %s", key, why)
        for parts in (
            (key.namespace, key.job, key.uid),
            (key.namespace, key.job),
            (key.namespace,),
        ):
            if self.uses.is_idle_below(*parts):
                self.folders.prune(*parts)
        return True
