"""What goes wrong on a real cluster, each with its reason; and what must hold whatever goes wrong:
one execution per attempt, an end in bounded time, nothing left that runs, results complete."""

from __future__ import annotations

import hashlib
import json
import subprocess
from typing import Any

import installed
import pytest
from installed import PYTHON, KubectlError, Namespace, condition, ended, until

from making import BUSY, python

pytestmark = [
    pytest.mark.needs("cluster", "image", "images", "helm"),
    pytest.mark.timeout(400),
]

ENDLESS = f"{BUSY}\nwhile True:\n    hot(400_000)\n"
GPU = {"count": 1}


def no_pod_runs(namespace: Namespace) -> None:
    """Nothing of a finished job holds a node's resources."""
    active = "status.phase!=Succeeded,status.phase!=Failed"
    until(lambda: not namespace.listed("pods", "--field-selector", active))


def attempts(status: dict[str, Any]) -> list[str]:
    """How each attempt ended."""
    return [one["outcome"] for one in status["attempts"]]


def test_success(namespace: Namespace) -> None:
    """A job that goes well is complete, usable, and tells of each transition."""
    namespace.apply(app=python(BUSY))

    status = namespace.wait()

    assert ended(status) == ("Succeeded", "Completed")
    for kind, holds in (("Complete", "True"), ("ProfileUsable", "True"), ("Ready", "True")):
        assert condition(status, kind)["status"] == holds
    assert status["runs"][0]["app"]["exitCode"] == 0
    assert status["runs"][0]["collectors"][0]["entries"] > 0
    assert {one["path"] for one in status["results"]["files"]} >= {
        "entries.jsonl.gz",
        "summary.json",
    }
    assert "hot" in status["headline"]
    (attempt,) = status["attempts"]
    assert attempt["podUID"] == namespace.listed("pods")[0]["metadata"]["uid"]
    assert attempt["nodeName"]
    assert {"Queued", "Completed"} <= set(namespace.reasons())


def test_exit_code(namespace: Namespace) -> None:
    """An application that fails keeps its profile."""
    namespace.apply(app=python(f"{BUSY}\nraise SystemExit(3)"))

    status = namespace.wait()

    assert ended(status) == ("Failed", "AppFailed")
    assert status["runs"][0]["app"]["exitCode"] == 3
    assert status["results"]["files"]
    no_pod_runs(namespace)


def test_out_of_memory(namespace: Namespace) -> None:
    """Memory beyond the limit is told as such, whatever the launcher returned."""
    limits = {"resources": {"limits": {"memory": "64Mi"}}}
    namespace.apply(app={**python("x = []\nwhile True: x.append(b'x' * 10**6)"), **limits})

    assert ended(namespace.wait()) == ("Failed", "AppOOMKilled")


def test_timeout_keeps_the_profile(namespace: Namespace) -> None:
    """At its time limit the application is ended, and what was measured is there."""
    namespace.apply(app=python(ENDLESS), timeoutSeconds=5)

    status = namespace.wait()

    assert ended(status) == ("Failed", "AppTimedOut")
    assert status["runs"][0]["app"]["timedOut"]
    assert condition(status, "ProfileUsable")["status"] == "True"
    assert "hot" in status["headline"]


def test_missing_image(namespace: Namespace) -> None:
    """An image that does not exist is told soon."""
    namespace.apply(app={"image": "profiling-operator/no-such-image:1", "command": ["true"]})

    status = namespace.wait()

    assert ended(status) == ("Failed", "ImagePullFailed")
    assert "no-such-image" in condition(status, "Finished")["message"]
    namespace.until_gone("jobs")


def test_unschedulable(namespace: Namespace) -> None:
    """More GPUs than any node has will never be free."""
    namespace.apply(gpu={"count": 64})

    status = namespace.wait()

    assert ended(status) == ("Failed", "Unschedulable")
    assert "nvidia.com/gpu" in condition(status, "Finished")["message"]


def test_queue_timeout(namespace: Namespace) -> None:
    """A place that is not free in time ends the wait."""
    namespace.apply(name="first", app=python(ENDLESS), gpu={"count": 4}, timeoutSeconds=60)
    namespace.until_phase("Running", "first")
    namespace.apply(name="second", gpu=GPU, deadlines={"queueSeconds": 3})

    assert ended(namespace.wait("second")) == ("Failed", "QueueTimeout")


def test_pod_security(namespace: Namespace) -> None:
    """A pod that Pod Security refuses is told as rejected, in its words."""
    namespace.apply(app={"command": ["true"], "securityContext": {"runAsUser": 0}})

    status = namespace.wait()

    assert ended(status) == ("Failed", "PodRejected")
    assert "PodSecurity" in condition(status, "Finished")["message"]


def test_root_image(namespace: Namespace) -> None:
    """Where nothing but the kubelet refuses root, that is told, too."""
    installed.kubectl(
        "label", "namespace", namespace.name, "pod-security.kubernetes.io/enforce=privileged",
        "--overwrite",
    )  # fmt: skip
    namespace.apply(app={"command": ["true"], "securityContext": {"runAsUser": 0}})

    status = namespace.wait()

    assert ended(status) == ("Failed", "PodRejected")
    assert "non-root" in condition(status, "Finished")["message"]


def test_quota(namespace: Namespace) -> None:
    """A quota without room is waited for, and then told."""
    namespace.kubectl("create", "quota", "none", "--hard=requests.nvidia.com/gpu=0")
    namespace.apply(gpu=GPU, deadlines={"queueSeconds": 5})

    status = namespace.wait()

    assert ended(status) == ("Failed", "QuotaExceeded")
    assert "requests.nvidia.com/gpu" in condition(status, "Finished")["message"]


PLAYBACK = {"image": PYTHON, "port": 8080, "readiness": {"timeoutSeconds": 4}}


def test_playback_never_ready(namespace: Namespace) -> None:
    """A playback server that does not answer in time ends the job before the application starts."""
    command = ["python3", "-c", "import time; time.sleep(600)"]
    namespace.apply(app=python(BUSY), playback={**PLAYBACK, "command": command})

    assert ended(namespace.wait()) == ("Failed", "PlaybackNotReady")
    namespace.until_gone("jobs")


def test_playback_that_ignores_term(namespace: Namespace) -> None:
    """It holds up neither the job nor its pod."""
    code = (
        "import signal, http.server as h; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "h.HTTPServer(('', 8080), h.SimpleHTTPRequestHandler).serve_forever()"
    )
    visit = "import os, urllib.request as u; u.urlopen(os.environ['PLAYBACK_URL']).read()\n"
    namespace.apply(
        app=python(visit + BUSY), playback={**PLAYBACK, "command": ["python3", "-c", code]}
    )

    assert ended(namespace.wait()) == ("Succeeded", "Completed")
    no_pod_runs(namespace)


def test_nothing_measured(namespace: Namespace) -> None:
    """An application that went well, and of which nothing was measured, has failed its purpose."""
    namespace.apply(app={"command": ["sh", "-c", "sleep 1; echo done"]})

    status = namespace.wait()

    assert ended(status) == ("Failed", "NothingMeasured")
    assert condition(status, "ProfileUsable")["status"] == "False"
    assert status["runs"][0]["app"]["exitCode"] == 0


def test_missing_toolchain(namespace: Namespace) -> None:
    """A collector whose files are nowhere is told before the application starts."""
    namespace.apply(app=python(BUSY), collectors=[{"name": "tau"}])

    status = namespace.wait()

    assert ended(status) == ("Failed", "ToolchainMissing")
    assert "tau" in condition(status, "Finished")["message"]
    no_pod_runs(namespace)


def test_crashing_sidecar(namespace: Namespace) -> None:
    """A sidecar that does not stay up ends the job, and its pod."""
    with installed.upgraded("settings.kubernetes.image=profiling-operator/python:local"):
        namespace.apply(app=python(BUSY))
        status = namespace.wait()

    assert ended(status) == ("Failed", "CollectorFailed")
    assert "collector-pyspy" in condition(status, "Finished")["message"]
    namespace.until_gone("pods")


def test_output_too_large(namespace: Namespace) -> None:
    """Output beyond the limit ends the application while what is there can be kept."""
    code = (
        f"{BUSY}\nimport os\nout = open(os.environ['PROFILING_OUTPUT'] + '/big', 'wb')\n"
        "while True:\n    out.write(bytes(10**6)); out.flush(); hot(400_000)\n"
    )
    namespace.apply(app=python(code), output={"sizeLimit": "64Mi"})

    status = namespace.wait()

    assert ended(status) == ("Failed", "OutputTooLarge")
    assert status["results"]["files"]


def test_deleted_job(namespace: Namespace) -> None:
    """A Job that somebody deletes is lost infrastructure; the next attempt goes well."""
    namespace.apply(app=python(f"{BUSY}{BUSY}{BUSY}"), retries={"infrastructure": 1})
    first = namespace.until_phase("Running")
    namespace.kubectl("delete", "job", first["attempts"][0]["jobName"])

    status = namespace.wait()

    assert ended(status) == ("Succeeded", "Completed")
    assert attempts(status) == ["InfrastructureLost", "Completed"]


def test_evicted_pod(namespace: Namespace) -> None:
    """An eviction is tried again within the budget, and told when that is used up."""
    namespace.apply(app=python(ENDLESS), retries={"infrastructure": 0})
    running = namespace.until_phase("Running")
    pod = running["attempts"][0]["podName"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": namespace.name},
    }
    path = f"/api/v1/namespaces/{namespace.name}/pods/{pod}/eviction"
    installed.kubectl("create", "--raw", path, "--filename", "-", given=json.dumps(eviction))

    status = namespace.wait()

    assert ended(status) == ("Failed", "InfrastructureLost")
    assert "Eviction" in condition(status, "Finished")["message"]
    assert status["results"]["files"]  # the profile so far
    no_pod_runs(namespace)


def test_cancel(namespace: Namespace) -> None:
    """A cancelled job ends soon and keeps what was measured."""
    namespace.apply(app=python(ENDLESS))
    namespace.until_phase("Running")
    namespace.kubectl("patch", "pj", "test", "--type=merge", "--patch", '{"spec":{"cancel":true}}')

    status = namespace.wait()

    assert ended(status) == ("Cancelled", "Cancelled")
    assert status["results"]["files"]
    no_pod_runs(namespace)


def test_suspend_before_and_during(namespace: Namespace) -> None:
    """A suspended job does not start; suspended while it runs it ends, and starts anew later."""
    patch = ("patch", "pj", "test", "--type=merge", "--patch")
    namespace.apply(app=python(ENDLESS), suspend=True, timeoutSeconds=4, onTimeout="Stop")
    namespace.until_phase("Pending")
    assert not namespace.listed("jobs")

    namespace.kubectl(*patch, '{"spec":{"suspend":false}}')
    namespace.until_phase("Running")
    namespace.kubectl(*patch, '{"spec":{"suspend":true}}')
    namespace.until_phase("Pending")
    namespace.until_gone("pods")
    namespace.kubectl(*patch, '{"spec":{"suspend":false}}')
    status = namespace.wait()

    assert ended(status) == ("Succeeded", "Completed")
    assert attempts(status) == ["Suspended", "Completed"]


def test_same_manifest_again(namespace: Namespace) -> None:
    """Applying the same manifest again changes nothing, even when its Job is gone."""
    namespace.apply(app=python(BUSY))
    namespace.wait()
    before = namespace.get()
    namespace.kubectl("delete", "jobs", "--all")
    namespace.until_gone("pods")

    namespace.apply(app=python(BUSY))

    after = namespace.get()
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert not namespace.listed("jobs")


def test_same_name_again(namespace: Namespace) -> None:
    """A new job of the same name is a new job: it runs, and has a result of its own."""
    namespace.apply(app=python(BUSY))
    first = namespace.wait()
    namespace.kubectl("delete", "pj", "test")
    namespace.apply(app=python(BUSY))

    second = namespace.wait()

    assert ended(second) == ("Succeeded", "Completed")
    assert second["results"]["url"] != first["results"]["url"]


def test_deleted_while_running(namespace: Namespace) -> None:
    """What a job started goes with it."""
    namespace.apply(app=python(ENDLESS))
    namespace.until_phase("Running")

    namespace.kubectl("delete", "pj", "test")

    namespace.until_gone("jobs")
    namespace.until_gone("pods")


def test_edited_spec(namespace: Namespace) -> None:
    """What is immutable is refused, by name."""
    namespace.apply(app=python(BUSY))

    with pytest.raises(KubectlError, match=r"spec\.repetitions is immutable"):
        namespace.apply(app=python(BUSY), repetitions=2)


def test_time_to_live(namespace: Namespace) -> None:
    """A finished job is deleted when its time is over, and its pod with it."""
    namespace.apply(app=python(BUSY), ttlSecondsAfterFinished=3)

    namespace.until_gone("profilingjobs")
    namespace.until_gone("pods")


def test_repetitions(namespace: Namespace) -> None:
    """A warm-up and three repetitions run in one pod, on one GPU; the warm-up does not count."""
    namespace.apply(app=python(BUSY), gpu=GPU, warmups=1, repetitions=3)

    status = namespace.wait()

    assert ended(status) == ("Succeeded", "Completed")
    assert [run.get("warmup", False) for run in status["runs"]] == [True, False, False, False]
    assert all(len(one["values"]) == 3 for one in status["results"]["summary"])
    assert len(namespace.listed("pods")) == 1


def test_uploader_killed(namespace: Namespace) -> None:
    """Without an uploader there are no results: tried again, then told as lost."""
    namespace.apply(app=python(ENDLESS), retries={"infrastructure": 0}, timeoutSeconds=20)
    status = namespace.until_phase("Running")
    kill_uploader(namespace, status["attempts"][0]["podUID"])

    status = namespace.wait()

    assert status["phase"] == "Failed"
    assert "ResultsLost" in {condition(status, "Finished")["reason"]} or (
        "results are lost" in condition(status, "Finished")["message"]
    )


def kill_uploader(namespace: Namespace, uid: str) -> None:
    """KILL the uploader's process, which only its node can do."""
    for process in installed.processes_of(uid):
        if "upload" in process.words:
            subprocess.run(["kill", "-KILL", str(process.pid)], check=True)
            return
    raise AssertionError(f"no uploader of pod {uid} in {namespace.name} runs on this machine")


def test_operator_away(namespace: Namespace) -> None:
    """An operator that was away from start to end of a run finds all of it afterwards."""
    namespace.apply(app=python(f"{BUSY}{BUSY}"))
    until(lambda: namespace.listed("pods"))
    installed.scale(0)
    try:
        done = "status.phase=Succeeded"
        until(lambda: namespace.listed("pods", "--field-selector", done))
    finally:
        installed.scale(1)

    status = namespace.wait()

    assert ended(status) == ("Succeeded", "Completed")
    assert attempts(status) == ["Completed"]
    assert status["runs"][0]["collectors"][0]["entries"] > 0


def test_operator_gone_for_good(namespace: Namespace) -> None:
    """The pod ends by itself, and its results are in the store; whoever comes later tells them."""
    namespace.apply(app=python(ENDLESS), timeoutSeconds=10)
    status = namespace.until_phase("Running")
    uid = namespace.get()["metadata"]["uid"]
    installed.scale(0)
    try:
        no_pod_runs(namespace)
        report = installed.stored(namespace.name, "test", uid, 1, "report.json")
        assert json.loads(report)["podUID"] == status["attempts"][0]["podUID"]
        namespace.kubectl("delete", "pods", "--all", "--force", "--grace-period=0")
    finally:
        installed.scale(1)

    status = namespace.wait()

    assert ended(status) == ("Failed", "AppTimedOut")
    assert status["runs"][0]["collectors"][0]["usable"]
    for one in status["results"]["files"]:
        content = installed.stored(namespace.name, "test", uid, 1, one["path"])
        assert hashlib.sha256(content).hexdigest() == one["sha256"]


def test_forty_on_four(namespace: Namespace) -> None:
    """Forty jobs on four GPUs all end, and never more than four run at a time."""
    for number in range(40):
        namespace.apply(name=f"job-{number}", app=python(BUSY), gpu=GPU)
    for number in range(40):
        assert ended(namespace.wait(f"job-{number}", seconds=350)) == ("Succeeded", "Completed")

    spans = []
    for pod in namespace.listed("pods"):
        (app,) = (one for one in pod["status"]["containerStatuses"] if one["name"] == "app")
        times = app["state"]["terminated"]
        spans += [(times["startedAt"], 1), (times["finishedAt"], -1)]
    running, most = 0, 0
    for _, change in sorted(spans):  # an end comes before a start of the same second
        running += change
        most = max(most, running)
    assert len(spans) == 80
    assert most <= 4


def test_bad_manifests(namespace: Namespace) -> None:
    """What the schema or its rules can refuse is refused with field and reason; what only the
    collector knows ends at once, and an event tells."""
    with pytest.raises(KubectlError, match=r"spec\.timeoutSeconds.*greater than or equal to 1"):
        namespace.apply(timeoutSeconds=0)
    with pytest.raises(KubectlError, match=r'unknown field "spec\.tool"'):
        namespace.apply(tool="tau")

    namespace.apply(collectors=[{"name": "pyspy", "options": {"rate": "fast"}}])
    status = namespace.wait(seconds=20)

    assert ended(status) == ("Failed", "InvalidSpec")
    assert "spec.collectors[0].options.rate" in condition(status, "Finished")["message"]
    assert "InvalidSpec" in namespace.reasons()


def test_kueue_holds_the_job(namespace: Namespace) -> None:
    """A job with a queue waits, suspended and labelled, until Kueue admits its Job: here a test."""
    namespace.apply(app=python(BUSY), placement={"queueName": "gpus"})
    namespace.until_phase("Queued")
    (job,) = until(lambda: namespace.listed("jobs"))

    assert job["spec"]["suspend"]
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpus"
    assert not namespace.listed("pods")

    name = job["metadata"]["name"]
    namespace.kubectl("patch", "job", name, "--type=merge", "--patch", '{"spec":{"suspend":false}}')
    assert ended(namespace.wait()) == ("Succeeded", "Completed")


def test_a_job_without_gpu_sees_none(namespace: Namespace) -> None:
    """GPUs are for those that asked: everybody else's containers are told so."""
    namespace.apply(
        app=python(f"import os\nassert os.environ['NVIDIA_VISIBLE_DEVICES'] == 'void'\n{BUSY}")
    )

    assert ended(namespace.wait()) == ("Succeeded", "Completed")


def test_gpu_product_and_tolerations(namespace: Namespace) -> None:
    """The product selects the node, the GPU's taint is tolerated, the limit is the Job's."""
    namespace.apply(app=python(BUSY), gpu={"count": 2, "product": "NVIDIA-TEST"})
    assert ended(namespace.wait()) == ("Succeeded", "Completed")

    (pod,) = namespace.listed("pods")

    assert pod["spec"]["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-TEST"}
    assert pod["spec"]["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "2"
    tolerated = {one.get("key") for one in pod["spec"]["tolerations"]}
    assert "nvidia.com/gpu" in tolerated
