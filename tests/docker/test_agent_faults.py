"""An agent that dies at any moment, an engine that restarts, a host that reboots, things that are
removed: an attempt is executed at most once, each job has its end, and nothing is left."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import agents
import installed
import pytest
from agents import Host, attempts
from engines import BUSYBOX, Engine, client
from events import LABEL, Event
from installed import condition, ended

from making import BUSY, python

pytestmark = [pytest.mark.needs("docker", "images", "cluster"), pytest.mark.timeout(400)]

ENDLESS = f"{BUSY}\nwhile True: hot(400_000)\n"
LONG = 600  # such a job ends when somebody ends it
ONCE = f"print('ran once', flush=True)\n{BUSY}"
SLEEPS = {"image": BUSYBOX, "command": ["sh", "-c", "sleep 600"]}
"""In the image that an engine of a test's own has."""


@pytest.fixture(autouse=True)
def nothing_stays() -> None:
    """The tests themselves look at what is left of their own host."""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """A host of one job at a time, on the machine's engine; its agent runs."""
    agents.define()
    with installed.own_namespace() as namespace, Host(namespace, tmp_path) as made:
        made.start()
        yield made


@pytest.fixture
def own_host(own_engine: Engine, tmp_path: Path) -> Iterator[Host]:
    """The same on an engine of the test's own."""
    agents.define()
    with installed.own_namespace() as namespace, Host(namespace, tmp_path, own_engine.url) as made:
        made.start()
        yield made


def cancel(host: Host, name: str = "test") -> None:
    """A user cancels a job."""
    wish = '{"spec": {"cancel": true}}'
    host.namespace.kubectl("patch", "pj", name, "--type=merge", "--patch", wish)


def attempt(host: Host, name: str = "test") -> str:
    """The name of a job's last attempt."""
    host.until(lambda: host.namespace.status(name).get("attempts"))
    found: str = host.namespace.status(name)["attempts"][-1]["jobName"]
    return found


def check_done(host: Host, name: str = "test") -> None:
    """The job ended well, ran once, has its results, and nothing of it is left."""
    status = host.wait(name)
    assert ended(status) == ("Succeeded", "Completed"), host.told()
    host.check_once(status)
    assert host.check_results(status)["run-0/app.log"].decode().count("ran once") == 1
    host.until_nothing_remains()


def test_killed_while_a_job_is_queued(host: Host) -> None:
    """It keeps its place in the queue, and its turn comes."""
    host.apply("before", app=python(ENDLESS), timeoutSeconds=LONG)
    host.until_phase("Running", "before")
    host.apply(app=python(ONCE))
    host.until_phase("Queued")
    first = attempt(host)

    host.kill()
    host.start()
    cancel(host, "before")

    before, status = host.wait("before"), host.wait()
    assert ended(before) == ("Cancelled", "Cancelled")
    assert ended(status) == ("Succeeded", "Completed")
    assert [one["jobName"] for one in status["attempts"]] == [first]
    host.check_once(before, status)
    host.check_results(status)
    host.until_nothing_remains()


def _has(kind: str, action: str, ending: str = "") -> Callable[[str], Callable[[Event], bool]]:
    """Something that happens to what is named after an attempt."""
    return lambda job: (
        lambda one: (
            (one.kind, one.action) == (kind, action)
            and one.name.startswith(f"{job}-")
            and one.name.endswith(ending)
        )
    )


@pytest.mark.parametrize("moment", [
    _has("volume", "create", "-record"), _has("volume", "create", "-workspace"),
    _has("container", "create", "-deliverer"), _has("container", "destroy", "-deliverer"),
    _has("volume", "create", "-begun"), _has("container", "start", "-1"),
], ids=["record", "workspace", "deliverer", "delivered", "mark", "start"])  # fmt: skip
def test_killed_while_a_job_starts(host: Host, moment: Any) -> None:
    """Whatever was made already: it is gone on with, and the application is started once."""
    host.apply("starting", app=python(ONCE))
    host.until_seen(moment("starting"))

    host.kill()
    host.start()

    check_done(host, "starting")


def test_killed_while_a_job_waits_for_its_image(host: Host) -> None:
    """The image comes while nobody is there."""
    image = f"127.0.0.1:1/{host.name}:1"  # a registry that is never there
    host.apply(app={"image": image, **python(ONCE)})
    host.until(lambda: image in str(host.namespace.status()))
    assert host.namespace.status()["phase"] == "Starting"

    host.kill()
    with client() as asked:
        asked.images.get(installed.PYTHON).tag(image)
    try:
        host.start()
        check_done(host)
    finally:
        with client() as asked:
            asked.images.remove(image)


def test_killed_while_a_job_runs(host: Host) -> None:
    """The container goes on without an agent, and the next one waits for it."""
    code = f"{BUSY}\nprint('measured', flush=True)\nwhile True: hot(400_000)"
    host.apply(app=python(code), timeoutSeconds=LONG)
    running = host.until_phase("Running")["attempts"][0]
    host.until_said(running["jobName"], "measured")

    host.kill()
    host.start()
    cancel(host)

    status = host.wait()
    assert ended(status) == ("Cancelled", "Cancelled")
    assert [one["jobName"] for one in status["attempts"]] == [running["jobName"]]
    assert status["attempts"][0]["startedAt"] == running["startedAt"]
    assert condition(status, "ProfileUsable")["status"] == "True"
    host.check_once(status)
    host.check_results(status)
    host.until_nothing_remains()


def test_a_job_that_ends_while_no_agent_is_there(host: Host) -> None:
    """Its results are made when there is one again."""
    host.apply(app=python(ONCE))
    name = attempt(host)
    host.until_seen(lambda one: (one.name, one.action) == (name, "start"))

    host.kill()
    host.until_seen(lambda one: (one.name, one.action) == (name, "die"))
    host.start()

    check_done(host)


@pytest.mark.parametrize("number", [signal.SIGCONT, signal.SIGKILL])
def test_killed_while_results_are_made(host: Host, number: int) -> None:
    """Whoever made them goes on, or dies as well: they are sent once, and are whole."""
    host.apply(app=python(ONCE))
    child = host.child(attempt(host))
    host.until_phase("Collecting")

    host.kill()
    host.start()
    os.killpg(child, number)

    check_done(host)


def test_a_second_agent_of_the_name_stays_out(host: Host) -> None:
    """It says who is there, does nothing, and takes over when that one is gone."""
    second = host.begin(number=1)
    host.until(lambda: f"agent {host.name} is kept by" in host.told(1))
    host.apply("first", app=python(ONCE))
    check_done(host, "first")
    assert second.poll() is None

    host.kill(number=0)

    host.apply("then", app=python(ONCE))
    status = host.wait("then")
    assert ended(status) == ("Succeeded", "Completed"), host.told(1)
    host.check_once(host.namespace.status("first"), status)
    host.until_nothing_remains()


def test_a_container_that_is_removed(host: Host) -> None:
    """The attempt is lost, and another one made, which ends."""
    host.apply(app=python(ENDLESS), timeoutSeconds=LONG, retries={"infrastructure": 1})
    (lost,) = host.until_phase("Running")["attempts"]

    with client() as asked:
        asked.containers.get(lost["jobName"]).remove(force=True)

    host.until(lambda: len(host.namespace.status()["attempts"]) == 2)
    host.until_phase("Running")
    cancel(host)
    status = host.wait()
    assert attempts(status) == ["InfrastructureLost", "Cancelled"]
    host.check_once(status)
    host.check_results(status)
    host.until_nothing_remains()


def test_a_queued_job_whose_record_is_removed(host: Host) -> None:
    """Nobody knows of the attempt any more: the job ends all the same, having run once."""
    host.apply("before", app=python(ENDLESS), timeoutSeconds=LONG)
    host.until_phase("Running", "before")
    host.apply(app=python(ONCE))
    host.until_phase("Queued")
    name = attempt(host)

    host.kill()
    with client() as asked:
        asked.volumes.get(f"{name}-record").remove()
    host.start()
    cancel(host, "before")

    status = host.wait()
    assert ended(status) == ("Succeeded", "Completed"), host.told()
    assert list(host.starts().values()) == [1, 1], host.starts()
    host.check_results(status)
    host.until_nothing_remains()


def test_a_workspace_that_is_removed_before_the_start(host: Host) -> None:
    """It is made anew, or the attempt is; nothing is executed twice."""
    host.apply(app=python(ONCE))
    name = attempt(host)
    host.until_seen(_has("volume", "create", "-workspace")("test"))

    host.kill()
    with client() as asked:
        _remove_all_of(asked, name)
    host.start()

    status = host.wait()
    assert ended(status) == ("Succeeded", "Completed"), host.told()
    assert set(host.starts().values()) == {1}, host.starts()
    host.check_results(status)
    host.until_nothing_remains()


def _remove_all_of(asked: Any, name: str) -> None:
    """Somebody cleans up: containers of an attempt, and its volumes but for record and mark."""
    mine = {"label": f"{LABEL}attempt={name}"}
    for container in asked.containers.list(all=True, filters=mine):
        container.remove(force=True)
    for volume in asked.volumes.list(filters=mine):
        volume.remove()


@pytest.mark.parametrize("phase", ["Queued", "Running"])
def test_a_job_that_is_deleted_while_no_agent_is_there(host: Host, phase: str) -> None:
    """Whatever the engine has of it is removed by the next agent."""
    host.apply("running", app=python(ENDLESS), timeoutSeconds=LONG)
    host.until_phase("Running", "running")
    host.apply("queued", app=python(ENDLESS), timeoutSeconds=LONG)
    host.until_phase("Queued", "queued")

    host.kill()
    host.namespace.kubectl("delete", "pj", phase.lower())
    host.start()

    gone, stays = ("queued", "running") if phase == "Queued" else ("running", "queued")
    host.until(lambda: not [one for one in host.remains() if one.startswith(f"{gone}-")])
    host.until_phase("Running", stays)
    cancel(host, stays)
    status = host.wait(stays)
    assert attempts(status) == ["Cancelled"]
    host.until_nothing_remains()
    assert set(host.starts().values()) == {1}, host.starts()
    assert len(host.starts()) == (1 if phase == "Queued" else 2)


@pytest.mark.needs("dockerd")
def test_an_engine_that_is_restarted(own_engine: Engine, own_host: Host) -> None:
    """What ran is lost, is not started again, and has another attempt."""
    own_host.apply(app=SLEEPS, timeoutSeconds=LONG, retries={"infrastructure": 1})
    own_host.until_phase("Running")

    own_engine.stop()
    own_engine.start()
    own_host.watch.begin(since=own_engine.started_at)

    _check_second_attempt(own_host)


@pytest.mark.needs("dockerd")
def test_an_engine_that_is_restarted_and_keeps_its_containers(tmp_path: Path) -> None:
    """With live-restore nothing is lost, and the attempt is gone on with."""
    agents.define()
    with (
        Engine(tmp_path, "--live-restore") as engine,
        installed.own_namespace() as namespace,
        Host(namespace, tmp_path, engine.url) as host,
    ):
        host.start()
        host.apply(app=SLEEPS, timeoutSeconds=LONG)
        host.until_phase("Running")

        engine.stop()
        engine.start()
        host.watch.begin(since=engine.started_at)

        cancel(host)
        status = host.wait()
        assert attempts(status) == ["Cancelled"], host.told()
        host.check_once(status)
        host.until_nothing_remains()


@pytest.mark.needs("dockerd")
def test_a_host_that_reboots(own_engine: Engine, own_host: Host) -> None:
    """Agent, engine and containers die at once; those that come up then go on."""
    own_host.apply("queued-later", app=SLEEPS, timeoutSeconds=LONG, suspend=True)
    own_host.apply(app=SLEEPS, timeoutSeconds=LONG, retries={"infrastructure": 1})
    own_host.until_phase("Running")

    own_host.kill()
    own_engine.crash()
    own_engine.start()
    own_host.watch.begin(since=own_engine.started_at)
    own_host.start()

    _check_second_attempt(own_host)
    cancel(own_host, "queued-later")
    assert ended(own_host.wait("queued-later")) == ("Cancelled", "Cancelled")


def _check_second_attempt(host: Host) -> None:
    """The first one was lost; the second one runs, and can be ended."""
    host.until(lambda: len(host.namespace.status()["attempts"]) == 2)
    host.until_phase("Running")
    cancel(host)
    status = host.wait()
    assert attempts(status) == ["InfrastructureLost", "Cancelled"], host.told()
    host.check_once(status)
    host.until_nothing_remains()
