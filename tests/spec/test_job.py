"""The resource as a whole."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

import making
from profiling_operator.errors import SpecError
from profiling_operator.spec import OnTimeout, ProfilingJob, reading

EVERYTHING = """
apiVersion: profiling.dev/v1alpha1
kind: ProfilingJob
metadata: {name: nbody-1234, namespace: ci}
spec:
  series: nbody
  app:
    image: registry.example/nbody@sha256:0123
    command: [/app/nbody]
    args: ["--steps", "1000"]
    workingDir: /app
    env: [{name: OMP_NUM_THREADS, value: "4"}]
    resources: {limits: {cpu: "4", memory: 8Gi}}
    volumes: []
    securityContext: {runAsUser: 1000}
    imagePullSecrets: []
  gpu: {count: 1, resource: nvidia.com/gpu, product: NVIDIA-H200}
  collectors:
  - {name: tau, options: {sampling: true, callpathDepth: 20, metrics: [TIME], args: []}}
  timeoutSeconds: 600
  onTimeout: Fail
  gracePeriodSeconds: 60
  repetitions: 3
  warmups: 1
  playback:
    image: registry.example/playback:1
    command: [/serve]
    env: []
    port: 8080
    readiness: {httpGet: /ready, timeoutSeconds: 60}
  output: {path: /app/profiling_output, sizeLimit: 2Gi, store: default, raw: true}
  gates:
  - {measure: "timer:hot/inclusive", statistic: median, max: 1.2s}
  - {measure: "app/duration", baseline: main, maxIncrease: 5%}
  placement:
    nodeSelector: {disk: ssd}
    tolerations: [{key: gpu, operator: Exists}]
    runtimeClassName: nvidia
    priorityClassName: ""
    queueName: ""
    host: ""
  deadlines: {queueSeconds: 86400, startSeconds: 600, collectSeconds: 600}
  retries: {infrastructure: 3, app: 0}
  suspend: false
  cancel: false
  ttlSecondsAfterFinished: 86400
"""


def refusal(**fields: Any) -> str:
    """What is said about a job with these fields in its spec."""
    with pytest.raises(SpecError) as caught:
        making.job(**fields)
    return str(caught.value)


def test_a_job_with_every_field_is_read() -> None:
    """The design's example."""
    job = reading.read(EVERYTHING)

    assert job.key == "ci/nbody-1234"
    assert job.series == "nbody"
    assert job.spec.on_timeout is OnTimeout.FAIL
    assert job.spec.collectors[0].options["callpathDepth"] == 20
    assert job.spec.playback is not None
    assert job.spec.playback.readiness.http_get == "/ready"
    assert job.spec.gates[0].max == "1.2s"


def test_a_job_needs_an_application_and_a_collector_only() -> None:
    """All else has defaults, and nothing waits for ever."""
    job: ProfilingJob = reading.read_body(
        {
            "apiVersion": "profiling.dev/v1alpha1",
            "kind": "ProfilingJob",
            "metadata": {"name": "a"},
            "spec": {"app": {}, "collectors": [{"name": "pyspy"}]},
        }
    )

    assert job.key == "default/a"
    assert job.spec.timeout_seconds == 3600
    assert (job.spec.repetitions, job.spec.warmups) == (1, 0)
    assert job.spec.output.size_limit == "2Gi"
    assert job.spec.deadlines.collect_seconds == 600


def test_the_rest_of_the_metadata_is_kept() -> None:
    """The API server writes more into it than matters here."""
    body = yaml.safe_load(EVERYTHING)
    body["metadata"] |= {"resourceVersion": "7", "managedFields": [], "labels": {"a": "b"}}

    job = reading.read_body(body)

    assert job.metadata.model_dump()["resourceVersion"] == "7"
    assert job.metadata.labels == {"a": "b"}


def test_the_series_is_that_of_the_spec_or_the_name_without_its_number() -> None:
    """So that builds of one job are compared."""
    assert making.job(name="nbody-17").series == "nbody"
    assert making.job(name="nbody-17", series="other").series == "other"


@pytest.mark.parametrize("collectors", [[], [{"name": "tau"}] * 9])
def test_one_to_eight_collectors_are_named(collectors: list[Any]) -> None:
    """None measures nothing."""
    assert "spec.collectors" in refusal(collectors=collectors)


def test_a_collector_is_named_once() -> None:
    """The message says which ones were named."""
    assert "must not name a collector twice: tau, tau" in refusal(collectors=[{"name": "tau"}] * 2)


@pytest.mark.parametrize(
    "gate",
    [
        {},
        {"baseline": "main"},
        {"maxIncrease": "5%"},
        {"max": 5, "baseline": "main"},
        {"max": 5, "maxDecrease": "5%"},
    ],
)
def test_a_gate_has_a_limit(gate: dict[str, Any]) -> None:
    """An absolute one, or a baseline with how far from it."""
    assert "spec.gates[0]" in refusal(gates=[{"measure": "app/duration", **gate}])


@pytest.mark.parametrize(
    "gate",
    [
        {"max": 5},
        {"min": "1Gi"},
        {"max": "1.2s", "min": 0},
        {"baseline": "main", "maxIncrease": "5%"},
        {"baseline": "main", "maxDecrease": "5%", "max": 1},
    ],
)
def test_limits_of_a_gate_may_stand_together(gate: dict[str, Any]) -> None:
    """Each is then judged."""
    assert making.job(gates=[{"measure": "app/duration", **gate}]).spec.gates[0].measure


@pytest.mark.parametrize("size", ["0", 0, "500m", "1e-9"])
def test_an_output_has_room_for_a_byte(size: Any) -> None:
    """Otherwise every run would end as OutputTooLarge."""
    assert "spec.output.sizeLimit" in refusal(output={"sizeLimit": size})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timeoutSeconds", 0),
        ("timeoutSeconds", 30 * 86400 + 1),
        ("gracePeriodSeconds", 0),
        ("repetitions", 101),
        ("warmups", -1),
        ("gpu", {"count": 0}),
        ("gpu", {"resource": "nvidia.com/"}),
        ("playback", {}),
        ("playback", {"port": 65536}),
        ("retries", {"app": 11}),
        ("deadlines", {"queueSeconds": 0}),
        ("series", "-x"),
        ("placement", {"nodeSelector": {"a b": "c"}}),
        ("placement", {"host": "A"}),
        ("suspend", "true"),
        ("ttlSecondsAfterFinished", -1),
    ],
)
def test_what_is_out_of_bounds_is_refused(field: str, value: Any) -> None:
    """By its path."""
    assert f"spec.{field}" in refusal(**{field: value})


def test_empty_names_of_places_are_the_same_as_none() -> None:
    """Helm templates leave such."""
    placement = making.job(placement={"host": "", "runtimeClassName": ""}).spec.placement

    assert (placement.host, placement.runtime_class_name) == ("", "")


def test_a_status_is_ignored_on_input() -> None:
    """A job that was read from the API server can be applied again."""
    body = making.job_body()
    body["status"] = {"phase": "Running", "unknown": 1}

    assert reading.read_body(body).status["phase"] == "Running"
