"""The launcher: a static C program beside this file. docs/launcher.md is its contract."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from profiling_operator.errors import LauncherError

FOLDER = Path(__file__).parent / "bin"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
LIBRARY = "-usr1.so"
"""Behind the launcher's own path, wherever that is: the library that is preloaded with TAU."""


def path(machine: str = "") -> Path:
    """The launcher for a machine as `uname -m` names it; this one's by default.

    Raises LauncherError when it was not built.
    """
    return _built(machine, "")


def library(machine: str = "") -> Path:
    """The library beside the launcher, for a machine. Raises LauncherError as above."""
    return _built(machine, LIBRARY)


def _built(machine: str, suffix: str) -> Path:
    wanted = (machine or platform.machine()).lower()
    found = FOLDER / f"launch-{MACHINES.get(wanted, wanted)}{suffix}"
    if not os.access(found, os.X_OK):
        raise LauncherError(
            f"{found}: the launcher for {wanted} is not there; an installed wheel brings it, "
            f"in a checkout `make launcher` builds it"
        )
    return found
