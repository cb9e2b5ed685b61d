"""What the contract suite needs to know of the process executor."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from profiling_operator import settings, workspace
from profiling_operator.attempt_folder import base


class Harness:
    """Applications are Python programs of this machine."""

    needs: tuple[str, ...] = ()

    def app(self, code: str, *args: str, **more: Any) -> dict[str, Any]:
        """`spec.app` that runs Python code."""
        return {"command": ["python3", "-c", code, *args], **more}

    def playback(self, code: str, port: int, **readiness: Any) -> dict[str, Any]:
        """`spec.playback` that runs Python code."""
        return {"command": ["python3", "-c", code], "port": port, "readiness": readiness}

    def kill_launcher(self, attempt: str) -> None:
        """KILL the attempt's launcher, as the kernel's OOM killer would."""
        started = workspace.read_started(self._root(attempt))
        assert started is not None
        os.kill(started.pid, signal.SIGKILL)

    def _root(self, attempt: str) -> Path:
        return base(settings.load().state_dir) / attempt / "workspace"


HARNESS = Harness()
