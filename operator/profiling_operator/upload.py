"""`profjob upload`: what runs beside the application of a pod and saves what that left.

It waits for the launcher's end, converts, sends the result folder to the store, tells the operator.
TERM is noted and not obeyed: the pod is being ended, and what the application has measured by then
is worth keeping. Nothing is waited for without a limit, and whatever happens, last words are left.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from profiling_operator import applying, assignment, attaching, reporting, store, stores, uploader
from profiling_operator import workspace as protocol
from profiling_operator.assignment import Assignment
from profiling_operator.awaiting import Ending, Stop, await_end, ending_of, limits_of
from profiling_operator.errors import ProfilingError
from profiling_operator.reporting import REPORT_FILE, Report, Spent
from profiling_operator.status import Collected, ResultFile, Results, cut

FOLDER, KEPT = "results", "collected.json"
TOOLS_SHARE = 0.5  # of the time for collecting: the rest is for converting and sending
SHORTEST_SECONDS = 1.0  # for converting; an alarm after 0 s would be none


class _OverdueError(Exception):
    """Converting takes longer than there is time."""


@dataclass(frozen=True)
class Where:
    """What the uploader's container has, and where."""

    workspace: Path = Path(assignment.WORKSPACE)
    scratch: Path = Path(assignment.SCRATCH)
    assigned: Path = Path(assignment.FOLDER)
    results_token: Path = Path(assignment.RESULTS_TOKEN)
    last_words: Path = Path("/dev/termination-log")
    is_over: bool = False
    """The application has ended, and the workspace is what it left: nothing is waited for."""


def upload(where: Where) -> bool:
    """Save what the attempt leaves, and say so: whether all that there was to save is saved."""
    with _noting_signals() as stop:
        try:
            given = assignment.read(where.assigned)
        except (OSError, ValueError) as error:
            problem = f"{where.assigned / assignment.FILE}: {error}"
            _say(problem)
            _leave(where, cut(problem))  # no report, but it is to be seen with the pod
            return False
        return _Upload(given, where, stop).run()


class _Upload:
    """The uploader's work for one attempt."""

    def __init__(self, given: Assignment, where: Where, stop: Stop) -> None:
        self._given = given
        self._plan = given.plan
        self._where = where
        self._stop = stop
        self._folder = where.scratch / FOLDER
        self._until = time.monotonic()  # known once the application has ended

    def run(self) -> bool:
        """From waiting to the last words."""
        try:
            report, is_saved = self._save()
        except Exception as error:  # noqa: BLE001 - whatever it is, the operator must learn of it
            traceback.print_exc()
            report, is_saved = self._failed(f"{type(error).__name__}: {error}"), False
        _leave(self._where, reporting.essence(report))
        if report.collected.results is not None and self._given.reports_to_api:
            self._tell_api(report.collected.results)
        return is_saved

    def _save(self) -> tuple[Report, bool]:
        """What became of the attempt, and whether all that there was to save is saved."""
        report = self._kept(KEPT)
        if report is None:
            root, runs = self._where.workspace, self._plan.runs
            ending = (
                ending_of(root, runs)
                if self._where.is_over
                else await_end(root, runs, limits_of(self._plan), self._stop)
            )
            if not ending.has_started:
                why = ending.observation.message
                _say(why)
                report = replace(self._report(_nothing("there are none")), message=why)
                return report, self._stop.is_wished
            self._until = self._deadline(_end_of(ending))
            self._await_tools()
            report = self._collected(ending)
        else:
            _say("going on with what was converted before")
            self._until = self._deadline(report.exit.finished_at if report.exit else "")
        if report.collected.lost:
            return report, False
        return self._sent(report)

    def _await_tools(self) -> None:
        """What is attached to the application may still write, and has its own work after it."""
        left = TOOLS_SHARE * (self._until - time.monotonic())
        for name in attaching.await_tools(self._where.workspace, self._plan, left):
            _say(f"{name} still writes after {left:.0f} s: what is there is taken")

    def _deadline(self, finished_at: str) -> float:
        """When collecting must have ended, by the monotonic clock.

        The application may have written the time of its end: it can only make the rest shorter.
        What ended while nobody was there, be it long ago, has all the time from now on.
        """
        limit = float(self._plan.deadlines.collect_seconds)
        if not finished_at or self._where.is_over:
            return time.monotonic() + limit
        age = (datetime.now(UTC) - datetime.fromisoformat(finished_at)).total_seconds()
        return time.monotonic() + limit - min(max(age, 0.0), limit)

    def _kept(self, name: str) -> Report | None:
        """What an uploader of this pod that was interrupted had come to."""
        try:
            found = reporting.from_json((self._where.scratch / name).read_bytes())
        except OSError:
            return None
        own = (self._plan.uid, self._plan.attempt, _pod_uid())
        is_own = found is not None and (found.uid, found.attempt, found.pod_uid) == own
        return found if is_own else None

    def _collected(self, ending: Ending) -> Report:
        """Convert, and keep what came of it, so that it need not be done twice."""
        began = time.monotonic()
        seen = ending.observation
        try:
            collected = self._convert(ending)
        except _OverdueError:
            limit = self._plan.deadlines.collect_seconds
            collected = _nothing(f"converting did not end within collectSeconds, {limit} s")
        except (OSError, ProfilingError) as error:
            collected = _nothing(f"the results could not be made: {error}")
        except MemoryError:
            collected = _nothing("converting takes more memory than it may have")
        report = replace(
            self._report(collected),
            started=seen.started, exit=seen.exit, runs=seen.runs, message=seen.message,
            spent=Spent(convert_seconds=round(time.monotonic() - began, 3)),
        )  # fmt: skip
        _say(f"converted in {report.spent.convert_seconds:.1f} s: {_described(collected)}")
        if not collected.lost:
            store.write_whole(self._where.scratch / KEPT, reporting.to_json(report))
        return report

    def _convert(self, ending: Ending) -> Collected:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True)
        given = self._given
        node = given.node or os.environ.get(assignment.NODE_NAME, "")
        seen = replace(ending.observation, node=node, device=given.device, image=given.image)
        with _alarm(self._until - time.monotonic()):
            found = uploader.collect(
                self._where.workspace, self._plan, seen, self._folder, given.settings(),
                given.machine,
            )  # fmt: skip
        if found.results is None:
            return found
        results = found.results.model_copy(update={"files": _sendable(found.results.files)})
        return replace(found, results=results)

    def _sent(self, report: Report) -> tuple[Report, bool]:
        """Everything to the store, the report last; the report, and whether it is all there."""
        key = assignment.result_key(self._plan)
        try:
            target = self._open_store()
            report = self._located(report, target.url_of(key))
            return self._put(report, target, key), True
        except (ProfilingError, OSError) as error:
            _say(f"the results are lost: {error}")
            collected = replace(report.collected, results=None, lost=f"{error}")
            return replace(report, collected=collected), False

    def _open_store(self) -> stores.ResultStore:
        """Credentials of object stores are environment variables."""
        known = self._given.store
        token = self._where.results_token
        return stores.open_store(
            known.url, token_file=str(token), ca=known.ca, options=known.options
        )

    def _located(self, report: Report, url: str) -> Report:
        found = report.collected.results or Results()
        results = found.model_copy(update={"url": url})
        return replace(report, collected=replace(report.collected, results=results))

    def _put(self, report: Report, target: stores.ResultStore, key: str) -> Report:
        began = time.monotonic()
        files = report.collected.results.files if report.collected.results else ()
        sent = stores.put_all(target, key, self._folder, files, self._until, _say)
        said = self._kept(f"{FOLDER}/{REPORT_FILE}")
        if said is None:  # what the store may have already must not change
            took = {"upload_seconds": round(time.monotonic() - began, 3), "upload_bytes": sent}
            said = replace(report, spent=report.spent.model_copy(update=took))
            store.write_whole(self._folder / REPORT_FILE, reporting.to_json(said))
        path = self._folder / REPORT_FILE
        last = ResultFile(path=REPORT_FILE, size=path.stat().st_size, sha256=store.checksum(path))
        stores.put_all(target, key, self._folder, (last,), self._until, _say)
        _say(f"sent {sent} bytes in {said.spent.upload_seconds:.1f} s to {target.url_of(key)}")
        return said

    def _report(self, collected: Collected) -> Report:
        return Report(
            job=self._plan.key,
            uid=self._plan.uid,
            attempt=self._plan.attempt,
            pod_uid=_pod_uid(),
            collected=collected,
            stop_requested=protocol.stop_is_requested(self._where.workspace),
        )

    def _failed(self, why: str) -> Report:
        """The results are lost, which is no reason to lose the application's outcome as well."""
        root = self._where.workspace
        return replace(
            self._report(_nothing(why)),
            started=protocol.read_started(root),
            exit=protocol.read_exit(root),
            runs=protocol.read_runs(root, self._plan.runs),
        )

    def _tell_api(self, results: Results) -> None:
        """Its failure is no failure of the upload: the operator has other ways to learn of it."""
        left = max(self._until - time.monotonic(), 0.0)
        problem = applying.apply_results(self._plan, results, min(left, applying.LONGEST_SECONDS))
        _say(f"status.results: {problem or 'applied'}")


@contextmanager
def _noting_signals() -> Iterator[Stop]:
    """TERM and INT are noted meanwhile, and do nothing else."""
    stop = Stop()
    before = {one: signal.signal(one, stop.note) for one in (signal.SIGTERM, signal.SIGINT)}
    signal.pthread_sigmask(signal.SIG_UNBLOCK, before)  # blocked while this was imported
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raises _OverdueError in what is done meanwhile once the time is over."""
    handler = signal.signal(signal.SIGALRM, _raise_overdue)
    timer = signal.setitimer(signal.ITIMER_REAL, max(seconds, SHORTEST_SECONDS))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def _raise_overdue(number: int, frame: FrameType | None) -> None:
    raise _OverdueError


def _leave(where: Where, words: str) -> None:
    """The last words."""
    try:
        where.last_words.write_text(words, encoding="utf-8")
    except OSError as error:
        _say(f"the last words could not be left: {error}")


def _sendable(files: Sequence[ResultFile]) -> tuple[ResultFile, ...]:
    """The application chose the names of its files, and a store does not take all of them."""
    problems = {one.path: stores.problem(one.path) for one in files}
    bad = [path for path, problem in problems.items() if problem]
    if bad:
        _say(f"{len(bad)} files are left out, first {bad[0][:80]!r}: {problems[bad[0]]}")
    return tuple(one for one in files if not problems[one.path])


def _end_of(ending: Ending) -> str:
    """When the application ended, by its launcher; empty where it did not tell."""
    return ending.observation.exit.finished_at if ending.observation.exit else ""


def _nothing(why: str) -> Collected:
    return Collected((), None, lost=why)


def _described(collected: Collected) -> str:
    if collected.results is None:
        return collected.lost
    sizes = [one.size for one in collected.results.files]
    return f"{len(sizes)} files, {sum(sizes)} bytes; {collected.headline}".rstrip("; ")


def _pod_uid() -> str:
    return os.environ.get(assignment.POD_UID, "")


def _say(words: str) -> None:
    """A line for people, in the container's log."""
    print(f"profjob upload: {words}", file=sys.stderr, flush=True)
