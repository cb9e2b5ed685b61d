"""As whom and with what limits a launcher starts."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from making import bare_plan
from profiling_operator import spawning
from profiling_operator.errors import LauncherError

TELL = """
import json, os, resource, sys
json.dump({
    "uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups(), "cwd": os.getcwd(),
    "session": os.getsid(0) == os.getpid(), "cores": len(os.sched_getaffinity(0)),
    "data": resource.getrlimit(resource.RLIMIT_DATA)[0], "stdin": os.read(0, 1) == b"",
}, open(sys.argv[1], "w"))
"""


def told(tmp_path: Path, **app: Any) -> dict[str, Any]:
    """What a process that was spawned says of itself."""
    root = tmp_path / "workspace"
    root.mkdir()
    root.chmod(0o777)
    tmp_path.chmod(0o755)
    plan = bare_plan(app={"command": ["x"], **app}).model_copy(update={"folder": str(tmp_path)})
    words = [sys.executable, "-c", TELL, str(root / "told.json")]
    child = spawning.spawn(words, root, dict(os.environ), plan)
    assert child.wait(timeout=60) == 0
    found: dict[str, Any] = json.loads((root / "told.json").read_text())
    return found


def test_it_has_a_session_a_folder_and_no_input(tmp_path: Path) -> None:
    """A terminal's signals do not reach it, and it reads nothing."""
    found = told(tmp_path)

    assert found["session"] and found["stdin"]
    assert found["cwd"] == str(tmp_path)


def test_limits_are_set(tmp_path: Path) -> None:
    """Memory is RLIMIT_DATA, CPU the number of cores."""
    found = told(tmp_path, resources={"limits": {"cpu": "500m", "memory": "1Gi"}})

    assert (found["data"], found["cores"]) == (1 << 30, 1)


@pytest.mark.needs("root")
def test_it_becomes_the_plan_s_user(tmp_path: Path) -> None:
    """With no group left of root's; its workspace is its own."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    plan = bare_plan(app={"command": ["x"], "securityContext": {"runAsUser": 65534}})
    root = tmp_path / "workspace"
    words = ["/bin/sh", "-c", 'id -u > "$0/told"; id -G >> "$0/told"', str(root)]

    child = spawning.spawn(words, root, dict(os.environ), plan)

    assert child.wait(timeout=60) == 0
    assert (root / "told").read_text().split() == ["65534", "65534"]


def test_a_launcher_that_may_not_be_run_is_named(tmp_path: Path) -> None:
    """The message says which file, and as whom."""
    with pytest.raises(LauncherError, match=str(tmp_path)):
        spawning.spawn([str(tmp_path)], tmp_path / "w", {}, bare_plan())


def test_waiting_for_a_child_is_bounded() -> None:
    """It says whether the child lives on."""
    child = spawning.spawn(["sleep", "600"], Path(), {"PATH": os.environ["PATH"]}, bare_plan())

    assert spawning.still_runs(child, 0.05)
    child.kill()
    assert not spawning.still_runs(child, 30)
