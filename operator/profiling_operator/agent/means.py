"""What keepers work with: an executor, the engine's shelf, and who makes results."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor as Threads
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

from profiling_operator.agent.collecting import LastWords
from profiling_operator.agent.records import Found, Record
from profiling_operator.executors import Executor, Listener, Observation
from profiling_operator.plan import Plan

Answer = TypeVar("Answer")
Body = Mapping[str, Any]
Collect = Callable[[Plan, str, Callable[[], AbstractContextManager[Path]], Observation], LastWords]


class OnEngine(Executor, Protocol):
    """What a keeper needs of the docker executor, beyond the contract."""

    def has_begun(self, attempt: str) -> bool:
        """Whether the application's container was started."""
        ...

    def prepare(self, plan: Plan, listener: Listener) -> None:
        """Bring everything there."""
        ...

    def begin(self, attempt: str, listener: Listener) -> str:
        """Start what is prepared."""
        ...

    def container(self, attempt: str) -> Body | None:
        """The application's container, as `docker inspect` shows it."""
        ...


class Shelf(Protocol):
    """Where the engine keeps what outlives the agent: see records.py.

    Every method may block, and raises ExecutorError while the engine does not answer.
    """

    def find(self) -> Found:
        """All attempts."""
        ...

    def enlist(self, record: Record) -> Record:
        """Make a record, unless it is there; the one that is there then."""
        ...

    def begin(self, attempt: str) -> None:
        """Note that the application may have been started."""
        ...

    def has_begun(self, attempt: str) -> bool:
        """Whether that is noted."""
        ...

    def forget(self, attempt: str) -> None:
        """Remove record and note."""
        ...

    def containers(self) -> Mapping[str, Body]:
        """The applications' containers by attempt, as `docker inspect` shows them."""
        ...


@dataclass(frozen=True)
class Means:
    """What all keepers of a host share."""

    host: str
    """Its name."""
    executor: Callable[[tuple[str, ...]], OnEngine]
    """An executor of its own for an attempt, which is given these GPUs."""
    shelf: Shelf
    collect: Collect
    """Make results of what an attempt left. Raises ExecutorError, OSError."""
    forget: Callable[[str], None]
    """Remove what was kept for that."""
    threads: Threads
    collections: asyncio.Semaphore
    """How many results are made at once."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def in_thread(self, do: Callable[[], Answer]) -> Awaitable[Answer]:
        """The answer to what blocks."""
        return asyncio.get_running_loop().run_in_executor(self.threads, do)
