"""Progress of a job on stderr: a live line on a terminal, one line per change elsewhere.

Where it is no terminal, a line comes every minute at least: agents and proxies of pipelines cut
streams that are silent for long.
"""

from __future__ import annotations

import re
import threading
import time
from types import TracebackType

from rich.console import Console
from rich.status import Status as Spinner

from profiling_operator.spec import ProfilingJob
from profiling_operator.status import ConditionType, Phase, Status

# ci/nbody: Starting, pulling registry.example/nbody: 40 % of 120 MB
HOW_FAR = re.compile(r": \d+ % of .*$")
SILENCE_SECONDS = 60.0
FINAL = {Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED}


class Progress:
    """Called with each new status; as a context it leaves the terminal as it was."""

    def __init__(
        self, stderr: Console, job: ProfilingJob, silence: float = SILENCE_SECONDS
    ) -> None:
        """Show the progress of a job, after so many seconds of silence once more."""
        self._stderr = stderr
        self._job = job
        self._silence = silence
        self._said = ""
        self._began = self._spoke = time.monotonic()
        self._spinner: Spinner | None = None
        self._over = threading.Event()
        self._repeating: threading.Thread | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Progress:
        """Nothing is shown yet."""
        if not (self._stderr.is_terminal or self._stderr.quiet):
            self._repeating = threading.Thread(target=self._repeat, daemon=True)
            self._repeating.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the live line."""
        self._over.set()
        if self._repeating is not None:
            self._repeating.join()
        self._stop()

    def __call__(self, status: Status) -> None:
        """Show a status, if it reads differently from the one before."""
        line = f"{self._job.key}: {describe(status, self._job)}"
        with self._lock:
            if line == self._said:
                return
            is_step = HOW_FAR.sub("", line) != HOW_FAR.sub("", self._said)
            self._said = line
            if status.phase in FINAL:
                self._over.set()
                self._stop()
            elif self._stderr.is_terminal:
                self._show(line)
                return
            if is_step:  # a log needs no line for each percent
                self._spoke = time.monotonic()
                self._stderr.print(line, markup=False)

    def _repeat(self) -> None:
        """Say the last line again while nothing changes, with the time that has passed."""
        while not self._over.wait(self._left()):
            with self._lock:
                if self._left() or self._over.is_set():
                    continue
                self._spoke = time.monotonic()
                if self._said:
                    passed = int(self._spoke - self._began)
                    self._stderr.print(f"{self._said} (after {passed} s)", markup=False)

    def _left(self) -> float:
        """Seconds until it has been silent for too long."""
        return max(0.0, self._spoke + self._silence - time.monotonic())

    def _show(self, line: str) -> None:
        if self._spinner is None:
            self._spinner = self._stderr.status(line)
            self._spinner.start()
        self._spinner.update(line)

    def _stop(self) -> None:
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None


def describe(status: Status, job: ProfilingJob) -> str:
    """A status in a few words."""
    if status.phase is Phase.RUNNING:
        total = job.spec.warmups + job.spec.repetitions
        return f"Running, run {min(len(status.runs) + 1, total)} of {total}"
    if status.phase not in FINAL:
        going = status.condition(ConditionType.RECONCILING)
        return ", ".join(filter(None, [status.phase.value, going.message if going else ""]))
    finished = status.condition(ConditionType.FINISHED)
    said = [finished.reason, finished.message] if finished else []
    return ", ".join(dict.fromkeys(filter(None, [status.phase.value, *said])))
