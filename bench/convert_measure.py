"""Runs a tool in a process of its own and tells what it took."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

LOOK_EVERY = 0.05
OPERATOR = Path(__file__).resolve().parent.parent / "operator"
ENVIRONMENT = {"PYTHONPATH": str(OPERATOR), **os.environ}
SECONDS_FOR_REPEATS = 45.0
"""A tool runs again only as long as all its runs together took less."""


@dataclass(frozen=True)
class Tool:
    """A command; one that is a library tells its own time, without imports, as its last line."""

    name: str
    words: tuple[str, ...]
    leaves: Path | None = None
    """A file that its standard output goes to, where that is what it makes."""
    tells: bool = True
    is_slow: bool = False


@dataclass(frozen=True)
class Outcome:
    """What one run took; `error` where it failed."""

    wall: float = 0.0
    cpu: float = 0.0
    count: int = 0
    mib: float = 0.0
    error: str = ""


def best(tool: Tool, repeat: int) -> Outcome:
    """The fastest of some runs."""
    begin = time.monotonic()
    outcomes = [run(tool)]
    while len(outcomes) < repeat and not outcomes[-1].error:
        if time.monotonic() - begin > SECONDS_FOR_REPEATS:
            break
        outcomes.append(run(tool))
    return min(outcomes, key=lambda one: one.wall)


def run(tool: Tool) -> Outcome:
    """One run: wall and CPU seconds, and memory with that of all processes that it starts."""
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complaints:
        output = tool.leaves.open("wb") if tool.leaves else said
        begin = time.perf_counter()
        process = subprocess.Popen(tool.words, stdout=output, stderr=complaints, env=ENVIRONMENT)
        status, usage, mib = _awaited(process)
        if tool.leaves:
            output.close()
        wall = time.perf_counter() - begin
        mib = max(mib, usage.ru_maxrss / 1024)
        if status:
            complaints.seek(0)
            return Outcome(error=_last_line(complaints.read()) or f"exit code {status}", mib=mib)
        if not tool.tells:
            return Outcome(wall, usage.ru_utime + usage.ru_stime, 0, mib)
        said.seek(0)
        return Outcome(**json.loads(_last_line(said.read())), mib=mib)


def _awaited(process: subprocess.Popen[bytes]) -> tuple[int, resource.struct_rusage, float]:
    """A process's end, and the most memory that it and its children had together before."""
    most = 0.0
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage, most
        most = max(most, _memory(process.pid))
        time.sleep(LOOK_EVERY)


def _memory(pid: int) -> float:
    """MiB of a process and its children; of what several share, each counts its part."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    except OSError:  # it has ended
        return 0.0
    own = next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return own / 1024 + sum(_memory(int(child)) for child in children)


def _last_line(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
