"""Metrics for node_exporter's textfile collector."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from making import job
from profiling_operator import metrics
from profiling_operator.status import (
    AppOutcome,
    CollectorOutcome,
    Condition,
    ConditionType,
    Measure,
    Phase,
    ResultFile,
    Results,
    RunStatus,
    Status,
)

TIME = "2026-11-23T10:00:00Z"


def condition(kind: ConditionType, reason: str) -> Condition:
    """A condition that is True."""
    return Condition(type=kind, status="True", reason=reason, last_transition_time=TIME)


def finished() -> Status:
    """A job that went well."""
    run = RunStatus(
        index=0,
        app=AppOutcome(exit_code=0, reason="Completed", started_at=TIME, finished_at=TIME),
        collectors=(CollectorOutcome(name="pyspy", usable=True, entries=40),),
    )
    return Status(
        phase=Phase.SUCCEEDED,
        completion_time=TIME,
        conditions=(
            condition(ConditionType.FINISHED, "Completed"),
            condition(ConditionType.PROFILE_USABLE, "Completed"),
        ),
        runs=(run, run.model_copy(update={"index": 1})),
        results=Results(
            files=tuple(ResultFile(path="a", size=size, sha256="") for size in (10, 5)),
            summary=(Measure(measure='timer:"hot"/inclusive', unit="ns", values=(1, 3), median=2),),
        ),
    )  # fmt: skip


def samples(path: Path) -> dict[tuple[str, str], float]:
    """Samples of a textfile by name and the label that tells them apart."""
    return {
        (sample.name, sample.labels.get("collector") or sample.labels.get("measure") or ""): (
            sample.value
        )
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }


def test_a_finished_job_is_told(tmp_path: Path) -> None:
    """Outcome, entries, bytes and results, with names and units of Prometheus."""
    metrics.write_textfile(tmp_path / "job.prom", job(name="nbody-12"), finished())

    assert samples(tmp_path / "job.prom") == {
        ("profjob_job_info", ""): 1,
        ("profjob_job_profile_usable", ""): 1,
        ("profjob_job_completion_timestamp_seconds", ""): 1_795_428_000,
        ("profjob_job_entries", "pyspy"): 80,
        ("profjob_job_result_bytes", ""): 15,
        ("profjob_result", 'timer:"hot"/inclusive'): 2,
    }
    text = (tmp_path / "job.prom").read_text()
    assert (
        'job="nbody-12",namespace="ci",phase="Succeeded",reason="Completed",series="nbody"' in text
    )


def test_a_job_that_never_ran_is_told_too(tmp_path: Path) -> None:
    """There is an outcome and no results."""
    metrics.write_textfile(tmp_path / "job.prom", job(), Status(phase=Phase.FAILED))

    told = samples(tmp_path / "job.prom")
    assert told[("profjob_job_info", "")] == 1
    assert told[("profjob_job_profile_usable", "")] == 0
    assert [one.name for one in tmp_path.iterdir()] == ["job.prom"]
