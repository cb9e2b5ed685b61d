"""An attempt on a Docker host, told in the shape of a Job and its pod: who owns them, when they
were made, whether they have ended. What else is to be seen is a Sighting. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from profiling_operator import pods
from profiling_operator.agent.records import Record
from profiling_operator.pod_sightings import Sighting, Stage

Body = Mapping[str, Any]

SIGHTING = "sighting"


def uid_of(record: Record) -> str:
    """The UID of the Job, and of its pod: no other attempt of any job has it."""
    return f"{record.plan.uid}-{record.plan.attempt}"


def job_body(record: Record, seen: Sighting, version: int) -> dict[str, Any]:
    """The Job of an attempt."""
    over = {"type": "Complete", "status": "True", "lastTransitionTime": seen.ended_at}
    return {
        "metadata": _metadata(record, "ProfilingJob", record.plan.job, record.plan.uid, version),
        "status": {"conditions": [over] if seen.stage is Stage.ENDED else []},
    }


def pod_body(record: Record, seen: Sighting, version: int, ends_by: str = "") -> dict[str, Any]:
    """Its pod. `ends_by`: when it should be gone, as it has been told to end."""
    metadata = _metadata(record, "Job", record.name, uid_of(record), version)
    if ends_by:
        metadata["deletionTimestamp"] = ends_by
    phase = "Succeeded" if seen.stage is Stage.ENDED else "Running"
    return {"metadata": metadata, "status": {"phase": phase}, SIGHTING: seen}


def _metadata(record: Record, kind: str, owner: str, uid: str, version: int) -> dict[str, Any]:
    return {
        "name": record.name,
        "namespace": record.plan.namespace,
        "uid": uid_of(record),
        "creationTimestamp": record.created_at,
        "resourceVersion": str(version),
        "labels": {pods.JOB_UID: record.plan.uid, pods.ATTEMPT: str(record.plan.attempt)},
        "ownerReferences": [{"kind": kind, "name": owner, "uid": uid}],
    }
