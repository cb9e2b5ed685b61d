"""The pipelines of this repository run: the examples, and the project's own."""

from __future__ import annotations

from itertools import pairwise

import builds
import faking
import pytest
import yaml
from builds import FAILURE, SUCCESS, UNSTABLE, calls_of
from faking import APPLIED, Faked

pytestmark = pytest.mark.needs("jenkins")

ON_KUBERNETES, IN_DOCKER, NEW_IMAGE = (
    f"examples/jenkins/{name}/Jenkinsfile" for name in ("kubernetes", "docker", "new-image")
)
NOTING = '#!/bin/sh\necho "$@" >> "$HOME/noted"\n{more}\n'
GIVEN = {
    "IMAGE": "registry.example/nbody@sha256:12ab",
    "COLLECTORS": "[{name: tau}]",
    "TAU_ARGS": '["-ebs", "it\'s; $HOME"]',
    "APP_ARGS": '["--steps", "10"]',
    "TIMEOUT_SECONDS": "90",
    "PLAYBACK_IMAGE": "registry.example/playback:2",
}
CHANGED = [
    "spec.app.image=registry.example/nbody@sha256:12ab",
    "spec.collectors=[{name: tau}]",
    'spec.collectors[0].options.args=["-ebs", "it\'s; $HOME"]',
    'spec.app.args=["--steps", "10"]',
    "spec.timeoutSeconds=90",
    "spec.playback.image=registry.example/playback:2",
]


def sets(words: list[str]) -> list[str]:
    """The changes in the words of a call of profjob."""
    return [value for word, value in pairwise(words) if word == "--set"]


@pytest.mark.parametrize("given", [GIVEN, {}])
def test_parameters_change_the_job(faked: Faked, given: dict[str, str]) -> None:
    """Each its field, as YAML and otherwise as it was typed; an empty one changes nothing."""
    faked.answer(apply=[APPLIED], fetch=[{"files": faking.results()}])
    built = faked.agent.pipeline(ON_KUBERNETES, params=given)

    assert built["result"] == SUCCESS, built["message"]
    assert sets(faked.asked()[0]) == (CHANGED if given else [])
    assert faked.asked()[0][:6] == ["apply", "job.yaml", "-o", "name", "--namespace", "ci"]
    assert list(built["stashes"]) == ["profiling_output"]


def test_the_agent_of_the_example_is_restricted(faked: Faked) -> None:
    """A pod that Pod Security's `restricted` admits, whose one container is the agent."""
    faked.answer(apply=[APPLIED], fetch=[{"files": faking.results()}])
    told = faked.agent.pipeline(ON_KUBERNETES)["told"]
    pod = yaml.safe_load(told["yaml"])["spec"]
    (container,) = pod["containers"]

    assert told["agentContainer"] == container["name"]
    assert told["agentInjection"] is True
    assert not {"command", "args"} & set(container)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip


def test_the_example_for_docker(faked: Faked) -> None:
    """By the engine of the agent, with baselines that outlive the container."""
    faked.answer(run=[{"files": faking.results(), "code": 1}])
    given = {"IMAGE": "nbody:1", "APP_ARGS": "[]"}
    built = faked.agent.pipeline(IN_DOCKER, params=given)
    (words,) = faked.asked()

    assert words[:4] == ["run", "job.yaml", "--executor", "docker"]
    assert sets(words) == ["spec.app.image=nbody:1", "spec.app.args=[]"]
    assert "-v /var/run/docker.sock:/var/run/docker.sock" in built["told"]["args"]
    assert "-v /var/lib/profjob:/var/lib/profjob" in built["told"]["args"]
    assert (built["result"], bool(built["archived"])) == (FAILURE, True)


@pytest.mark.parametrize(
    ("seen", "starts"), [(None, True), ("sha256:1", True), ("sha256:2", False)]
)
def test_a_new_image_starts_a_build(faked: Faked, seen: str | None, starts: bool) -> None:
    """By its digest, once: the description of the last build says what it saw."""
    builds.put_command(faked.home / "bin", "skopeo", NOTING.format(more="echo sha256:2"))
    built = faked.agent.pipeline(NEW_IMAGE, previous=seen)
    started = [
        {"job": "profile-nbody", "wait": "false",
         "parameters": [{"name": "IMAGE", "value": "registry.example/nbody@sha256:2"}]}
    ]  # fmt: skip

    assert built["result"] == SUCCESS
    assert calls_of(built, "build") == (started if starts else [])
    assert built["description"] == "sha256:2"
    assert "docker://registry.example/nbody:main" in (faked.home / "noted").read_text()


def noted(faked: Faked, failing: str = "nothing") -> list[str]:
    """A `make` that fails at one target; what it was asked for afterwards."""
    more = f'case "$*" in {failing}*) exit 2 ;; esac'
    for name, words in (("make", more), ("docker", ""), ("helm", "")):
        builds.put_command(faked.home / "bin", name, NOTING.format(more=words))
    file = faked.home / "noted"
    return file.read_text().splitlines() if file.exists() else []


def test_the_projects_own_pipeline(faked: Faked) -> None:
    """Lint, tests, image, chart, demo, by the targets of the Makefile."""
    noted(faked)
    built = faked.agent.pipeline("Jenkinsfile")

    assert built["result"] == SUCCESS
    assert noted(faked) == [
        "lint", "test PYTEST_ARGS=--junitxml=build/junit.xml", "version", "image", "chart", "demo",
    ]  # fmt: skip
    assert [one["name"] for one in built["stages"]] == ["Lint", "Test", "Image", "Chart", "Demo"]


def test_every_target_of_the_pipeline_is_there() -> None:
    """`make` knows them."""
    targets = {
        line.partition(":")[0]
        for line in (builds.ROOT / "Makefile").read_text().splitlines()
        if "  ## " in line
    }

    assert {"lint", "test", "image", "chart", "demo"} <= targets


def test_a_failure_ends_the_pipeline_and_is_published(faked: Faked) -> None:
    """The test results and what there is of the demo; later stages are left out."""
    noted(faked, failing="test")
    build = faked.agent.workspace / "build"
    build.mkdir(parents=True)
    (build / "junit.xml").write_text(faking.FAILED)
    built = faked.agent.pipeline("Jenkinsfile")

    assert built["result"] == FAILURE
    assert [one["name"] for one in built["stages"] if not one["skipped"]] == ["Lint", "Test"]
    assert [one["verdict"] for one in built["cases"]] == ["failure"]


def test_failed_tests_make_the_build_unstable(faked: Faked) -> None:
    """As Jenkins' junit does by itself."""
    noted(faked)
    build = faked.agent.workspace / "build"
    build.mkdir(parents=True)
    (build / "junit.xml").write_text(faking.FAILED)

    assert faked.agent.pipeline("Jenkinsfile")["result"] == UNSTABLE
