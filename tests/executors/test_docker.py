"""What only the docker executor has; what all have is in test_contract.py."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from making import bare_plan, job
from profiling_operator import claims, containers, engine, machines
from profiling_operator.containers import Terms
from profiling_operator.errors import Reason
from profiling_operator.executors import Listener, State
from profiling_operator.executors.docker import Docker
from profiling_operator.machines import Machine
from profiling_operator.plan import Plan, build_plan

PYTHON = "profiling-operator/python:local"
SLEEP = "import time; time.sleep(600)"
needs_docker = pytest.mark.needs("docker", "images")


class Started(Docker):
    """Knows what has to be removed in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[str] = []


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Started]:
    """An executor whose attempts are removed in the end."""
    monkeypatch.setenv("PROFJOB_STATE_DIR", str(tmp_path / "state"))
    executor = Started()
    yield executor
    for attempt in executor.started:
        executor.remove(attempt)
    if executor._connected is not None:
        executor._connected.close()


def plan(code: str = "pass", **changes: Any) -> Plan:
    """A plan of its own that runs Python code in a container."""
    app = {"image": PYTHON, "command": ["python3", "-c", code], **changes.pop("app", {})}
    return bare_plan(uid=uuid.uuid4().hex, app=app, **changes)


class Api:
    """An engine that is never asked for more than this."""

    def __init__(self, **info: Any) -> None:
        self._info = {"Name": "host", "Architecture": "x86_64", **info}

    def info(self) -> dict[str, Any]:
        """What `docker info` shows."""
        return self._info

    def inspect_volume(self, name: str) -> dict[str, Any]:
        """Every volume is there but one."""
        if name == "missing":
            raise engine.NotFound("no such volume", None)
        return {"Name": name, "Labels": {claims.NAMESPACE: "ci"} if name == "ours" else None}


def test_an_engine_may_be_shared() -> None:
    """An agent has one executor for each attempt, and one connection for all."""
    here = engine.Engine("unix:///x", Api())

    assert Docker(here=here).check(plan()) == []
    assert Docker(here=here)._engine() is here


def offline(terms: Terms = containers.ANY, **info: Any) -> Docker:
    """An executor without an engine."""
    return Docker(terms=terms, here=engine.Engine("unix:///x", Api(**info)))


@pytest.mark.parametrize(("changes", "field"), [
    ({"app": {"image": None}}, "spec.app.image"),
    ({"app": {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]}},
     "spec.app.env"),
    ({"app": {"volumes": [{"name": "v", "mountPath": "/v", "configMap": {"name": "c"}}]}},
     "spec.app.volumes"),
    ({"app": {"volumes": [{"name": "v", "mountPath": "/v",
                           "persistentVolumeClaim": {"claimName": "missing"}}]}},
     "spec.app.volumes"),
    ({"placement": {"host": "elsewhere"}}, "spec.placement.host"),
    ({"playback": {"port": 80}}, "spec.playback.image"),
    ({"gpu": {"count": 1}}, "spec.gpu.count"),
])  # fmt: skip
def test_what_it_cannot_do_is_refused_by_name(changes: dict[str, Any], field: str) -> None:
    """And nothing else is."""
    executor = offline()
    assert executor.check(plan()) == []

    assert [one.where for one in executor.check(plan(**changes))] == [field]


def test_an_agent_judges_host_and_gpus_itself() -> None:
    """Its own name is no engine's, and what a host lacks is waited for, or Unschedulable."""
    agent = offline(Terms("gpu-1", ()))

    assert agent.check(plan(placement={"host": "gpu-1"}, gpu={"count": 8})) == []


@pytest.mark.parametrize(
    ("name", "refused"), [("ours", False), ("missing", True), ("somebody-s", True)]
)
def test_an_agent_s_claims_are_labelled_volumes(name: str, refused: bool) -> None:
    """An engine's other volumes are workspaces, keys, databases."""
    claim = {"name": "v", "mountPath": "/v", "persistentVolumeClaim": {"claimName": name}}

    problems = offline(Terms("gpu-1", ())).check(plan(app={"volumes": [claim]}))

    assert [one.where for one in problems] == ["spec.app.volumes"] * refused
    assert all("docker volume create --label" in one.message for one in problems)


def test_nothing_is_attached() -> None:
    """No container stands beside the application's."""
    collectors = [{"name": "perf"}, {"name": "pyspy", "mode": "attach"}]
    planned = build_plan(job(app={"image": "a", "command": ["x"]}, collectors=collectors))

    (problem,) = offline().check(planned)

    assert problem.where == "spec.collectors[1].mode"
    assert '"attach" must be wrap' in problem.message


@pytest.mark.parametrize("info", [
    {"Runtimes": {"nvidia": {"path": "x"}}},
    {"DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}]},
])  # fmt: skip
def test_gpus_are_there_where_the_engine_says_so(info: dict[str, Any]) -> None:
    """By a runtime, or by devices that newer engines find themselves."""
    assert offline(**info).check(plan(gpu={"count": 1})) == []


def test_more_gpus_than_the_engine_has_found_are_refused() -> None:
    """Where it names them one by one."""
    found = [{"ID": f"nvidia.com/gpu={one}"} for one in ("0", "1", "all", "GPU-b2c7")]

    (problem,) = offline(DiscoveredDevices=found).check(plan(gpu={"count": 3}))

    assert problem.where == "spec.gpu.count" and "has 2" in problem.message


def test_numbers_of_another_machine_are_never_told_as_ours() -> None:
    """Of an engine far away its name and size are known; whose socket is here runs here."""
    far, near = Docker(), Docker()
    far._connected = engine.Engine("ssh://host", Api(Architecture="aarch64", NCPU=64))
    near._connected = engine.Engine("unix:///socket", Api())

    assert far.machine() == Machine(cpu="64 × aarch64 of host")
    assert near.machine() == machines.here()


def test_facts_are_of_the_engine_s_machine() -> None:
    """Where it is far away only its architecture is known; where it is here, its kernel is ours."""
    here = offline()
    far = Docker()
    far._connected = engine.Engine("ssh://host", Api(Architecture="aarch64"))

    assert here.facts(plan()).perf_event_paranoid is not None
    assert far.facts(plan()).perf_event_paranoid is None
    assert far.facts(plan()).machine == "aarch64"


@needs_docker
def test_what_the_application_prints_is_passed_on(docker: Started, tmp_path: Path) -> None:
    """From its first word, both streams."""
    planned = plan("import sys; print('one', flush=True); print('two', file=sys.stderr)")
    docker.started = [planned.name]
    with (tmp_path / "said").open("wb") as said:
        docker.start(planned, Listener(output=said.fileno()))
        while docker.wait(planned.name, 60).state is not State.ENDED:
            pass
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and (tmp_path / "said").stat().st_size < len(
            "one\ntwo\n"
        ):
            time.sleep(0.05)

    assert sorted((tmp_path / "said").read_text().split()) == ["one", "two"]


@needs_docker
def test_what_died_while_starting_is_started_anew(docker: Started) -> None:
    """A container that was made and never started is nobody's attempt."""
    planned = plan("print('ran')")
    docker.started = [planned.name]
    api = docker._engine().api
    api.create_volume(f"{planned.name}-workspace", labels=containers.labels(planned, "volume"))
    body = {"Image": PYTHON, "Labels": containers.labels(planned, "app")}
    api.create_container_from_config(body, planned.name)

    docker.start(planned)

    while (seen := docker.wait(planned.name, 60)).state is not State.ENDED:
        pass
    assert seen.exit is not None and seen.exit.reason == Reason.COMPLETED
    assert "sha256:" in seen.image


@needs_docker
def test_what_nobody_collected_is_swept_after_a_day(
    docker: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what has ended; a running attempt stays however old it is."""
    done, running, half = plan(), plan(SLEEP), plan()
    docker.started = [one.name for one in (done, running, half)]
    for one in (done, running):
        docker.start(one)
    while docker.wait(done.name, 60).state is not State.ENDED:
        pass
    api = docker._engine().api
    api.create_volume(f"{half.name}-workspace", labels=containers.labels(half, "volume"))
    assert {done.name, running.name, half.name} <= set(docker.attempts())

    later = time.time() + 2 * 86400
    monkeypatch.setattr(time, "time", lambda: later)

    left = set(docker.attempts())
    assert running.name in left
    assert not {done.name, half.name} & left


@needs_docker
def test_an_agent_s_attempts_are_not_swept(
    docker: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither found nor removed by a `profjob run` on the same engine, however old they are."""
    theirs = plan()
    docker.started = [theirs.name]
    terms = Terms("gpu-1", ())
    api = docker._engine().api
    labels = containers.labels(theirs, "volume", terms)
    api.create_volume(f"{theirs.name}-workspace", labels=labels)
    api.create_network(theirs.name, labels=containers.labels(theirs, "network", terms))
    body = {"Image": PYTHON, "Labels": containers.labels(theirs, "app", terms)}
    api.create_container_from_config(body, theirs.name)

    later = time.time() + 2 * 86400
    monkeypatch.setattr(time, "time", lambda: later)

    assert theirs.name not in docker.attempts()
    assert docker._engine().inspected(theirs.name) is not None
    for kind in ("networks", "volumes"):
        assert docker._engine().listed(kind, containers.Attempt(theirs.name).label)


@needs_docker
def test_a_container_that_is_stopped_from_outside_is_lost(docker: Started) -> None:
    """`docker stop` lets the launcher end well, but nobody here asked for it."""
    planned = plan(SLEEP)
    docker.started = [planned.name]
    docker.start(planned)
    while docker.wait(planned.name, 0.2).started is None:
        pass

    docker._engine().api.stop(planned.name)

    seen = docker.wait(planned.name, 60)
    assert (seen.state, seen.reason) == (State.ENDED, Reason.INFRASTRUCTURE_LOST)


@needs_docker
def test_nothing_of_the_host_is_in_a_container(docker: Started) -> None:
    """No path of this machine is mounted, no privilege is given."""
    planned = plan(SLEEP)
    docker.started = [planned.name]
    docker.start(planned)

    shown = docker._engine().inspected(planned.name)
    assert shown is not None
    assert {one["Type"] for one in shown["Mounts"]} == {"volume"}
    host = shown["HostConfig"]
    assert (host["Privileged"], host["CapDrop"], host["CapAdd"]) == (False, ["ALL"], [])
    assert json.dumps(host["Binds"]) == "null"
