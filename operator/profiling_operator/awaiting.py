"""Waits beside the application of a pod until its launcher is gone. Never for ever.

What shares the workspace with the application cannot rely on it: the launcher's files may be
missing, removed or wrong. Deadlines bound what comes of that.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from profiling_operator import workspace
from profiling_operator.observation import Observation, State
from profiling_operator.plan import Plan
from profiling_operator.workspace import Liveness

START_PAUSE, END_PAUSE = 0.1, 0.5  # nothing tells of a new file
MARGIN_SECONDS = 30.0
STOP_MARGIN_SECONDS = 10.0  # the pod's grace has three times as much beyond stop and collecting


class Stop:
    """A wish to end, noted when it comes; who notes it decides what to do about it."""

    def __init__(self) -> None:
        """Not wished yet."""
        self.since: float | None = None

    def note(self, *_: object) -> None:
        """As a signal's handler: the first one counts."""
        if self.since is None:
            self.since = time.monotonic()

    @property
    def is_wished(self) -> bool:
        """Whether it has come."""
        return self.since is not None


@dataclass(frozen=True)
class Limits:
    """How long is waited, in seconds."""

    start: float
    """For the launcher's first word."""
    run: float
    """From then on, for its end."""
    stop: float
    """For its end, once the pod is being ended."""


@dataclass(frozen=True)
class Ending:
    """What was to be seen at the end of waiting."""

    observation: Observation
    has_started: bool = True
    seen_at: float = field(default_factory=time.monotonic)
    """By the monotonic clock."""


def limits_of(plan: Plan) -> Limits:
    """As long as the plan allows, and a margin."""
    readiness = plan.playback.readiness.timeout_seconds if plan.playback else 0
    return Limits(
        start=plan.deadlines.start_seconds + readiness + MARGIN_SECONDS,
        run=plan.longest_seconds + MARGIN_SECONDS,
        stop=plan.stop_seconds + STOP_MARGIN_SECONDS,
    )


def await_end(root: Path, runs: int, limits: Limits, stop: Stop) -> Ending:
    """Wait until the launcher is gone, however it ends, or until a limit is reached."""
    if not _await_start(root, limits.start, stop):
        why = (
            "the pod was ended before the application was started"
            if stop.is_wished
            else f"the application was not started within {limits.start:g} s"
        )
        return Ending(Observation(State.LOST, message=why), has_started=False)
    started = workspace.read_started(root)  # the application may remove it later
    life = _await_hangup(root, limits, stop)
    ended = workspace.read_exit(root)
    seen = Observation(
        state=State.LOST if ended is None else State.ENDED,
        started=workspace.read_started(root) or started,
        runs=workspace.read_runs(root, runs),
        exit=ended,
        message="" if ended is not None else _why(life, limits, stop),
    )
    return Ending(seen)


def ending_of(root: Path, runs: int) -> Ending:
    """The end as the workspace tells it, of what is known to have ended."""
    started, ended = workspace.read_started(root), workspace.read_exit(root)
    seen = Observation(
        state=State.LOST if ended is None else State.ENDED,
        started=started,
        runs=workspace.read_runs(root, runs),
        exit=ended,
        message="" if ended is not None else _why_lost(started is not None),
    )
    return Ending(seen, has_started=started is not None)


def _why_lost(has_started: bool) -> str:
    if has_started:
        return "the launcher ended without leaving an outcome"
    return "the launcher left no word of a start"


def _await_start(root: Path, seconds: float, stop: Stop) -> bool:
    deadline = time.monotonic() + seconds
    while workspace.read_started(root) is None:
        if stop.is_wished or time.monotonic() > deadline:
            return False
        time.sleep(START_PAUSE)
    return True


def _await_hangup(root: Path, limits: Limits, stop: Stop) -> Liveness:
    """Woken by the kernel: the sign of life is opened once, since it may be removed later.

    Waiting is a thread's, so that a wish to end, which shortens it, is seen meanwhile.
    """
    deadline = time.monotonic() + limits.run
    found: list[Liveness] = []
    waiter = threading.Thread(
        target=lambda: found.append(workspace.wait_for_end(root, limits.run)), daemon=True
    )
    waiter.start()
    while waiter.is_alive() and not _is_over(deadline, limits, stop):
        waiter.join(END_PAUSE)
    life = found[0] if found else Liveness.ALIVE
    while life is Liveness.ABSENT and not _is_over(deadline, limits, stop):
        if workspace.read_exit(root) is not None:
            break
        time.sleep(END_PAUSE)
    return life


def _is_over(deadline: float, limits: Limits, stop: Stop) -> bool:
    now = time.monotonic()
    return now > deadline or (stop.since is not None and now > stop.since + limits.stop)


def _why(life: Liveness, limits: Limits, stop: Stop) -> str:
    """Why there is no outcome."""
    if life is Liveness.GONE:
        return _why_lost(has_started=True)
    if stop.since is not None and time.monotonic() > stop.since + limits.stop:
        return f"the application did not end within {limits.stop:g} s of being told to"
    if life is Liveness.ABSENT:
        return f"the launcher's files were removed, and no outcome came within {limits.run:g} s"
    return f"the application did not end within {limits.run:g} s"
