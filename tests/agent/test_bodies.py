"""Attempts in the shape of Jobs and pods."""

from __future__ import annotations

from dataclasses import replace

from profiling_operator import inventory, names, pod_sightings
from profiling_operator.agent import bodies
from profiling_operator.agent.records import Record
from profiling_operator.inventory import Inventory
from profiling_operator.pod_sightings import Sighting, Stage
from reconciling import UID, at, planned

RECORD = Record(planned(2), priority=3, since=at(0), created_at=at(5))
SEEN = Sighting(Stage.RUNNING, pod_name="a")


def test_they_belong_to_their_job() -> None:
    """As an inventory asks: by label and by owner."""
    known = Inventory()

    assert known.put(inventory.JOBS, bodies.job_body(RECORD, SEEN, 1)) == UID
    assert known.put(inventory.PODS, bodies.pod_body(RECORD, SEEN, 1)) == UID
    (pod,) = known.pods(UID)
    (job,) = known.jobs(UID)
    assert pod[bodies.SIGHTING] is SEEN
    assert job["metadata"]["name"] == planned(2).name
    assert job["metadata"]["creationTimestamp"] == at(5)
    assert pod["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]


def test_older_news_do_not_replace_newer_ones() -> None:
    """Whatever order they come in."""
    known = Inventory()
    known.put(inventory.PODS, bodies.pod_body(RECORD, SEEN, 10))
    known.put(inventory.PODS, bodies.pod_body(RECORD, replace(SEEN, stage=Stage.QUEUED), 9))

    assert known.pods(UID)[0][bodies.SIGHTING].stage is Stage.RUNNING


def test_the_end_is_told_as_jobs_and_pods_tell_it() -> None:
    """And only then."""
    ended = replace(SEEN, stage=Stage.ENDED, ended_at=at(90))

    assert not pod_sightings.is_over(bodies.job_body(RECORD, SEEN, 1))
    assert not pod_sightings.has_ended(bodies.pod_body(RECORD, SEEN, 1))
    assert pod_sightings.is_over(bodies.job_body(RECORD, ended, 1))
    assert pod_sightings.has_ended(bodies.pod_body(RECORD, ended, 1))


def test_what_is_told_to_end_says_by_when() -> None:
    """As a pod that is being deleted."""
    assert "deletionTimestamp" not in bodies.pod_body(RECORD, SEEN, 1)["metadata"]
    told = bodies.pod_body(RECORD, SEEN, 1, at(99))

    assert told["metadata"]["deletionTimestamp"] == at(99)


def test_each_attempt_is_an_object_of_its_own() -> None:
    """Its UID is no other one's, of whatever job."""
    first = Record(planned(1))

    assert bodies.uid_of(first) != bodies.uid_of(RECORD)
    assert bodies.uid_of(first).startswith(UID)
    assert (
        names.attempt_name("ci", "test", UID, 1)
        == bodies.job_body(first, SEEN, 1)["metadata"]["name"]
    )
