"""Baselines of `profjob run`: where they are kept, and which result folders may join them."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from profiling_operator import baselines, keeping, names, settings, store, stores
from profiling_operator.baselines import Snapshot, Window
from profiling_operator.cli import console, exits
from profiling_operator.cli.exits import Exit
from profiling_operator.errors import Problem, Reason, SpecError, StoreError
from profiling_operator.keeping import SUMMARY_FILE, Candidate, NotAcceptableError, Tell
from profiling_operator.plan import Plan
from profiling_operator.settings import Settings, StoreSettings
from profiling_operator.spec import ProfilingJob
from profiling_operator.status import ConditionType, Status, time_text
from profiling_operator.stores import ResultStore, StoreRefusedError

SNAPSHOT_SECONDS = 10.0  # a job waits no longer for what its gates need
ACCEPT_SECONDS = 60.0
TOKEN = "PROFJOB_TOKEN"  # noqa: S105 - the name of a variable


class RefusedJobError(Exception):
    """A job that others are not to be compared with."""

    def __init__(self, message: str, code: Exit) -> None:
        """With the exit code that tells why."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Result:
    """A result folder."""

    status: Status
    uid: str
    summary: Mapping[str, Any]

    def candidate(self) -> Candidate:
        """The job, as a baseline takes it. Raises NotAcceptableError.

        `profjob run` gives the same file the same UID each time; what tells one time from another
        is what was measured.
        """
        number = self.status.attempts[-1].number if self.status.attempts else 1
        now = time_text(datetime.now(UTC))
        found = keeping.candidate(self.summary, self.uid, number, now)
        text = json.dumps(self.summary, sort_keys=True).encode()
        uid = f"{self.uid}/{hashlib.sha256(text).hexdigest()[:16]}"
        return dataclasses.replace(found, job=found.job.model_copy(update={"uid": uid}))


def open_kept(url: str, known: Settings, token: str = "", token_file: str = "") -> ResultStore:
    """The store of baselines of this machine: at a URL or in a folder, else as the settings say.

    Raises StoreRefusedError.
    """
    where = _url(url or known.baselines or str(settings.data_folder() / "baselines"))
    of_store = _like(where, known)
    is_server = where.startswith(("http://", "https://"))
    token = token or ("" if token_file else os.environ.get(TOKEN, ""))
    return stores.open_store(
        where,
        token=token if is_server else "",
        token_file=token_file if is_server else "",
        ca=of_store.ca,
        options=of_store.options,
    )


def _url(text: str) -> str:
    return text if "://" in text else Path(text).absolute().as_uri()


def _like(url: str, known: Settings) -> StoreSettings:
    """What the settings know of the place, where results are kept there too."""
    for one in known.stores.values():
        if one.url.rstrip("/") == url.rstrip("/"):
            return one
    return StoreSettings(url=url)


def with_wish(job: ProfilingJob, name: str) -> ProfilingJob:
    """The job with the baseline that it is to be added to, as a manifest names it.

    Raises SpecError for a name that no baseline can have.
    """
    there = job.metadata.annotations
    where = "--accept-baseline" if name else f"metadata.annotations[{names.ACCEPT_BASELINE}]"
    name = name or wish(job)
    if not name:
        return job
    if why := baselines.name_problem(name):
        raise SpecError([Problem(where, why)])
    annotations = {**there, names.ACCEPT_BASELINE: name}
    about = job.metadata.model_copy(update={"annotations": annotations})
    return job.model_copy(update={"metadata": about})


def wish(job: ProfilingJob) -> str:
    """The baseline that a job is to be added to; empty: none."""
    return job.metadata.annotations.get(names.ACCEPT_BASELINE, "")


def place_for(job: ProfilingJob, url: str, known: Settings) -> ResultStore | None:
    """The store of the baselines that a job wants; None where it wants none.

    Raises SpecError for what is no store.
    """
    if not wish(job) and not any(gate.baseline for gate in job.spec.gates):
        return None
    try:
        return open_kept(url, known)
    except StoreRefusedError as error:
        where = "--baselines" if url else "settings.baselines"
        raise SpecError([Problem(where, str(error))]) from error


@dataclass(frozen=True)
class Snapshots:
    """Tells what a plan's gates need. A store that does not answer is told of, and no more."""

    place: ResultStore | None
    stderr: Console

    def __call__(self, planned: Plan) -> Sequence[Snapshot]:
        """For one attempt."""
        if self.place is None:
            return ()
        tell = console.teller(self.stderr)
        read = functools.partial(keeping.snapshots, self.place, planned)
        try:
            found = stores.insist(read, time.monotonic() + SNAPSHOT_SECONDS, tell)
        except StoreError as error:
            found = keeping.unknown(planned, str(error))
        for one in found:
            if one.problem:
                tell(f"gates on baseline {one.name} are skipped: {one.problem}")
        return found


def honour(
    job: ProfilingJob, status: Status, folder: Path, place: ResultStore | None, stderr: Console
) -> str:
    """Add a finished job to the baseline that it names, and say so; of one that did not end well,
    say why not. Returns why that went wrong; empty: it did not."""
    name = wish(job)
    if not name or place is None:
        return ""
    tell = console.teller(stderr)
    try:
        require_good(status, job.key, anew=False)
        window = accept(place, read_folder(folder).candidate(), name, tell)
    except RefusedJobError as error:
        tell(f"not added to baseline {name}: {error}")
    except (StoreError, NotAcceptableError) as error:
        return f"not added to baseline {name}: {error}"
    else:
        tell(f"{job.key}: {told(window, name)}")
    return ""


def told(window: Window, name: str) -> str:
    """What a baseline is, once a job was added."""
    jobs = "job" if len(window.jobs) == 1 else "jobs"
    return f"baseline {name} has {len(window.jobs)} {jobs} of {window.device or 'unknown devices'}"


def accept(
    place: ResultStore, found: Candidate, name: str, tell: Tell, *, anew: bool = False
) -> Window:
    """Add a job to a baseline. Raises StoreError when that did not work in time."""
    deadline = time.monotonic() + ACCEPT_SECONDS
    return keeping.accept(place, found, name, deadline, tell, anew=anew)


def read_folder(folder: Path) -> Result:
    """A result folder. Raises NotAcceptableError for what is none."""
    body = _read(folder / store.STATUS_FILE)
    try:
        status = Status.model_validate(body.get("status") or {}, extra="ignore")
        uid = str(body["metadata"]["uid"])
    except (ValueError, KeyError, TypeError) as error:
        raise NotAcceptableError(f"{folder / store.STATUS_FILE}: is no job's status") from error
    require_good(status, str(folder), anew=True)  # one that failed has no summary
    return Result(status, uid, _read(folder / SUMMARY_FILE))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise NotAcceptableError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise NotAcceptableError(f"{path}: is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise NotAcceptableError(f"{path}: is no mapping")
    return found


def require_good(status: Status, what: str, *, anew: bool) -> None:
    """Raise RefusedJobError unless others may be compared with this job.

    `anew`: a gate that failed is what is wanted: the program has become slower, and may be.
    """
    if not status.holds(ConditionType.FINISHED):
        raise RefusedJobError(f"{what}: is {status.phase}, not finished", Exit.USAGE)
    code = exits.of(status)
    if code is Exit.GATE_FAILED:
        if anew:
            return
        failed = ", ".join(one.measure for one in status.gates if one.verdict == "Failed")
        message = f"{what}: a gate failed ({failed}); --anew takes the new speed for the right one"
        raise RefusedJobError(message, code)
    if code is not Exit.OK:
        finished = status.condition(ConditionType.FINISHED)
        said = f": {finished.message}" if finished and finished.message else ""
        reason = status.reason or Reason.APP_FAILED
        raise RefusedJobError(f"{what}: is {status.phase} ({reason}{said})", code)
