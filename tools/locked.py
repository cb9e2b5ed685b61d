"""What is brought from elsewhere as a lock says, and kept in the cache. Standard library only."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

NPM = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
"""What npm is told to bring what package-lock.json names, by checksum, and to run nothing of it."""


def folder(kind: str, locks: Sequence[Path], prefix: str = "") -> Path:
    """Where it is kept: other locks, another folder."""
    digest = hashlib.sha256(b"".join(one.read_bytes() for one in locks)).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "profjob" / kind / f"{prefix}{digest[:16]}"


def install(target: Path, locks: Sequence[Path], bring: Callable[[Path], Path]) -> None:
    """Put it in place in one step, unless it is there: another call may look for it.

    `bring` gets a folder with the locks, and returns the folder to keep.
    """
    if target.is_dir():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".installing-", dir=target.parent) as made:
        work = Path(made) / "work"
        work.mkdir()
        for one in locks:
            shutil.copy(one, work)
        brought = bring(work)
        with suppress(OSError):  # another call was faster
            brought.rename(target)
