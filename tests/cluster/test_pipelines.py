"""Whole builds of the Jenkins step on a cluster, with the rights of the chart's Jenkins Role."""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import installed
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "jenkins"))

import builds
import scenarios
from builds import Answer
from scenarios import Platform

pytestmark = [
    pytest.mark.needs("cluster", "helm", "image", "images", "jenkins"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def filled(
    release: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Platform, list[Answer]]]:
    """A namespace with a baseline, and the builds that it is from."""
    name = f"ci-{uuid.uuid4().hex[:8]}"
    installed.kubectl("create", "namespace", name)
    installed.kubectl("create", "serviceaccount", "jenkins", "--namespace", name)
    role = "jenkins.rbac"
    wanted = (f"{role}.create=true", f"{role}.namespaces={{{name}}}",
              f"{role}.serviceAccount.namespace={name}")  # fmt: skip
    with installed.upgraded(*wanted), builds.harness() as harness:
        agent = builds.real_agent(harness, tmp_path_factory.mktemp("kubernetes"))
        agent.env["KUBECONFIG"] = kubeconfig(agent.folder, name)
        given = {"namespace": name, "resultsUrl": installed.RESULTS, "poll": "5s", "timeout": "3m"}
        platform = Platform(agent, given)
        platform.prepare()
        yield platform, scenarios.accept_some(platform)
    installed.kubectl("delete", "namespace", name, "--wait=false")


def kubeconfig(folder: Path, namespace: str) -> str:
    """One that knows the cluster, and of its users only Jenkins'."""
    known = json.loads(
        installed.kubectl("config", "view", "--raw", "--minify", "--flatten", "--output", "json")
    )
    user = {"token": installed.token(namespace, "jenkins", "--duration=2h")}
    known["users"] = [{"name": "jenkins", "user": user}]
    known["contexts"][0]["context"] |= {"user": "jenkins", "namespace": "default"}
    file = folder / "kubeconfig"
    file.write_text(json.dumps(known))
    return str(file)


def test_the_first_builds_fill_the_baseline(filled: tuple[Platform, list[Answer]]) -> None:
    """They have nothing to be compared with; each job has a name of its own build."""
    platform, first = filled
    scenarios.check_first(platform, first)

    names = [one["returned"]["name"] for one in first]
    assert len(set(names)) == len(names)
    assert all(name.startswith("python-threads-") for name in names)
    assert {one["returned"]["mode"] for one in first} == {"kubernetes"}


@pytest.mark.parametrize("check", scenarios.CHECKS, ids=lambda check: check.__name__)
def test_builds(filled: tuple[Platform, list[Answer]], check: Callable[[Platform], None]) -> None:
    """Each with its result, its test results, its message, and what it leaves."""
    check(filled[0])


def test_an_aborted_build_cancels_its_job(filled: tuple[Platform, list[Answer]]) -> None:
    """The cluster has nothing left to do for it."""
    platform, _ = filled
    endless = ["spec.repetitions=1", 'spec.app.args=["--forever"]']
    built = platform.build(set=endless, poll="15s", abort_at="profjob wait", abort_turn=2)
    (name,) = re.findall(r"^profilingjob\.profiling\.dev/(\S+)$", built["log"], re.MULTILINE)
    words = ("-n", platform.given["namespace"], "get", "pj", name, "-o", "jsonpath={.status.phase}")

    assert built["result"] == builds.ABORTED
    assert installed.kubectl(*words) == "Cancelled"
    assert "status.json" in scenarios.named(built["archived"])
