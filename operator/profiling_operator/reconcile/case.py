"""One attempt of a job that is not over: what is to be seen of it, and how that is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from profiling_operator import names, pod_sightings, pods, spec
from profiling_operator.errors import Reason
from profiling_operator.plan import Plan
from profiling_operator.pod_sightings import OVERDUE, Sighting, Stage, moment
from profiling_operator.reconcile.world import (
    Action,
    Body,
    Decision,
    Delete,
    Words,
    World,
    deletion,
    generation,
    is_of,
    is_suspended,
)
from profiling_operator.status import (
    AttemptStatus,
    Facts,
    Phase,
    Status,
    next_status,
    time_text,
)
from profiling_operator.status.retrying import retry_is_due

SUSPENDED = "Suspended"
"""Outcome of an attempt that was ended by `spec.suspend`; it counts against no budget."""
MARGIN_SECONDS = 0.5  # of a wish to be woken: times of Kubernetes have no fraction


class Case:
    """A job that is not over, with an attempt that is open or is to be."""

    def __init__(self, world: World, job: spec.ProfilingJob, planned: Plan, before: Status) -> None:
        """Find the attempt's Job and pods in the world."""
        self.world = world
        self.job = job
        self.plan = planned
        self.before = before
        mine = [one for one in world.jobs if one["metadata"]["name"] == planned.name]
        self.current = mine[0] if mine else None
        self.pods = [one for one in world.pods if self._is_mine(one)]
        self.seen: Sighting = world.platform.look(self.current, self.pods, world.now)

    @property
    def is_begun(self) -> bool:
        """Whether the attempt is known, to us or to the cluster."""
        return self.current is not None or bool(self.pods) or self.known is not None

    @property
    def known(self) -> AttemptStatus | None:
        """The attempt as the status has it."""
        listed = self.before.attempts
        return next((one for one in listed if one.number == self.plan.attempt), None)

    @property
    def wants_suspension(self) -> bool:
        """Whether to end the attempt, and begin another one later. Cancelling goes before it."""
        return self.job.spec.suspend and not self.job.spec.cancel

    @property
    def words(self) -> Words:
        """What things are called where it runs."""
        return self.world.platform.words

    @property
    def begin(self) -> str:
        """When the application began, empty where it never did: what a failed start has, is none
        (containerd says 1970)."""
        return "" if self.seen.failure else self.seen.started_at

    def since(self, begin: str) -> float:
        """Seconds since a Kubernetes time; 0 where there is none."""
        if not begin:
            return 0.0
        return max(0.0, (self.world.now - moment(begin)).total_seconds())

    def earlier_is_running(self) -> bool:
        """Whether something of an earlier attempt does: it may have the GPU, or the application's
        claims."""
        return any(
            not pod_sightings.has_ended(one)
            and self.world.platform.look(None, [one], self.world.now).stage is not Stage.ENDED
            for one in self.world.pods
            if self._is_ours(one)
        )

    def left_behind(self) -> tuple[Delete, ...]:
        """Jobs of earlier attempts that would go on: nobody waits for their end any more."""
        others = (one for one in self.world.jobs if one is not self.current)
        return tuple(deletion("jobs", one) for one in others if lives_on(one, self.world))

    def tell(
        self, phase: Phase, message: str, wake: float | None = None, *, starts: bool = False
    ) -> Decision:
        """It goes on, and that is where it stands. `starts`: its attempt begins with this."""
        facts = Facts(
            time_text(self.world.now),
            generation(self.world.body),
            attempt=self.described() if self.is_begun or starts else None,
            progress=message,
            phase=phase,
        )
        status = next_status(self.before_with_start(), facts)
        return Decision(status, wake_seconds=self._or_when_overdue(wake))

    def close(self, outcome: str, actions: tuple[Action, ...] = ()) -> Decision:
        """The attempt is over, the job is not."""
        now = time_text(self.world.now)
        described = self.described()
        ended = {"outcome": outcome, "finished_at": described.finished_at or now}
        facts = Facts(
            now,
            generation(self.world.body),
            attempt=described.model_copy(update=ended),
            progress=f"attempt {described.number}: {outcome}",
            phase=Phase.PENDING,
        )
        status = next_status(self.before_with_start(), facts)
        return Decision(status, actions, wake_seconds=0.0)

    def fail(self, reason: Reason, message: str) -> Decision:
        """The attempt ends here, as does the job unless another one is due.

        What is left of the job is ended once that is written down.
        """
        if self.is_retried(reason):
            gone = (deletion("jobs", self.current),) if self.current else ()
            return self.close(reason, gone)
        facts = Facts(
            time_text(self.world.now),
            generation(self.world.body),
            attempt=self.described() if self.is_begun else None,
            error=(reason, message),
        )
        status = next_status(self.before, facts)
        return Decision(status, wake_seconds=0.0, sighting=self.seen)

    def is_retried(self, reason: str) -> bool:
        """Whether another attempt follows one that ended so."""
        number = self.plan.attempt
        earlier = [one.outcome for one in self.before.attempts if one.number != number]
        return not self.job.spec.cancel and retry_is_due(reason, earlier, self.plan.retries)

    def described(self) -> AttemptStatus:
        """The attempt, with all that is known of it, also from before."""
        seen = self.seen
        found = {
            "job_name": self.plan.name,
            "pod_name": seen.pod_name,
            "pod_uid": seen.pod_uid,
            "node_name": seen.node,
            "device": seen.device,
            "image": seen.image,
            "started_at": self.begin,
            "finished_at": seen.finished_at if seen.stage is Stage.ENDED else "",
        }
        known = self.known or AttemptStatus(number=self.plan.attempt)
        return known.model_copy(update={key: value for key, value in found.items() if value})

    def before_with_start(self) -> Status:
        """The status before, with the time at which the first attempt began to run."""
        if self.before.start_time or not self.begin:
            return self.before
        return self.before.model_copy(update={"start_time": self.begin})

    def _or_when_overdue(self, wake: float | None) -> float | None:
        """Nothing tells of a pod that is being deleted and whose node is gone: we look."""
        due = [
            (moment(one["metadata"]["deletionTimestamp"]) + OVERDUE - self.world.now)
            for one in self.world.pods
            if one["metadata"].get("deletionTimestamp")
        ]
        waits = [one.total_seconds() + MARGIN_SECONDS for one in due if one > timedelta()]
        return min((*waits, *(() if wake is None else (wake,))), default=None)

    def _is_mine(self, pod: Body) -> bool:
        if self.current is not None:
            return is_of(pod, self.current["metadata"]["uid"])
        return self.plan.name in _owners(pod)  # its Job is gone, and with it the UID

    def _is_ours(self, pod: Body) -> bool:
        """Whether it is of an attempt of this job: labels are anybody's, the name is computed."""
        number = str((pod["metadata"].get("labels") or {}).get(pods.ATTEMPT) or "")
        if not (number.isascii() and number.isdigit()):
            return False
        about = (self.plan.namespace, self.plan.job, self.plan.uid)
        return names.attempt_name(*about, int(number)) in _owners(pod)


def with_actions(decision: Decision, actions: tuple[Action, ...]) -> Decision:
    """The decision, and these to be done before its own."""
    return replace(decision, actions=(*actions, *decision.actions))


def lives_on(job: Body, world: World) -> bool:
    """Whether a Job does not end by itself: one whose pod has ended is kept, for its logs."""
    if pod_sightings.is_over(job) or "deletionTimestamp" in job["metadata"]:
        return False
    listed = [one for one in world.pods if is_of(one, job["metadata"]["uid"])]
    return is_suspended(job) or not listed or not all(_is_done(one, world) for one in listed)


def _is_done(pod: Body, world: World) -> bool:
    """Whether application and uploader have ended; sidecars end with them."""
    seen = world.platform.look(None, [pod], world.now)
    return pod_sightings.has_ended(pod) or bool(seen.app and seen.uploader)


def _owners(pod: Body) -> list[str]:
    listed = pod["metadata"].get("ownerReferences") or ()
    return [str(one.get("name") or "") for one in listed if one.get("kind") == "Job"]
