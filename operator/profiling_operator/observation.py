"""What is to be seen of an attempt, whatever platform runs it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from profiling_operator.errors import Reason
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
    image: str = ""
    """The application's image as the platform resolved it, with a digest; empty: not known."""
