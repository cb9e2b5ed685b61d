"""Finds a collector's files on this machine, and what else of the machine a preflight asks for."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from profiling_operator.collectors import Facts as Facts  # executors know no collector
from profiling_operator.collectors import Toolchain
from profiling_operator.errors import ToolchainError
from profiling_operator.machines import NVIDIA_DRIVER, gpu_models_here
from profiling_operator.settings import Settings

# RmProfilingAdminOnly: 1
ADMIN_ONLY = re.compile(r"^RmProfilingAdminOnly: (\d)", re.MULTILINE)
CAP_SYS_PTRACE = 19
CAP_SYS_ADMIN = 21
CAP_PERFMON = 38
CAPABILITIES = {
    CAP_SYS_PTRACE: "SYS_PTRACE", CAP_SYS_ADMIN: "SYS_ADMIN", CAP_PERFMON: "PERFMON",
}  # fmt: skip


def find(name: str, toolchain: Toolchain, settings: Settings) -> Path:
    """The prefix below which a collector's file is found.

    Looked for where the settings say, else beside this installation, where it usually is, and by
    PATH. Raises ToolchainError with the places and how to get it.
    """
    tried = list(dict.fromkeys(_prefixes(name, toolchain, settings)))
    for prefix in tried:
        if os.access(prefix / toolchain.file, os.X_OK):
            return prefix
    places = ", ".join(str(prefix / toolchain.file) for prefix in tried) or "nowhere to look"
    raise ToolchainError(
        f"{name}: {toolchain.file} was not found ({places}). {toolchain.install} "
        f"Set toolchains.{name}.path in the settings (PROFJOB_TOOLCHAINS__{name.upper()}__PATH) "
        f"to the folder that holds {toolchain.file}."
    )


def _prefixes(name: str, toolchain: Toolchain, settings: Settings) -> Iterator[Path]:
    given = settings.toolchains.get(name)
    if given and given.path:
        root = Path(given.path).expanduser().absolute()
        yield root
        yield root / platform.machine()  # TAU installs below its architecture
        return
    if toolchain.bundled:
        yield Path(sys.prefix)
    yield from map(Path, toolchain.usual)
    found = shutil.which(toolchain.program)
    if found:
        yield Path(found).absolute().parent.parent


def facts_here() -> Facts:
    """What a preflight may want to know of this machine."""
    return Facts(
        machine=platform.machine(),
        uid=os.geteuid(),
        ptrace_scope=_number("/proc/sys/kernel/yama/ptrace_scope"),
        perf_event_paranoid=_number("/proc/sys/kernel/perf_event_paranoid"),
        gpus=len(gpus_here()),
        gpu_models=gpu_models_here(),
        gpu_counters_admin_only=gpu_counters_admin_only(),
        capabilities=_capabilities(),
    )


def gpus_here() -> list[str]:
    """Device files of this machine's NVIDIA GPUs."""
    return sorted(str(one) for one in Path("/dev").glob("nvidia[0-9]*"))


def gpu_counters_admin_only(driver: Path = NVIDIA_DRIVER) -> bool | None:
    """Whether the NVIDIA driver keeps counters for administrators; None where it does not say."""
    try:
        found = ADMIN_ONLY.search((driver / "params").read_text())
    except (OSError, UnicodeDecodeError):
        return None
    return found[1] != "0" if found else None


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return None


def _capabilities() -> frozenset[str]:
    """The effective ones among those that matter to collectors."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return frozenset()
    mask = int(status.partition("CapEff:")[2].split()[0], 16)
    return frozenset(name for bit, name in CAPABILITIES.items() if mask >> bit & 1)
