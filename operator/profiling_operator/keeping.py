"""Baselines in a store: what a plan's gates need of them, and how a job becomes a part of one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pydantic

from profiling_operator import baselines, stores
from profiling_operator.baselines import Accepted, Baseline, Identity, Snapshot, Window
from profiling_operator.plan import Plan
from profiling_operator.stores import ResultStore, StoreRefusedError

SUMMARY_FILE = "summary.json"
SUMMARY_LIMIT = 16 << 20
"""Bytes of a summary that are read."""

Tell = Callable[[str], None]


class NotAcceptableError(Exception):
    """What a result folder holds cannot become a part of a baseline, and why."""


@dataclass(frozen=True)
class Candidate:
    """A job that is to become a part of a baseline, and where that is."""

    namespace: str
    series: str
    identity: Identity
    job: Accepted


def snapshots(store: ResultStore, planned: Plan) -> tuple[Snapshot, ...]:
    """What the plan's gates need of each baseline that they name; so little that it fits.

    What can be read by nobody is the snapshot's problem. Raises StoreError while the store does
    not answer.
    """
    return baselines.fitting([_snapshot(store, planned, one) for one in planned.baseline_names])


def unknown(planned: Plan, why: str) -> tuple[Snapshot, ...]:
    """The snapshots where nothing of the baselines can be known: gates on them are skipped."""
    return tuple(Snapshot(name=one, problem=why) for one in planned.baseline_names)


def _snapshot(store: ResultStore, planned: Plan, name: str) -> Snapshot:
    try:
        found = read(store, baselines.document_name(planned.namespace, planned.series, name))
    except StoreRefusedError as error:
        return Snapshot(name=name, problem=str(error))
    wanted = [one.measure for one in planned.gates if one.baseline == name]
    return baselines.snapshot(found, name, planned.identity, wanted)


def read(store: ResultStore, name: str) -> Baseline | None:
    """A baseline; None where nothing was accepted yet.

    Raises StoreError, StoreRefusedError for what is no baseline, or one of a newer version.
    """
    document = store.document(name)
    return None if document is None else read_text(document.text, name)


def read_text(text: bytes, name: str) -> Baseline:
    """The text of a document of that name. Raises StoreRefusedError as `read`."""
    try:
        found = baselines.read(text)
    except ValueError as error:
        raise StoreRefusedError(f"baseline {name}: cannot be read: {_first(error)}") from error
    if baselines.document_name(found.namespace, found.series, found.name) != name:
        raise StoreRefusedError(f"baseline {name}: is another one's document")
    return found


def _first(error: ValueError) -> str:
    """What is wrong first; pydantic tells everything, in many lines."""
    if isinstance(error, pydantic.ValidationError):
        one = error.errors()[0]
        return f"{'.'.join(map(str, one['loc']))}: {one['msg']}".removeprefix(": ")
    return str(error)


def candidate(
    summary: Mapping[str, Any], uid: str, attempt: int, now: str, plan: Plan | None = None
) -> Candidate:
    """The job of a result folder's summary. `plan`, where it is known, is believed more.

    Raises NotAcceptableError for what is no summary, or of an older format.
    """
    try:
        namespace = str(summary["job"]).rpartition("/")[0]
        found = Candidate(
            namespace=plan.namespace if plan else namespace,
            series=plan.series if plan else str(summary["series"]),
            identity=plan.identity if plan else Identity.model_validate(summary["identity"]),
            job=baselines.accepted(summary, uid, attempt, now),
        )
        is_mine = summary["uid"] == uid
    except KeyError as error:
        message = f"{SUMMARY_FILE}: has no {error}: an older version wrote it"
        raise NotAcceptableError(message) from error
    except (ValueError, TypeError, AttributeError) as error:
        raise NotAcceptableError(f"{SUMMARY_FILE}: is no summary: {error}") from error
    if not is_mine:
        raise NotAcceptableError(f"{SUMMARY_FILE}: is of another job")
    if plan is not None:
        told = {"job": plan.job, "image": plan.app.image or ""}
        found = replace(found, job=found.job.model_copy(update=told))
    if not found.job.measures:
        raise NotAcceptableError(f"{SUMMARY_FILE}: holds no measures")
    return found


def failed_gate(summary: Mapping[str, Any]) -> str:
    """The first gate of a summary that was not met; empty: none.

    Raises NotAcceptableError for what is no list of verdicts.
    """
    try:
        return next(
            (str(one["measure"]) for one in summary.get("gates", ()) if one["verdict"] == "Failed"),
            "",
        )
    except (KeyError, TypeError) as error:
        raise NotAcceptableError(f"{SUMMARY_FILE}: its gates cannot be read") from error


def read_summary(text: bytes) -> Mapping[str, Any]:
    """A summary.json. Raises NotAcceptableError for what is none."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise NotAcceptableError(f"{SUMMARY_FILE}: is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise NotAcceptableError(f"{SUMMARY_FILE}: is no mapping")
    return found


def accept(
    store: ResultStore,
    found: Candidate,
    name: str,
    deadline: float,
    tell: Tell,
    *,
    anew: bool = False,
) -> Window:
    """Add a job to a baseline of its series and return its window as it is then.

    One that is in it already stays where it is. Raises StoreError, StoreRefusedError.
    """
    whole = baselines.document_name(found.namespace, found.series, name)
    empty = Baseline(namespace=found.namespace, series=found.series, name=name)
    windows: list[Window] = []

    def change(text: bytes | None) -> bytes:
        before = empty if text is None else read_text(text, whole)
        there = _window_of(before, found)
        if text is not None and there is not None and not anew:
            windows[:] = [there]
            return text
        after = baselines.accept(before, found.identity, found.job, anew=anew)
        windows[:] = after.windows[:1]
        try:
            return baselines.write(after)
        except ValueError as error:
            raise StoreRefusedError(f"baseline {whole}: {error}") from error

    stores.change_document(store, whole, change, deadline, tell)
    return windows[0]


def _window_of(baseline: Baseline, found: Candidate) -> Window | None:
    """The window that has the job already."""
    mine = (found.job.uid, found.job.attempt)
    device = found.job.machine.device
    for window in baseline.windows:
        is_alike = (window.identity, window.device) == (found.identity, device)
        if is_alike and mine in {(one.uid, one.attempt) for one in window.jobs}:
            return window
    return None
