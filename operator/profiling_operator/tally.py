"""What the operator does, as its metrics want to hear it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from profiling_operator import spec
from profiling_operator.errors import SpecError
from profiling_operator.pod_sightings import seconds_between
from profiling_operator.reconcile import Decision
from profiling_operator.status import Status
from profiling_operator.telemetry import Stages, Telemetry

Body = Mapping[str, Any]


class Tally:
    """Passes on what control.Control tells, as it is asked to by its `Watched`."""

    def __init__(self, telemetry: Telemetry) -> None:
        """Tell it to `telemetry`."""
        self._telemetry = telemetry

    def reconciled(self, seconds: float) -> None:
        """One job was looked at."""
        self._telemetry.reconciled(seconds)

    def reconcile_failed(self, reason: str) -> None:
        """Looking at one failed."""
        self._telemetry.reconcile_failed(reason)

    def event_seen(self, kind: str) -> None:
        """A watch, or a list that makes up for one, told something."""
        self._telemetry.event_seen(kind)

    def noticed(self, reason: str) -> None:
        """Something came of a job, beside its status."""
        self._telemetry.noticed(reason)

    def ended(self, body: Body, status: Status, decision: Decision) -> None:
        """A job has finished."""
        job = _job(body)
        if job is None:
            about = body["metadata"]
            self._telemetry.refused(about["namespace"], about["uid"], status)
        else:
            self._telemetry.finished(job, status, stages(decision, job.spec.gpu is not None))

    def found_ended(self, body: Body, status: Status) -> None:
        """A job that had finished before was found."""
        if job := _job(body):
            self._telemetry.restored(job, status)

    def forgotten(self, uid: str) -> None:
        """A job is gone."""
        self._telemetry.forgotten(uid)


def stages(decision: Decision, holds_gpu: bool) -> Stages:
    """How long the last attempt spent where, by the clocks of API server and kubelet."""
    seen, report = decision.sighting, decision.report
    if seen is None:
        return Stages(holds_gpu=holds_gpu)
    return Stages(
        queue=seconds_between(seen.created_at, seen.scheduled_at),
        start=seconds_between(seen.scheduled_at, seen.started_at),
        run=seconds_between(seen.started_at, seen.finished_at),
        collect=seconds_between(seen.finished_at, seen.ended_at),
        upload=report.spent.upload_seconds if report else None,
        holds_gpu=holds_gpu,
        upload_bytes=report.spent.upload_bytes if report else 0,
    )


def _job(body: Body) -> spec.ProfilingJob | None:
    try:
        return spec.read_object(body)
    except SpecError:
        return None
