"""Jobs on a small Docker host, with the agent's own loop: order, exclusivity, faults."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import small_host
from profiling_operator.errors import ExecutorError, ImageError, PlaybackError, StartError
from small_cluster import finished
from small_host import HostPlace
from small_operator import outcome

Body = dict[str, Any]
GPU = {"count": 1}


async def to_its_end(place: HostPlace, *bodies: Body) -> None:
    """Until jobs are over, and nothing of them is left on the engine."""
    await place.until(lambda: all(finished(one) for one in bodies))
    await place.until(lambda: not place.engine.containers and not place.engine.records)
    assert place.engine.marks == set()


def overlaps(place: HostPlace) -> list[str]:
    """GPUs that two applications had at a time."""
    found = []
    for number, (name, gpus, begun, end) in enumerate(place.engine.spans):
        for other, theirs, their_begin, their_end in place.engine.spans[number + 1 :]:
            if set(gpus) & set(theirs) and begun < their_end and their_begin < end:
                found.append(f"{name} and {other}")
    return found


def test_a_job_runs_to_its_end_and_leaves_nothing() -> None:
    """With the same status as on a cluster."""
    told: list[Body] = []

    async def play(place: HostPlace) -> None:
        body = place.apply(gpu=GPU)
        await to_its_end(place, body)
        told.append(body["status"])

    place = small_host.run(play)

    (status,) = told
    assert status["phase"] == "Succeeded"
    (attempt,) = status["attempts"]
    assert (attempt["nodeName"], attempt["device"]) == ("h1", "GPU-1")
    assert attempt["podName"] == attempt["jobName"]
    assert list(place.engine.executions.values()) == [1]
    assert place.engine.forgotten == [attempt["jobName"]]
    assert place.noted.ended_ == ["test"]


def test_twenty_jobs_on_two_gpus() -> None:
    """Nobody shares a GPU; who has the higher priority, then who is older, goes first."""

    async def play(place: HostPlace) -> None:
        first = [place.apply(f"first-{n}", gpu=GPU) for n in (1, 2)]
        await place.until(lambda: len(place.engine.executions) == 2)
        bodies = []
        for number in range(18):
            await asyncio.sleep(1)
            placement = {"priorityClassName": "high" if number % 3 == 0 else "low"}
            count = 2 if number % 5 == 0 else 1
            wanted = {"count": count}
            bodies.append(place.apply(f"n-{number}", gpu=wanted, placement=placement))
        await to_its_end(place, *first, *bodies)

    place = small_host.run(play, engine=small_host.SmallEngine(run_seconds=30))

    assert overlaps(place) == []
    assert set(place.engine.executions.values()) == {1}
    assert len(place.engine.executions) == 20
    order = [int(name.split("-")[1]) for name, *_ in place.engine.spans[2:]]
    high = [n for n in range(18) if n % 3 == 0]
    assert order == [*high, *(n for n in range(18) if n % 3)]


def test_what_the_host_can_never_serve_is_told_soon() -> None:
    """And what it lacks; an unknown priority class is refused."""

    async def play(place: HostPlace) -> None:
        large = place.apply("large", gpu={"count": 3})
        other = place.apply("other", gpu={"count": 1, "product": "NVIDIA-A100"})
        odd = place.apply("odd", placement={"priorityClassName": "odd"})
        queued = place.apply("queued", placement={"queueName": "q"})
        await to_its_end(place, large, other, odd, queued)
        assert outcome(large)[0] == outcome(other)[0] == "Unschedulable"
        said = large["status"]["conditions"][0]["message"]
        assert said.startswith("this host could never serve it: 3 GPUs asked for, the host has 2")
        assert outcome(odd) == ("PodRejected", ())
        assert outcome(queued)[0] == "InvalidSpec"

    assert small_host.run(play).engine.executions == Counter()


def test_jobs_without_gpus_queue_among_themselves() -> None:
    """One at a time, beside those with GPUs; a queue has its limit."""

    async def play(place: HostPlace) -> None:
        place.engine.run_seconds = 100
        first = place.apply("first")
        await place.until(lambda: place.engine.executions)
        place.engine.run_seconds = 10
        second = place.apply("second", deadlines={"queueSeconds": 20})
        third = place.apply("third", gpu=GPU)
        await place.until(lambda: finished(third))
        assert not finished(first)
        await to_its_end(place, first, second)
        assert outcome(second) == ("QueueTimeout", ("QueueTimeout",))

    place = small_host.run(play)
    assert sorted(name.rsplit("-", 2)[0] for name in place.engine.executions) == ["first", "third"]


def test_cancelling_keeps_the_profile() -> None:
    """Of what runs; what waits ends at once."""

    async def play(place: HostPlace) -> None:
        body, waiting = place.apply("runs"), place.apply("waits")
        await place.until(lambda: (body.get("status") or {}).get("phase") == "Running")
        place.wish(waiting, cancel=True)
        place.wish(body, cancel=True)
        await to_its_end(place, body, waiting)
        assert outcome(body) == ("Cancelled", ("Cancelled",))
        assert body["status"]["results"]["url"]
        assert outcome(waiting) == ("Cancelled", ("Cancelled",))

    assert sum(small_host.run(play).engine.executions.values()) == 1


def test_suspended_and_resumed() -> None:
    """The attempt ends, its GPU is another's meanwhile, and another attempt is made."""

    async def play(place: HostPlace) -> None:
        body = place.apply("test", gpu={"count": 2})
        await place.until(lambda: (body.get("status") or {}).get("phase") == "Running")
        place.wish(body, suspend=True)
        other = place.apply("other", gpu={"count": 2})
        await to_its_end(place, other)
        place.wish(body, suspend=False)
        await to_its_end(place, body)
        assert outcome(body) == ("Completed", ("Suspended", "Completed"))

    place = small_host.run(play)
    assert overlaps(place) == []
    assert set(place.engine.executions.values()) == {1}


@pytest.mark.parametrize("how", ["removed", "restarted"])
def test_what_the_engine_loses_is_tried_again(how: str) -> None:
    """As often as retries.infrastructure says, each time as a new attempt."""

    async def play(place: HostPlace) -> None:
        body = place.apply(gpu=GPU)
        await place.until(lambda: (body.get("status") or {}).get("phase") == "Running")
        if how == "removed":
            place.engine.remove(next(iter(place.engine.containers)))
        else:
            place.engine.restart()
        await to_its_end(place, body)
        assert outcome(body) == ("Completed", ("InfrastructureLost", "Completed"))

    assert set(small_host.run(play).engine.executions.values()) == {1}


def test_an_engine_that_is_away_is_waited_for() -> None:
    """Nothing is lost, and nothing is begun twice."""

    async def play(place: HostPlace) -> None:
        body = place.apply(gpu=GPU)
        await place.until(lambda: (body.get("status") or {}).get("phase") == "Running")
        place.engine.is_away = True
        later = place.apply("later", gpu=GPU)
        await asyncio.sleep(60)
        place.engine.is_away = False
        await to_its_end(place, body, later)
        assert outcome(body) == ("Completed", ("Completed",))
        assert outcome(later) == ("Completed", ("Completed",))

    assert set(small_host.run(play).engine.executions.values()) == {1}


@pytest.mark.parametrize(("error", "reason"), [
    (PlaybackError("not ready"), "PlaybackNotReady"),
    (StartError("exec format error"), "CannotStart"),
])  # fmt: skip
def test_what_cannot_be_begun_is_told(error: Any, reason: str) -> None:
    """Without an execution."""

    async def play(place: HostPlace) -> None:
        place.engine.refuses = [error] * 3
        body = place.apply()
        await to_its_end(place, body)
        assert outcome(body) == (reason, (reason,))

    assert small_host.run(play).engine.executions == Counter()


def test_a_pull_may_fail_for_a_while() -> None:
    """A minute long."""

    async def play(place: HostPlace) -> None:
        place.engine.refuses = [ImageError("registry away")] * 3
        body = place.apply("soon")
        await to_its_end(place, body)
        assert outcome(body)[0] == "Completed"
        place.engine.refuses = [ImageError("no such image")] * 1000
        never = place.apply("never")
        await to_its_end(place, never)
        assert outcome(never) == ("ImagePullFailed", ("ImagePullFailed",))

    small_host.run(play)


def test_a_start_has_its_deadline() -> None:
    """An engine that never answers meanwhile does not keep the job for ever."""

    async def play(place: HostPlace) -> None:
        place.engine.refuses = [ExecutorError("busy")] * 10_000  # type: ignore[list-item]
        body = place.apply(deadlines={"startSeconds": 30})
        await to_its_end(place, body)
        assert outcome(body) == ("StartDeadlineExceeded", ("StartDeadlineExceeded",))

    small_host.run(play)


def test_a_job_that_is_deleted_leaves_nothing() -> None:
    """Nor does one that was deleted while no agent was there, or that nobody knows."""

    async def play(place: HostPlace) -> None:
        body = place.apply("one", gpu=GPU)
        other = place.apply("other", gpu=GPU)
        await place.until(lambda: len(place.engine.executions) == 2)
        place.cluster.remove(body)
        await place.until(lambda: len(place.engine.containers) == 1)
        place.crash()
        place.cluster.remove(other)
        place.start()
        await place.until(lambda: not place.engine.containers and not place.engine.records)

    assert set(small_host.run(play).engine.executions.values()) == {1}


def test_results_that_are_lost_are_kept_as_long_as_their_job() -> None:
    """The container's volume is the only copy."""

    async def play(place: HostPlace) -> None:
        place.engine.collect = lost  # type: ignore[method-assign,assignment]
        body = place.apply(retries={"infrastructure": 0})
        await place.until(lambda: finished(body))
        await asyncio.sleep(600)
        assert outcome(body) == ("ResultsLost", ("ResultsLost",))
        assert place.engine.containers
        place.cluster.remove(body)
        await place.until(lambda: not place.engine.containers and not place.engine.records)

    def lost(*_: Any) -> Any:
        return small_host.LastWords(1, "the store is full", "")

    small_host.run(play)


def test_an_agent_that_is_not_alone_does_nothing() -> None:
    """Until its Lease is held again."""

    async def play(place: HostPlace) -> None:
        place.is_alone = False
        body = place.apply(gpu=GPU)
        await asyncio.sleep(120)
        assert not place.engine.records
        place.is_alone = True
        await to_its_end(place, body)

    assert set(small_host.run(play).engine.executions.values()) == {1}


CALLS = (
    "enlist", "prepare", "mark", "begin", "observe", "container", "collect", "remove", "forget",
    "find", "stop", "has_begun",
)  # fmt: skip


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 2**32),
    faults=st.lists(
        st.tuples(
            st.sampled_from(CALLS), st.sampled_from(["before", "after"]), st.integers(0, 6),
            st.sampled_from(["crash", "error", "reboot", "away"]),
        ),
        max_size=4,
    ),
)  # fmt: skip
def test_whatever_happens_no_attempt_runs_twice(
    seed: int, faults: list[tuple[str, str, int, str]]
) -> None:
    """Agents that die, engines that fail, restart or go away, at any call: jobs end, each attempt
    was executed once at most, no GPU was shared, and nothing is left."""
    counts: Counter[tuple[str, str]] = Counter()

    async def play(place: HostPlace) -> None:
        def interfere(when: str, call: str, attempt: str) -> None:
            counts[call, when] += 1
            for fault in faults:
                if fault[:3] == (call, when, counts[call, when]):
                    _do(place, fault[3])

        place.engine.interfere = interfere
        bodies = [place.apply(f"n-{number}", gpu=GPU) for number in range(3)]
        bodies.append(place.apply("plain", retries={"infrastructure": 9}))
        await to_its_end(place, *bodies)
        for one in bodies:
            assert outcome(one)[0] in {"Completed", "InfrastructureLost", "ResultsLost"}

    place = small_host.run(play, chance=random.Random(seed))

    assert set(place.engine.executions.values()) <= {1}
    assert overlaps(place) == []


def _do(place: HostPlace, what: str) -> None:
    if what == "crash":
        place.crash_and_restart()
    elif what == "reboot":
        place.engine.restart()
        place.crash_and_restart()
    elif what == "away":
        place.engine.is_away = True
        loop = asyncio.get_running_loop()
        loop.call_later(20, setattr, place.engine, "is_away", False)
    else:
        raise ExecutorError("no answer")
