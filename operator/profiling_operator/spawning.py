"""Starts launchers as processes of this machine: as whom, with what limits."""

from __future__ import annotations

import math
import os
import resource
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from profiling_operator.errors import LauncherError
from profiling_operator.plan import Plan
from profiling_operator.quantities import parse_quantity


def spawn(
    words: Sequence[str],
    root: Path,
    env: Mapping[str, str],
    plan: Plan,
    output: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a launcher in a session of its own, as the plan's user, with the plan's limits.

    `root` is its workspace. Its output goes to the descriptor `output`, or nowhere: app.log has it,
    capped. Raises LauncherError when it cannot be executed, for example by that user.
    """
    user, group = _identity(plan)
    if user is not None:
        root.mkdir(exist_ok=True)
        os.chown(root, user, -1 if group is None else group)
    try:
        return subprocess.Popen(
            words,
            cwd=plan.folder or None,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if output is None else output,
            stderr=subprocess.DEVNULL if output is None else output,
            start_new_session=True,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            preexec_fn=_limiter(plan),
        )
    except OSError as error:
        who = os.geteuid() if user is None else user
        message = f"{error.filename}: {error.strerror} (as user {who})"
        raise LauncherError(message) from error


def _identity(plan: Plan) -> tuple[int | None, int | None]:
    """User and group to change to; None where the process stays who it is."""
    wanted = plan.app.security_context
    if wanted.run_as_user in {None, os.geteuid()}:
        return None, None
    group = wanted.run_as_group
    return wanted.run_as_user, wanted.run_as_user if group is None else group


def _limiter(plan: Plan) -> Callable[[], None] | None:
    """What a child does to itself before it becomes the launcher; None when nothing is asked."""
    limits = plan.app.resources.limits
    if limits.cpu is None and limits.memory is None:
        return None
    memory = int(parse_quantity(limits.memory)) if limits.memory else None
    cores = max(1, math.ceil(parse_quantity(limits.cpu))) if limits.cpu else None

    def limit() -> None:
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
        if cores is not None:
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])

    return limit


def still_runs(child: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for a child's end for some seconds; whether it lives on."""
    try:
        child.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        return True
    return False
