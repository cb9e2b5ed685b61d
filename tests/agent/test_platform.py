"""What decisions know of a Docker host."""

from __future__ import annotations

from profiling_operator.agent import bodies, platform
from profiling_operator.agent.records import Record
from profiling_operator.pod_sightings import Sighting, Stage
from profiling_operator.settings import Settings
from reconciling import MIDNIGHT, SETTINGS, at, owner, planned

RECORD = Record(planned(), created_at=at(5))


def test_the_sighting_is_the_keepers() -> None:
    """With the time at which the attempt was enlisted."""
    seen = Sighting(Stage.RUNNING, node="h1", scheduled_at=at(7))
    job, pod = bodies.job_body(RECORD, seen, 1), bodies.pod_body(RECORD, seen, 1)

    assert platform.look(job, [pod], MIDNIGHT) == Sighting(
        Stage.RUNNING, node="h1", scheduled_at=at(7), created_at=at(5)
    )
    assert platform.look(None, [pod], MIDNIGHT).created_at == at(5)


def test_without_a_container_it_waits() -> None:
    """The Job alone tells since when."""
    job = bodies.job_body(RECORD, Sighting(Stage.QUEUED), 1)

    assert platform.look(job, [], MIDNIGHT).stage is Stage.QUEUED
    assert platform.look(job, [], MIDNIGHT).created_at == at(5)
    assert platform.look(None, [], MIDNIGHT).created_at == ""


def test_plans_are_refused_field_by_field() -> None:
    """What no engine serves, what means nothing on a Docker host, a store that nobody names."""
    body = owner(
        app={"image": "a", "command": ["a"],
             "env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
        placement={"queueName": "q", "host": "h1"}, output={"store": "nowhere"},
    )  # fmt: skip

    refused = [one.where for one in platform.on_host(SETTINGS).refuse(planned(1, body))]
    assert refused == ["spec.app.env", "spec.placement.queueName", "spec.output.store"]
    assert platform.on_host(SETTINGS).refuse(planned()) == []
    (problem,) = platform.on_host(Settings()).refuse(planned())
    assert problem.message == '"default" must be one of: none is set up (executor docker)'


def test_the_playback_server_has_its_time() -> None:
    """Beside the start and the runs."""
    server = {"image": "p", "port": 80, "readiness": {"timeoutSeconds": 77}}
    longest = platform.on_host(SETTINGS).longest_seconds

    assert longest(planned(1, owner(playback=server))) == longest(planned()) + 77
    assert longest(planned()) == planned().deadlines.start_seconds + planned().longest_seconds
