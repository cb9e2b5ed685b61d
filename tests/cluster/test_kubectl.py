"""What users of kubectl see and do, and `kubectl profjob` beside it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import installed
import pytest
from installed import KubectlError, Namespace, ended, until

from making import BUSY, python

pytestmark = [
    pytest.mark.needs("cluster", "image", "images", "helm"),
    pytest.mark.timeout(300),
]


def profjob(namespace: Namespace, *words: str, token: str = "") -> subprocess.CompletedProcess[str]:
    """`kubectl profjob` in a namespace, as kubectl finds plugins: by name in PATH."""
    folder = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "NO_COLOR": "1"}
    if token:
        env["PROFJOB_TOKEN"] = token
    return subprocess.run(
        ["kubectl", "profjob", *words, "--namespace", namespace.name],
        capture_output=True, text=True, env=env, timeout=200, check=False,
    )  # fmt: skip


def test_columns_and_short_name(namespace: Namespace) -> None:
    """`kubectl get pj` tells phase, collector and headline; wide, also node, duration, reason."""
    namespace.apply(app=python(BUSY))
    namespace.wait()

    head, line = namespace.kubectl("get", "pj", "--output", "wide").splitlines()

    assert head.split() == [
        "NAME", "PHASE", "COLLECTOR", "GPUS", "HEADLINE", "GATES", "AGE", "NODE", "DURATION",
        "REASON",
    ]  # fmt: skip
    for word in ("test", "Succeeded", "pyspy", "hot", "Completed"):
        assert word in line
    assert "test" in namespace.kubectl("get", "profiling")  # the category


def test_jobs_of_a_host_are_selected(namespace: Namespace) -> None:
    """By a field; and the cluster's operator leaves them to the host's agent."""
    namespace.apply(name="hosted", placement={"host": "gpu-1"})
    namespace.apply(name="other", suspend=True)
    until(lambda: namespace.status("other"))

    found = namespace.listed("pj", "--field-selector", "spec.placement.host=gpu-1")

    assert [one["metadata"]["name"] for one in found] == ["hosted"]
    assert not namespace.status("hosted")


def test_explain(namespace: Namespace) -> None:
    """Every field is explained where kubectl looks."""
    told = namespace.kubectl("explain", "profilingjob.spec.deadlines.queueSeconds")

    assert "Waiting for a place and a GPU" in told


def test_wait_returns_for_failures(namespace: Namespace) -> None:
    """Finished is True for a failed job, so that kubectl wait does not use up its time."""
    namespace.apply(app=python("raise SystemExit(3)"))

    assert namespace.wait()["phase"] == "Failed"


def test_events_tell_each_transition(namespace: Namespace) -> None:
    """`kubectl events` has the way of a job from queue to end."""
    namespace.apply(app=python(BUSY))
    namespace.wait()

    until(lambda: "Completed" in namespace.reasons())
    assert {"Queued", "Running", "Completed"} <= set(namespace.reasons())


def test_the_plugin_from_apply_to_files(namespace: Namespace, tmp_path: Path) -> None:
    """Wait with the exit code, list, describe, logs, fetch: against the real cluster."""
    code = f"print('hello', flush=True)\n{BUSY}"
    namespace.apply(app=python(code))

    waited = profjob(namespace, "wait", "test", "--timeout", "150s")

    assert waited.returncode == 0, waited.stderr
    status = namespace.status()
    assert "sha256:" in status["attempts"][0]["image"]
    listed = json.loads(profjob(namespace, "list", "--output", "json").stdout)
    assert [one["metadata"]["name"] for one in listed["items"]] == ["test"]
    described = profjob(namespace, "describe", "test").stdout
    assert "Succeeded" in described
    assert "entries.jsonl.gz" in described
    assert "hello" in profjob(namespace, "logs", "test").stdout
    uid = namespace.get()["metadata"]["uid"]
    installed.stored(namespace.name, "test", uid, 1, "report.json")  # makes the account
    fetched = profjob(
        namespace, "fetch", "test", "--directory", str(tmp_path), "--results-url",
        installed.RESULTS, token=installed.token(namespace.name, "reader"),
    )  # fmt: skip
    assert fetched.returncode == 0, fetched.stderr
    for one in status["results"]["files"]:
        found = hashlib.sha256((tmp_path / one["path"]).read_bytes()).hexdigest()
        assert found == one["sha256"]


def test_the_plugin_on_failure_and_cancel(namespace: Namespace) -> None:
    """The exit codes tell a failed job from an unusable profile; cancel ends a job."""
    namespace.apply(name="failed", app=python(f"{BUSY}\nraise SystemExit(3)"))
    namespace.apply(name="empty", app={"command": ["sh", "-c", "sleep 1"]})
    namespace.apply(name="endless", app=python(f"{BUSY}\nwhile True: hot(400_000)"))

    assert profjob(namespace, "wait", "failed").returncode == 3
    assert profjob(namespace, "wait", "empty").returncode == 6
    namespace.until_phase("Running", "endless")
    assert profjob(namespace, "cancel", "endless").returncode == 0
    assert ended(namespace.wait("endless")) == ("Cancelled", "Cancelled")


def test_metrics_of_the_installed_operator(namespace: Namespace) -> None:
    """A finished job is counted where Prometheus scrapes."""
    namespace.apply(app=python(BUSY))
    namespace.wait()

    labels = ("-l", "app.kubernetes.io/component=operator")
    words = ("-n", installed.SYSTEM, "get", "pods", *labels, "-o", "json")
    (pod,) = json.loads(installed.kubectl(*words))["items"]
    address = pod["status"]["podIP"]
    with urllib.request.urlopen(f"http://{address}:8080/metrics", timeout=10) as answer:
        text = answer.read().decode()

    counted = f'profjob_jobs_finished_total{{collector="pyspy",namespace="{namespace.name}"'
    assert counted in text
    assert f'profjob_jobs{{namespace="{namespace.name}",phase="Succeeded"}} 1.0' in text
    with urllib.request.urlopen(f"http://{address}:8081/healthz", timeout=10) as answer:
        assert answer.status == 200


def test_a_token_without_rights_gets_no_results(namespace: Namespace) -> None:
    """The results server asks the API server who may read the job."""
    namespace.apply(app=python(BUSY))
    namespace.wait()
    uid = namespace.get()["metadata"]["uid"]
    namespace.kubectl("create", "serviceaccount", "nobody")
    token = installed.token(namespace.name, "nobody")
    url = f"{installed.RESULTS}/{namespace.name}/test/{uid}/1/summary.json"
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})

    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(asked, timeout=10)
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(url, timeout=10)


def test_an_unknown_job(namespace: Namespace) -> None:
    """A name that there is not is a usage error, and says so."""
    done = profjob(namespace, "wait", "no-such-job")

    assert done.returncode == 2
    assert "no-such-job" in done.stderr
    with pytest.raises(KubectlError, match="NotFound"):
        namespace.get("no-such-job")
