"""What may happen to a job, played on a small cluster with an operator, and what comes of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import virtual_time
from profiling_operator import control, names
from profiling_operator.errors import ApiError
from small_cluster import finished
from small_node import evict
from small_operator import Place, outcome

Body = dict[str, Any]
Scene = Callable[[Place], Awaitable[Body]]
"""What users do; returns the job."""
Outcome = tuple[str, tuple[str, ...]]
"""Reason of a job's end, outcomes of its attempts."""


def run(scene: Callable[[Place], Awaitable[None]], **place: Any) -> Place:
    """Play a scene on a cluster with an operator, in virtual time."""

    async def play() -> Place:
        made = Place(**place)
        made.start()
        try:
            await scene(made)
        finally:
            await made.stop()
        return made

    return virtual_time.run(play())


async def to_its_end(place: Place, body: Body) -> Body:
    """Until a job is over, its Jobs too, and all is quiet."""
    await place.until(lambda: finished(body))
    await place.until(lambda: all(_is_over(job) for job in place.cluster.all("jobs")))
    await asyncio.sleep(60)
    return body


def _is_over(job: Body) -> bool:
    return bool((job.get("status") or {}).get("conditions"))


async def runs(place: Place) -> Body:
    """A job that runs to its end."""
    return await to_its_end(place, place.apply())


async def is_cancelled(place: Place) -> Body:
    """A job that is cancelled once it runs."""
    body = place.apply()
    await place.until(lambda: sum(place.node.executions.values()))
    place.wish(body, cancel=True)
    return await to_its_end(place, body)


async def is_cancelled_at_once(place: Place) -> Body:
    """A job that is cancelled before it has a node."""
    place.node.gpus = 0
    body = place.apply()
    await place.until(lambda: place.cluster.all("pods"))
    place.wish(body, cancel=True)
    return await to_its_end(place, body)


async def is_suspended_and_resumed(place: Place) -> Body:
    """A job that is suspended while it runs, and resumed."""
    place.node.run_seconds = 1000
    body = place.apply()
    await place.until(lambda: sum(place.node.executions.values()))
    place.wish(body, suspend=True)
    await place.until(lambda: "Suspended" in outcome(body)[1])
    place.wish(body, suspend=False)
    return await to_its_end(place, body)


async def loses_its_job(place: Place) -> Body:
    """A job whose Job is deleted by hand once it runs."""
    body = place.apply()
    await place.until(lambda: (body.get("status") or {}).get("phase") == "Running")
    for job in place.cluster.all("jobs"):
        place.cluster.remove(job)
    return await to_its_end(place, body)


async def is_evicted(place: Place) -> Body:
    """A job whose pod is evicted once it runs."""
    body = place.apply()
    await place.until(lambda: (body.get("status") or {}).get("phase") == "Running")
    for pod in place.cluster.all("pods"):
        evict(place.cluster, pod)
    return await to_its_end(place, body)


GATES = [{"measure": "app/duration", "baseline": "main", "maxIncrease": "5%"}]


async def is_accepted(place: Place) -> Body:
    """A job that is compared with a baseline, and becomes a part of it."""
    wish = {names.ACCEPT_BASELINE: "main"}
    return await to_its_end(place, place.apply(annotations=wish, gates=GATES))


SCENES: dict[str, tuple[Scene, Outcome]] = {
    "runs": (runs, ("Completed", ("Completed",))),
    "cancelled": (is_cancelled, ("Cancelled", ("Cancelled",))),
    "cancelled at once": (is_cancelled_at_once, ("Cancelled", ("Cancelled",))),
    "suspended": (is_suspended_and_resumed, ("Completed", ("Suspended", "Completed"))),
    "Job deleted": (loses_its_job, ("Completed", ("InfrastructureLost", "Completed"))),
    "accepted": (is_accepted, ("Completed", ("Completed",))),
    "evicted": (is_evicted, ("Completed", ("InfrastructureLost", "Completed"))),
}


@dataclass
class Seen:
    """What a scene came to."""

    outcome: Outcome = ("", ())
    executions: int = 0
    most: int = 0
    """Executions of the attempt that has most."""
    created: Counter[str] = field(default_factory=Counter)
    """Jobs by name."""
    writes: int = 0
    accepted: list[tuple[str, str, int]] = field(default_factory=list)


def played(scene: Scene, disturb: Callable[[Place], None] | None = None) -> Seen:
    """Play a scene to its end, disturbed, and look at what came of it."""
    seen = Seen()

    async def play(place: Place) -> None:
        if disturb is not None:
            disturb(place)
        body = await scene(place)
        seen.outcome = outcome(body)
        seen.executions = sum(place.node.executions.values())
        seen.most = max(place.node.executions.values(), default=0)
        made = [one for one in place.cluster.writes if one.is_change]
        seen.created = Counter(
            one.name for one in made if (one.verb, one.resource) == ("create", "jobs")
        )
        seen.writes = len(place.cluster.writes)
        seen.accepted = place.baselines.accepted
        before = len(place.cluster.writes)
        await asyncio.sleep(2 * control.RESYNC_SECONDS + 60)
        assert len(place.cluster.writes) == before, "it writes although nothing happens"

    run(play)
    return seen


def is_sound(seen: Seen, expected: Outcome) -> None:
    """It ended as it would have, and nothing was done twice."""
    assert seen.outcome == expected
    assert seen.most <= 1
    assert set(seen.created.values()) == {1}
    assert len(seen.created) == len(expected[1])


def failing(
    verb: str, resource: str, fault: Callable[[], ApiError], seconds: float, when: str = "before"
) -> Callable[[Place], None]:
    """A disturbance: such requests fail, once for 0 seconds, else for so long from the first."""

    def disturb(place: Place) -> None:
        began: list[float] = []

        def interfere(moment: str, asked: str, of: str, name: str) -> None:
            if (moment, asked, of) != (when, verb, resource):
                return
            now = asyncio.get_running_loop().time()
            if not began or now < began[0] + seconds:
                began.append(now)
                raise fault()

        place.cluster.interfere = interfere

    return disturb
