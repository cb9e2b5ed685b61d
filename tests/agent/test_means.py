"""What keepers are given."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import cast

from profiling_operator.agent.collecting import LastWords
from profiling_operator.agent.means import Means, OnEngine, Shelf
from profiling_operator.agent.records import Shelf as Kept
from profiling_operator.agent.threads import Threads
from profiling_operator.engine import Engine
from profiling_operator.executors.docker import Docker


def test_the_real_ones_are_what_is_asked_for() -> None:
    """Checked by mypy, too; and the time is that of this machine, in UTC."""
    shelf: Shelf = Kept(cast(Engine, None), "h1")

    def executor(gpus: tuple[str, ...]) -> OnEngine:
        return Docker()

    given = Means(
        host="h1", executor=executor, shelf=shelf, collect=lambda *_: LastWords(0, ""),
        forget=lambda attempt: None, threads=Threads(), collections=asyncio.Semaphore(1),
    )  # fmt: skip

    assert given.executor(()).name == "docker"
    assert abs((datetime.now(UTC) - given.now()).total_seconds()) < 60
