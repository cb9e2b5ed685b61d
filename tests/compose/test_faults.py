"""Services and the engine restart in the middle of a run: nothing is lost, nothing runs twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from planes import Plane, client, eventually, starts

sys.path.insert(0, str(Path(__file__).parents[1] / "docker"))

from engines import Engine

pytestmark = [pytest.mark.needs("docker", "compose", "image", "images"), pytest.mark.timeout(400)]

IMAGES = (
    os.environ.get("PROFJOB_IMAGE", "profiling-operator:local"), "profiling-operator/etcd:local",
    "profiling-operator/kube-apiserver:local", "profiling-operator/examples/python-threads",
)  # fmt: skip


def _restart(plane: Plane, service: str) -> None:
    plane.container(service).restart(timeout=20)


def _kill(plane: Plane, service: str) -> None:
    """What it was told last is not kept by a shutdown in order."""
    one = plane.container(service)
    one.kill("SIGKILL")
    one.wait(timeout=30)
    one.start()  # the engine itself takes a kill by its client for the wish that it ends


@pytest.mark.parametrize("end", [_restart, _kill], ids=["restarted", "killed"])
@pytest.mark.parametrize("service", ["etcd", "kube-apiserver", "agent", "results", "prometheus"])
def test_a_run_outlives_the_restart_of_each_service(
    plane: Plane, service: str, end: Callable[[Plane, str], None]
) -> None:
    """The application runs once, and its results are complete."""
    name = f"{service}-{end.__name__.strip('_')}"
    with starts(plane.url) as counted:
        plane.apply(name)
        plane.application(name)

        end(plane, service)
        plane.ready()
        plane.let_go(name)

        _require_done_once(plane, name)
        assert list(counted().values()) == [1]
    _require_nothing_left(plane, name)


@pytest.mark.parametrize("service", ["agent", "results"])
def test_an_end_while_results_are_on_their_way_loses_nothing(plane: Plane, service: str) -> None:
    """The application has ended, and nobody can take its results until the service is back."""
    name = f"late-{service}"
    with starts(plane.url) as counted:
        plane.apply(name)
        container = plane.application(name)
        plane.container(service).kill("SIGKILL")
        plane.let_go(name)
        container.wait(timeout=60)

        plane.container(service).start()

        _require_done_once(plane, name)
        assert list(counted().values()) == [1]
    _require_nothing_left(plane, name)


def test_everything_at_once(plane: Plane) -> None:
    """As when the control plane is upgraded in the middle of a run: `down`, then `up`."""
    with starts(plane.url) as counted:
        plane.apply("everything")
        plane.application("everything")
        plane.compose("down", "--timeout", "20")
        plane.up()
        plane.let_go("everything")

        _require_done_once(plane, "everything")
        assert list(counted().values()) == [1]
    _require_nothing_left(plane, "everything")


def _require_done_once(plane: Plane, name: str) -> None:
    waited = plane.wait(name)
    assert waited.returncode == 0, waited.stderr + plane.logs()
    status = plane.status(name)
    assert [one["outcome"] for one in status["attempts"]] == ["Completed"]
    _require_results(plane, name)


def _require_results(plane: Plane, name: str) -> None:
    """`fetch` compares size and checksum of each file with the report's."""
    fetched = plane.profjob("fetch", name, "-d", f"{name}-results")
    assert fetched.returncode == 0, fetched.stderr
    folder = plane.folder / f"{name}-results"
    assert {"entries.jsonl.gz", "summary.json", "report.json", "report.html"} <= {
        one.name for one in folder.iterdir()
    }


def _require_nothing_left(plane: Plane, name: str) -> None:
    def gone() -> bool:
        with client(plane.url) as asked:
            found = [*asked.containers.list(all=True), *asked.volumes.list()]
            return not [one for one in found if one.name.startswith(f"{name}-")]

    eventually(gone, f"{name} left something", plane.logs)


@pytest.fixture
def network() -> Iterator[list[str]]:
    """A network namespace, where an engine has its rules for itself; words that go there."""
    name = f"pj{os.getpid()}"
    words = ["nsenter", f"--net=/run/netns/{name}"]
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run([*words, "ip", "link", "set", "lo", "up"], check=True)
        yield words
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)


@pytest.fixture
def own_plane(tmp_path: Path, network: list[str]) -> Iterator[tuple[Plane, Engine]]:
    """A control plane in an engine of its own, without Prometheus."""
    with Engine(tmp_path, "--iptables=true", within=network) as engine:
        _copy_images(engine.url)
        one = Plane(f"pjown{os.getpid()}", tmp_path, engine.url, network)
        try:
            one.up("agent", "results")
            one.access("jenkins")
            yield one, engine
        finally:
            one.compose("down", "--volumes", "--timeout", "10")


def _copy_images(url: str) -> None:
    with subprocess.Popen(["docker", "save", *IMAGES], stdout=subprocess.PIPE) as giving:
        words = ["docker", "-H", url, "load", "--quiet"]
        subprocess.run(words, stdin=giving.stdout, check=True, timeout=170, capture_output=True)
    assert giving.returncode == 0


@pytest.mark.needs("dockerd")
def test_a_restarted_engine_costs_an_attempt_and_no_job(own_plane: tuple[Plane, Engine]) -> None:
    """What ran is lost with it, and told so; another attempt runs, no attempt twice."""
    plane, engine = own_plane
    plane.apply("engine")
    plane.application("engine")

    engine.stop()
    engine.start()

    with starts(plane.url) as counted:
        second = plane.application("engine")
        plane.let_go("engine")
        waited = plane.wait("engine")
        assert waited.returncode == 0, waited.stderr + plane.logs()
        status = plane.status("engine")
        lost, completed = status["attempts"]
        assert (lost["outcome"], completed["outcome"]) == ("InfrastructureLost", "Completed")
        assert second.name.endswith("-2")
        assert not [name for name, times in counted().items() if times != 1]
    _require_results(plane, "engine")
    _require_nothing_left(plane, "engine")
