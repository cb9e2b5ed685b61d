"""The executor contract. Each module in this folder is one platform that runs plans.

An executor starts, observes, stops; it never sees a job or a collector, and it decides nothing.
What it keeps outside its own memory (labels, files) is enough to go on after a crash: `start` of an
attempt that is there already, from whomever, is no second start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from profiling_operator.errors import Problem, Reason
from profiling_operator.machines import Machine
from profiling_operator.observation import Observation as Observation
from profiling_operator.observation import State as State
from profiling_operator.plan import Plan
from profiling_operator.toolchains import Facts


def _ignore(text: str) -> None:
    """Nobody wants to know."""


@dataclass(frozen=True)
class Listener:
    """Who wants to know how a start goes on, and what the application prints."""

    progress: Callable[[str], None] = _ignore
    """Called with a few words, as in `pulling registry.example/app: 40 %`."""
    output: int | None = None
    """Descriptor that gets the application's output as it comes."""


SILENT = Listener()


class Executor(Protocol):
    """What each module offers as `EXECUTOR`."""

    name: ClassVar[str]
    fields: ClassVar[Mapping[str, str]]
    """What fields of the resource mean here that do not mean the same everywhere."""
    can_be_lost: ClassVar[bool]
    """The platform may lose an attempt through no fault of the job: another one is worth it."""

    def check(self, plan: Plan) -> Sequence[Problem]:
        """Why this platform refuses the plan, field by field; empty: it does not."""
        ...

    def facts(self, plan: Plan) -> Facts:
        """What is known of the place before the start, for the collectors' preflights."""
        ...

    def machine(self) -> Machine:
        """Where attempts run, as far as it changes numbers; raises as `observe`."""
        ...

    def start(self, plan: Plan, listener: Listener = SILENT) -> str:
        """Start an attempt and return its name; twice is once.

        Raises ExecutorError when the platform does not do it, ImageError, ToolchainError,
        PlaybackError.
        """
        ...

    def observe(self, attempt: str) -> Observation:
        """What is to be seen now; never raises for an attempt that is gone: LOST.

        Raises ExecutorError while the platform does not answer.
        """
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
