"""Processes of this machine: whether one still lives, and which belong to an attempt."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ATTEMPT_VARIABLE = "PROFJOB_ATTEMPT"
PROC = Path("/proc")
KILLED_SECONDS = 1.0
EXEC_SECONDS = 0.02
ENDINGS = 50  # rounds of KILL: a fork bomb needs some, and none lasts for ever


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when there is none.

    Together with the pid it names a process for good, since pids are used again.
    """
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    is_zombie = fields[0] == "Z"
    return None if is_zombie else int(fields[19])


def carrying(attempt: str) -> Iterator[int]:
    """Processes that have the attempt's name in their environment, as they were started."""
    wanted = f"{ATTEMPT_VARIABLE}={attempt}".encode()
    for folder in PROC.iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        with suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name)


def end_all(attempt: str) -> list[int]:
    """Kill every process of an attempt; returns those that could not be killed."""
    left: list[int] = []
    for _ in range(ENDINGS):
        left = _living(attempt) or _living_after(attempt, EXEC_SECONDS)
        if not left:
            break
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                wait_for_exit(pid, KILLED_SECONDS)
    return left


def _living(attempt: str) -> list[int]:
    return [pid for pid in carrying(attempt) if start_time(pid) is not None]


def _living_after(attempt: str, seconds: float) -> list[int]:
    """A process in the middle of an exec has no environment to be seen: look again."""
    select.select([], [], [], seconds)
    return _living(attempt)


def wait_for_exit(pid: int, seconds: float) -> None:
    """Wait until a process that need not be our child has ended, at most so long."""

    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return
    try:
        select.select([descriptor], [], [], seconds)
    finally:
        os.close(descriptor)
