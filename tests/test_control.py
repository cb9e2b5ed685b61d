"""The operator's loop on a small cluster: restarts, old and lost news, other people's objects."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator

import pytest

import virtual_time
from profiling_operator import control, names
from profiling_operator.errors import ApiError, ForbiddenError
from profiling_operator.settings import KubernetesSettings
from reconciling import SETTINGS
from scenes import (
    Body,
    failing,
    run,
    runs,
    to_its_end,
)
from small_cluster import KINDS, SmallCluster, condition, error, finished
from small_operator import Place, outcome


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Hundreds of faults are told of."""
    logging.getLogger("profjob.operator").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("profjob.operator").setLevel(logging.NOTSET)


def _finished_status() -> Body:
    scene: list[Body] = []

    async def play(place: Place) -> None:
        scene.append((await runs(place))["status"])

    run(play)
    return scene[0]


def test_a_restart_writes_nothing_where_nothing_has_changed() -> None:
    """A thousand jobs that are over, a hundred that run: not one write, and the old are told."""

    async def play(place: Place) -> None:
        status = _status
        for number in range(1000):
            place.cluster.change(place.apply(f"old-{number}"), status=status)
        place.node.gpus = 100
        young = [place.apply(f"new-{number}", timeoutSeconds=6000) for number in range(100)]
        place.node.run_seconds = 10**5
        await place.until(
            lambda: all((one.get("status") or {}).get("phase") == "Running" for one in young)
        )
        await asyncio.sleep(30)
        before = len(place.cluster.writes)
        place.crash()
        place.start()
        await asyncio.sleep(2 * control.RESYNC_SECONDS + 60)
        assert len(place.cluster.writes) == before
        assert all(one["status"]["phase"] == "Running" for one in young)

    _status = _finished_status()
    place = run(play)

    assert Counter(place.noted.found) == {f"old-{number}": 2 for number in range(1000)}
    assert place.noted.ended_ == []


def test_a_job_that_ended_while_the_operator_was_down_is_found() -> None:
    """From its start to its end: the results are there, and the status comes."""

    async def play(place: Place) -> None:
        body = place.apply()
        await place.until(lambda: place.cluster.all("jobs"))
        await asyncio.sleep(1)
        place.crash()
        await place.until(lambda: condition(place.cluster.all("jobs")[0], "Complete"))
        place.start()
        await to_its_end(place, body)
        assert outcome(body) == ("Completed", ("Completed",))

    run(play)


def test_one_poisoned_job_does_not_stop_the_others() -> None:
    """Whatever goes wrong with it: it is tried again, apart."""

    async def play(place: Place) -> None:
        assert place.control is not None
        told = place.control._tell_of_the_past

        def poisoned(uid: str, body: Body) -> None:
            if body["metadata"]["name"] == "poison":
                raise KeyError("poison")
            told(uid, body)

        place.control._tell_of_the_past = poisoned  # type: ignore[method-assign, assignment]
        bodies = [place.apply(name) for name in ("a", "poison", "b")]
        await place.until(lambda: finished(bodies[0]) and finished(bodies[2]))
        assert not bodies[1].get("status")

    place = run(play)

    assert set(place.noted.failures) == {"KeyError"}


def test_what_vanished_while_no_watch_was_there_is_found_by_a_list() -> None:
    """The Job of one job, another job as a whole, and a new one that nobody told of."""

    async def play(place: Place) -> None:
        kept, gone = place.apply("kept"), place.apply("gone")
        await place.until(
            lambda: all((one.get("status") or {}).get("phase") == "Running" for one in (kept, gone))
        )
        place.cluster.watch = None
        for job in place.cluster.of(kept["metadata"]["uid"]):
            for pod in place.cluster.of(job["metadata"]["uid"]):
                place.cluster.erase(pod)
            place.cluster.erase(job)
        place.cluster.erase(gone)
        new = place.apply("new")
        await place.until(lambda: finished(new) and finished(kept), 7200)
        assert outcome(kept) == ("Completed", ("InfrastructureLost", "Completed"))
        assert place.noted.gone == [gone["metadata"]["uid"]]

    run(play)


@pytest.mark.parametrize("is_told", [True, False], ids=["watched", "unwatched"])
def test_the_same_name_again_is_another_job(is_told: bool) -> None:
    """It has Jobs of its own; nothing of the first one is taken for its."""

    async def play(place: Place) -> None:
        first = place.apply()
        await place.until(lambda: (first.get("status") or {}).get("phase") == "Running")
        if not is_told:
            place.cluster.watch = None
        place.cluster.erase(first)
        second = place.apply()
        place.cluster.watch = place._deliver
        await to_its_end(place, second)
        assert outcome(second) == ("Completed", ("Completed",))
        assert {uid for uid, _ in place.node.executions} == {
            first["metadata"]["uid"], second["metadata"]["uid"],
        }  # fmt: skip
        created = Counter(one.name for one in place.cluster.writes if one.resource == "jobs")
        assert len(created) == 2

    run(play)


def test_a_foreign_pod_with_our_labels_is_not_ours() -> None:
    """Labels are anybody's; a Job that owns it has to be ours."""

    async def play(place: Place) -> None:
        body = place.apply()
        uid = body["metadata"]["uid"]
        labels = {"profiling.dev/job-uid": uid, "profiling.dev/attempt": "1"}
        for name, owners in (("bare", []), ("owned", [{"kind": "Job", "name": "x", "uid": "x"}])):
            about = {"name": name, "labels": labels, "ownerReferences": owners}
            state = {"phase": "Failed", "conditions": [], "reason": "Evicted"}
            place.cluster.make("pods", "ci", {"metadata": about, "spec": {}, "status": state})
        await to_its_end(place, body)
        assert outcome(body) == ("Completed", ("Completed",))
        assert body["status"]["attempts"][0]["podName"].endswith("-pod")

    run(play)


def test_a_job_of_ours_in_name_only_is_not_adopted() -> None:
    """Somebody else's Job has the name: that is said, and it is let be."""

    async def play(place: Place) -> None:
        place.crash()
        body = place.apply()
        name = names.attempt_name("ci", "test", body["metadata"]["uid"], 1)
        place.cluster.make("jobs", "ci", {"metadata": {"name": name}, "spec": {"suspend": True}})
        place.start()
        await place.until(lambda: finished(body))
        assert outcome(body)[0] == "PodRejected"
        assert ("jobs", "ci", name) in place.cluster.objects

    run(play)


def test_a_refused_job_is_no_hot_loop() -> None:
    """A quota on Jobs: waited for, told once, and started when there is room."""
    tries: list[float] = []

    async def play(place: Place) -> None:
        def interfere(moment: str, verb: str, resource: str, name: str) -> None:
            if (moment, verb, resource) == ("before", "create", "jobs"):
                tries.append(asyncio.get_running_loop().time())
                if tries[-1] < 1800:
                    raise ForbiddenError(403, "Forbidden", "exceeded quota: jobs")

        place.cluster.interfere = interfere
        body = place.apply()
        await asyncio.sleep(1700)
        assert [one.resource for one in place.cluster.writes] == [
            f"{names.PLURAL}/status", "events",
        ]  # fmt: skip
        assert body["status"]["phase"] == "Queued"
        assert body["status"]["attempts"] == []
        await to_its_end(place, body)
        assert outcome(body) == ("Completed", ("Completed",))

    run(play)

    assert len(tries) < 40


def test_so_many_jobs_are_started_in_a_second_and_no_more() -> None:
    """Whatever comes in at once, and the others are not forgotten."""
    times: list[float] = []
    slow = SETTINGS.model_copy(update={"kubernetes": KubernetesSettings(starts_per_second=5)})

    async def play(place: Place) -> None:
        def interfere(moment: str, verb: str, resource: str, name: str) -> None:
            if (moment, verb, resource) == ("after", "create", "jobs"):
                times.append(asyncio.get_running_loop().time())

        place.cluster.interfere = interfere
        place.node.gpus = 100
        bodies = [place.apply(f"job-{number}") for number in range(60)]
        await place.until(lambda: all(finished(one) for one in bodies))

    run(play, settings=slow)

    assert len(times) == 60
    assert max(sum(since <= one < since + 1 for one in times) for since in times) <= 6


def test_it_is_well_once_it_knows_what_there_is() -> None:
    """And ill before, and when it cannot list for long."""
    said: list[str] = []

    async def play(place: Place) -> None:
        assert place.control is not None
        said.append(place.control.ailment())
        await asyncio.sleep(60)
        said.append(place.control.ailment())
        failing("list", "jobs", lambda: error(500), 10**9)(place)
        await asyncio.sleep(control.STALE_SECONDS + control.RESYNC_SECONDS)
        said.append(place.control.ailment())

    run(play)

    assert said[0] == "the API server's objects are not known yet"
    assert said[1] == ""
    assert said[2].startswith("the last list of objects is ")


def test_events_tell_each_transition_once() -> None:
    """By name: what is told again after a crash is the same event."""

    async def play(place: Place) -> None:
        body = await runs(place)
        told = [one["reason"] for one in place.cluster.all("events")]
        assert Counter(told) == Counter(set(told))
        assert {"Queued", "Running", "Completed"} <= set(told)
        assert body["status"]["phase"] == "Succeeded"

    run(play)


def test_a_job_is_deleted_in_its_time() -> None:
    """And forgotten."""

    async def play(place: Place) -> None:
        body = place.apply(ttlSecondsAfterFinished=600)
        await place.until(lambda: finished(body))
        await asyncio.sleep(590)
        assert place.cluster.all(names.PLURAL)
        await asyncio.sleep(60)
        assert not any(place.cluster.all(plural) for plural in (names.PLURAL, "jobs", "pods"))
        assert place.noted.gone == [body["metadata"]["uid"]]

    run(play)


def test_the_small_cluster_keeps_the_rules() -> None:
    """Versions, UIDs and names: else all of the above means nothing."""

    async def play() -> None:
        cluster = SmallCluster()
        made = cluster.make(names.PLURAL, "ci", {"metadata": {"name": "a"}, "spec": {}})
        kind = KINDS[names.PLURAL]
        with pytest.raises(ApiError, match="already exists"):
            await cluster.create(kind, "ci", {"metadata": {"name": "a"}})
        for key in ("resourceVersion", "uid"):
            with pytest.raises(ApiError, match=key):
                await cluster.patch(
                    kind, "ci", "a", {"metadata": {key: "0"}, "status": {}}, subresource="status"
                )
        version = made["metadata"]["resourceVersion"]
        cluster.change(made, status=made.get("status"))
        assert made["metadata"]["resourceVersion"] == version
        await cluster.delete(kind, "ci", "a", uid="another")
        assert cluster.all(names.PLURAL) == [made]

    virtual_time.run(play())
