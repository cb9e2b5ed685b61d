"""Prometheus metrics of one job, for node_exporter's textfile collector."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from profiling_operator.entries import NANOSECONDS, epoch_nanoseconds
from profiling_operator.spec import ProfilingJob
from profiling_operator.status import ConditionType, Status

JOB_LABELS = ("namespace", "job", "series")


def write_textfile(path: Path, job: ProfilingJob, status: Status) -> None:
    """Write the metrics of a finished job; the file is replaced as a whole.

    Raises OSError when it cannot be written.
    """
    registry = CollectorRegistry()
    labels = (job.metadata.namespace, job.metadata.name, job.series)
    _add_outcome(registry, labels, status)
    _add_runs(registry, labels, status)
    _add_results(registry, job, status)
    write_to_textfile(str(path), registry)


def _add_outcome(registry: CollectorRegistry, labels: tuple[str, str, str], status: Status) -> None:
    info = Gauge(
        "profjob_job_info", "Outcome of the job.", (*JOB_LABELS, "phase", "reason"),
        registry=registry,
    )  # fmt: skip
    info.labels(*labels, status.phase.value, status.reason).set(1)
    usable = Gauge(
        "profjob_job_profile_usable", "1 when the profile is usable.", JOB_LABELS,
        registry=registry,
    )  # fmt: skip
    usable.labels(*labels).set(status.holds(ConditionType.PROFILE_USABLE))
    if status.completion_time:
        ended = Gauge(
            "profjob_job_completion_timestamp_seconds", "When the job ended.", JOB_LABELS,
            registry=registry,
        )  # fmt: skip
        ended.labels(*labels).set(epoch_nanoseconds(status.completion_time) / NANOSECONDS)


def _add_runs(registry: CollectorRegistry, labels: tuple[str, str, str], status: Status) -> None:
    found = Gauge(
        "profjob_job_entries", "Entries of a collector over all runs.", (*JOB_LABELS, "collector"),
        registry=registry,
    )  # fmt: skip
    for run in status.runs:
        for one in run.collectors:
            found.labels(*labels, one.name).inc(one.entries)
    written = Gauge(
        "profjob_job_result_bytes", "Bytes of the result folder.", JOB_LABELS, registry=registry
    )
    files = status.results.files if status.results else ()
    written.labels(*labels).set(sum(file.size for file in files))


def _add_results(registry: CollectorRegistry, job: ProfilingJob, status: Status) -> None:
    result = Gauge(
        "profjob_result",
        "Median over the repetitions of a measure, in the unit of its label.",
        ("namespace", "series", "measure", "unit"),
        registry=registry,
    )
    for one in status.results.summary if status.results else ():
        result.labels(job.metadata.namespace, job.series, one.measure, one.unit).set(one.median)
