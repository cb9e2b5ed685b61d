"""Finds the application among the processes of a pod whose containers share them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
DEEPEST = 64  # of descendants; a fork bomb has no end
RECORDS = b"--record"


@dataclass(frozen=True)
class Process:
    """What /proc/PID/stat says of a living process."""

    pid: int
    parent: int
    session: int
    started: int
    """Clock ticks since boot."""


def application(launcher: int, recorded: bool) -> int | None:
    """The process in which the launcher's run executes the application's own command.

    None while there is none: before the start, between a fork and its exec, after the end.
    `recorded`: a tool stands around it, and an inner launcher between the two.
    """
    living = _living()
    own = [one for one in _children(living, launcher) if one.session == one.pid]
    if not own:
        return None
    if recorded:
        return _recorded(living, own[0].pid)
    return None if _program(own[0].pid) == _program(launcher) else own[0].pid


def family(pid: int) -> list[int]:
    """A process and its descendants, parents first."""
    living = _living()
    return [pid, *(one.pid for one in _descendants(living, pid))]


def _recorded(living: list[Process], tool: int) -> int | None:
    """The child of an inner launcher that is no inner launcher itself."""
    below = list(_descendants(living, tool))
    inner = {one.pid for one in below if _is_inner(one.pid)}
    found = (one.pid for one in below if one.parent in inner and one.pid not in inner)
    return next(found, None)


def _descendants(living: list[Process], pid: int) -> Iterator[Process]:
    found = [pid]
    for _ in range(DEEPEST):
        below = [one for parent in found for one in _children(living, parent)]
        yield from below
        found = [one.pid for one in below]


def _children(living: list[Process], pid: int) -> list[Process]:
    """The first one first: the launcher is the parent of what others leave behind, too."""
    return sorted((one for one in living if one.parent == pid), key=lambda one: one.started)


def _living() -> list[Process]:
    numbers = (folder.name for folder in PROC.iterdir() if folder.name.isdigit())
    return [one for one in map(_process, numbers) if one is not None]


def _process(number: str) -> Process | None:
    try:
        text = (PROC / number / "stat").read_text(errors="replace")
    except OSError:
        return None
    state, *fields = text.rpartition(")")[2].split()
    if state in {"Z", "X"}:
        return None
    return Process(int(number), int(fields[0]), int(fields[2]), int(fields[18]))


def _program(pid: int) -> str:
    """The file that a process executes; empty where we may not know."""
    try:
        return os.readlink(PROC / str(pid) / "exe")
    except OSError:
        return ""


def _is_inner(pid: int) -> bool:
    """An inner launcher, or its child that has not become the application yet."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return RECORDS in words[1:2]
