"""What goes on in small_cluster.py's cluster: Jobs get pods, pods get GPUs, run and end."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import facts
from profiling_operator import assignment, pods
from profiling_operator.plan import Plan
from profiling_operator.reporting import Report
from profiling_operator.status import GateStatus
from reconciling import at, report
from small_cluster import SmallCluster

Body = dict[str, Any]
Attempt = tuple[str, str]
"""UID of the ProfilingJob, number."""


@dataclass
class SmallNode:
    """Controllers, scheduler and kubelet. `tick` does what is due."""

    cluster: SmallCluster
    chance: random.Random
    gpus: int = 2
    run_seconds: float = 120.0
    """The longest that an application runs; half of it is the shortest."""
    fails: float = 0.0
    """Probability that an application exits with 3."""
    loses: float = 0.0
    """Probability that an uploader is killed before it has told anything."""
    executions: Counter[Attempt] = field(default_factory=Counter)
    reports: dict[Attempt, Report] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    """UIDs of pods whose kubelet is gone."""
    _had_pod: set[str] = field(default_factory=set)
    _due: dict[str, float] = field(default_factory=dict)

    async def run(self) -> None:
        """For ever."""
        while True:
            self.tick()
            await asyncio.sleep(1)

    async def report(self, plan: Plan) -> Report | None:
        """What the store has of an attempt."""
        await asyncio.sleep(0)
        return self.reports.get((plan.uid, str(plan.attempt)))

    def tick(self) -> None:
        """One step of everybody."""
        for job in self.cluster.all("jobs"):
            self._control(job)
        for pod in self.cluster.all("pods"):
            self._schedule(pod)
        for pod in self.cluster.all("pods"):
            if pod["metadata"]["uid"] in self.dead:
                self._collect_garbage(pod)
            else:
                self._keep(pod)

    def _control(self, job: Body) -> None:
        uid = job["metadata"]["uid"]
        mine = self.cluster.of(uid)
        if (job.get("status") or {}).get("conditions"):
            return
        if job["spec"].get("suspend"):
            self._hold_back(uid, mine)
            return
        if uid not in self._had_pod:
            self._had_pod.add(uid)
            self._create_pod(job)
        elif not mine:
            self._end_job(job, "Failed")
        elif phase := {"Succeeded": "Complete", "Failed": "Failed"}.get(_phase(mine[0])):
            self._end_job(job, phase)

    def _hold_back(self, uid: str, mine: list[Body]) -> None:
        """A suspended Job loses its pod, and gets a new one when it goes on."""
        for pod in mine:
            self.cluster.remove(pod)
        if not mine:
            self._had_pod.discard(uid)

    def _create_pod(self, job: Body) -> None:
        about, template = job["metadata"], job["spec"]["template"]
        reference = {"kind": "Job", "name": about["name"], "uid": about["uid"]}
        body = {
            "metadata": {
                **template["metadata"], "name": f"{about['name']}-pod",
                "ownerReferences": [reference],
            },
            "spec": dict(template["spec"]),
            "status": {"phase": "Pending", "conditions": []},
        }  # fmt: skip
        if ("pods", about["namespace"], body["metadata"]["name"]) in self.cluster.objects:
            self._had_pod.discard(about["uid"])  # its namesake is not gone yet
            return
        self.cluster.make("pods", about["namespace"], body)

    def _end_job(self, job: Body, kind: str) -> None:
        found = {"type": kind, "status": "True", "lastTransitionTime": self.cluster.now()}
        self.cluster.change(job, status={"conditions": [found]})

    def _schedule(self, pod: Body) -> None:
        if pod["spec"].get("nodeName") or "deletionTimestamp" in pod["metadata"]:
            return
        others = self.cluster.all("pods")
        taken = sum(bool(one["spec"].get("nodeName")) and not _is_over(one) for one in others)
        if taken >= self.gpus:
            no = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
            self._say(pod, conditions=[{**no, "message": "0/1 nodes: no GPU"}])
            return
        placed = {
            "type": "PodScheduled",
            "status": "True",
            "lastTransitionTime": self.cluster.now(),
        }
        self.cluster.change(
            pod,
            spec={**pod["spec"], "nodeName": "node"},
            status={**pod["status"], "conditions": [placed]},
        )
        self._wait(pod, 20)

    def _keep(self, pod: Body) -> None:
        """The kubelet's part."""
        is_told, uid = "deletionTimestamp" in pod["metadata"], pod["metadata"]["uid"]
        if _is_over(pod):
            if is_told:
                self.cluster.erase(pod)
            return
        if not pod["spec"].get("nodeName"):
            if is_told:
                self.cluster.erase(pod)
            return
        states = {one["name"]: one["state"] for one in pod["status"].get("containerStatuses", ())}
        if is_told and "terminated" not in states.get(pods.APP, {}):
            self._stop(pod, states)
        elif asyncio.get_running_loop().time() >= self._due[uid]:
            self._go_on(pod, states)

    def _go_on(self, pod: Body, states: Body) -> None:
        if not states:
            self.executions[attempt_of(pod)] += 1
            began = {"running": {"startedAt": self.cluster.now()}}
            self._say(pod, phase="Running", containers={pods.APP: began, pods.UPLOADER: began})
            self._wait(pod, self.run_seconds)
        elif "running" in states[pods.APP]:
            self._end_app(pod, states, 3 if self.chance.random() < self.fails else 0)
        else:
            self._end_uploader(pod, states)

    def _stop(self, pod: Body, states: Body) -> None:
        if states:
            self._end_app(pod, states, 143)
        else:
            self._say(pod, phase="Failed")

    def _end_app(self, pod: Body, states: Body, code: int) -> None:
        began = states[pods.APP]["running"]["startedAt"]
        done = {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed",
                               "startedAt": began, "finishedAt": self.cluster.now()}}  # fmt: skip
        self._say(pod, containers={**states, pods.APP: done})
        self._wait(pod, 10)

    def _end_uploader(self, pod: Body, states: Body) -> None:
        uid, number = attempt_of(pod)
        app = states[pods.APP]["terminated"]
        is_lost = self.chance.random() < self.loses
        if not is_lost:
            reason = {0: "Completed", 3: "AppFailed"}.get(app["exitCode"], "Cancelled")
            collected = facts.collected(headline="hot 81 %", gates=_verdicts(pod))
            told = report(reason, app["exitCode"], int(number), uid=uid, collected=collected)
            self.reports.setdefault((uid, number), told)
        done = {"terminated": {"exitCode": 137 if is_lost else 0, "reason": "Error",
                               "finishedAt": self.cluster.now()}}  # fmt: skip
        bad = is_lost or app["exitCode"]
        self._say(pod, phase="Failed" if bad else "Succeeded",
                  containers={**states, pods.UPLOADER: done})  # fmt: skip

    def _collect_garbage(self, pod: Body) -> None:
        """Of a pod whose node is gone: told to go after a while, and gone much later."""
        now = asyncio.get_running_loop().time()
        since = self._due.setdefault(f"dead {pod['metadata']['uid']}", now)
        if now - since > 100 and "deletionTimestamp" not in pod["metadata"]:
            target = {"type": "DisruptionTarget", "status": "True",
                      "reason": "DeletionByTaintManager", "message": "node gone"}  # fmt: skip
            self._say(pod, conditions=[*pod["status"]["conditions"], target])
            self.cluster.remove(pod)
        if now - since > 1000:
            self.cluster.erase(pod)

    def _say(self, pod: Body, *, containers: Body | None = None, **fields: Any) -> None:
        status = {**pod["status"], **fields}
        if containers is not None:
            status["containerStatuses"] = [
                {"name": name, "state": state} for name, state in containers.items()
            ]
        self.cluster.change(pod, status=status)

    def _wait(self, pod: Body, longest: float) -> None:
        now = asyncio.get_running_loop().time()
        self._due[pod["metadata"]["uid"]] = now + self.chance.uniform(longest / 2, longest)


def evict(cluster: SmallCluster, pod: Body) -> None:
    """As the Eviction API does."""
    target = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
              "message": "evicted", "lastTransitionTime": at(0)}  # fmt: skip
    listed = [*pod["status"]["conditions"], target]
    cluster.change(pod, status={**pod["status"], "conditions": listed})
    cluster.remove(pod)


def _verdicts(pod: Body) -> tuple[GateStatus, ...]:
    """Of the gates that the pod was told of: nothing is accepted yet."""
    told = json.loads(pod["metadata"]["annotations"][assignment.ANNOTATION])["plan"]
    gates, there = told.get("gates", ()), told.get("baselines", ())
    assert [one["name"] for one in there] == list(dict.fromkeys(one["baseline"] for one in gates))
    return tuple(GateStatus(measure=one["measure"], verdict="Skipped") for one in gates)


def _phase(pod: Body) -> str:
    return str(pod["status"]["phase"])


def _is_over(pod: Body) -> bool:
    return _phase(pod) in {"Succeeded", "Failed"}


def attempt_of(body: Body) -> Attempt:
    """What a Job or a pod is an attempt of."""
    labels = body["metadata"]["labels"]
    return str(labels[pods.JOB_UID]), str(labels[pods.ATTEMPT])
