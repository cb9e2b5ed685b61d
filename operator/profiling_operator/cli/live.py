"""What `profjob run` tells others while it fills a folder: a small file beside that folder.

`.profiling_output.running.json` holds the resource with its status, and which process it is. It is
replaced as a whole at each change and is gone at the end; one whose process has ended was left by
a `profjob run` that was killed.
"""

from __future__ import annotations

import json
import os
import platform
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from profiling_operator import processes, store

Body = dict[str, Any]
SUFFIX = ".running.json"
FILE = re.compile(rf"\..+{re.escape(SUFFIX)}")
LOOK_SECONDS = 1.0  # a file that is replaced has no event that a network file system would tell


@dataclass(frozen=True)
class Live:
    """One `profjob run` on its way, as it last told."""

    body: Body
    executor: str
    workspaces: str
    """Folder in which attempts have their workspaces; empty where that is no folder of this
    machine."""
    pid: int
    started: int
    place: str
    before: str
    """Checksum of the status that the folder held before; empty: none."""

    @property
    def is_here(self) -> bool:
        """Whether its process can be seen from here."""
        return self.place == place_here()

    @property
    def is_alive(self) -> bool:
        """Whether it still goes on."""
        return self.is_here and processes.start_time(self.pid) == self.started

    @property
    def attempt(self) -> str:
        """The name of the attempt that runs; empty before there is one."""
        attempts = (self.body.get("status") or {}).get("attempts") or [{}]
        return str(attempts[-1].get("jobName", ""))

    def is_same(self, other: Live | None) -> bool:
        """Whether both are of one process."""
        return other is not None and (self.pid, self.started) == (other.pid, other.started)

    def pause(self, seconds: float) -> None:
        """Until it has ended, at most so long, and never longer than LOOK_SECONDS."""
        processes.wait_for_exit(self.pid, max(0.0, min(seconds, LOOK_SECONDS)))


def place_here() -> str:
    """Where process numbers mean the same: a machine's name, and its numbering of processes."""
    numbering = ""
    with suppress(OSError):
        numbering = str((processes.PROC / "self/ns/pid").readlink())
    return f"{platform.node()} {numbering}"


def path_of(folder: Path) -> Path:
    """The file of a result folder."""
    whole = Path(os.path.abspath(folder))
    return whole.with_name(f".{whole.name}{SUFFIX}")


def status_sum(folder: Path) -> str:
    """The checksum of the status that a folder holds; empty: it holds none."""
    try:
        return store.checksum(folder / store.STATUS_FILE)
    except OSError:
        return ""


def read(folder: Path) -> Live | None:
    """Who fills a folder, or was killed while filling it; None: nobody."""
    try:
        said = json.loads(path_of(folder).read_text(encoding="utf-8"))
        return Live(
            body=said["body"],
            executor=str(said["executor"]),
            workspaces=str(said["workspaces"]),
            pid=int(said["pid"]),
            started=int(said["started"]),
            place=str(said["place"]),
            before=str(said["before"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
