"""What the application of a result folder has printed, also while `profjob run` fills it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from profiling_operator import stores
from profiling_operator.cli import console, folders, live
from profiling_operator.cli.exits import Exit
from profiling_operator.cli.live import Live

APP = "app"


@dataclass(frozen=True)
class Wanted:
    """Which output is asked for."""

    follow: bool
    run: int | None
    container: str
    attempt: int | None


def show(folder: Path, wanted: Wanted) -> None:
    """Print what is asked for. Leaves with exit code 2 for what a folder cannot have."""
    _refuse_foreign(folder, wanted)
    found = folders.require(folder)
    running = found.live
    if running is None or not running.is_alive:
        folders.require_whole(folder, "")
        _print(folders.logs(folder), wanted.run)
        return
    if not running.workspaces:
        message = f"docker logs{' -f' if wanted.follow else ''} {running.attempt or 'ATTEMPT'}"
        console.fail(f"{folder}: runs in containers; see {message}; all of it comes with the "
                     "results (profjob wait)", Exit.USAGE)  # fmt: skip
    if wanted.follow:
        _follow(folder, running, Printed(wanted.run))
    else:
        _print(folders.logs(_workspace(running)), wanted.run)


def _refuse_foreign(folder: Path, wanted: Wanted) -> None:
    if wanted.container != APP:
        message = f"--container {wanted.container}: a result folder holds the application's alone"
        console.fail(f"{folder}: {message}", Exit.USAGE)
    if wanted.attempt is not None:
        console.fail(f"{folder}: --attempt: holds the last one alone", Exit.USAGE)


def _workspace(running: Live) -> Path:
    return Path(running.workspaces) / running.attempt / "workspace"


def _print(logs: Mapping[int, Path], run: int | None) -> None:
    """The output of one run or of all, in order. Raises StoreRefusedError for a run not there."""
    if run is not None and run not in logs:
        there = ", ".join(map(str, logs)) or "none"
        raise stores.StoreRefusedError(f"--run {run}: the runs that have begun are {there}")
    Printed(run).go_on(logs)


@dataclass
class Printed:
    """How far the output of each run has been printed."""

    run: int | None
    bytes: dict[int, int] = field(default_factory=dict)

    def go_on(self, logs: Mapping[int, Path]) -> None:
        """Print what has come since; a log that is not there any more has come to its end."""
        for index, path in logs.items():
            if self.run in {None, index}:
                self._copy(index, path)
        sys.stdout.buffer.flush()

    def _copy(self, index: int, path: Path) -> None:
        try:
            with path.open("rb") as file:
                file.seek(self.bytes.get(index, 0))
                shutil.copyfileobj(file, sys.stdout.buffer)
                self.bytes[index] = file.tell()
        except FileNotFoundError:
            return


def _follow(folder: Path, running: Live, printed: Printed) -> None:
    """Print until nobody fills the folder any more; the rest is in the results then."""
    while True:
        printed.go_on(folders.logs(_workspace(running)))
        now = live.read(folder)
        if now is None or not now.is_same(running):
            break
        if now.attempt != running.attempt:  # a retry: its runs are others
            printed = Printed(printed.run)
        folders.require_alive(now, folder)
        now.pause(live.LOOK_SECONDS)
        running = now
    if live.status_sum(folder) != running.before:
        printed.go_on(folders.logs(folder))
