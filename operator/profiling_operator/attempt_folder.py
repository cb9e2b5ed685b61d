"""What the process executor keeps of an attempt on disk: enough to go on after a crash.

<base>/<attempt>/plan.json  launcher.json  lock  workspace/  playback/
"""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from profiling_operator import processes, workspace
from profiling_operator.errors import ExecutorError, Reason
from profiling_operator.plan import Plan
from profiling_operator.workspace import Liveness

OTHERS_MAY_WRITE = 0o022


class AttemptFolder:
    """One attempt's folder."""

    def __init__(self, path: Path) -> None:
        """`path` need not exist yet."""
        self.path = path
        self.workspace = path / "workspace"
        self.playback = path / "playback"

    def make(self, passable: bool = False) -> None:
        """Make the folder: for this user only, unless the application runs as another one."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        if passable:
            self.path.chmod(0o711)  # whatever the umask

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one `profjob` starts an attempt; a second one waits and finds it started."""
        with (self.path / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def is_locked(self) -> bool:
        """Whether somebody is starting the attempt now."""
        try:
            with (self.path / "lock").open("r") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def was_launched(self) -> bool:
        """Whether a launcher was ever started in it."""
        return (self.path / "launcher.json").exists()

    def keep_plan(self, plan: Plan) -> None:
        """Write the plan down."""
        self._write("plan.json", plan.model_dump_json())

    def keep_launcher(self, pid: int) -> None:
        """Write down which process the launcher is."""
        identity = {"pid": pid, "startTime": processes.start_time(pid)}
        self._write("launcher.json", json.dumps(identity))

    def plan(self) -> Plan | None:
        """The plan, or None where there is no such attempt."""
        try:
            return Plan.model_validate_json((self.path / "plan.json").read_text())
        except (OSError, ValueError):
            return None

    def launcher(self) -> int | None:
        """The process that was started, while it still runs."""
        try:
            identity = json.loads((self.path / "launcher.json").read_text())
            lives = processes.start_time(identity["pid"]) == identity["startTime"]
            return int(identity["pid"]) if lives else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def end_launchers(self, seconds: float) -> None:
        """Stop what still runs, application first, and wait for each end."""
        for root in (self.workspace, self.playback):
            if workspace.liveness(root) is Liveness.ALIVE:
                with suppress(OSError):
                    workspace.request_stop(root, Reason.CANCELLED)
                workspace.wait_for_end(root, seconds)

    def age(self) -> float:
        """Seconds since the launcher, or whoever started it, last wrote something down."""
        times = [self.path.stat().st_mtime]
        with suppress(OSError):
            times.append((self.workspace / workspace.CONTROL).stat().st_mtime)
        return time.time() - max(times)

    def _write(self, name: str, text: str) -> None:
        """For this user's eyes only: the plan holds the application's environment."""
        temporary = self.path / f".{name}.tmp"
        temporary.touch(mode=0o600)
        temporary.write_text(text, encoding="utf-8")
        temporary.rename(self.path / name)


def base(given: str = "") -> Path:
    """The folder of all attempts: this user's alone, so that nobody puts files in their way.

    Raises ExecutorError when it belongs to another user or others may write to it.
    """
    folder = Path(given) if given else Path(tempfile.gettempdir()) / f"profjob-{os.geteuid()}"
    folder = folder.absolute()
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    status = folder.lstat()
    shared = status.st_uid != os.geteuid() or status.st_mode & OTHERS_MAY_WRITE
    if shared or folder.is_symlink():
        raise ExecutorError(f"{folder}: is not this user's own; name another one as state_dir")
    return folder
