"""How `profjob run` tells other commands how it goes: it keeps the file that `live` reads."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from profiling_operator import attempt, attempt_folder, processes, settings, store
from profiling_operator.cli import live
from profiling_operator.errors import Problem, SpecError
from profiling_operator.spec import ProfilingJob
from profiling_operator.status import Status


class Telling:
    """Called with each new status; as a context it takes the file away at its end."""

    def __init__(self, job: ProfilingJob, folder: Path, executor: str) -> None:
        """Nothing is told yet."""
        self._job, self._folder, self._path = job, folder, live.path_of(folder)
        state_dir = settings.load().state_dir
        is_process = executor == "process"
        self._about = {
            "executor": executor,
            "workspaces": str(attempt_folder.base(state_dir)) if is_process else "",
            "pid": os.getpid(),
            "started": processes.start_time(os.getpid()),
            "place": live.place_here(),
            "before": live.status_sum(folder),
        }

    def __enter__(self) -> Telling:
        """Tell that it begins. Raises SpecError where another one fills the folder."""
        other = live.read(self._folder)
        if other is not None and other.is_alive:
            message = f"profjob run, process {other.pid}, is filling this very folder"
            raise SpecError([Problem(str(self._folder), message)])
        self(Status())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing goes on any more."""
        with suppress(OSError):
            self._path.unlink()

    def __call__(self, status: Status) -> None:
        """Tell a status. Who only looks on must not fail the job: a full disk is no error here."""
        body = {**self._about, "body": attempt.resource(self._job, status)}
        with suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            store.write_whole(self._path, json.dumps(body, ensure_ascii=False))
