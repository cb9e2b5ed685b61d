"""Whole result folders to a store and from one: tried again until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from profiling_operator import backoff
from profiling_operator.errors import StoreError
from profiling_operator.stores.contract import Listed, Progress, ResultStore, StoreRefusedError
from profiling_operator.stores.keys import check_path

LAST_FILE = "report.json"
"""Written last: a result folder that has it is complete."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds

Tell = Callable[[str], None]
Pause = Callable[[float], None]
T = TypeVar("T")


def put_all(
    store: ResultStore,
    key: str,
    folder: Path,
    files: Sequence[Listed],
    deadline: float,
    tell: Tell,
    *,
    pause: Pause = time.sleep,
) -> int:
    """Send files of a folder, report.json last, and return how many bytes that took.

    `deadline` is of `time.monotonic()`; `tell` gets a line when something has to be tried again.
    Raises StoreError with the last problem when the deadline has passed, StoreRefusedError at once.
    """
    for one in files:
        check_path(one.path)
    ordered = sorted(files, key=lambda one: one.path == LAST_FILE)
    return sum(
        insist(
            lambda one=one: store.put(key, one.path, folder / one.path, one.sha256),  # type: ignore[misc]
            deadline, tell, pause,
        )
        for one in ordered
    )  # fmt: skip


def fetch_all(
    store: ResultStore,
    key: str,
    folder: Path,
    files: Sequence[Listed],
    deadline: float,
    tell: Tell,
    progress: Progress | None = None,
) -> None:
    """Bring files to a folder; those that are there already are not brought again.

    `progress` gets the bytes of the file that is being brought. Raises as `put_all`.
    """
    for one in files:
        check_path(one.path)
    for one in files:
        insist(
            lambda one=one: store.fetch(  # type: ignore[misc]
                key, one.path, folder / one.path, one.sha256, progress
            ),
            deadline, tell,
        )  # fmt: skip


def insist(action: Callable[[], T], deadline: float, tell: Tell, pause: Pause = time.sleep) -> T:
    """Do something with a store, again and again while it may help and until the deadline.

    Pauses grow and are jittered: many uploaders wait for the same server. Raises StoreError.
    """
    waits = backoff.pauses(FIRST_PAUSE, LONGEST_PAUSE)
    while True:
        try:
            return action()
        except StoreRefusedError:
            raise
        except StoreError as error:
            seconds = next(waits)
            if time.monotonic() + seconds >= deadline:
                raise
            tell(f"{error}; once more in {seconds:.1f} s")
            pause(seconds)
