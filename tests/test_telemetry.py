"""The operator's metrics."""

from __future__ import annotations

import http.client
import math
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import Metric, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families

import profiling_operator
from making import free_port, job
from profiling_operator import metrics, spec, telemetry
from profiling_operator.errors import Reason
from profiling_operator.settings import MetricsSettings
from profiling_operator.status import (
    AppOutcome,
    CollectorOutcome,
    Condition,
    ConditionType,
    GateStatus,
    Measure,
    Phase,
    Results,
    RunStatus,
    Status,
)
from profiling_operator.telemetry import Stages, Telemetry

ROOT = Path(__file__).parent.parent
TIME = "2026-11-23T10:00:00Z"
HOT = 'timer:"hot"/inclusive'
DOCUMENTED = re.compile(r"^\| `(profjob_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", re.MULTILINE)


def condition(kind: ConditionType, reason: str) -> Condition:
    """A condition that is True."""
    return Condition(type=kind, status="True", reason=reason, last_transition_time=TIME)


def ended(
    reason: str = "Completed",
    phase: Phase = Phase.SUCCEEDED,
    *measures: Measure,
    at: str = TIME,
    entries: int = 40,
    verdicts: tuple[GateStatus, ...] = (),
) -> Status:
    """A status that is final."""
    outcome = ConditionType.COMPLETE if phase is Phase.SUCCEEDED else ConditionType.FAILED
    app = AppOutcome(exit_code=0, reason="Completed", started_at=TIME, finished_at=TIME)
    brought = CollectorOutcome(name="pyspy", usable=True, entries=entries)
    return Status(
        phase=phase,
        completion_time=at,
        conditions=(condition(ConditionType.FINISHED, reason), condition(outcome, reason)),
        runs=(RunStatus(index=0, app=app, collectors=(brought,)),),
        results=Results(summary=measures),
        gates=verdicts,
    )


def measure(median: float, name: str = HOT) -> Measure:
    """A number of the summary."""
    return Measure(measure=name, unit="ns", values=(median,), median=median)


def known_job(uid: str = "u-1", **changes: Any) -> spec.ProfilingJob:
    """A job as the API server gives it."""
    return job(uid=uid, **changes)


def made(
    counts: telemetry.Counts = dict,
    waits: telemetry.Waits = list,
    clock: Callable[[], float] = lambda: 0.0,
    **settings: Any,
) -> Telemetry:
    """Metrics of an operator that has nothing to do, unless said otherwise."""
    return Telemetry(MetricsSettings(**settings), counts, waits, clock=clock)


def samples(one: Telemetry, name: str) -> dict[tuple[str, ...], float]:
    """The samples of a name: the values of their labels, by the labels' order, and the number."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in text_string_to_metric_families(generate_latest(one.registry).decode())
        for sample in family.samples
        if sample.name == name
    }


def everything() -> Telemetry:
    """Metrics of an operator that has seen something of each kind."""
    one = made(lambda: {("ci", "Running"): 1}, lambda: [3.0], results=True)
    gate = GateStatus(measure=HOT, verdict="Passed")
    stages = Stages(600, 20, 60, 5, 2, holds_gpu=True, upload_bytes=1000)
    one.finished(
        known_job(), ended("Completed", Phase.SUCCEEDED, measure(2), verdicts=(gate,)), stages
    )
    one.refused("ci", "u-2", ended("InvalidSpec", Phase.FAILED))
    one.reconciled(0.002)
    one.reconcile_failed("Conflict")
    one.api_request("patch", "profilingjobs/status", 200, 0.02)
    one.event_seen("pods")
    return one


def test_jobs_are_counted_by_phase_at_each_scrape() -> None:
    """A phase that nobody is in any more is told as 0, so that graphs fall and do not end."""
    jobs = {("ci", "Running"): 2, ("ml", "Queued"): 1, ("ml", "Odd"): 1}
    one = made(lambda: jobs)

    assert samples(one, "profjob_jobs")["ci", "Running"] == 2
    jobs["ci", "Running"] = 1
    told = samples(one, "profjob_jobs")
    assert told["ci", "Running"] == 1
    assert told["ml", "Queued"] == 1
    assert told["ml", "Succeeded"] == 0
    assert len(told) == 2 * len(Phase)


@pytest.mark.parametrize(
    ("phase", "reason", "result"),
    [
        (Phase.SUCCEEDED, "Completed", "succeeded"),
        (Phase.FAILED, "AppOOMKilled", "failed"),
        (Phase.CANCELLED, "Cancelled", "cancelled"),
    ],
)
def test_a_finished_job_is_counted_once(phase: Phase, reason: str, result: str) -> None:
    """The core may look at a job again after its end, also after a restart."""
    one = made()
    for _ in range(2):
        one.finished(known_job(), ended(reason, phase), Stages())

    told = samples(one, "profjob_jobs_finished_total")
    assert told == {("pyspy", "ci", reason, result): 1}  # by the labels' names: c, n, re, res
    assert samples(one, "profjob_entries_total") == {("pyspy",): 40}


def test_a_job_of_an_earlier_life_is_not_counted() -> None:
    """Counters are of this process; Prometheus knows the earlier ones."""
    one = made()
    one.restored(known_job(), ended())
    one.finished(known_job(), ended(), Stages())

    assert samples(one, "profjob_jobs_finished_total") == {}


def test_a_job_that_goes_on_is_no_finished_one() -> None:
    """Said loudly, since it is an error of the caller."""
    with pytest.raises(ValueError, match="ci/test is Running, not finished"):
        made().finished(known_job(), Status(phase=Phase.RUNNING), Stages())


def test_a_job_that_cannot_be_read_is_counted_too() -> None:
    """Its collectors are unknown."""
    one = made()
    for _ in range(2):
        one.refused("ci", "u-1", ended("InvalidSpec", Phase.FAILED))

    told = samples(one, "profjob_jobs_finished_total")
    assert told == {("Other", "ci", "InvalidSpec", "failed"): 1}


def test_a_job_of_several_collectors_is_one_job() -> None:
    """One word for all, in one order; a word that is no collector's may be any, so it is not."""
    one = made()
    listed = [{"name": name} for name in ("tau", "mine", "perf")]
    one.finished(known_job(collectors=listed), ended(), Stages())

    ((labels, value),) = samples(one, "profjob_jobs_finished_total").items()
    assert labels[0] == "Other+perf+tau"
    assert value == 1


def test_the_stages_of_a_job_are_seconds() -> None:
    """Also a wait of a whole day has a bucket, and a stage that never came is not observed."""
    one = made()
    one.finished(known_job(), ended(), Stages(queue=80000, run=7000, collect=40, holds_gpu=True))

    assert samples(one, "profjob_queue_wait_seconds_sum") == {("ci",): 80000}
    assert samples(one, "profjob_queue_wait_seconds_bucket")["86400.0", "ci"] == 1
    assert samples(one, "profjob_queue_wait_seconds_bucket")["57600.0", "ci"] == 0
    assert samples(one, "profjob_run_seconds_count") == {("ci",): 1}
    assert samples(one, "profjob_collect_seconds_sum") == {("true", "ci"): 40}
    assert samples(one, "profjob_upload_seconds_sum") in ({}, {("ci",): 0})
    assert samples(one, "profjob_upload_seconds_count") in ({}, {("ci",): 0})


def test_what_cannot_be_true_breaks_nothing() -> None:
    """Clocks of two machines differ; a report may hold any number."""
    one = made()
    stages = Stages(queue=-3, run=math.nan, collect=math.inf, upload_bytes=-1)
    one.finished(known_job(), ended(entries=-5), stages)

    assert samples(one, "profjob_queue_wait_seconds_sum") == {("ci",): 0}
    assert samples(one, "profjob_run_seconds_count").get(("ci",), 0) == 0
    assert samples(one, "profjob_upload_bytes_total") == {(): 0}
    assert samples(one, "profjob_entries_total") == {("pyspy",): 0}


def test_gates_are_counted_by_verdict() -> None:
    """From the start on, so that the first failure is an increase."""
    one = made()
    assert samples(one, "profjob_gate_results_total") == {
        ("Passed",): 0, ("Failed",): 0, ("Skipped",): 0,
    }  # fmt: skip
    verdicts = tuple(GateStatus(measure=HOT, verdict=word) for word in ("Failed", "Passed"))
    one.finished(known_job(), ended(verdicts=verdicts), Stages())

    assert samples(one, "profjob_gate_results_total")["Failed",] == 1


def test_the_operators_own_work_is_told() -> None:
    """How long it takes, what fails, what it asks of the API server."""
    one = made(waits=lambda: [1.0, 70.0])
    one.reconciled(0.002)
    one.reconcile_failed("Conflict")
    one.api_request("get", "pods", 0, 10.0)
    one.api_request("watch", "pods", 200, 300.0)

    assert samples(one, "profjob_reconcile_seconds_count") == {(): 1}
    assert samples(one, "profjob_reconcile_errors_total") == {("Conflict",): 1}
    assert samples(one, "profjob_api_requests_total") == {
        ("0", "pods", "get"): 1, ("200", "pods", "watch"): 1,
    }  # fmt: skip
    assert samples(one, "profjob_api_request_seconds_sum") == {("get",): 10}
    assert samples(one, "profjob_dirty_objects") == {(): 2}
    assert samples(one, "profjob_oldest_dirty_seconds") == {(): 70}


def test_a_watch_that_never_spoke_is_as_old_as_the_operator() -> None:
    """It would be missed otherwise."""
    now = 100.0
    one = made(clock=lambda: now)
    now = 130.0
    one.event_seen("pods")
    now = 135.0

    assert samples(one, "profjob_last_event_age_seconds") == {
        ("profilingjobs",): 35, ("jobs",): 35, ("pods",): 5,
    }  # fmt: skip
    with pytest.raises(ValueError, match="'nodes' is not watched; watched are profilingjobs, jobs"):
        one.event_seen("nodes")


def test_the_build_is_told() -> None:
    """Version of the package and of Python."""
    ((labels, value),) = samples(made(), "profjob_build_info").items()

    assert profiling_operator.__version__ in labels
    assert value == 1


def test_results_are_told_only_when_asked_for() -> None:
    """They are as many as users have series."""
    one = made()
    one.finished(known_job(), ended("Completed", Phase.SUCCEEDED, measure(2)), Stages())

    assert "profjob_result" not in generate_latest(one.registry).decode()


def test_the_newest_complete_job_of_a_series_tells_its_result() -> None:
    """Whatever the order in which jobs become known; a failed one has no number of the whole."""
    one = made(results=True)
    newest = ended("Completed", Phase.SUCCEEDED, measure(3), at="2026-11-23T12:00:00.5Z")
    one.finished(known_job("b", name="nbody-2"), newest, Stages())
    one.restored(
        known_job("a", name="nbody-1"), ended("Completed", Phase.SUCCEEDED, measure(1))
    )  # fmt: skip
    failed = ended("AppTimedOut", Phase.FAILED, measure(9), at="2026-11-24T12:00:00Z")
    one.finished(known_job("c", name="nbody-3"), failed, Stages())

    labels = (HOT, "ci", "nbody", "ns")
    assert samples(one, "profjob_result") == {labels: 3}
    one.forgotten("b")
    assert samples(one, "profjob_result") == {labels: 1}
    one.forgotten("a")
    assert samples(one, "profjob_result") == {}


def test_results_have_a_hard_limit() -> None:
    """Those of series that ended last are told; how many are not is told, too."""
    one = made(results=True, max_series=3)
    for number in range(4):
        status = ended(
            "Completed", Phase.SUCCEEDED, measure(1, "a"), measure(2, "b"),
            at=f"2026-11-2{number}T00:00:00Z",
        )  # fmt: skip
        one.finished(known_job(f"u-{number}", series=f"s-{number}"), status, Stages())

    told = samples(one, "profjob_result")
    assert {(labels[2], labels[0]) for labels in told} == {("s-3", "a"), ("s-3", "b"), ("s-2", "a")}
    assert samples(one, "profjob_result_series_dropped") == {(): 5}


def test_a_result_is_told_once() -> None:
    """Prometheus refuses samples that come twice, also if only cutting made them equal."""
    one = made(results=True)
    long = "timer:" + "x" * 1000
    status = ended("Completed", Phase.SUCCEEDED, measure(1, long + "a"), measure(2, long + "b"))
    one.finished(known_job(), status, Stages())

    ((labels, value),) = samples(one, "profjob_result").items()
    assert len(labels[0].encode()) <= telemetry.VALUE_LIMIT
    assert value == 1
    assert generate_latest(one.registry).decode().count("profjob_result{") == 1


def test_a_job_without_a_time_is_the_oldest() -> None:
    """A status may hold any text there."""
    one = made(results=True)
    for uid, median, at in (("a", 1, TIME), ("b", 2, "yesterday")):
        one.restored(known_job(uid), ended("Completed", Phase.SUCCEEDED, measure(median), at=at))

    assert list(samples(one, "profjob_result").values()) == [1]


@pytest.mark.parametrize("generate", [generate_latest, generate_openmetrics])
def test_no_character_breaks_the_text(generate: Callable[[Any], bytes]) -> None:
    """Quotes, newlines, backslashes, half a surrogate: the lines before and after are whole."""
    one = made(results=True)
    name = 'a"b\\c\nprofjob_jobs 7\n#\r\ud800\x00'
    one.finished(known_job(), ended("Completed", Phase.SUCCEEDED, measure(2, name)), Stages())
    one.reconcile_failed('no"\n')

    text = generate(one.registry).decode()
    assert r'measure="a\"b\\c\nprofjob_jobs 7\n#' in text
    assert not re.search(r"^profjob_jobs 7$", text, re.MULTILINE)
    assert r'profjob_reconcile_errors_total{reason="no\"\n"} 1.0' in text


def test_labels_have_few_values() -> None:
    """What others name is bounded, whatever they do."""
    jobs = {(f"ns-{number}", "Pending"): 1 for number in range(telemetry.NAMESPACE_LIMIT + 5)}
    one = made(lambda: jobs)
    for number in range(telemetry.WORD_LIMIT + 5):
        one.reconcile_failed(f"Reason{number}")
    assert samples(one, "profjob_jobs")["Other", "Pending"] == 5
    one.finished(known_job(), ended("SomethingElse", Phase.FAILED), Stages())

    assert samples(one, "profjob_reconcile_errors_total")["Other",] == 5
    told = samples(one, "profjob_jobs_finished_total")
    assert told == {("pyspy", "Other", "Other", "failed"): 1}


@pytest.fixture
def served() -> Iterator[tuple[Telemetry, int]]:
    """Metrics that are served on a port of this machine."""
    one = everything()
    port = one.serve(0, "127.0.0.1")
    yield one, port
    one.stop()


def fetched(port: int, accept: str) -> tuple[str, str]:
    """Content type and text of a scrape."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", "/metrics", headers={"Accept": accept})
        answer = connection.getresponse()
        return answer.headers["Content-Type"], answer.read().decode()


def test_scrapes_are_answered_until_it_stops(served: tuple[Telemetry, int]) -> None:
    """As text, or as OpenMetrics for those who ask."""
    one, port = served
    kind, text = fetched(port, "*/*")
    assert kind.startswith("text/plain")
    assert 'profjob_jobs{namespace="ci",phase="Running"} 1.0' in text
    kind, text = fetched(port, "application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert text.endswith("# EOF\n")

    one.stop()
    one.stop()
    with pytest.raises(OSError, match="refused"):
        fetched(port, "*/*")


def test_all_addresses_are_served_unless_one_is_named() -> None:
    """A scrape comes from another machine."""
    one = made()
    port = one.serve(free_port())

    assert "profjob_build_info" in fetched(port, "*/*")[1]
    one.stop()


def test_a_port_in_use_is_named(served: tuple[Telemetry, int]) -> None:
    """With the address, so that one knows what to change."""
    with pytest.raises(OSError, match=rf"served at 127\.0\.0\.1, port {served[1]}: Address alr"):
        made().serve(served[1], "127.0.0.1")


def test_two_operators_share_nothing() -> None:
    """Each has a registry of its own."""
    first, second = made(), made()
    first.reconciled(1)

    assert samples(second, "profjob_reconcile_seconds_count") == {(): 0}


def test_there_is_nothing_but_what_is_meant() -> None:
    """No time series for when others were made."""
    assert "_created" not in generate_latest(everything().registry).decode()


def described(families: Iterable[Metric], *common: str) -> dict[str, tuple[str, str, str]]:
    """Type, labels but for the common ones, and meaning of each, by its name in queries."""
    found = {}
    for family in families:
        name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = {label for one in family.samples for label in one.labels} - {"le", *common}
        kind = "gauge" if family.type == "info" else family.type
        listed = ", ".join(f"`{label}`" for label in sorted(labels))
        found[name] = (kind, listed, family.documentation)
    return {name: one for name, one in found.items() if name.startswith("profjob_")}


def documented() -> list[dict[str, tuple[str, str, str]]]:
    """The metrics in docs/metrics.md: those of the operator, those of one job."""
    parts = (ROOT / "docs/metrics.md").read_text().split("## Of one job")
    return [
        {name: (kind, labels, meaning) for name, kind, labels, meaning in DOCUMENTED.findall(part)}
        for part in parts
    ]


def test_the_documentation_lists_every_metric() -> None:
    """Type, labels, meaning, and nothing that is not there."""
    assert documented()[0] == described(everything().registry.collect())


def test_the_documentation_lists_the_metrics_of_one_job(tmp_path: Path) -> None:
    """Those of the textfile, which have three labels in common, but for the results."""
    metrics.write_textfile(tmp_path / "f", job(), ended("Completed", Phase.SUCCEEDED, measure(1)))
    families = list(text_string_to_metric_families((tmp_path / "f").read_text()))
    result = [one for one in families if one.name == "profjob_result"]

    of_jobs = described(families, "namespace", "job", "series")
    assert documented()[1] == of_jobs | described(result)


def test_reasons_of_the_status_are_known() -> None:
    """None of ours becomes `Other`."""
    one = made()
    for reason in Reason:
        one.finished(known_job(reason), ended(reason, Phase.FAILED), Stages())

    told = samples(one, "profjob_jobs_finished_total")
    assert {labels[2] for labels in told} == set(Reason)


@pytest.mark.needs("promtool")
def test_promtool_has_nothing_to_say() -> None:
    """Names, units, types and texts are as Prometheus wants them."""
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=generate_latest(everything().registry).decode(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
