"""How long each stage of an attempt may take, and what becomes of one that takes longer."""

from __future__ import annotations

from profiling_operator.errors import Reason
from profiling_operator.pod_sightings import Sighting, Stage
from profiling_operator.reconcile.case import MARGIN_SECONDS, Case
from profiling_operator.reconcile.world import Decision, Need, is_suspended
from profiling_operator.status import Phase

REFUSAL_SECONDS = 2.0  # a Job's pod is there long before that
QUIET_SECONDS = 5.0  # a start that takes no longer is not told step by step
HUNG_SECONDS = 60.0
QUOTA = "exceeded quota"  # in what the API server says when there is no room
# What it says when it cannot decide now: `Internal error occurred: failed calling webhook …`.
PASSING = ("Internal error", "failed calling", "timed out", "deadline exceeded", "etcdserver")

PHASES = {
    Stage.QUEUED: Phase.QUEUED,
    Stage.STARTING: Phase.STARTING,
    Stage.RUNNING: Phase.RUNNING,
    Stage.COLLECTING: Phase.COLLECTING,
    Stage.ENDED: Phase.COLLECTING,
}


def phase_of(seen: Sighting) -> Phase:
    """The phase that a stage is told as."""
    return PHASES[seen.stage]


def queued(case: Case) -> Decision:
    """Waiting for a pod, for a queue's admission, or for a node."""
    waited = case.since(case.seen.created_at)
    limit = case.plan.deadlines.queue_seconds
    if _lacks_its_pod(case) and waited >= REFUSAL_SECONDS:
        if Need.REFUSALS not in case.world.learned:
            return Decision(needs=frozenset({Need.REFUSALS}))
        if refusal := case.world.learned[Need.REFUSALS]:
            return refused(case, str(refusal))
    if case.seen.is_unschedulable and (decided := _nowhere(case, waited)):
        return decided
    if waited > limit:
        return case.fail(Reason.QUEUE_TIMEOUT, f"{case.seen.message} (after {limit} s)")
    return case.tell(Phase.QUEUED, case.seen.message, _next_look(case, waited))


def _lacks_its_pod(case: Case) -> bool:
    return not case.seen.pod_uid and not (case.current and is_suspended(case.current))


def _next_look(case: Case, waited: float) -> float:
    """Seconds. Nothing tells us of an event, so a missing pod is asked about, ever less often."""
    dues: list[float] = [case.plan.deadlines.queue_seconds]
    if patience := case.world.platform.unschedulable_seconds:
        dues.append(patience)
    if _lacks_its_pod(case):
        dues.append(max(REFUSAL_SECONDS, waited + min(waited, HUNG_SECONDS)))
    left = min((one - waited for one in dues if one > waited), default=REFUSAL_SECONDS)
    return left + MARGIN_SECONDS


def _nowhere(case: Case, waited: float) -> Decision | None:
    """No node could ever serve it, and nobody has brought one meanwhile."""
    patience = case.world.platform.unschedulable_seconds
    if not patience or waited < min(patience, case.plan.deadlines.queue_seconds):
        return None
    if Need.PLACES not in case.world.learned:
        return Decision(needs=frozenset({Need.PLACES}))
    if case.world.learned[Need.PLACES]:
        return None
    said = f"{case.words.nowhere}: {case.seen.message}"
    return case.fail(Reason.UNSCHEDULABLE, said)


def refused(case: Case, message: str) -> Decision:
    """A quota may have room later, a webhook may answer later; what else refuses a pod or a Job
    will refuse it again."""
    is_quota = QUOTA in message
    if not (is_quota or any(word in message for word in PASSING)):
        return case.fail(Reason.POD_REJECTED, message)
    limit = case.plan.deadlines.queue_seconds
    left = limit - case.since(case.seen.created_at or _ready_since(case))
    if left < 0:
        reason = Reason.QUOTA_EXCEEDED if is_quota else Reason.POD_REJECTED
        return case.fail(reason, f"{message} (after {limit} s)")
    return case.tell(Phase.QUEUED, message, min(left + MARGIN_SECONDS, HUNG_SECONDS))


def _ready_since(case: Case) -> str:
    """When an attempt without a Job could have begun: at the end of the one before."""
    if case.before.attempts and (ended := case.before.attempts[-1].finished_at):
        return ended
    return str(case.world.body["metadata"]["creationTimestamp"])


def starting(case: Case) -> Decision:
    """On a node: images are pulled, files delivered, the playback server started."""
    seen = case.seen
    waited = case.since(seen.scheduled_at)
    limit = case.plan.deadlines.start_seconds
    patience = min(case.world.platform.image_pull_seconds, limit)
    if seen.pull_fails and waited > patience:
        return case.fail(Reason.IMAGE_PULL_FAILED, seen.pull_fails)
    if waited > limit:
        said = f"{seen.message}: not started within startSeconds, {limit} s"
        return case.fail(Reason.START_DEADLINE_EXCEEDED, said)
    if waited < QUIET_SECONDS:
        return case.tell(Phase.STARTING, "", QUIET_SECONDS - waited + MARGIN_SECONDS)
    due = patience if seen.pull_fails else limit
    return case.tell(Phase.STARTING, seen.message, due - waited + MARGIN_SECONDS)


def running(case: Case, message: str = "") -> Decision:
    """It ends by itself, by the launcher's limits and by the pod's; we only watch that."""
    seen = case.seen
    is_collecting = seen.stage is Stage.COLLECTING
    if is_collecting:
        since = seen.collecting_at or seen.finished_at
        limit = case.plan.deadlines.collect_seconds + HUNG_SECONDS
    else:
        longest = case.world.platform.longest_seconds(case.plan)
        since, limit = seen.scheduled_at, longest + HUNG_SECONDS
    left = limit - case.since(since)
    if left < 0 and is_collecting:
        return case.fail(Reason.RESULTS_LOST, "the uploader did not end in time")
    if left < 0:
        said = f"the {case.words.pod} did not end at its deadline"
        return case.fail(Reason.INFRASTRUCTURE_LOST, said)
    told = message or (f"the {case.words.pod} is being deleted" if seen.is_deleted else "")
    return case.tell(phase_of(seen), told, left + MARGIN_SECONDS)
