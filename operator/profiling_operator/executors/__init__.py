"""The executor contract. Each module in this folder is one platform that runs plans.

An executor starts, observes, stops; it never sees a job or a collector, and it decides nothing.
What it keeps outside its own memory (labels, files) is enough to go on after a crash: `start` of an
attempt that is there already, from whomever, is no second start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Protocol

from profiling_operator.errors import Problem, Reason
from profiling_operator.plan import Plan
from profiling_operator.workspace import ExitRecord, RunRecord, Started


class State(StrEnum):
    """Where an attempt stands."""

    STARTING = "Starting"
    RUNNING = "Running"
    ENDED = "Ended"
    LOST = "Lost"
    """It is gone, or never was, and left no outcome."""


@dataclass(frozen=True)
class Observation:
    """What is to be seen of an attempt now."""

    state: State
    started: Started | None = None
    runs: tuple[RunRecord, ...] = ()
    exit: ExitRecord | None = None
    reason: Reason | None = None
    """The platform's own verdict, which goes before the launcher's: out of memory, lost, ..."""
    message: str = ""
    node: str = ""
    device: str = ""


class Executor(Protocol):
    """What each module offers as `EXECUTOR`."""

    name: ClassVar[str]
    fields: ClassVar[Mapping[str, str]]
    """What fields of the resource mean here that do not mean the same everywhere."""

    def check(self, plan: Plan) -> Sequence[Problem]:
        """Why this platform refuses the plan, field by field; empty: it does not."""
        ...

    def start(self, plan: Plan) -> str:
        """Start an attempt and return its name; twice is once.

        Raises ExecutorError when the platform does not do it, ToolchainError, PlaybackError.
        """
        ...

    def observe(self, attempt: str) -> Observation:
        """What is to be seen now; never raises for an attempt that is gone: LOST."""
        ...

    def wait(self, attempt: str, seconds: float) -> Observation:
        """Observe when the attempt has ended, or after so many seconds."""
        ...

    def stop(self, attempt: str, reason: Reason, message: str = "") -> None:
        """Ask it to end and to keep its profile; returns at once; one that is gone is stopped."""
        ...

    def workspace(self, attempt: str) -> AbstractContextManager[Path]:
        """The workspace of an ended attempt as a folder of this machine."""
        ...

    def remove(self, attempt: str) -> None:
        """Leave nothing of it behind, processes included; twice is once."""
        ...

    def attempts(self) -> Sequence[str]:
        """The attempts that are there, from whomever."""
        ...
