"""Which part of a job's life it is in, and who decides there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from profiling_operator import names, plan, spec
from profiling_operator.errors import Reason, SpecError
from profiling_operator.pod_sightings import Stage, moment
from profiling_operator.reconcile.case import (
    MARGIN_SECONDS,
    SUSPENDED,
    Case,
    lives_on,
    with_actions,
)
from profiling_operator.reconcile.ending import ended, vanished, without_pod
from profiling_operator.reconcile.waiting import (
    HUNG_SECONDS,
    REFUSAL_SECONDS,
    queued,
    refused,
    running,
    starting,
)
from profiling_operator.reconcile.world import (
    CreateJob,
    Decision,
    Need,
    World,
    deletion,
    generation,
    is_finished,
    open_number,
    status_of,
)
from profiling_operator.status import Facts, Phase, Status, next_status, time_text


def reconcile(world: World) -> Decision:
    """What is to be done about a ProfilingJob now."""
    if "deletionTimestamp" in world.body["metadata"]:
        return Decision()  # its Jobs and their pods go with it
    if is_finished(world.body):
        return _after_the_end(world)
    before = status_of(world.body)
    try:
        job = spec.read_object(world.body)
        planned = plan.build_plan(job, open_number(before))
    except SpecError as error:
        return _refuse(world, before, error)
    return _decide(Case(world, job, planned, before))


def _refuse(world: World, before: Status, error: SpecError) -> Decision:
    """The job cannot be read. An attempt may be under way: a newer operator can be stricter."""
    is_open = bool(before.attempts) and not before.attempts[-1].outcome
    facts = Facts(
        time_text(world.now),
        generation(world.body),
        attempt=before.attempts[-1] if is_open else None,
        error=(error.reason, str(error)),
    )
    return Decision(next_status(before, facts), wake_seconds=0.0 if world.jobs else None)


def _after_the_end(world: World) -> Decision:
    """Its status is never touched again. What still runs is ended; it is deleted in time."""
    left = tuple(deletion("jobs", one) for one in world.jobs if lives_on(one, world))
    ttl = (world.body.get("spec") or {}).get("ttlSecondsAfterFinished")
    completed = (world.body.get("status") or {}).get("completionTime")
    if ttl is None or not completed:
        return Decision(actions=left)
    due = (moment(completed) + timedelta(seconds=ttl) - world.now).total_seconds()
    if due > 0:
        return Decision(actions=left, wake_seconds=due)
    return Decision(actions=(*left, deletion(names.PLURAL, world.body)))


def _decide(case: Case) -> Decision:
    if case.current is None and not case.pods:
        return _before_an_attempt(case) if case.known is None else vanished(case)
    return _under_way(case)


def _before_an_attempt(case: Case) -> Decision:
    if problems := case.world.platform.refuse(case.plan):
        return case.fail(Reason.INVALID_SPEC, str(SpecError(problems)))
    if case.job.spec.cancel:
        return case.fail(Reason.CANCELLED, "cancelled before it was started")
    return with_actions(_next_attempt(case), case.left_behind())


def _next_attempt(case: Case) -> Decision:
    if case.job.spec.suspend:
        return case.tell(Phase.PENDING, "suspended")
    if case.earlier_is_running():
        said = "waiting for the end of the attempt before"
        return case.tell(Phase.PENDING, said, HUNG_SECONDS)
    if refusal := case.world.learned.get(Need.REFUSALS):
        return refused(case, str(refusal))
    if case.plan.baseline_names and Need.BASELINES not in case.world.learned:
        return Decision(needs=frozenset({Need.BASELINES}))
    planned = plan.with_baselines(case.plan, case.world.learned.get(Need.BASELINES, ()))
    soon = REFUSAL_SECONDS + MARGIN_SECONDS
    said = f"waiting for its {case.words.pod}"
    told = case.tell(Phase.QUEUED, said, soon, starts=True)
    return replace(told, actions=(CreateJob(planned),))


def _under_way(case: Case) -> Decision:
    seen = case.seen
    if seen.stage is Stage.ENDED:
        return ended(case)
    if (decided := without_pod(case)) is not None:
        return decided
    if seen.failure is not None:
        return case.fail(*seen.failure)
    if case.job.spec.cancel or case.job.spec.suspend:
        return _wind_up(case)
    if seen.stage is Stage.QUEUED:
        return queued(case)
    return starting(case) if seen.stage is Stage.STARTING else running(case)


def _wind_up(case: Case) -> Decision:
    """Cancel or suspend. What has begun to run may write its profile, and is collected."""
    seen = case.seen
    if case.wants_suspension:
        gone = (deletion("jobs", case.current),) if case.current else ()
        return case.close(SUSPENDED, gone)
    if seen.stage not in {Stage.RUNNING, Stage.COLLECTING}:
        return case.fail(Reason.CANCELLED, "cancelled before the application was started")
    told = running(case, "cancelling: the profile so far is kept")
    if seen.is_deleted or seen.stage is Stage.COLLECTING:
        return told
    return with_actions(told, tuple(deletion("pods", one) for one in case.pods))
