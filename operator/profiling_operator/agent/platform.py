"""A Docker host, as decisions know it. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from profiling_operator.agent import capacity
from profiling_operator.agent.bodies import SIGHTING
from profiling_operator.errors import Problem
from profiling_operator.executors import docker
from profiling_operator.plan import Plan
from profiling_operator.pod_sightings import Sighting, Stage
from profiling_operator.reconcile import Platform, Words
from profiling_operator.settings import Settings

Body = Mapping[str, Any]

UNSCHEDULABLE_SECONDS = 1.0  # a host does not grow
IMAGE_PULL_SECONDS = 60.0
WORDS = Words(job="container", pod="container", nowhere="this host could never serve it")


def on_host(known: Settings) -> Platform:
    """Attempts are containers of one engine."""
    return Platform(
        look=look,
        refuse=partial(refusals, known=known),
        longest_seconds=longest_seconds,
        unschedulable_seconds=UNSCHEDULABLE_SECONDS,
        image_pull_seconds=IMAGE_PULL_SECONDS,
        words=WORDS,
    )


def look(job: Body | None, listed: Sequence[Body], now: datetime) -> Sighting:
    """What is to be seen of an attempt, of which there is one pod at most."""
    made = str(((job or {}).get("metadata") or {}).get("creationTimestamp") or "")
    if not listed:
        return Sighting(Stage.QUEUED, "waiting for a place", created_at=made)
    pod = listed[-1]
    seen: Sighting = pod[SIGHTING]
    return replace(seen, created_at=made or pod["metadata"]["creationTimestamp"])


def longest_seconds(plan: Plan) -> float:
    """From having its place to the application's end."""
    readiness = plan.playback.readiness.timeout_seconds if plan.playback else 0
    return plan.deadlines.start_seconds + readiness + plan.longest_seconds


def refusals(plan: Plan, known: Settings) -> list[Problem]:
    """Why no agent ever tries a plan, field by field."""
    problems = [*docker.refusals(plan), *capacity.refuse(plan)]
    if plan.output.store not in known.stores:
        allowed = ", ".join(sorted(known.stores)) or "none is set up"
        said = f'"{plan.output.store}" must be one of: {allowed} (executor docker)'
        problems.append(Problem("spec.output.store", said))
    return problems
