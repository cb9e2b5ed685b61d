"""A table of worlds, and what is decided of each of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from profiling_operator.reconcile import (
    Decision,
    Need,
    World,
)
from profiling_operator.status import AttemptStatus, ConditionType, Phase, Status
from reconciling import (
    FAILED,
    at,
    begun,
    child,
    collecting,
    ended,
    job_name,
    lost,
    over,
    owner,
    pod,
    queued,
    report,
    running,
    starting,
    waiting,
    words,
    world,
)

NO_RETRIES = {"infrastructure": 0, "app": 0}
OPEN = begun(world(1), world(20, jobs=[child()], pods=[running()]))
"""The job with its first attempt running."""
ONCE = owner(retries=NO_RETRIES)


def asking(**wanted: Any) -> dict[str, Any]:
    """The running job, of which somebody wants something else now."""
    body = {**OPEN, "spec": {**OPEN["spec"], **wanted}}
    return {**body, "metadata": {**OPEN["metadata"], "generation": 2}}


def closed(*outcomes: str) -> Status:
    """A status with attempts that are over."""
    listed = [
        AttemptStatus(number=index + 1, outcome=outcome, finished_at=at(90))
        for index, outcome in enumerate(outcomes)
    ]
    return Status(attempts=tuple(listed))


@dataclass(frozen=True)
class Line:
    """A world, and what is decided of it."""

    name: str
    seen: World
    phase: Phase | None = None
    reason: str = ""
    """Of the end, or of the attempt's where another one follows."""
    says: str = ""
    creates: int = 0
    """Number of the attempt that is started."""
    deletes: tuple[str, ...] = ()
    answers: Mapping[Need, Any] = field(default_factory=dict)
    asks: frozenset[Need] = frozenset()
    wakes: bool = False
    """There is a limit to it that no event tells of."""


PENDING, QUEUED, STARTING = Phase.PENDING, Phase.QUEUED, Phase.STARTING
RUNNING, COLLECTING, SUCCEEDED = Phase.RUNNING, Phase.COLLECTING, Phase.SUCCEEDED
LOST, CANCELLED = Phase.FAILED, Phase.CANCELLED
REPORT, REFUSALS, JOB = (frozenset({need}) for need in (Need.REPORT, Need.REFUSALS, Need.JOB))
GONE = JOB | REPORT
PSA = 'pods "x" is forbidden: violates PodSecurity "restricted:latest"'
QUOTA = 'pods "x" is forbidden: exceeded quota: gpus'
SILENT = 'Internal error occurred: failed calling webhook "w": context deadline exceeded'
ROOT = "container has runAsNonRoot and image will run as root"


def one(**fields: Any) -> dict[str, Any]:
    """The Job of the first attempt, and its pod."""
    return {"jobs": [child()], **fields}


BEFORE = [
    Line("fresh", world(1), QUEUED, says="waiting for its pod", creates=1, wakes=True),
    Line("invalid", world(1, owner(timeoutSeconds=-1)), LOST, "InvalidSpec", "timeoutSeconds"),
    Line("no image", world(1, owner(app={"command": ["x"]})), LOST, "InvalidSpec", "app.image"),
    Line("no such store", world(1, owner(output={"store": "s3"})), LOST, "InvalidSpec", '"s3"'),
    Line(
        "clash",
        world(1, owner(collectors=[{"name": "nsys"}, {"name": "nvprof"}])),
        LOST,
        "CollectorsClash",
    ),
    Line("suspended", world(1, owner(suspend=True)), PENDING, says="suspended"),
    Line("cancelled", world(1, owner(cancel=True)), CANCELLED, "Cancelled", "before it was"),
    Line("both", world(1, owner(cancel=True, suspend=True)), CANCELLED, "Cancelled"),
    Line("status lost", world(3, jobs=[child()]), QUEUED, asks=REFUSALS, wakes=True),
    Line("status lost, running", world(30, **one(pods=[running()])), RUNNING, wakes=True),
    Line(
        "status and Job lost, running",
        world(30, pods=[running(deleted=900)]),
        RUNNING,
        says="being deleted",
        wakes=True,
    ),
    Line(
        "refused by an admission policy",
        world(1, learned={Need.REFUSALS: "denied by policy"}),
        LOST,
        "PodRejected",
        "denied by policy",
    ),
    Line(
        "no room for a Job",
        world(1, learned={Need.REFUSALS: QUOTA}),
        QUEUED,
        says="exceeded quota",
        wakes=True,
    ),
    Line(
        "never room for a Job",
        world(86402, learned={Need.REFUSALS: QUOTA}),
        LOST,
        "QuotaExceeded",
        "after 86400 s",
    ),
    Line(
        "room is waited for again after an attempt",
        world(86402 + 50, owner(closed("InfrastructureLost")), learned={Need.REFUSALS: QUOTA}),
        QUEUED,
        says="exceeded quota",
        wakes=True,
    ),
    Line(
        "pod of before runs",
        world(100, owner(closed("Suspended")), pods=[running(deleted=400)]),
        PENDING,
        says="the attempt before",
        wakes=True,
    ),
    Line(
        "pod of before is on a dead node",
        world(500, owner(closed("Suspended")), pods=[running(deleted=400)]),
        QUEUED,
        creates=2,
        wakes=True,
    ),
    Line(
        "Job of before is held back by a queue",
        world(100, owner(closed("InfrastructureLost")), jobs=[child(held=True)]),
        QUEUED,
        creates=2,
        deletes=(job_name(1),),
        wakes=True,
    ),
    Line("resumed", world(100, owner(closed("Suspended"))), QUEUED, creates=2, wakes=True),
    Line("deleted", world(1, {**OPEN, "metadata": {**OPEN["metadata"], "deletionTimestamp": "x"}})),
]

WAITING = [
    Line("new Job", world(2, jobs=[child()]), QUEUED, wakes=True),
    Line("held back", world(9, jobs=[child(held=True)]), QUEUED, says="Kueue", wakes=True),
    Line(
        "Pod Security",
        world(4, jobs=[child()]),
        LOST,
        "PodRejected",
        "PodSecurity",
        answers={Need.REFUSALS: PSA},
        asks=REFUSALS,
    ),
    Line(
        "quota",
        world(4, jobs=[child()]),
        QUEUED,
        says="exceeded quota",
        answers={Need.REFUSALS: QUOTA},
        asks=REFUSALS,
        wakes=True,
    ),
    Line(
        "a webhook that does not answer",
        world(4, jobs=[child()]),
        QUEUED,
        says="failed calling webhook",
        answers={Need.REFUSALS: SILENT},
        asks=REFUSALS,
        wakes=True,
    ),
    Line(
        "a webhook that never answers",
        world(86402, jobs=[child()]),
        LOST,
        "PodRejected",
        says="after 86400 s",
        answers={Need.REFUSALS: SILENT},
        asks=REFUSALS,
        wakes=True,
    ),
    Line(
        "quota for too long",
        world(86402, jobs=[child()]),
        LOST,
        "QuotaExceeded",
        answers={Need.REFUSALS: QUOTA},
        asks=REFUSALS,
    ),
    Line("no node yet", world(9, **one(pods=[queued()])), QUEUED, says="no GPU", wakes=True),
    Line(
        "a node could serve it",
        world(400, **one(pods=[queued()])),
        QUEUED,
        asks=frozenset({Need.PLACES}),
        wakes=True,
    ),
    Line(
        "no node ever could",
        world(400, **one(pods=[queued()])),
        LOST,
        "Unschedulable",
        "no GPU",
        answers={Need.PLACES: False},
        asks=frozenset({Need.PLACES}),
    ),
    Line(
        "queued for too long",
        world(86402, **one(pods=[queued()])),
        LOST,
        "QueueTimeout",
        "after 86400 s",
        asks=frozenset({Need.PLACES}),
    ),
    Line("held back for too long", world(86402, jobs=[child(held=True)]), LOST, "QueueTimeout"),
    Line("starting", world(12, **one(pods=[starting()])), STARTING, wakes=True),
    Line(
        "starting for long",
        world(40, **one(pods=[starting()])),
        STARTING,
        says="collector-pyspy",
        wakes=True,
    ),
    Line("starting for too long", world(611, **one(pods=[starting()])), LOST,
         "StartDeadlineExceeded", "startSeconds, 600 s"),
    Line("suspended while queued", world(9, asking(suspend=True), **one(pods=[queued()])),
         PENDING, "Suspended", deletes=(job_name(),), wakes=True),
    Line("cancelled while queued", world(9, owner(cancel=True), **one(pods=[queued()])),
         CANCELLED, "Cancelled", "before the application was started", wakes=True),
    Line("cancelled while starting", world(12, owner(cancel=True), **one(pods=[starting()])),
         CANCELLED, "Cancelled", "before the application was started", wakes=True),
]  # fmt: skip


def stuck(name: str, state: Mapping[str, Any], reason: str, says: str, now: float = 30) -> Line:
    """A pod with a container that does not get it started."""
    seen = starting(containers={name: state})
    return Line(f"{reason} by {name}", world(now, **one(pods=[seen])), LOST, reason, says)


CRASHED = {"lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}, "started": False}
STUCK = [
    stuck("app", waiting("ImagePullBackOff", "no such image"), "ImagePullFailed", "no such", 80),
    stuck("app", waiting("InvalidImageName", "bad"), "ImagePullFailed", "bad"),
    stuck("app", waiting("CreateContainerConfigError", ROOT), "PodRejected", "will run as root"),
    stuck("playback", waiting("CrashLoopBackOff", restartCount=1, **CRASHED), "PlaybackNotReady",
          "exit code 1"),
    stuck("collector-pyspy", waiting("CrashLoopBackOff", restartCount=2, **CRASHED),
          "CollectorFailed", "exit code 1"),
    stuck("app", over({"exitCode": 128, "reason": "StartError", "message": "no such file"}),
          "CannotStart", "no such file"),
    Line("a pull fails at first", world(30, **one(pods=[starting(containers={
        "app": waiting("ErrImagePull", "try again")})])), STARTING, says="try again", wakes=True),
    Line("a toolchain is not in its image", world(99, **one(pods=[pod(
        scheduled=10, phase="Failed", containers={"toolchain-tau": over(FAILED)})])), LOST,
        "ToolchainMissing", "exit code 3"),
    Line("its own deadline while starting", world(2000, **one(pods=[starting(
        phase="Failed", reason="DeadlineExceeded", message="too long")])), LOST,
        "StartDeadlineExceeded", "too long"),
]  # fmt: skip


def going_on(name: str, seen: Mapping[str, Any], *said: Any, **fields: Any) -> Line:
    """The running job, and what has become of its pod."""
    now = fields.pop("now", 100)
    body = fields.pop("body", OPEN)
    return Line(name, world(now, body, **one(pods=[seen])), *said, **fields)


GOING = [
    going_on("running", running(), RUNNING, wakes=True),
    going_on("collecting", collecting(), COLLECTING, wakes=True),
    going_on("running, being deleted", running(deleted=900), RUNNING, says="deleted", wakes=True),
    going_on("uploading for too long", collecting(), PENDING, "ResultsLost",
             deletes=(job_name(),), now=80 + 661, wakes=True),
    going_on("beyond every deadline", running(), PENDING, "InfrastructureLost",
             deletes=(job_name(),), now=90000, wakes=True),
    going_on("suspended while running", running(), PENDING, "Suspended", body=asking(suspend=True),
             deletes=(job_name(),), wakes=True),
    going_on("cancelled while running", running(), RUNNING, says="cancelling",
             body=asking(cancel=True), deletes=(f"{job_name()}-abcde",), wakes=True),
    going_on("cancelled, and ending", running(deleted=900), RUNNING, says="cancelling",
             body=asking(cancel=True), wakes=True),
    going_on("cancelled while collecting", collecting(), COLLECTING, says="cancelling",
             body=asking(cancel=True), wakes=True),
    Line("pod gone, Job to follow", world(100, OPEN, jobs=[child()]), wakes=True),
    Line("Job gone, pod ending", world(100, OPEN, pods=[running(deleted=900)]), RUNNING,
         says="deleted", wakes=True),
    Line("Job is there after all", world(100, OPEN), asks=JOB, answers={Need.JOB: child()},
         wakes=True),
    Line("Job ended, pod not heard of", world(100, jobs=[child(over="Failed")]), asks=REPORT,
         wakes=True),
]  # fmt: skip


def finish(name: str, seen: Mapping[str, Any], *said: Any, **fields: Any) -> Line:
    """The running job, whose pod has ended."""
    found = fields.pop("report", report())
    body = fields.pop("body", OPEN)
    return Line(
        name, world(100, body, **one(pods=[seen])), *said, asks=REPORT,
        answers={Need.REPORT: found}, **fields,
    )  # fmt: skip


TERMED = report("Cancelled", 143)
KILLED = {"exitCode": 137, "reason": "OOMKilled"}
ENDED = [
    finish("exit 0", ended(), SUCCEEDED, "Completed", "hot 81 %"),
    finish("never seen before", ended(), SUCCEEDED, "Completed", body=owner()),
    finish("exit 3", ended(app=FAILED), LOST, "AppFailed", "exit code 3",
           report=report("AppFailed", 3)),
    finish("exit 3, with a budget", ended(app=FAILED), PENDING, "AppFailed",
           body=owner(retries={"app": 1}), report=report("AppFailed", 3), wakes=True),
    finish("out of memory", ended(app=KILLED), LOST, "AppOOMKilled", "out of memory",
           report=report("AppKilled", 137)),
    finish("out of memory, launcher too", ended(app=KILLED), LOST, "AppOOMKilled",
           report=report(exit=None, runs=())),
    finish("a child out of memory", ended(app={"exitCode": 0, "reason": "OOMKilled"}), SUCCEEDED,
           "Completed"),
    finish("timeout, profile saved", ended(app=FAILED), LOST, "AppTimedOut",
           report=report("AppTimedOut", 143)),
    finish("too large", ended(app=FAILED, phase="Failed", reason="Evicted",
           message='Usage of EmptyDir volume "profiling-output" exceeds the limit "1Mi"'), LOST,
           "OutputTooLarge", "exceeds", report=None),
    finish("uploader killed", ended(uploader=KILLED), PENDING, "ResultsLost", report=None,
           wakes=True),
    finish("uploader killed, no budget", ended(uploader=KILLED), LOST, "ResultsLost",
           "exit code 137 (OOMKilled)", report=None, body=ONCE),
    finish("exit 3, results lost too", ended(app=FAILED, uploader=KILLED), LOST, "AppFailed",
           "the results are lost", report=None),
    finish("essence only", ended(uploader=words(report())), SUCCEEDED, "Completed", report=None),
    finish("essence of a failure", ended(app=FAILED, uploader=words(report("AppFailed", 3))), LOST,
           "AppFailed", report=None),
    finish("store refused", ended(uploader=words(report(collected=lost("disk full")))), LOST,
           "ResultsLost", "disk full", report=None, body=ONCE),
    finish("somebody else's report", ended(), LOST, "ResultsLost", body=ONCE,
           report=report(uid="another")),
    finish("evicted", ended(app=FAILED, disrupted="EvictionByEvictionAPI"), PENDING,
           "InfrastructureLost", report=TERMED, wakes=True),
    finish("evicted, no budget", ended(app=FAILED, disrupted="EvictionByEvictionAPI"), LOST,
           "InfrastructureLost", "EvictionByEvictionAPI", report=TERMED, body=ONCE),
    finish("evicted after its end", ended(disrupted="EvictionByEvictionAPI"), SUCCEEDED,
           "Completed"),
    finish("pod deleted by hand", ended(app=FAILED, deleted=900), LOST, "InfrastructureLost",
           "somebody deleted its pod", report=TERMED, body=ONCE),
    finish("deadline of its own", ended(app=FAILED, phase="Failed", reason="DeadlineExceeded",
           message="Pod was active on the node longer than the specified deadline"), LOST,
           "InfrastructureLost", "longer than the specified deadline", report=TERMED, body=ONCE),
    finish("node gone", running(deleted=30, disrupted="DeletionByTaintManager"), LOST,
           "InfrastructureLost", "DeletionByTaintManager", report=None, body=ONCE),
    finish("cancelled", ended(app=FAILED, deleted=900), CANCELLED, "Cancelled", "was kept",
           report=TERMED, body=asking(cancel=True)),
    finish("suspended", ended(app=FAILED, deleted=900), PENDING, "Suspended", report=TERMED,
           body=asking(suspend=True), wakes=True),
    finish("ended before it was suspended", ended(), SUCCEEDED, "Completed",
           body=asking(suspend=True)),
    Line("deleted by hand", world(100, OPEN), PENDING, "InfrastructureLost", asks=GONE, wakes=True),
    Line("deleted by hand, results there", world(100, OPEN), SUCCEEDED, "Completed", asks=GONE,
         answers={Need.REPORT: report()}),
    Line("deleted by hand while cancelled", world(100, asking(cancel=True)), CANCELLED,
         "Cancelled", asks=GONE),
    Line("deleted while suspended", world(100, asking(suspend=True)), PENDING, "Suspended",
         asks=GONE, wakes=True),
    Line("pod deleted by force", world(100, OPEN, jobs=[child(over="Failed")]), PENDING,
         "InfrastructureLost", asks=REPORT, wakes=True),
    Line("pod never heard of", world(200, ONCE, jobs=[child(over="Failed")]), LOST,
         "InfrastructureLost", "its pod is gone", asks=REPORT),
    Line("preempted by a queue", world(100, OPEN, jobs=[child(held=True)]), PENDING,
         "InfrastructureLost", asks=REPORT, wakes=True),
]  # fmt: skip

TABLE = [*BEFORE, *WAITING, *STUCK, *GOING, *ENDED]


def status(decision: Decision) -> Status:
    """The status that a decision has."""
    assert decision.status is not None
    return decision.status


def reason_of(told: Status, before: Status) -> str:
    """Of the end, else of the attempt that is closed."""
    known = {one.number for one in before.attempts if one.outcome}
    closing = [one.outcome for one in told.attempts if one.outcome and one.number not in known]
    return told.reason or "".join(closing)


def message_of(told: Status) -> str:
    """What people read."""
    final = told.condition(ConditionType.FINISHED)
    going = told.condition(ConditionType.RECONCILING)
    return "".join(one.message for one in (final, going) if one)
