"""What is to be seen of an attempt's Job and pod, and what it means. No I/O, no memory.

Reasons and messages of kubelet and scheduler as of Kubernetes 1.30 to 1.34; see
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from profiling_operator import pods
from profiling_operator.errors import Reason

Body = Mapping[str, Any]
Failure = tuple[Reason, str]

OVERDUE = timedelta(seconds=60)
CRASHES = 2  # restarts of a sidecar before the start that are too many
PULLABLE = "docker-pullable://"  # before the name that some runtimes tell
PULL_FAILS_AT_ONCE = {"InvalidImageName", "ErrImageNeverPull"}
PULL_FAILS = {"ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable"}
CONFIG_FAILS = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
STAYS_ROOT = ("runAsNonRoot", "non-root policy", "will run as root")
CANNOT_RUN = {"StartError", "ContainerCannotRun"}
NOBODY_KNOWS = "ContainerStatusUnknown"
"""The kubelet's word for a container that it finds no more: it may have run or not."""
TOO_LARGE = ("emptydir volume", "ephemeral local storage", "local ephemeral storage")
"""Of the pod itself. "The node was low on resource: ephemeral-storage" is the node's trouble."""


class Stage(StrEnum):
    """Where a pod stands."""

    QUEUED = "Queued"
    STARTING = "Starting"
    RUNNING = "Running"
    COLLECTING = "Collecting"
    ENDED = "Ended"


@dataclass(frozen=True)
class Sighting:
    """What is to be seen of an attempt now. Times are RFC 3339 in whole seconds, or empty."""

    stage: Stage
    message: str = ""
    failure: Failure | None = None
    """What keeps it from starting, for good."""
    pod_name: str = ""
    pod_uid: str = ""
    node: str = ""
    device: str = ""
    """The GPUs that it was given, where that is known."""
    created_at: str = ""
    """Of the Job."""
    image: str = ""
    """Of the application, with its digest; empty before it is there."""
    scheduled_at: str = ""
    started_at: str = ""
    finished_at: str = ""
    """Of the application's container."""
    collecting_at: str = ""
    """When collecting began; empty: when the application ended."""
    ended_at: str = ""
    """Of the uploader's container."""
    app: Body | None = None
    """The terminated state of the application's container."""
    uploader: Body | None = None
    ending: Failure | None = None
    """How it ended, where the platform knows that better than the launcher."""
    disrupted: str = ""
    """Why the platform took the pod away, if it did."""
    is_deleted: bool = False
    """Somebody deleted the pod."""
    pull_fails: str = ""
    """An image cannot be pulled, at least not now."""
    is_unschedulable: bool = False


def look(job: Body | None, listed: Sequence[Body], now: datetime) -> Sighting:
    """What is to be seen of a Job and its pods, of which there should be one at most."""
    created = _text(job, "metadata", "creationTimestamp")
    if not listed:
        return Sighting(Stage.QUEUED, _waits_for(job), created_at=created)
    newest = max(listed, key=lambda one: _text(one, "metadata", "creationTimestamp"))
    return replace(_look_at(newest, now), created_at=created or _made(newest))


def is_over(job: Body) -> bool:
    """Whether a Job has ended and all its pods have."""
    return any(
        one.get("type") in {"Complete", "Failed"} and one.get("status") == "True"
        for one in _list(job, "status", "conditions")
    )


def has_ended(pod: Body) -> bool:
    """Whether nothing of a pod runs any more."""
    return _text(pod, "status", "phase") in {"Succeeded", "Failed"}


def _waits_for(job: Body | None) -> str:
    if job is not None and (job.get("spec") or {}).get("suspend"):
        return "waiting for Kueue to admit it"
    return "waiting for its pod"


def _look_at(pod: Body, now: datetime) -> Sighting:
    states = {one["name"]: one for one in _statuses(pod)}
    over = [_terminated(states.get(name)) for name in (pods.APP, pods.UPLOADER)]
    app, uploader = map(_if_known, over)
    cannot_run = _cannot_run(app)
    running = _state(states.get(pods.APP), "running")
    scheduled = _condition(pod, "PodScheduled")
    disruption = _condition(pod, "DisruptionTarget")
    seen = Sighting(
        stage=Stage.QUEUED,
        pod_name=_text(pod, "metadata", "name"),
        pod_uid=_text(pod, "metadata", "uid"),
        node=_text(pod, "spec", "nodeName"),
        image=str((states.get(pods.APP) or {}).get("imageID") or "").removeprefix(PULLABLE),
        scheduled_at=_time(scheduled) if scheduled.get("status") == "True" else "",
        started_at="" if cannot_run else str((running or app or {}).get("startedAt") or ""),
        finished_at=str((app or {}).get("finishedAt") or ""),
        ended_at=str((uploader or {}).get("finishedAt") or ""),
        app=app,
        uploader=uploader,
        disrupted=_disruption(pod, disruption),
        is_deleted="deletionTimestamp" in pod["metadata"],
    )
    if has_ended(pod) or all(over) or _is_overdue(pod, now):
        said = _text(pod, "status", "message")
        failure = cannot_run or _not_copied(states) or _never_started(pod, seen, states)
        return replace(seen, stage=Stage.ENDED, message=said, failure=failure)
    if over[0]:
        return replace(seen, stage=Stage.COLLECTING, failure=cannot_run)
    if running:
        return replace(seen, stage=Stage.RUNNING)
    if not seen.scheduled_at:
        said = str(scheduled.get("message") or "waiting for a node")
        return replace(
            seen, message=said, is_unschedulable=scheduled.get("reason") == "Unschedulable"
        )
    return _starting(seen, pod, states)


def _starting(seen: Sighting, pod: Body, states: Mapping[str, Body]) -> Sighting:
    """On a node, and the application does not run yet."""
    waiting = {name: _state(one, "waiting") for name, one in states.items()}
    failure = next(_failures(waiting, states), None)
    pulls = next(
        (
            _said(name, one)
            for name, one in waiting.items()
            if one and one.get("reason") in PULL_FAILS
        ),
        "",
    )
    message = failure[1] if failure else pulls or next(_progress(pod, states), "")
    return replace(seen, stage=Stage.STARTING, message=message, failure=failure, pull_fails=pulls)


def _failures(waiting: Mapping[str, Body | None], states: Mapping[str, Body]) -> Iterator[Failure]:
    """What will not get better by waiting."""
    for name, one in waiting.items():
        reason, message = str((one or {}).get("reason")), str((one or {}).get("message") or "")
        if reason in PULL_FAILS_AT_ONCE:
            yield Reason.IMAGE_PULL_FAILED, _said(name, one)
        if reason in CONFIG_FAILS and any(word in message for word in STAYS_ROOT):
            yield Reason.POD_REJECTED, f"{name}: {message}"
    for name, state in states.items():
        if state.get("started") or not state.get("restartCount"):
            continue
        ended = _crashed(state)
        if name == pods.PLAYBACK:
            yield Reason.PLAYBACK_NOT_READY, f"the playback server was not ready: {ended}"
        elif name.startswith(pods.COLLECTOR) and state["restartCount"] >= CRASHES:
            yield Reason.COLLECTOR_FAILED, f"{name} does not stay up: {ended}"


def _cannot_run(app: Body | None) -> Failure | None:
    """Not even the launcher could be started; the time of its start is one of 1970 then."""
    if app is None or app.get("reason") not in CANNOT_RUN:
        return None
    return Reason.CANNOT_START, str(app.get("message") or "")


def _not_copied(states: Mapping[str, Body]) -> Failure | None:
    """A toolchain's folder could not be brought out of its image."""
    for name, state in states.items():
        ended = _terminated(state) or {}
        if name.startswith(pods.TOOLCHAIN) and ended.get("exitCode"):
            return Reason.TOOLCHAIN_MISSING, f"{name}: {_words(ended)}"
    return None


def _never_started(pod: Body, seen: Sighting, states: Mapping[str, Body]) -> Failure | None:
    """Its own deadline ended it while it was starting: nobody was there to end it before."""
    has_run = seen.started_at or (states.get(pods.APP) or {}).get("restartCount")
    if has_run or _text(pod, "status", "reason") != "DeadlineExceeded":
        return None
    return Reason.START_DEADLINE_EXCEEDED, _text(pod, "status", "message")


def _crashed(state: Body) -> str:
    """How a container ended the last time."""
    return _words((state.get("lastState") or {}).get("terminated") or _terminated(state) or {})


def _words(ended: Body) -> str:
    said = str(ended.get("message") or ended.get("reason") or "").strip()
    return f"exit code {ended.get('exitCode')}{f': {said}' if said else ''}"


def _progress(pod: Body, states: Mapping[str, Body]) -> Iterator[str]:
    """What is waited for, in the order in which containers start."""
    spec = pod["spec"]
    for container in (*spec.get("initContainers", ()), *spec.get("containers", ())):
        state = states.get(container["name"], {})
        ended, waiting = _terminated(state), _state(state, "waiting")
        if state.get("started") or (ended and not ended.get("exitCode")):
            continue
        if ended:  # a sidecar, which is started again in a moment
            yield f"{container['name']} ended: {_words(ended)}"
        yield _said(container["name"], waiting) if waiting else f"{container['name']} is starting"


def _said(name: str, waiting: Body | None) -> str:
    said = waiting or {}
    return ": ".join(str(one) for one in (name, said.get("reason"), said.get("message")) if one)


def _disruption(pod: Body, condition: Body) -> str:
    """Why the platform ended the pod; empty when it did not."""
    if condition.get("status") == "True":
        return f"{condition.get('reason')}: {condition.get('message') or ''}".strip(": ")
    reason, message = _text(pod, "status", "reason"), _text(pod, "status", "message")
    kubelet_did = reason and reason != "DeadlineExceeded" and has_ended(pod)
    return f"{reason}: {message}".strip(": ") if kubelet_did else ""


def outgrew(disrupted: str) -> bool:
    """Whether a pod was evicted since its output took too much."""
    return any(word in disrupted.lower() for word in TOO_LARGE)


def _is_overdue(pod: Body, now: datetime) -> bool:
    """It should be gone: its node does not answer any more."""
    deadline = _text(pod, "metadata", "deletionTimestamp")
    return bool(deadline) and now > moment(deadline) + OVERDUE


def moment(text: str) -> datetime:
    """A Kubernetes time."""
    return datetime.fromisoformat(text).astimezone(UTC)


def seconds_between(begin: str, end: str) -> float | None:
    """The time between two Kubernetes times, None where one is not known."""
    if not (begin and end):
        return None
    return max(0.0, (moment(end) - moment(begin)).total_seconds())


def _statuses(pod: Body) -> Iterator[Body]:
    for kind in ("initContainerStatuses", "containerStatuses"):
        yield from _list(pod, "status", kind)


def _if_known(ended: Body | None) -> Body | None:
    """How a container ended, unless nobody knows."""
    return None if ended and ended.get("reason") == NOBODY_KNOWS else ended


def _terminated(state: Body | None) -> Body | None:
    return _state(state, "terminated")


def _state(state: Body | None, kind: str) -> Body | None:
    return ((state or {}).get("state") or {}).get(kind)


def _condition(pod: Body, kind: str) -> Body:
    found = (one for one in _list(pod, "status", "conditions") if one.get("type") == kind)
    return next(found, {})


def _time(condition: Body) -> str:
    return str(condition.get("lastTransitionTime") or "")


def _made(pod: Body) -> str:
    return _text(pod, "metadata", "creationTimestamp")


def _text(body: Body | None, part: str, name: str) -> str:
    return str(((body or {}).get(part) or {}).get(name) or "")


def _list(body: Body, part: str, name: str) -> Sequence[Body]:
    return (body.get(part) or {}).get(name) or ()
