"""Drives a job where no operator does: plan, start, wait, collect, publish, tell.

One loop for every executor of one machine. What it decides is `next_status`'s to decide; what it
keeps between two of its lives is the executor's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from profiling_operator import names, plan, report, store, uploader
from profiling_operator.baselines import Snapshot
from profiling_operator.errors import (
    CancelledError,
    ExecutorError,
    PreflightError,
    Problem,
    ProfilingError,
    Reason,
    SpecError,
    StartDeadlineError,
    StoreError,
)
from profiling_operator.executors import Executor, Listener, Observation, State
from profiling_operator.settings import Settings
from profiling_operator.spec import ProfilingJob
from profiling_operator.status import (
    AttemptStatus,
    Collected,
    Facts,
    Phase,
    Status,
    fit,
    next_status,
    time_text,
)
from profiling_operator.status.retrying import retry_is_due

TICK_SECONDS = 0.5
HUNG_SECONDS = 60.0
UNREACHABLE_SECONDS = 120.0  # a platform that is restarted answers again before that
UNREACHABLE_PAUSE = 1.0
ENDED = {State.ENDED, State.LOST}

Tell = Callable[[Status], None]
Snapshots = Callable[[plan.Plan], Sequence[Snapshot]]
"""Tells what a plan's gates need of the baselines that they name; never raises for a store."""
Answer = TypeVar("Answer")


def _no_snapshots(planned: plan.Plan) -> Sequence[Snapshot]:
    """There are no baselines."""
    return ()


class Cancel:
    """A wish to end the job. It may come at any time, also in the middle of starting it."""

    def __init__(self) -> None:
        """Not wished yet."""
        self.requested = False
        self._interrupts = False

    def request(self) -> None:
        """Wish it; called by a signal's handler. Raises CancelledError out of a start."""
        self.requested = True
        if self._interrupts:
            self._interrupts = False
            raise CancelledError("cancelled while starting")

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """While starting, which may wait long for a playback server, a wish is obeyed at once."""
        if self.requested:
            raise CancelledError("cancelled before it was started")
        self._interrupts = True
        try:
            yield
        finally:
            self._interrupts = False


@dataclass(frozen=True)
class Given:
    """What a job is driven with."""

    job: ProfilingJob
    folder: str
    """Folder of the job's file."""
    executor: Executor
    store: store.FileStore
    settings: Settings
    tell: Tell
    """Called with each status that differs from the one before."""
    cancel: Cancel
    output: int | None = None
    """Descriptor that gets the application's output as it comes."""
    snapshots: Snapshots = _no_snapshots


def run_job(given: Given) -> Status:
    """Run a job to its end and publish its results; returns the final status.

    Raises SpecError before anything is started. Whatever happens, nothing keeps running.
    """
    number, status = _first_attempt(given), Status()
    while True:
        driven = _Attempt(given, number, status)
        status = driven.run()
        if not driven.to_be_retried:
            return status
        number += 1


def left_behind(given: Given) -> list[str]:
    """Attempts of this job that an earlier `profjob` started and did not see to its end."""
    there = set(given.executor.attempts())
    return [name for name in _attempt_names(given) if name in there]


def _first_attempt(given: Given) -> int:
    """1, or the number of the last attempt that was left behind."""
    there = left_behind(given)
    return _attempt_names(given).index(there[-1]) + 1 if there else 1


def _attempt_names(given: Given) -> list[str]:
    """The names that the job's attempts have or will have."""
    about, budget = given.job.metadata, given.job.spec.retries
    count = 1 + budget.app + budget.infrastructure
    return [
        names.attempt_name(about.namespace, about.name, about.uid, number)
        for number in range(1, count + 1)
    ]


def require_possible(
    executor: Executor, planned: plan.Plan, problems: Sequence[Problem] = ()
) -> None:
    """Nothing that is known before the start stands in a plan's way.

    Raises SpecError with what the executor refuses, and with `problems`; PreflightError.
    """
    if found := [*executor.check(planned), *problems]:
        raise SpecError(found)
    facts = planned.asks_of(executor.facts(planned))
    for one in planned.collectors:
        collector, options = plan.collector_of(one)
        for finding in collector.preflight(facts, options):
            raise PreflightError(finding.reason, f"{one.name}: {finding.message}")


class _Attempt:
    """One attempt on its way."""

    def __init__(self, given: Given, number: int, status: Status) -> None:
        self._given = given
        self._status = status
        self._planned = plan.build_plan(given.job, number, given.folder)
        self._record = AttemptStatus(number=number, job_name=self._planned.name)
        self._began = time.monotonic()
        self.to_be_retried = False

    def run(self) -> Status:
        """To the end: the final status, or that of before where a retry is due."""
        executor, name = self._given.executor, self._planned.name
        lost = False
        try:
            self._refuse_impossible()
            self._planned = plan.with_baselines(self._planned, self._snapshots())
            with self._given.cancel.interrupting():
                executor.start(self._planned, Listener(self._progress, self._given.output))
            seen = self._wait()
            if self._retry_is_due(seen):
                self._note_retry(seen)
            else:
                lost = bool(self._conclude(seen).lost)
        except SpecError:
            raise
        except ProfilingError as error:
            self._publish_error(error)
        finally:
            if not lost:  # the workspace is the only copy then
                executor.remove(name)
        return self._status

    def _refuse_impossible(self) -> None:
        """Raises what makes starting pointless, before anything has started."""
        problems = []
        if self._given.job.spec.suspend:
            problems.append(Problem("spec.suspend", "there is nobody here to resume the job"))
        require_possible(self._given.executor, self._planned, problems)
        if self._given.job.spec.cancel:
            raise PreflightError(Reason.CANCELLED, "spec.cancel is true")

    def _snapshots(self) -> Sequence[Snapshot]:
        """Of before the start; no store is asked for a job without baselines."""
        return self._given.snapshots(self._planned) if self._planned.baseline_names else ()

    def _wait(self) -> Observation:
        """Until the attempt has ended; a launcher that hangs is given up."""
        executor, name = self._given.executor, self._planned.name
        deadline = time.monotonic() + self._planned.longest_seconds + HUNG_SECONDS
        stopped = False
        seen = self._patiently(lambda: executor.observe(name))
        while True:
            self._now(Facts(now(), observation=seen, attempt=self._described(seen)))
            if seen.state in ENDED:
                return seen
            if self._given.cancel.requested and not stopped:
                self._patiently(lambda: executor.stop(name, Reason.CANCELLED, "cancelled"))
                stopped = True
            if time.monotonic() > deadline:
                raise ExecutorError(f"attempt {name} did not end within its longest time")
            seen = self._patiently(lambda: executor.wait(name, TICK_SECONDS))

    def _patiently(self, ask: Callable[[], Answer]) -> Answer:
        """Ask again while the platform does not answer: what runs there goes on meanwhile."""
        deadline = time.monotonic() + UNREACHABLE_SECONDS
        while True:
            try:
                return ask()
            except ExecutorError:
                if time.monotonic() > deadline or not self._given.executor.can_be_lost:
                    raise
            time.sleep(UNREACHABLE_PAUSE)  # nothing tells of its return

    def _progress(self, words: str) -> None:
        """How the start goes on. Raises StartDeadlineError when that takes too long."""
        limit = self._planned.deadlines.start_seconds
        if time.monotonic() - self._began > limit:
            raise StartDeadlineError(f"{words}: not done within startSeconds, {limit} s")
        self._now(Facts(now(), attempt=self._record, progress=words))

    def _described(self, seen: Observation) -> AttemptStatus:
        started = seen.started.started_at if seen.started else ""
        return self._record.model_copy(
            update={
                "node_name": seen.node,
                "device": seen.device,
                "image": seen.image,
                "started_at": started,
            }
        )

    def _retry_is_due(self, seen: Observation) -> bool:
        """Whether the application failed or was lost, and the budget for that is not used up."""
        outcome = self._outcome(seen)
        if outcome == Reason.INFRASTRUCTURE_LOST and not self._given.executor.can_be_lost:
            return False
        earlier = [one.outcome for one in self._status.attempts[: self._record.number - 1]]
        is_due = retry_is_due(outcome, earlier, self._given.job.spec.retries)
        return is_due and not self._given.cancel.requested

    def _outcome(self, seen: Observation) -> str:
        """Why the attempt ended, in a word."""
        lost = Reason.INFRASTRUCTURE_LOST if seen.state is State.LOST else ""
        return seen.reason or lost or (seen.exit.reason if seen.exit else "")

    def _note_retry(self, seen: Observation) -> None:
        """Keep the failed attempt in the status; its files go."""
        ended = {"outcome": str(self._outcome(seen)), "finished_at": now()}
        failed = self._described(seen).model_copy(update=ended)
        self.to_be_retried = True
        earlier = self._status.attempts[: self._record.number - 1]
        self._tell(Status(phase=Phase.PENDING, attempts=(*earlier, failed)))

    def _conclude(self, seen: Observation) -> Collected:
        """Collect, publish, tell."""
        facts = Facts(now(), observation=seen, attempt=self._described(seen))
        try:
            with self._given.store.staged() as folder:
                collected = self._collect(seen, folder)
                final = next_status(self._status, replace(facts, collected=collected))
                write_status(folder, self._given.job, final)
        except (StoreError, OSError) as error:
            where = f"{error}; the files are still in the workspace"
            collected = Collected((), None, lost=where)
            final = next_status(self._status, replace(facts, collected=collected))
        self._tell(final)
        return collected

    def _collect(self, seen: Observation, folder: Path) -> Collected:
        planned = self._planned
        executor = self._given.executor
        with ExitStack() as kept:
            copied = lambda: kept.enter_context(executor.workspace(planned.name))  # noqa: E731
            root = self._patiently(copied)
            collected = uploader.collect(
                root, planned, seen, folder, self._given.settings, executor.machine()
            )
        if collected.results is None:
            return collected
        results = collected.results.model_copy(update={"url": self._given.store.url})
        return replace(collected, results=results)

    def _publish_error(self, error: ProfilingError) -> None:
        """A job that could not run: its status replaces an earlier result all the same."""
        facts = Facts(now(), attempt=self._record, error=(error.reason, str(error)))
        final = next_status(self._status, facts)
        with self._given.store.staged() as folder:
            write_status(folder, self._given.job, final)
            report.write_anyhow(folder)
        self._tell(final)

    def _now(self, facts: Facts) -> None:
        self._tell(next_status(self._status, facts))

    def _tell(self, status: Status) -> None:
        if status != self._status:
            self._status = status
            self._given.tell(status)


def now() -> str:
    """UTC, RFC 3339 without a fraction, as metav1.Time."""
    return time_text(datetime.now(UTC))


def resource(job: ProfilingJob, status: Status) -> dict[str, object]:
    """The resource with its status, as `kubectl get -o json` would show it."""
    body = job.model_dump(mode="json", exclude_none=True, exclude={"status"})
    return {**body, "status": fit(status)}


def write_status(folder: Path, job: ProfilingJob, status: Status) -> None:
    """Write the resource with its status beside the results."""
    text = json.dumps(resource(job, status), indent=2, ensure_ascii=False)
    store.write_whole(folder / store.STATUS_FILE, f"{text}\n")
