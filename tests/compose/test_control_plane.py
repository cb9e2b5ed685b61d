"""compose.yaml: from nothing to a control plane, and what it keeps."""

from __future__ import annotations

import base64
import json
import re
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml
from planes import HOST, ONE_SHOT, ROOT, SERVICES, Plane, client, eventually

pytestmark = [pytest.mark.needs("docker", "compose", "image", "images"), pytest.mark.timeout(400)]


def _described(plane: Plane) -> dict[str, Any]:
    text = plane.compose("ps", "--all", "--format", "json")
    return {one["Service"]: one for one in map(json.loads, text.splitlines())}


def test_everything_is_up(plane: Plane) -> None:
    """Setup and install have ended well."""
    services = _described(plane)

    assert set(services) == SERVICES | ONE_SHOT
    assert {name for name, one in services.items() if one["State"] == "running"} == SERVICES
    assert {services[name]["ExitCode"] for name in ONE_SHOT} == {0}
    assert services["etcd"]["Health"] == "healthy"


def test_the_printed_lines_lead_in(plane: Plane) -> None:
    """kubectl as an administrator; Jenkins in its namespace."""
    log = plane.compose("logs", "--no-log-prefix", "install")
    printed = dict(re.findall(r"^(kubectl|Jenkins): +docker compose (cp \S+ \S+)", log, re.M))

    for who, name in (("kubectl", "admin"), ("Jenkins", "jenkins")):
        cp, source, target = printed[who].split()
        plane.compose(cp, source, str(plane.folder / target))
        copied = plane.folder / target
        assert copied.read_bytes() == plane.access(name).read_bytes()
        assert copied.stat().st_mode & 0o077 == 0

    nodes = plane.kubectl("get", "crd,ns,priorityclass", "-o", "name")
    assert nodes.returncode == 0, nodes.stderr
    found = set(nodes.stdout.split())
    assert {
        "customresourcedefinition.apiextensions.k8s.io/profilingjobs.profiling.dev",
        "namespace/ci", "namespace/profiling-system",
        "priorityclass.scheduling.k8s.io/profjob-high",
    } <= found  # fmt: skip


def test_jenkins_may_have_jobs_and_nothing_more(plane: Plane) -> None:
    """By the roles."""
    may = {
        ("create", "profilingjobs", "ci"): True,
        ("patch", "profilingjobs", "ci"): True,
        ("get", "events", "ci"): True,
        ("update", "profilingjobs/baseline", "ci"): True,
        ("delete", "profilingjobs/baseline", "ci"): False,
        ("update", "profilingjobs/status", "ci"): False,
        ("update", "profilingjobs/results", "ci"): False,
        ("create", "profilingjobs", "default"): False,
        ("get", "profilingjobs", "default"): False,
        ("create", "pods", "ci"): False,
        ("get", "secrets", "ci"): False,
        ("get", "leases", "profiling-system"): False,
        ("create", "namespaces", "ci"): False,
    }
    for (verb, resource, namespace), allowed in may.items():
        what, _, below = resource.partition("/")
        words = (verb, what, f"--subresource={below}", "-n", namespace)
        done = plane.kubectl("auth", "can-i", *words, by="jenkins")
        assert done.stdout.strip() == ("yes" if allowed else "no"), (verb, resource, namespace)


def test_nobody_comes_in_without_a_token(plane: Plane) -> None:
    """Not even to ask whether it is ready."""
    context = ssl.create_default_context(cadata=_authority(plane))
    for port, path in ((plane.api, "/readyz"), (plane.results, "/v1/results/ci/a/b/1")):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"https://127.0.0.1:{port}{path}", context=context)
        assert caught.value.code == 401
        caught.value.close()


def test_it_is_published_on_this_machine_alone(plane: Plane) -> None:
    """Others take a variable; etcd and the agent are published nowhere."""
    published = {
        name: {(one["HostIp"], int(one["HostPort"])) for ones in ports.values() for one in ones}
        for name in SERVICES
        if (ports := {p: o for p, o in _ports(plane, name).items() if o})
    }

    assert published == {
        "kube-apiserver": {("127.0.0.1", plane.api)},
        "results": {("127.0.0.1", plane.results)},
        "prometheus": {("127.0.0.1", plane.prometheus)},
    }


def test_services_may_no_more_than_they_need(plane: Plane) -> None:
    """No capabilities or new privileges, nothing written but volumes; the socket is the agent's."""
    for name in SERVICES | ONE_SHOT:
        host = plane.container(name).attrs["HostConfig"]
        mounts = plane.container(name).attrs["Mounts"]
        assert host["CapDrop"] == ["ALL"]
        added = {one.removeprefix("CAP_") for one in host["CapAdd"] or ()}
        assert added == {
            "setup": {"CHOWN", "DAC_OVERRIDE", "FOWNER"},
            "kube-apiserver": {"NET_BIND_SERVICE"},
        }.get(name, set())
        assert host["ReadonlyRootfs"] and not host["Privileged"]
        assert "no-new-privileges:true" in host["SecurityOpt"]
        assert host["Memory"] > 0 and host["PidsLimit"] > 0
        sockets = [one for one in mounts if one["Destination"].endswith("docker.sock")]
        assert bool(sockets) == (name == "agent")
        bound = {one["Destination"] for one in mounts if one["Type"] == "bind"} - {
            "/var/run/docker.sock"
        }
        assert bound == (
            {"/etc/prometheus/prometheus.yml", "/etc/prometheus/profjob.rules.yaml"}
            if name == "prometheus"
            else set()
        )
        user = plane.container(name).attrs["Config"]["User"]
        assert (user == "0:0") == (name in {"setup", "agent"})


def test_only_setup_sees_the_authority(plane: Plane) -> None:
    """Each service mounts its own keys."""
    seen: dict[str, set[str]] = {}
    for name in SERVICES | ONE_SHOT:
        for one in plane.container(name).attrs["Mounts"]:
            volume = one.get("Name", "").removeprefix(f"{plane.name}_")
            if name != "setup" and volume:
                seen.setdefault(volume, set()).add(name)

    assert seen == {
        "etcd-keys": {"etcd"}, "etcd": {"etcd"}, "kube-apiserver-keys": {"kube-apiserver"},
        "install-keys": {"install"}, "access": {"install"},
        "results-keys": {"results"}, "results": {"results"},
        "agent-keys": {"agent"}, "agent": {"agent"},
        "prometheus": {"prometheus"}, "public": {"prometheus"},
    }  # fmt: skip


def test_a_job_goes_from_apply_to_prometheus(plane: Plane) -> None:
    """By Jenkins' kubeconfig alone: results come with checksums, numbers reach Prometheus."""
    plane.apply("simple")
    plane.application("simple")
    plane.let_go("simple")

    waited = plane.wait("simple")
    assert waited.returncode == 0, waited.stderr + plane.logs()
    status = plane.status("simple")
    assert (status["phase"], len(status["attempts"])) == ("Succeeded", 1)
    assert status["attempts"][0]["nodeName"] == HOST
    fetched = plane.profjob("fetch", "simple", "-d", "simple-results")
    assert fetched.returncode == 0, fetched.stderr
    assert (plane.folder / "simple-results/report.html").is_file()

    query = '/api/v1/query?query=profjob_jobs_finished_total{namespace="ci"}'
    found = eventually(lambda: plane.ask_prometheus(query)["result"], "no metrics")
    assert found[0]["metric"]["reason"] == "Completed"
    assert int(found[0]["value"][1]) >= 1


def test_prometheus_has_the_targets_and_the_rules(plane: Plane) -> None:
    """The rules are those of the chart."""

    def up() -> bool:
        targets = plane.ask_prometheus("/api/v1/targets?state=active")["activeTargets"]
        return {one["labels"]["job"]: one["health"] for one in targets} == {
            "profjob-agent": "up", "profjob-results-server": "up",
        }  # fmt: skip

    eventually(up, "a target is down", plane.logs)
    groups = plane.ask_prometheus("/api/v1/rules")["groups"]
    rules = yaml.safe_load(
        (ROOT / "charts/profiling-operator/rules/profjob.rules.yaml").read_text()
    )
    assert [one["name"] for one in groups] == sorted(one["name"] for one in rules["groups"])
    listed = [one for group in groups for one in group["rules"]]
    assert len(listed) == sum(len(one["rules"]) for one in rules["groups"])
    assert {one["health"] for one in listed} <= {"ok", "unknown"}


def test_a_baseline_takes_the_right_to_change_it(plane: Plane) -> None:
    """The admission policy, which needs no controller."""
    body = {
        "apiVersion": "profiling.dev/v1alpha1", "kind": "ProfilingJob",
        "metadata": {
            "name": "wants-baseline", "namespace": "ci",
            "annotations": {"profiling.dev/accept-baseline": "main"},
        },
        "spec": {"app": {"image": "a", "command": ["b"]}, "collectors": [{"name": "pyspy"}],
                 "suspend": True},
    }  # fmt: skip
    words = ("create", "--dry-run=server", "-f", "-")
    allowed = plane.kubectl(*words, by="jenkins", given=json.dumps(body))
    assert allowed.returncode == 0, allowed.stderr

    made = [
        plane.kubectl("-n", "ci", "create", "role", "test", *("--verb=create", "--resource=pj")),
        plane.kubectl(
            "-n", "ci", "create", "rolebinding", "test", *("--role=test", "--user=other")
        ),
    ]
    assert [one.returncode for one in made] == [0, 0], made
    refused = plane.kubectl(*words, "--as", "other", given=json.dumps(body))
    assert refused.returncode != 0
    assert "other may not update profilingjobs/baseline main" in refused.stderr
    del body["metadata"]["annotations"]
    assert plane.kubectl(*words, "--as", "other", given=json.dumps(body)).returncode == 0


def test_a_second_up_changes_nothing(plane: Plane) -> None:
    """Same authority, same tokens; no service is started anew."""
    before = plane.access("admin").read_bytes()
    started = {name: plane.container(name).attrs["State"]["StartedAt"] for name in SERVICES}

    plane.up()

    assert plane.access("admin").read_bytes() == before
    assert "everything is there" in plane.compose("logs", "--no-log-prefix", "setup")
    after = {name: plane.container(name).attrs["State"]["StartedAt"] for name in SERVICES}
    assert after == started


def test_what_is_known_survives_its_end(plane: Plane) -> None:
    """`down`, then `up`: jobs, results and metrics are there, by the same kubeconfig."""
    jobs = plane.kubectl("get", "profilingjobs", "-A", "-o", "jsonpath={.items[*].metadata.uid}")
    plane.compose("down", "--timeout", "20")
    with client(plane.url) as asked:
        mine = {"label": f"com.docker.compose.project={plane.name}"}
        assert asked.containers.list(all=True, filters=mine) == []
        assert len(asked.volumes.list(filters=mine)) == 12
    plane.up()

    again = plane.kubectl("get", "profilingjobs", "-A", "-o", "jsonpath={.items[*].metadata.uid}")
    assert again.stdout == jobs.stdout != ""
    fetched = plane.profjob("fetch", "simple", "-d", "fetched-again")
    assert fetched.returncode == 0, fetched.stderr
    query = '/api/v1/query?query=count_over_time(profjob_jobs_finished_total{namespace="ci"}[1h])'
    assert eventually(lambda: plane.ask_prometheus(query)["result"], "metrics are lost")


def _authority(plane: Plane) -> str:
    known = json.loads((plane.folder / "admin.kubeconfig").read_text())
    data = known["clusters"][0]["cluster"]["certificate-authority-data"]
    return base64.b64decode(data).decode()


def _ports(plane: Plane, name: str) -> dict[str, Any]:
    ports: dict[str, Any] = plane.container(name).attrs["NetworkSettings"]["Ports"]
    return ports


def test_the_file_names_what_is_published_upstream() -> None:
    """Pinned; the API server is of the version that the tests of the cluster have."""
    text = Path(ROOT / "compose.yaml").read_text()
    from capabilities import _script

    assert f"registry.k8s.io/kube-apiserver:{_script('go_programs').KUBERNETES}}}" in text
    assert "registry.k8s.io/etcd:3.6.5-0}" in text
    assert _script("go_programs").MODULES["etcd"][1] == "v3.6.5"
    assert re.search(r"prom/prometheus:v3\.\d+\.\d+\}", text)
