"""Makes worlds for tests: bodies of jobs, their Jobs and pods in each stage, as a cluster has them.

Times are seconds after MIDNIGHT; a job is created at 0.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import facts
from making import job_body
from profiling_operator import names, plan, pods, spec
from profiling_operator.reconcile import (
    CreateJob,
    Decision,
    Delete,
    Need,
    World,
    on_cluster,
    open_number,
    reconcile,
    status_of,
)
from profiling_operator.reporting import Report, ending, essence
from profiling_operator.settings import KubernetesSettings, Settings, StoreSettings
from profiling_operator.status import Collected, Status, fit
from profiling_operator.workspace import RunRecord

Body = dict[str, Any]

MIDNIGHT = datetime(2026, 1, 31, tzinfo=UTC)
UID = "0b8d6a52-5c1e-4b6e-9f0a-2f1d3c4b5a69"
SETTINGS = Settings(
    stores={"default": StoreSettings(url="http://results.example/v1/results")},
    kubernetes=KubernetesSettings(image="profjob:test", starts_per_second=1e6),
)
PLATFORM = on_cluster(SETTINGS)
COMPLETED, FAILED = {"exitCode": 0, "reason": "Completed"}, {"exitCode": 3, "reason": "Error"}
UPLOADED = {"exitCode": 0, "reason": "Completed"}


def at(seconds: float) -> str:
    """The time so many seconds after midnight."""
    return (MIDNIGHT + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def owner(status: Status | None = None, *, uid: str = UID, **changes: Any) -> Body:
    """A ProfilingJob as the API server has it; `changes` are fields of its spec."""
    body = job_body(**{"app": {"image": "app:1", "command": ["/app"]}, **changes})
    body["metadata"] |= {
        "uid": uid, "generation": 1, "resourceVersion": "1", "creationTimestamp": at(0),
    }  # fmt: skip
    return {**body, "status": fit(status)} if status else body


def planned(number: int = 1, body: Mapping[str, Any] | None = None) -> plan.Plan:
    """The plan of an attempt."""
    whole = {key: one for key, one in (body or owner()).items() if key != "status"}
    return plan.build_plan(spec.read_body(whole), number)


def child(number: int = 1, created: float = 1, **fields: Any) -> Body:
    """The Job of an attempt. `over` is Complete or Failed; `queue` holds it back."""
    over, held = fields.get("over"), bool(fields.get("held"))
    made = pods.job(planned(number), SETTINGS)
    made["metadata"] |= {
        "uid": f"job-{number}", "creationTimestamp": at(created), "resourceVersion": "2",
    }  # fmt: skip
    condition = {"type": over, "status": "True", "lastTransitionTime": at(fields.get("ended", 90))}
    return {
        **made,
        "spec": {**made["spec"], "suspend": held},
        "status": {"conditions": [condition] if over else []},
    }


def pod(number: int = 1, **fields: Any) -> Body:
    """The pod of an attempt, without a node until `scheduled` says when it got one.

    `containers` are states by container name; `phase`, `reason` and `message` are the status's;
    `deleted` is when it should be gone; `disrupted` a reason of DisruptionTarget.
    """
    whole = child(number)
    template = copy.deepcopy(whole["spec"]["template"])
    scheduled, deleted = fields.get("scheduled"), fields.get("deleted")
    about = {
        **template["metadata"], "name": f"{whole['metadata']['name']}-abcde", "namespace": "ci",
        "uid": f"pod-{number}", "creationTimestamp": at(2), "resourceVersion": "3",
        "ownerReferences": [
            {"kind": "Job", "name": whole["metadata"]["name"], "uid": whole["metadata"]["uid"]}
        ],
    }  # fmt: skip
    if deleted is not None:
        about["deletionTimestamp"] = at(deleted)
    node = {} if scheduled is None else {"nodeName": "node-1"}
    return {
        "metadata": about,
        "spec": {**template["spec"], **node},
        "status": {
            "phase": fields.get("phase", "Pending"),
            "reason": fields.get("reason", ""),
            "message": fields.get("message", ""),
            "conditions": list(_conditions(fields)),
            **_containers(fields.get("containers", {})),
        },
    }


def _conditions(fields: Mapping[str, Any]) -> Sequence[Body]:
    scheduled, disrupted = fields.get("scheduled"), fields.get("disrupted")
    placed = {
        "type": "PodScheduled",
        **(
            {"status": "False", "reason": "Unschedulable", "message": "0/1 nodes: no GPU"}
            if scheduled is None
            else {"status": "True", "lastTransitionTime": at(scheduled)}
        ),
    }
    target = {"type": "DisruptionTarget", "status": "True", "reason": disrupted, "message": "gone"}
    return [placed, *([target] if disrupted else [])]


def _containers(states: Mapping[str, Body]) -> Body:
    listed = [{"name": name, **state} for name, state in states.items()]
    main = {pods.APP, pods.UPLOADER}
    return {
        "initContainerStatuses": [one for one in listed if one["name"] not in main],
        "containerStatuses": [one for one in listed if one["name"] in main],
    }


def waiting(reason: str, message: str = "", **more: Any) -> Body:
    """A container that waits."""
    return {"state": {"waiting": {"reason": reason, "message": message}}, **more}


def going(since: float = 20) -> Body:
    """A container that runs."""
    return {"state": {"running": {"startedAt": at(since)}}, "started": True}


def over(said: Mapping[str, Any] = COMPLETED, end: float = 80, **more: Any) -> Body:
    """A container that has ended."""
    ended = {"startedAt": at(20), "finishedAt": at(end), **said, **more}
    return {"state": {"terminated": ended}}


def queued(number: int = 1, **fields: Any) -> Body:
    """A pod that no node has room for."""
    return pod(number, **fields)


def starting(number: int = 1, **fields: Any) -> Body:
    """A pod on a node, whose application waits for the collector's sidecar."""
    states = {"collector-pyspy": waiting("PodInitializing"), pods.APP: waiting("PodInitializing")}
    return pod(number, **{"scheduled": 10, "containers": states, **fields})


def running(number: int = 1, **fields: Any) -> Body:
    """A pod whose application runs."""
    states = {pods.APP: going(), pods.UPLOADER: going()}
    return pod(number, **{"scheduled": 10, "phase": "Running", "containers": states, **fields})


def collecting(number: int = 1, **fields: Any) -> Body:
    """A pod whose application has ended, and whose uploader has not."""
    states = {pods.APP: over(), pods.UPLOADER: going()}
    return pod(number, **{"scheduled": 10, "phase": "Running", "containers": states, **fields})


def ended(
    number: int = 1,
    app: Mapping[str, Any] = COMPLETED,
    uploader: Mapping[str, Any] = UPLOADED,
    **fields: Any,
) -> Body:
    """A pod that has ended."""
    states = {pods.APP: over(app), pods.UPLOADER: over(uploader, 90)}
    phase = "Failed" if app.get("exitCode") or uploader.get("exitCode") else "Succeeded"
    return pod(number, **{"scheduled": 10, "phase": phase, "containers": states, **fields})


def report(
    reason: str = "Completed", code: int | None = 0, number: int = 1, **fields: Any
) -> Report:
    """What an uploader left of an attempt, in full."""
    made = facts.run(reason=reason, exit_code=code)
    return Report(
        **{
            "job": "ci/test", "uid": UID, "attempt": number, "pod_uid": f"pod-{number}",
            "collected": facts.collected(headline="hot 81 %"), "started": facts.STARTED,
            "exit": ending(reason, code, at(20), at(80)), "runs": (made,), **fields,
        }
    )  # fmt: skip


def words(told: Report) -> Body:
    """How an uploader ended that could only leave its last words."""
    return {"exitCode": 1, "reason": "Error", "message": essence(told)}


def lost(why: str) -> Collected:
    """What is left where the store took nothing."""
    return Collected(((facts.USABLE),), None, lost=why)


NO_RUNS: tuple[RunRecord, ...] = ()


def world(now: float, body: Body | None = None, **fields: Any) -> World:
    """What is to be seen at a time; `learned` has the answers to what may be asked."""
    moment = MIDNIGHT + timedelta(seconds=now)
    return World(body or owner(), moment, PLATFORM, **fields)


ANSWERS: Mapping[Need, Any] = {
    Need.REPORT: None, Need.REFUSALS: "", Need.PLACES: True, Need.JOB: None, Need.BASELINES: (),
}  # fmt: skip


def decided(
    seen: World, answers: Mapping[Need, Any] | None = None
) -> tuple[Decision, frozenset[Need]]:
    """The decision once all that it needs is answered, and what was asked."""
    asked: frozenset[Need] = frozenset()
    known = {**ANSWERS, **(answers or {})}
    for _ in Need:
        learned = {**seen.learned, **{need: known[need] for need in asked}}
        decision = reconcile(replace(seen, learned=learned))
        if not decision.needs:
            return decision, asked
        assert not decision.needs & asked, "it asks again for what it was told"
        asked |= decision.needs
    raise AssertionError(f"no decision: {asked}")


def afterwards(seen: World, decision: Decision) -> World:
    """The world once a decision is carried out, and nothing else has happened."""
    jobs, listed = list(seen.jobs), list(seen.pods)
    for action in decision.actions:
        if isinstance(action, CreateJob):
            jobs.append(child(action.plan.attempt, (seen.now - MIDNIGHT).total_seconds()))
        elif isinstance(action, Delete):
            jobs = [one for one in jobs if one["metadata"]["uid"] != action.uid]
            listed = [_deleted(one, seen) if _is_hit(one, action) else one for one in listed]
    body = dict(seen.body)
    if decision.status is not None:
        body["status"] = fit(decision.status)
    return replace(seen, body=body, jobs=jobs, pods=listed)


def _is_hit(one: Mapping[str, Any], action: Delete) -> bool:
    about = one["metadata"]
    return action.uid in {about["uid"], *(ref["uid"] for ref in about["ownerReferences"])}


def _deleted(one: Mapping[str, Any], seen: World) -> Body:
    gone = (seen.now + timedelta(seconds=600)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**one, "metadata": {"deletionTimestamp": gone, **one["metadata"]}}


def begun(*stages: World) -> Body:
    """The ProfilingJob as it is after the operator has looked at these worlds, one by one."""
    body: Body = dict(stages[0].body)
    for seen in stages:
        decision, _ = decided(replace(seen, body=body))
        body = dict(afterwards(replace(seen, body=body), decision).body)
    return body


def number_of(body: Mapping[str, Any]) -> int:
    """The number of the attempt that is open, or next."""
    return open_number(status_of(body))


def job_name(number: int = 1) -> str:
    """The name of an attempt's Job."""
    return names.attempt_name("ci", "test", UID, number)
