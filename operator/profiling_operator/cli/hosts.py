"""What is to be said of jobs of Docker hosts: whether an agent has taken them, where a log is.

Their attempts are no pods, so the API server knows no more of them than the job's status tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from profiling_operator.cli import cluster
from profiling_operator.cli.cluster import Body
from profiling_operator.cli.folder_logs import APP, Wanted
from profiling_operator.control import host_of
from profiling_operator.status import AttemptStatus

PATIENCE_SECONDS = 10.0  # an operator that runs has seen a new job long before that
PLAYBACK = "playback"


def untaken(body: Body) -> str:
    """That nobody has looked at a job yet, and who should; empty when somebody has."""
    if body.get("status"):
        return ""
    host = host_of(body)
    who = f"the agent of the Docker host {host}" if host else "the operator"
    return f"nobody has taken it yet: is {who} running?"


def untaken_for_long(body: Body) -> str:
    """The same of a job that is there for a while."""
    age = cluster.seconds_since(body["metadata"].get("creationTimestamp", ""))
    return untaken(body) if age is not None and age > PATIENCE_SECONDS else ""


class Hint:
    """Says so once, when a job that is waited for has not been taken for a while."""

    def __init__(self, tell: Callable[[str], None], patience: float = PATIENCE_SECONDS) -> None:
        """Nothing is known of the job yet."""
        self.said = ""
        """What is to be said of the job as it is now, and was not said yet."""
        self._tell = tell
        self._patience = patience
        self._timer: asyncio.TimerHandle | None = None
        self._is_told = False

    def seen(self, key: str, body: Body) -> None:
        """The job as it is now."""
        said = untaken(body)
        self.said = f"{key}: {said}" if said and not self._is_told else ""
        if said and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._patience, self._speak)

    def over(self) -> None:
        """Nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _speak(self) -> None:
        if self.said:
            self._tell(self.said)
            self.said, self._is_told = "", True


def log_place(body: Body, wanted: Wanted) -> str:
    """Where a Docker host has what a container of a job prints that has not finished.

    Asked only when there is no such pod. Empty when nobody has it any more. A job that names no
    host may be one of a default host: its attempt says where it runs.
    """
    host, attempts = host_of(body), cluster.status_of(body).attempts
    asked = [one for one in attempts if wanted.attempt in {None, one.number}]
    if wanted.attempt and any(one.outcome for one in asked):
        return ""
    attempt = next((one for one in asked if one.pod_name and not one.outcome), None)
    if attempt is None:
        return f"has not started on {host}; its Docker engine will have the log" if host else ""
    return _container_log(host, attempt, wanted)


def _container_log(host: str, attempt: AttemptStatus, wanted: Wanted) -> str:
    """Where it is of an attempt that runs."""
    if wanted.container not in {APP, PLAYBACK}:
        return f"runs on {host} in containers: {APP}, {PLAYBACK}" if host else ""
    name = attempt.pod_name + ("" if wanted.container == APP else f"-{wanted.container}")
    see = f"see docker logs {'-f ' if wanted.follow else ''}{name} there"
    if host:
        return f"runs on {host}: {see}; all of it comes with the results"
    return f"its pod is not there; if {attempt.node_name} is a Docker host: {see}"
