"""Result folders of `profjob run`, finished or being filled by another process."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console

from profiling_operator import names, store, workspace
from profiling_operator.cli import cluster, console, live
from profiling_operator.cli.exits import Exit
from profiling_operator.cli.live import Live
from profiling_operator.cli.progress import Progress
from profiling_operator.status import Status

Body = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """What is known of a result folder."""

    folder: Path
    body: Body
    live: Live | None = None
    """Who fills it; None: it is complete."""

    @property
    def is_lost(self) -> bool:
        """Whether who filled it was killed."""
        return self.live is not None and self.live.is_here and not self.live.is_alive


@dataclass(frozen=True)
class Wish:
    """What is waited for."""

    is_reached: Callable[[Status], bool]
    name: str = "finished"
    timeout: Decimal | None = None
    awaits_creation: bool = False


def find(folder: Path) -> Found | None:
    """A result folder, or one that is being filled; None where there is neither."""
    running = live.read(folder)
    if running is not None:
        return Found(folder, running.body, running)
    body = results(folder)
    return None if body is None else Found(folder, body)


def results(folder: Path) -> Body | None:
    """The resource in a complete result folder."""
    try:
        body = json.loads((folder / store.STATUS_FILE).read_text(encoding="utf-8"))
        is_ours = body["kind"] == names.KIND and isinstance(body["metadata"]["name"], str)
        cluster.status_of(body)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return body if is_ours else None


def require(folder: Path) -> Found:
    """A result folder. Leaves with exit code 2 where there is none."""
    found = find(folder)
    if found is None:
        console.fail(f"{folder}: holds no results (no {store.STATUS_FILE}), and no profjob run "
                     "is filling it", Exit.USAGE)  # fmt: skip
    return found


def require_whole(folder: Path, what: str) -> Found:
    """A complete result folder. Leaves with exit code 2 where it is not."""
    found = require(folder)
    if found.live is not None:
        require_alive(found.live, folder)
        console.fail(f"{folder}: is still being filled; {what}", Exit.USAGE)
    return found


def below(folder: Path) -> Iterator[Found]:
    """The result folders in a folder and below it, by path; also those that are being filled."""
    for here, subfolders, files in os.walk(folder):
        subfolders.sort()
        place = Path(here)
        running = (one for one in sorted(files) if live.FILE.fullmatch(one))
        filled = [place / one[1 : -len(live.SUFFIX)] for one in running]
        found = [one for path in filled if (one := find(path)) is not None]
        yield from found
        whole = results(place) if store.STATUS_FILE in files else None
        if whole is not None:
            subfolders.clear()
            if live.read(place) is None:
                yield Found(place, whole)


def wait(folder: Path, wish: Wish, stderr: Console) -> Body:
    """The job as it is when the wish is reached. Leaves when it never will be."""
    deadline = None if wish.timeout is None else time.monotonic() + float(wish.timeout)
    found = _awaited(folder, wish, deadline)
    running = found.live
    if running is None:
        return found.body
    with Progress(stderr, cluster.outline(running.body)) as progress:
        while True:
            status = cluster.status_of(running.body)
            progress(status)
            if wish.is_reached(status):
                return running.body
            require_alive(running, folder)
            running.pause(_left(deadline, folder, wish))
            now = live.read(folder)
            if not running.is_same(now):
                return _ended(folder, running, progress)
            running = now or running


def _awaited(folder: Path, wish: Wish, deadline: float | None) -> Found:
    """The folder once somebody fills it."""
    while wish.awaits_creation and find(folder) is None:
        time.sleep(min(live.LOOK_SECONDS, _left(deadline, folder, wish)))
    return require(folder)


def _left(deadline: float | None, folder: Path, wish: Wish) -> float:
    left = live.LOOK_SECONDS if deadline is None else deadline - time.monotonic()
    if left <= 0:
        console.fail(f"{folder}: has not {wish.name} in time", Exit.TIMED_OUT_WAITING)
    return left


def require_alive(running: Live, folder: Path) -> None:
    """Leaves with exit code 5 where nobody fills the folder any more, or nobody can tell."""
    if not running.is_here:
        where = running.place.partition(" ")[0]
        message = f"is being filled by a process of another machine or container ({where}): ask it"
        console.fail(f"{folder}: {message}", Exit.PLATFORM_UNREACHABLE)
    if not running.is_alive and running.is_same(live.read(folder)):
        message = f"profjob run, process {running.pid}, was killed while filling it"
        hint = "the same profjob run goes on with what it left"
        console.fail(f"{folder}: {message}; {hint}", Exit.PLATFORM_UNREACHABLE)


def _ended(folder: Path, before: Live, progress: Progress) -> Body:
    """What a process has left that is not filling the folder any more."""
    body = results(folder)
    if body is None or live.status_sum(folder) == before.before:
        message = "profjob run ended and left no results: it has said why"
        console.fail(f"{folder}: {message}", Exit.JOB_FAILED)
    progress(cluster.status_of(body))
    return body


def cancel(folder: Path) -> Found:
    """Ask the very process that fills a folder to end the job; a finished one stays as it is."""
    found = require(folder)
    if found.live is None or cluster.is_finished(cluster.status_of(found.body)):
        return found
    require_alive(found.live, folder)
    try:
        descriptor = os.pidfd_open(found.live.pid)
        try:
            if found.live.is_alive:  # the descriptor is of this process: its number is not reused
                signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        finally:
            os.close(descriptor)
    except OSError as error:
        if not isinstance(error, ProcessLookupError):
            console.fail(f"{folder}: process {found.live.pid}: {error.strerror}", Exit.USAGE)
    return found


def logs(folder: Path) -> dict[int, Path]:
    """The application's output by run, in a result folder or a workspace."""
    found = ((one.name.removeprefix("run-"), one / workspace.LOG) for one in folder.glob("run-*"))
    there = {int(run): log for run, log in found if run.isdigit() and log.is_file()}
    return dict(sorted(there.items()))
