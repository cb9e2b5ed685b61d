"""What the contract suite needs to know of the docker executor."""

from __future__ import annotations

from typing import Any

from profiling_operator import engine

IMAGE = "profiling-operator/python:local"


class Harness:
    """Applications are Python programs of an image that `make images` makes."""

    needs: tuple[str, ...] = ("docker", "images")

    def app(self, code: str, *args: str, **more: Any) -> dict[str, Any]:
        """`spec.app` that runs Python code."""
        return {"image": IMAGE, "command": ["python3", "-c", code, *args], **more}

    def playback(self, code: str, port: int, **readiness: Any) -> dict[str, Any]:
        """`spec.playback` that runs Python code."""
        command = ["python3", "-c", code]
        return {"image": IMAGE, "command": command, "port": port, "readiness": readiness}

    def kill_launcher(self, attempt: str) -> None:
        """KILL the container's first process, and with it the launcher."""
        engine.connect().api.kill(attempt, "SIGKILL")


HARNESS = Harness()
