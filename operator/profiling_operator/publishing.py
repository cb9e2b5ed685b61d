"""How a status gets onto its resource, and which events tell of it. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from profiling_operator import names
from profiling_operator.reconcile import Notice
from profiling_operator.status import ConditionType, Phase, Status, fit, time_text

Body = Mapping[str, Any]

MANAGER = "profjob-operator"
EVENT_MESSAGE_LIMIT = 1024  # characters that the API server takes
NAME_LIMIT = 253
MINIMAL = ("observedGeneration", "phase", "conditions", "startTime", "completionTime")


def status_patch(body: Body, status: Status) -> dict[str, Any] | None:
    """The merge patch (RFC 7386) that makes a resource's status this one; None where it is.

    Results that the uploader wrote stay, as long as the status has none of its own. The version
    that was read is in it: whoever writes in between makes it a conflict.
    """
    wanted, there = fit(status), body.get("status") or {}
    if status.results is None and "results" in there:
        wanted["results"] = {**there["results"], **wanted.get("results", {})}
    changes = difference(there, wanted)
    return _patch(body, changes) if changes else None


def minimal_patch(body: Body, status: Status) -> dict[str, Any]:
    """The outcome alone, for when the API server refuses the whole."""
    wanted = fit(status)
    return _patch(body, {key: wanted[key] for key in MINIMAL if key in wanted})


def _patch(body: Body, status: Mapping[str, Any]) -> dict[str, Any]:
    about = body["metadata"]
    kept = {"uid": about["uid"], "resourceVersion": about["resourceVersion"]}
    return {"metadata": kept, "status": dict(status)}


def difference(there: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch from one object to another; empty where they are equal."""
    changes: dict[str, Any] = {key: None for key in there if key not in wanted}
    for key, value in wanted.items():
        if key not in there:
            changes[key] = value
        elif isinstance(value, dict) and isinstance(there[key], dict):
            if inner := difference(there[key], value):
                changes[key] = inner
        elif there[key] != value:
            changes[key] = value
    return changes


def events(body: Body, before: Status, after: Status, now: datetime) -> Iterator[dict[str, Any]]:
    """An event for each transition. Their names are computed: told twice is told once."""
    for one in after.attempts:
        known = next((old for old in before.attempts if old.number == one.number), None)
        if one.outcome and (known is None or not known.outcome) and not _is_over(after):
            message = f"attempt {one.number} ended: {one.outcome}"
            yield _event(body, "Warning", "AttemptEnded", message, now)
    if _is_over(after) and not _is_over(before):
        finished = after.condition(ConditionType.FINISHED)
        said = finished.message if finished else ""
        kind = "Normal" if after.phase is Phase.SUCCEEDED else "Warning"
        yield _event(body, kind, after.reason, said or after.phase.value, now)
    elif after.phase is not before.phase or not before.conditions:
        reconciling = after.condition(ConditionType.RECONCILING)
        number = after.attempts[-1].number if after.attempts else 0
        said = reconciling.message if reconciling else ""
        whose = f"attempt {number}" if number and not said.startswith("attempt ") else ""
        message = ": ".join(filter(None, (whose, said)))
        yield _event(body, "Normal", after.phase.value, message or after.phase.value, now)


def event_of(body: Body, notice: Notice, now: datetime) -> dict[str, Any]:
    """The event that tells of a notice."""
    kind = "Warning" if notice.is_warning else "Normal"
    return _event(body, kind, notice.reason, notice.message, now)


def _is_over(status: Status) -> bool:
    return status.holds(ConditionType.FINISHED)


def _event(body: Body, kind: str, reason: str, message: str, now: datetime) -> dict[str, Any]:
    about = body["metadata"]
    digest = hashlib.sha256(f"{about['uid']}/{reason}/{message}".encode(errors="replace"))
    suffix = f".{digest.hexdigest()[:16]}"
    head = about["name"][: NAME_LIMIT - len(suffix)].rstrip("-.")
    time = time_text(now)
    return {
        "metadata": {
            "name": f"{head}{suffix}",
            "namespace": about["namespace"],
        },
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": about["name"],
            "namespace": about["namespace"],
            "uid": about["uid"],
            "resourceVersion": about["resourceVersion"],
        },
        "type": kind,
        "reason": reason,
        "message": message[:EVENT_MESSAGE_LIMIT],
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
        "source": {"component": "profiling-operator"},
        "reportingComponent": "profiling.dev/operator",
        "reportingInstance": "profiling-operator",
    }
