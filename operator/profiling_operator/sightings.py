"""What is to be seen of a container, and what it means. No I/O but reading records of a copy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from profiling_operator import entries, workspace
from profiling_operator.errors import Reason
from profiling_operator.observation import Observation, State
from profiling_operator.workspace import ExitRecord, RunRecord, Started

STATE_OF_STATUS = {
    "created": State.STARTING,
    "running": State.RUNNING,
    "paused": State.RUNNING,
    "restarting": State.RUNNING,
    "removing": State.LOST,
    "exited": State.ENDED,
    "dead": State.ENDED,
}
OF_MEMORY = {Reason.APP_KILLED, Reason.APP_FAILED, Reason.COLLECTOR_FAILED}


@dataclass(frozen=True)
class Records:
    """What the launcher has written down so far."""

    started: Started | None = None
    runs: tuple[RunRecord, ...] = ()
    exit: ExitRecord | None = None
    stop_requested: bool = False


def read_records(root: Path, runs: int) -> Records:
    """The records in a copy of a workspace."""
    return Records(
        workspace.read_started(root),
        workspace.read_runs(root, runs),
        workspace.read_exit(root),
        workspace.stop_is_requested(root),
    )


def observation(
    container: Mapping[str, Any],
    records: Records,
    playback: Mapping[str, Any] | None = None,
    last_words: str = "",
    node: str = "",
    image: str = "",
) -> Observation:
    """What a container as `docker inspect` shows it and the launcher's records say together."""
    state = STATE_OF_STATUS.get(container["State"]["Status"], State.RUNNING)
    seen = Observation(
        state=state, started=records.started, runs=records.runs, exit=records.exit,
        node=node, image=image,
    )  # fmt: skip
    if state is State.LOST:
        return replace(seen, exit=None, message="somebody is removing the container")
    if state is not State.ENDED:
        return replace(seen, exit=None)
    if records.exit is None:
        seen = replace(seen, state=State.LOST, message=_without_outcome(container, last_words))
    reason, message = _platform_reason(container, records, playback)
    return replace(seen, reason=reason, message=message or seen.message)


def _platform_reason(
    container: Mapping[str, Any], records: Records, playback: Mapping[str, Any] | None
) -> tuple[Reason | None, str]:
    """What the engine knows better than the launcher; None where it does not."""
    ending = records.exit.reason if records.exit else None
    if container["State"].get("OOMKilled") and (ending is None or ending in OF_MEMORY):
        limit = (container.get("HostConfig") or {}).get("Memory")
        return (
            Reason.APP_OOM_KILLED,
            f"out of memory{f': the limit is {limit} bytes' if limit else ''}",
        )
    if ending == Reason.CANCELLED and not records.stop_requested:
        return Reason.INFRASTRUCTURE_LOST, "the container was stopped from outside"
    if ending not in {None, Reason.COMPLETED} and _ended_before(playback, records):
        return Reason.PLAYBACK_FAILED, "the playback server ended before the application did"
    return None, ""


def _ended_before(playback: Mapping[str, Any] | None, records: Records) -> bool:
    if playback is None or records.exit is None:
        return False
    ended = playback["State"].get("FinishedAt", "")
    if playback["State"]["Status"] != "exited" or entries.RFC3339.fullmatch(ended) is None:
        return False
    return entries.epoch_nanoseconds(ended) < entries.epoch_nanoseconds(records.exit.finished_at)


def _without_outcome(container: Mapping[str, Any], last_words: str) -> str:
    state = container["State"]
    said = [
        "the launcher ended without leaving an outcome",
        f"exit code {state.get('ExitCode')}",
        str(state.get("Error") or ""),
        last_words,
    ]
    return "; ".join(filter(None, said))
