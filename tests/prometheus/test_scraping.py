"""A real Prometheus scrapes the operator's metrics and evaluates the rules."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from making import free_port, job
from profiling_operator.settings import MetricsSettings
from profiling_operator.status import Condition, ConditionType, Measure, Phase, Results, Status
from profiling_operator.telemetry import Stages, Telemetry

ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts/profiling-operator/rules/profjob.rules.yaml"
RULE_COUNT = sum(len(group["rules"]) for group in yaml.safe_load(RULES.read_text())["groups"])
PATIENCE = 60.0  # seconds; a healthy one needs two
TIME = "2026-11-23T10:00:00Z"
ODD = 'timer:"a\\b"\n/inclusive'

pytestmark = pytest.mark.needs("prometheus")


class Prometheus:
    """The HTTP API of one."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        """It need not answer yet."""
        self._port = port
        self._process = process
        self._log = log

    def get(self, path: str, **query: str) -> Any:
        """What it answers; None while it does not."""
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)) as asked:
                asked.request("GET", f"/api/v1/{path}?{urlencode(query)}")
                answer = asked.getresponse()
                return json.loads(answer.read())["data"] if answer.status == 200 else None
        except OSError:
            return None

    def until(self, there: Callable[[], Any]) -> Any:
        """The first answer that is there. Fails with the log when none comes or it has ended."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            found = there()
            if found:
                return found
            time.sleep(0.1)
        raise AssertionError(self._log.read_text())

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression, as soon as there is one."""

        def found() -> Any:
            data = self.get("query", query=expression)
            return data and data["result"]

        return list(self.until(found))


def status(reason: str, phase: Phase, outcome: ConditionType, measure: str) -> Status:
    """A status that is final."""
    return Status(
        phase=phase,
        completion_time=TIME,
        conditions=tuple(
            Condition(type=kind, status="True", reason=reason, last_transition_time=TIME)
            for kind in (ConditionType.FINISHED, outcome)
        ),
        results=Results(
            summary=(Measure(measure=measure, unit="ns", values=(5.0,), median=5.0),),
        ),
    )


@pytest.fixture
def operator() -> Iterator[tuple[Telemetry, int]]:
    """Metrics of an operator with a little to tell, and their port."""
    known = MetricsSettings(results=True)
    told = Telemetry(known, lambda: {("ci", "Running"): 2}, lambda: [1.5])
    good = status("Completed", Phase.SUCCEEDED, ConditionType.COMPLETE, ODD)
    stages = Stages(600, 20, 60, 5, 2, holds_gpu=True, upload_bytes=1000)
    told.finished(job(name="nbody-1", uid="u-1"), good, stages)
    yield told, told.serve(0, "127.0.0.1")
    told.stop()


@pytest.fixture
def prometheus(operator: tuple[Telemetry, int], tmp_path: Path) -> Iterator[Prometheus]:
    """One with the rules, which scrapes the operator twice a second."""
    scraped = {
        "job_name": "operator",
        "honor_labels": True,
        "static_configs": [{"targets": [f"127.0.0.1:{operator[1]}"]}],
    }
    often = dict.fromkeys(("scrape_interval", "scrape_timeout", "evaluation_interval"), "500ms")
    written = {"global": often, "rule_files": [str(RULES)], "scrape_configs": [scraped]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(written))
    port = free_port()
    words = [
        "prometheus",
        f"--config.file={tmp_path}/prometheus.yml",
        f"--storage.tsdb.path={tmp_path}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(words, stdout=log, stderr=log, cwd=tmp_path) as process,
    ):
        yield Prometheus(port, process, tmp_path / "log")
        process.kill()


def test_metrics_arrive(prometheus: Prometheus) -> None:
    """With the labels that they were given, `namespace` and odd characters included."""
    (jobs,) = prometheus.query('profjob_jobs{phase="Running"}')
    (result,) = prometheus.query("profjob_result")

    assert jobs["metric"]["namespace"] == "ci"
    assert jobs["value"][1] == "2"
    named = {"namespace": "ci", "series": "nbody", "measure": ODD, "unit": "ns"}
    assert named.items() <= result["metric"].items()
    assert result["value"][1] == "5"
    assert prometheus.query("up == 1")[0]["metric"]["job"] == "operator"


def test_types_and_meanings_arrive(prometheus: Prometheus) -> None:
    """They are what people see in a query builder."""
    prometheus.query("profjob_build_info")
    told = prometheus.until(lambda: prometheus.get("targets/metadata"))
    types = {one["metric"]: one["type"] for one in told if one["help"]}

    assert types["profjob_collect_seconds"] == "histogram"
    assert types["profjob_jobs"] == "gauge"
    counters = {name.removesuffix("_total") for name, kind in types.items() if kind == "counter"}
    assert "profjob_jobs_finished" in counters


def test_what_happens_between_two_scrapes_is_seen(
    prometheus: Prometheus, operator: tuple[Telemetry, int]
) -> None:
    """A counter rises, and a histogram can be asked for a quantile."""
    prometheus.query("profjob_jobs_finished_total")
    lost = status("ResultsLost", Phase.FAILED, ConditionType.FAILED, "x")
    operator[0].finished(job(name="nbody-2", uid="u-2"), lost, Stages(run=5))

    (seen,) = prometheus.query('profjob_jobs_finished_total{reason="ResultsLost"}')
    assert seen["value"][1] == "1"
    assert seen["metric"]["result"] == "failed"
    assert prometheus.query("histogram_quantile(0.9, profjob_collect_seconds_bucket) > 2")


def test_the_rules_are_evaluated_and_an_alert_fires(
    prometheus: Prometheus, operator: tuple[Telemetry, int]
) -> None:
    """Each rule without an error; the one that waits for nothing fires at once."""
    prometheus.query("profjob_jobs_finished_total")
    lost = status("ResultsLost", Phase.FAILED, ConditionType.FAILED, "x")
    operator[0].finished(job(name="nbody-2", uid="u-2"), lost, Stages())

    (alert,) = prometheus.query('ALERTS{alertname="ProfjobResultsLost",alertstate="firing"}')
    assert alert["metric"]["namespace"] == "ci"
    assert prometheus.until(lambda: evaluated(prometheus)) == ["ok"] * RULE_COUNT
    alerts = prometheus.get("alerts")["alerts"]
    firing = {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}
    assert firing == {"ProfjobResultsLost"}


def evaluated(prometheus: Prometheus) -> list[str]:
    """How each rule fared, as soon as all were tried."""
    groups = (prometheus.get("rules") or {"groups": []})["groups"]
    health = [one["health"] for group in groups for one in group["rules"]]
    return [] if "unknown" in health else health
