"""The operator dies at each of its writes, and the API server says whatever it can say."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from profiling_operator import names
from profiling_operator.acting import NEVER_TAKEN
from profiling_operator.errors import UnreachableError
from scenes import (
    GATES,
    SCENES,
    Body,
    failing,
    is_sound,
    played,
    run,
    runs,
    to_its_end,
)
from small_cluster import error, finished
from small_operator import WRITES, Place, outcome


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Hundreds of faults are told of."""
    logging.getLogger("profjob.operator").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("profjob.operator").setLevel(logging.NOTSET)


def crashing(when: str, at_write: int) -> Callable[[Place], None]:
    """Has the operator killed `before` or `after` one of its writes, and begin anew."""

    def disturb(place: Place) -> None:
        count = 0

        def interfere(moment: str, verb: str, resource: str, name: str) -> None:
            nonlocal count
            if moment == when and verb in WRITES:
                count += 1
                if count == at_write:
                    place.crash_and_restart()

        place.cluster.interfere = interfere

    return disturb


@pytest.mark.parametrize("name", SCENES)
def test_a_scene_ends_as_it_should(name: str) -> None:
    """Without any fault: each attempt is executed at most once, and then all is quiet."""
    scene, expected = SCENES[name]

    is_sound(played(scene), expected)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", SCENES)
def test_a_crash_at_any_write_changes_nothing(name: str, when: str) -> None:
    """The operator is killed before or after each of its writes, and begins anew."""
    scene, expected = SCENES[name]

    for number in range(1, played(scene).writes + 1):
        is_sound(played(scene, crashing(when, number)), expected)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_job_is_added_to_its_baseline_once_whatever_crashes(when: str) -> None:
    """Before its status says that it is over, and not a second time."""
    scene, _ = SCENES["accepted"]

    for number in range(1, played(scene).writes + 1):
        assert len(played(scene, crashing(when, number)).accepted) == 1


@pytest.mark.parametrize(("seconds", "told"), [
    (0, ["BaselineAccepted"]), (500, ["BaselineAccepted"]), (10**9, ["BaselineNotWritten"]),
])  # fmt: skip
def test_a_store_that_is_away_keeps_no_job_from_starting_or_ending(
    seconds: float, told: list[str]
) -> None:
    """It is waited for: a minute before the start, and one before the end."""

    async def play(place: Place) -> None:
        place.baselines.away = seconds
        body = place.apply(annotations={names.ACCEPT_BASELINE: "main"}, gates=GATES)
        place.node.run_seconds = 900
        await place.until(lambda: sum(place.node.executions.values()), 180)
        await place.until(lambda: finished(body), 1200)
        assert outcome(body) == ("Completed", ("Completed",))
        events = [one["reason"] for one in place.cluster.all("events")]
        assert [one for one in events if one.startswith("Baseline")] == told

    place = run(play)

    assert place.noted.noticed_ == told


REQUESTS = [
    ("list", names.PLURAL), ("list", "jobs"), ("list", "pods"), ("list", "events"),
    ("get", names.PLURAL), ("get", "jobs"), ("create", "jobs"), ("create", "events"),
    ("patch", f"{names.PLURAL}/status"), ("delete", "jobs"), ("delete", "pods"),
]  # fmt: skip
CODES = (401, 403, 404, 409, 410, 413, 422, 429, 500, 503, 504)


def scene_with(verb: str, resource: str) -> str:
    """A scene in which such a request is made."""
    if (verb, resource) in {("delete", "pods")}:
        return "cancelled"
    if (verb, resource) in {("get", "jobs")}:
        return "Job deleted"
    return "suspended" if verb == "delete" else "runs"


@pytest.mark.parametrize("seconds", [0, 90], ids=["once", "for a while"])
@pytest.mark.parametrize(("verb", "resource"), REQUESTS)
def test_every_answer_of_the_api_server_is_survived(
    verb: str, resource: str, seconds: float
) -> None:
    """Whatever it says to whatever is asked: the job ends as it would have."""
    scene, expected = SCENES[scene_with(verb, resource)]
    refused = NEVER_TAKEN if (verb, resource) == ("create", "jobs") else ()
    for code in sorted(set(CODES) - set(refused)):
        wait = 3.0 if code == 429 else None

        seen = played(scene, failing(verb, resource, lambda: error(code, wait), seconds))  # noqa: B023 - called now

        is_sound(seen, expected)


@pytest.mark.parametrize("code", sorted(NEVER_TAKEN))
def test_a_job_that_the_api_server_never_takes_is_not_tried_for_ever(code: int) -> None:
    """It would be refused again: that is said, and nothing is left of it."""
    seen = played(runs, failing("create", "jobs", lambda: error(code), 10**9))

    assert seen.outcome == ("PodRejected", ())
    assert seen.executions == 0


@pytest.mark.parametrize(("verb", "resource"), REQUESTS)
def test_an_answer_that_is_lost_after_the_deed_is_survived(verb: str, resource: str) -> None:
    """The request was carried out, and the operator does not know: nothing is done twice."""
    scene, expected = SCENES[scene_with(verb, resource)]

    for seconds in (0, 30):
        lost = failing(verb, resource, lambda: UnreachableError("timeout"), seconds, "after")
        is_sound(played(scene, lost), expected)


def test_what_the_api_server_wants_to_wait_is_waited() -> None:
    """Retry-After goes before our own pauses."""
    times: list[float] = []

    async def play(place: Place) -> None:
        def interfere(moment: str, verb: str, resource: str, name: str) -> None:
            if (moment, verb, resource) == ("before", "create", "jobs"):
                times.append(asyncio.get_running_loop().time())
                if len(times) == 1:
                    raise error(429, 40.0)

        place.cluster.interfere = interfere
        await asyncio.sleep(10)  # or else a list and a watch tell of the job one after the other
        await runs(place)

    run(play)

    assert times[1] - times[0] == pytest.approx(40, abs=1)


def test_errors_are_tried_again_less_and_less_often() -> None:
    """An hour of 500 is some seventy tries, not thousands."""
    tries: list[str] = []

    async def play(place: Place) -> None:
        def interfere(moment: str, verb: str, resource: str, name: str) -> None:
            if (moment, verb, resource) == ("before", "create", "jobs"):
                tries.append(name)
                raise error(500)

        place.cluster.interfere = interfere
        place.apply()
        await asyncio.sleep(3600)

    run(play)

    assert 60 < len(tries) < 140


@pytest.mark.parametrize("code", [409, 422])
def test_a_status_that_is_never_taken_is_no_hot_loop(code: int) -> None:
    """Not even where the refusal is a conflict, after which a fresh look is due."""
    place = run(_an_hour_of(code))

    assert place.noted.looks < 300


def _an_hour_of(code: int) -> Callable[[Place], Awaitable[None]]:
    async def play(place: Place) -> None:
        failing("patch", f"{names.PLURAL}/status", lambda: error(code), 10**9)(place)
        place.apply()
        await asyncio.sleep(3600)

    return play


def test_a_status_that_is_refused_is_cut_to_the_outcome() -> None:
    """A status that the schema does not take: what matters is written all the same."""

    async def play(place: Place) -> None:
        whole = place.cluster.patch

        async def patch(*where: Any, **how: Any) -> Body:
            if {"attempts", "runs", "results"} & set(where[3]["status"]):
                raise error(422)
            return await whole(*where, **how)

        place.cluster.patch = patch  # type: ignore[method-assign]
        body = place.apply()
        await place.until(lambda: finished(body), 7200)
        assert outcome(body) == ("Completed", ())
        assert max(place.node.executions.values()) == 1

    place = run(play)

    assert "StatusRejected" in place.noted.failures
    assert place.noted.ended_ == ["test"]


def test_a_conflict_is_read_anew() -> None:
    """What somebody else wrote in between stays, and the status is written upon it."""

    async def play(place: Place) -> None:
        body = place.apply()
        await place.until(lambda: (body.get("status") or {}).get("phase") == "Running")
        place.cluster.watch = None  # so that nothing is heard of it
        told = {**body["status"], "results": {"url": "http://results"}}
        place.cluster.change(body, status=told)
        place.cluster.watch = place._deliver
        place.cluster.interfere = lambda *asked: requests.append(asked)
        await to_its_end(place, body)
        assert outcome(body)[0] == "Completed"

    requests: list[tuple[str, ...]] = []
    run(play)

    assert ("before", "get", names.PLURAL, "test") in requests
