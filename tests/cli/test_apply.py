"""`profjob apply`: a job for each build, and never an old result for a new one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from cluster_bodies import ended, going, stored_job
from fake_api import FakeApi, in_thread
from fake_requests import Fault
from making import job_body
from profiling_operator import api, names, spec
from profiling_operator.cli import app, manifests, wait

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
Apply = Callable[..., Result]
TAG = "jenkins-team-main-12"


def sent(**changes: Any) -> dict[str, Any]:
    """A job that a cluster takes."""
    return job_body(**{"name": "nbody", "app": {"image": "app:1", "command": ["true"]}, **changes})


@pytest.fixture
def server() -> Iterator[FakeApi]:
    """An API server, empty."""
    with in_thread() as server:
        yield server


@pytest.fixture
def apply(server: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Apply:
    """`apply(word, …, body=…)`: the command on a job's file."""
    for name in ("BUILD_TAG", "BUILD_URL", "TRACEPARENT", "TRACESTATE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBECONFIG", server.kubeconfig(tmp_path / "kubeconfig"))

    def run(*words: str, body: Any = None, **changes: Any) -> Result:
        path = tmp_path / "job.yaml"
        path.write_text(yaml.safe_dump(body or sent(**changes)))
        return CliRunner().invoke(app, ["apply", str(path), *words])

    return run


def jobs(server: FakeApi) -> dict[str, Any]:
    """The jobs there are, by name."""
    return {one["metadata"]["name"]: one for one in server.objects.of(api.PROFILING_JOBS)}


def have(server: FakeApi, name: str = "nbody", **status: Any) -> Any:
    """Give the job of that name a status; returns it."""
    body = {**jobs(server)[name], "status": status}
    return server.put(api.PROFILING_JOBS, body)


def test_a_job_is_created_as_it_is_written(server: FakeApi, apply: Apply) -> None:
    """Nothing is filled in but the digest; what the server does not know it is to refuse."""
    done = apply()

    assert (done.exit_code, done.stdout) == (0, "profilingjob.profiling.dev/nbody created\n")
    there = jobs(server)["nbody"]
    assert there["spec"] == sent()["spec"]
    assert set(there["metadata"]["annotations"]) == {names.APPLIED}
    assert server.writes()[0].query == {"fieldManager": "profjob", "fieldValidation": "Strict"}


def test_a_job_that_was_printed_can_be_applied(server: FakeApi, apply: Apply) -> None:
    """What the server had filled in means nothing, and neither does the status."""
    body = stored_job(status=ended(), app=sent()["spec"]["app"])
    body["metadata"]["resourceVersion"] = "12"

    assert apply(body=body).exit_code == 0
    made = server.writes()[0].body
    assert set(made) == {"apiVersion", "kind", "metadata", "spec"}
    assert set(made["metadata"]) == {"name", "namespace", "annotations"}


def test_each_build_has_a_job_of_its_own(
    server: FakeApi, apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one series, with what tells of the build; -o name is for `profjob wait $(…)`."""
    monkeypatch.setenv("BUILD_TAG", TAG)
    monkeypatch.setenv("BUILD_URL", "https://ci.example/12")
    monkeypatch.setenv("TRACEPARENT", PARENT)

    done = apply("-o", "name", "--accept-baseline", "main")

    assert done.stdout == "profilingjob.profiling.dev/nbody-team-main-12\n"
    there = jobs(server)["nbody-team-main-12"]
    assert there["spec"]["series"] == "nbody"
    said = there["metadata"]["annotations"]
    assert said.pop(names.APPLIED).startswith("sha256:")
    assert said == {
        "profiling.dev/build-tag": TAG, "profiling.dev/build-url": "https://ci.example/12",
        "profiling.dev/traceparent": PARENT, "profiling.dev/accept-baseline": "main",
    }  # fmt: skip


@pytest.mark.parametrize(("words", "name", "series"), [
    (["--build-tag", ""], "nbody", None),
    (["--build-tag", "pipeline-7"], "nbody-pipeline-7", "nbody"),
    (["--set", "metadata.name=other-3"], "other-3-team-main-12", "other"),
    (["--set", "spec.series=mine"], "nbody-team-main-12", "mine"),
])  # fmt: skip
def test_the_name_can_be_chosen(
    server: FakeApi, apply: Apply, monkeypatch: pytest.MonkeyPatch, words: list[str], name: str,
    series: str | None,
) -> None:  # fmt: skip
    """A series that the job names stands."""
    monkeypatch.setenv("BUILD_TAG", TAG)

    assert apply(*words).exit_code == 0
    assert [(one, body["spec"].get("series")) for one, body in jobs(server).items()] == [
        (name, series)
    ]


def test_names_and_series_have_room_for_long_words() -> None:
    """Both are labels, whatever the file and the pipeline call things; each build differs."""
    body = sent(name="a" * 70)
    made = [
        manifests.of_build(body, manifests.Build(tag=f"jenkins-{'b' * 90}-{number}"))
        for number in (1, 2)
    ]

    assert len({one["metadata"]["name"] for one in made}) == 2
    assert len({one["spec"]["series"] for one in made}) == 1
    for one in made:
        assert spec.read_body(one).metadata.name == one["metadata"]["name"]


def unnamed() -> dict[str, Any]:
    """A job whose name the server makes."""
    body = sent()
    body["metadata"] = {"generateName": "nbody-", "namespace": "ci"}
    return body


def test_the_server_makes_a_name_from_a_prefix(
    server: FakeApi, apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a build, unless the tag is named: then it makes the name."""
    monkeypatch.setenv("BUILD_TAG", TAG)

    done = apply("-o", "name", body=unnamed())
    named = apply("--build-tag", "7", body=unnamed())

    made = done.stdout.strip().partition("/")[2]
    assert made.startswith("nbody-") and made in jobs(server)
    assert jobs(server)[made]["metadata"]["annotations"][names.BUILD_TAG] == TAG
    assert named.stdout == "profilingjob.profiling.dev/nbody-7 created\n"


def test_a_stage_that_is_started_again_goes_on(
    server: FakeApi, apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same job, not finished: left as it is, though the second try has another span."""
    apply()
    have(server, **going("Running"))
    monkeypatch.setenv("TRACEPARENT", PARENT)

    done = apply()

    assert (done.exit_code, done.stdout) == (0, "profilingjob.profiling.dev/nbody unchanged\n")
    assert len(server.writes()) == 2


def test_what_a_server_or_kubectl_wrote_is_no_difference(server: FakeApi, apply: Apply) -> None:
    """Defaults, changes of a webhook, and a job without our digest."""
    apply()
    there = jobs(server)["nbody"]
    there["spec"] |= {"repetitions": 1, "suspend": True, "timeoutSeconds": 61}
    server.put(api.PROFILING_JOBS, there)

    assert apply().stdout.endswith("unchanged\n")
    del there["metadata"]["annotations"], there["spec"]["timeoutSeconds"]
    there["spec"]["timeoutSeconds"] = 60
    server.put(api.PROFILING_JOBS, there)
    assert apply().stdout.endswith("unchanged\n")


def test_a_finished_job_is_not_taken_for_the_new_one(server: FakeApi, apply: Apply) -> None:
    """Its result is another build's: 2, with what can be done."""
    apply()
    have(server, **ended())

    done = apply()

    assert done.exit_code == 2
    assert "ci/nbody: has finished already, " in done.stderr
    assert ": Succeeded; --replace deletes it and creates it anew" in done.stderr


@pytest.mark.parametrize(("words", "said"), [
    (["--set", "spec.repetitions=3"], "spec.repetitions: 1 there, 3 here"),
    (["--set", "spec.app.command=[ls]"], 'spec.app.command[0]: "true" there, "ls" here'),
    (["--set", "spec.collectors[0].options.rate=7"], "spec.collectors[0].options.rate: nothing "
     "there, 7 here"),
    (["--accept-baseline", "main"], 'metadata.annotations[profiling.dev/accept-baseline]: '
     'nothing there, "main" here'),
])  # fmt: skip
def test_another_job_of_that_name_is_refused_by_field(
    server: FakeApi, apply: Apply, words: list[str], said: str
) -> None:
    """A spec cannot be changed: 2."""
    apply()

    done = apply(*words)

    assert done.exit_code == 2
    assert said in done.stderr


@pytest.mark.parametrize(("change", "said"), [
    ({"metadata": {"deletionTimestamp": "2026-11-30T00:00:00Z"}}, "is being deleted"),
    ({"spec": {"cancel": True}}, "is being cancelled"),
])  # fmt: skip
def test_a_job_on_its_way_out_is_refused(
    server: FakeApi, apply: Apply, change: dict[str, Any], said: str
) -> None:
    """Whoever waits for it would get no result."""
    apply()
    there = jobs(server)["nbody"]
    for part, values in change.items():
        there[part] |= values
    server.put(api.PROFILING_JOBS, there)

    done = apply()

    assert done.exit_code == 2
    assert said in done.stderr


def test_it_can_be_replaced(server: FakeApi, apply: Apply) -> None:
    """The old one is deleted, that very one, and the new one is another."""
    apply()
    old = have(server, **ended())["metadata"]["uid"]

    done = apply("--replace")

    assert (done.exit_code, done.stdout) == (0, "profilingjob.profiling.dev/nbody replaced\n")
    assert jobs(server)["nbody"]["metadata"]["uid"] != old
    assert server.writes()[-2].body["preconditions"] == {"uid": old}


def test_the_end_of_the_old_one_is_waited_for(server: FakeApi, apply: Apply) -> None:
    """Somebody cleans up after it: it is gone only when they are done."""
    apply()
    have(server, **ended())
    server.objects.lingering.add("profilingjobs")

    def gone(_: Any) -> None:
        server.objects.remove(api.PROFILING_JOBS, "ci", "nbody")

    server.faults.append(Fault("watch", "profilingjobs", code=500, strikes=gone))

    done = apply("--replace")

    assert (done.exit_code, done.stdout) == (0, "profilingjob.profiling.dev/nbody replaced\n")
    assert jobs(server)["nbody"]["metadata"].get("deletionTimestamp") is None


def test_an_old_one_that_stays_is_told(
    server: FakeApi, apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    """4, after a while: the operator may be away."""
    monkeypatch.setattr("profiling_operator.cli.apply.DELETION_SECONDS", 0.05)
    apply()
    have(server, **ended())
    server.objects.lingering.add("profilingjobs")

    done = apply("--replace")

    assert done.exit_code == 4
    assert "is still being deleted" in done.stderr


def test_replacing_leaves_the_same_job_on_its_way(server: FakeApi, apply: Apply) -> None:
    """It is what is wanted."""
    apply("--replace")

    assert apply("--replace").stdout.endswith("unchanged\n")


def test_a_create_whose_answer_was_lost_is_found_again(server: FakeApi, apply: Apply) -> None:
    """One job, whatever the connection does; a server that is away for a moment is asked again."""
    server.faults.append(Fault("create", "profilingjobs", how="drop_after"))

    done = apply()

    assert done.exit_code == 0
    assert list(jobs(server)) == ["nbody"]
    assert "asking again" in done.stderr


def test_a_name_that_the_server_made_is_not_made_twice(server: FakeApi, apply: Apply) -> None:
    """Nobody knows whether the first try made one: 5."""
    server.faults.append(Fault("create", "profilingjobs", how="drop_after"))

    done = apply(body=unnamed())

    assert done.exit_code == 5
    assert "may have been created" in done.stderr
    assert len(jobs(server)) == 1


@pytest.mark.parametrize(("fault", "code", "said"), [
    (Fault(code=403, message='admission webhook denied: no rights to Secret "a"'), 2,
     "no rights to Secret"),
    (Fault(code=403, message="exceeded quota: jobs"), 2, "exceeded quota"),
    (Fault(code=422, message="spec.repetitions: Invalid value"), 2, "Invalid value"),
    (Fault(code=404, message="the server could not find it", reason=" "), 2, "install the CRD"),
    (Fault(code=401), 5, "out of order"),
])  # fmt: skip
def test_what_the_server_refuses_is_told(
    server: FakeApi, apply: Apply, fault: Fault, code: int, said: str
) -> None:
    """In its own words, at once."""
    fault.verb = "create"
    server.faults.append(fault)

    done = apply()

    assert (done.exit_code, said in done.stderr) == (code, True)
    assert jobs(server) == {}


def test_a_dry_run_creates_nothing(server: FakeApi, apply: Apply) -> None:
    """The server checks it; what is there is told as it would be."""
    assert apply("--dry-run").stdout == (
        "profilingjob.profiling.dev/nbody created (server dry run)\n"
    )
    assert jobs(server) == {}
    apply()
    have(server, **ended())
    assert apply("--dry-run").exit_code == 2
    assert "replaced (server dry run)" in apply("--dry-run", "--replace").stdout
    assert len(jobs(server)) == 1


@pytest.mark.parametrize(("changes", "words", "said"), [
    ({"repetitions": 0}, [], "job.yaml: spec.repetitions: 0 must be at least 1"),
    ({"collectors": [{"name": "pyspy", "options": {"rate": "x"}}]}, [], "options.rate"),
    ({}, ["--set", "spec.repetitons=2"], "did you mean 'repetitions'?"),
    ({"app": {"command": ["true"]}}, [], "spec.app.image: is required (on Kubernetes)"),
    ({}, ["--set", "nonsense"], "--set nonsense: must be PATH=VALUE"),
    ({}, ["-n", "other"], "metadata.namespace is ci, and -n says other"),
    ({}, ["--accept-baseline", "A b"], "lower-case letters"),
    ({}, ["-f", "another.yaml"], "name one file"),
])  # fmt: skip
def test_a_bad_job_is_not_sent(
    server: FakeApi, apply: Apply, changes: dict[str, Any], words: list[str], said: str
) -> None:
    """2, with the field's path."""
    done = apply(*words, **changes)

    assert (done.exit_code, said in done.stderr) == (2, True), done.stderr
    assert server.requests == []


def test_the_end_can_be_waited_for(server: FakeApi, apply: Apply) -> None:
    """With the job's exit code; progress on stderr."""

    def fails(_: Any) -> None:
        have(server, **ended("Failed", "AppFailed"))

    server.faults.append(Fault("watch", "profilingjobs", code=500, strikes=fails))

    done = apply("--wait")

    assert done.exit_code == 3
    assert done.stdout.startswith("Failed  AppFailed")
    assert "profilingjob.profiling.dev/nbody created\n" in done.stderr


def test_waiting_has_a_limit(server: FakeApi, apply: Apply) -> None:
    """4; the job goes on."""
    assert apply("--wait", "--timeout", "10ms").exit_code == 4
    assert list(jobs(server)) == ["nbody"]


def test_programs_get_the_object(apply: Apply) -> None:
    """-o json, as the server has it."""
    body = json.loads(apply("-o", "json").stdout)

    assert body["metadata"]["uid"]
    assert wait.cluster.status_of(body).phase == "Pending"
