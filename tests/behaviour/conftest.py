"""Runs each behaviour where jobs may run, and compares what came out with docs/executors.md.

`@pytest.mark.behaviour("What must hold.", "job", …)` is a row of the table there; the jobs of
given.py that it names are applied a little earlier, so that several run at the same time.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "cluster"))
sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tools"))

import docker_place
import executors_table
import given
import installed
from cluster_place import ClusterPlace
from docker_place import DockerPlace
from places import Place

MARK = "behaviour"
TEST_SECONDS = 600  # the first one also installs the chart, and waits for its turn
NEEDS = {
    "kubernetes": ("cluster", "image", "images", "helm"),
    "docker": ("cluster", "docker", "images"),
}


def pytest_configure(config: pytest.Config) -> None:
    """Tell of the mark."""
    config.addinivalue_line("markers", "behaviour(title, *jobs): a row of docs/executors.md")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Other people's programs run here, on a machine that may be small."""
    for item in items:
        if item.get_closest_marker(MARK):
            item.add_marker(pytest.mark.timeout(TEST_SECONDS))


@pytest.fixture(
    scope="package",
    params=[pytest.param(name, marks=pytest.mark.needs(*needs)) for name, needs in NEEDS.items()],
)
def platform(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """A place of each kind, one after the other; the jobs that tests name are in it."""
    folder = tmp_path_factory.mktemp("place")
    made = _on_cluster() if request.param == "kubernetes" else _on_docker(folder)
    with made as place:
        place.begin(_jobs(request.session.items, place.platform), given.OBJECTS)
        yield place


@contextmanager
def _on_cluster() -> Iterator[Place]:
    with installed.released(), installed.own_namespace() as namespace:
        place = ClusterPlace(namespace)
        try:
            yield place
        finally:
            place.close()


@contextmanager
def _on_docker(folder: Path) -> Iterator[Place]:
    docker_place.define()
    with installed.own_namespace() as namespace, DockerPlace(namespace, folder) as place:
        yield place


def _jobs(items: list[pytest.Item], platform: str) -> dict[str, given.Body]:
    """The jobs that the chosen tests name, in their order."""
    marks = (
        mark
        for item in items
        if _platform_of(item) == platform and (mark := item.get_closest_marker(MARK))
    )
    wanted = dict.fromkeys(name for mark in marks for name in mark.args[1:])
    return {name: given.JOBS[name] for name in wanted}


def _platform_of(item: pytest.Item) -> str:
    called = getattr(item, "callspec", None)
    return str(called.params.get("platform", "")) if called else ""


@pytest.fixture
def place(platform: Place, request: pytest.FixtureRequest) -> Place:
    """Where this test's jobs run."""
    mark = request.node.get_closest_marker(MARK)
    platform.refusal = ""
    platform.advance(mark.args[1:] if mark else ())
    return platform


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the outcome of a behaviour. It fails when the table says something else."""
    report = yield
    mark, platform = item.get_closest_marker(MARK), _platform_of(item)
    if mark and platform and report.when == "call":
        place = getattr(item, "funcargs", {}).get("place")
        outcome = executors_table.cell(place.refusal if place else "") if report.passed else ""
        executors_table.keep(mark.args[0], platform, outcome)
        said = executors_table.complaint(mark.args[0], platform, outcome)
        if report.passed and said:
            report.outcome, report.longrepr = "failed", said
    return report
