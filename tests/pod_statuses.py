"""What Kubernetes 1.34 (kubelet with containerd 1.6) tells of pods, reduced: for tests.

Each was seen on a real cluster: a pod of a collector's sidecar, `app` and `uploader`, into which
something was put that does not work. Container ids, IP addresses and pod UIDs are left out.
"""

from __future__ import annotations

from typing import Any

Body = dict[str, Any]

CREATED, SCHEDULED = "2026-11-24T20:16:07Z", "2026-11-24T20:16:08Z"
STARTED, ENDED = "2026-11-24T20:16:10Z", "2026-11-24T20:16:15Z"
UPLOADED = "2026-11-24T20:16:19Z"
INITIALIZING: Body = {"waiting": {"reason": "PodInitializing"}}
RUNNING: Body = {"running": {"startedAt": STARTED}}
LOST: Body = {
    "terminated": {
        "exitCode": 137, "finishedAt": None, "startedAt": None,
        "reason": "ContainerStatusUnknown",
        "message": "The container could not be located when the pod was terminated",
    }
}  # fmt: skip
"""The kubelet did not find it any more."""
BOUND: Body = {"type": "PodScheduled", "status": "True", "lastTransitionTime": SCHEDULED}


def waiting(reason: str, message: str = "") -> Body:
    """A container that cannot be started now."""
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def terminated(
    code: int, reason: str = "", started: str = STARTED, ended: str = ENDED, **more: str
) -> Body:
    """A container that has ended."""
    said = reason or ("Error" if code else "Completed")
    return {
        "terminated": {
            "exitCode": code, "reason": said, "startedAt": started, "finishedAt": ended, **more,
        }
    }  # fmt: skip


def container(name: str, state: Body, restarts: int = 0, last: Body | None = None) -> Body:
    """The status of a container."""
    return {
        "name": name, "state": state, "lastState": last or {}, "restartCount": restarts,
        "started": "running" in state, "ready": "running" in state,
    }  # fmt: skip


def pod(
    phase: str = "Running",
    app: Body = RUNNING,
    uploader: Body = RUNNING,
    sidecars: tuple[Body, ...] = (container("collector-pyspy", RUNNING),),
    conditions: tuple[Body, ...] = (BOUND,),
    **status: Any,
) -> Body:
    """A pod as the API server shows it."""
    listed = [{"name": one["name"]} for one in sidecars] or [{"name": "collector-pyspy"}]
    about = status.pop("about", {})
    return {
        "metadata": {
            "name": "test-1-abcde", "namespace": "ci", "uid": "pod-1",
            "creationTimestamp": CREATED, **about,
        },
        "spec": {
            "initContainers": listed,
            "containers": [{"name": "app"}, {"name": "uploader"}],
            **({"nodeName": "node-1"} if conditions and conditions[0] is BOUND else {}),
        },
        "status": {
            "phase": phase, "conditions": list(conditions),
            "initContainerStatuses": list(sidecars),
            "containerStatuses": [container("app", app), container("uploader", uploader)],
            **status,
        },
    }  # fmt: skip


def nowhere(message: str, reason: str = "Unschedulable") -> Body:
    """A pod without a node."""
    condition = {
        "type": "PodScheduled", "status": "False", "reason": reason, "message": message,
        "lastTransitionTime": SCHEDULED,
    }  # fmt: skip
    made = pod("Pending", conditions=(condition,))
    made["status"] = {"phase": "Pending", "conditions": [condition]}
    return made


def starting(*sidecars: Body, app: Body = INITIALIZING) -> Body:
    """A pod on a node whose application does not run yet."""
    uploader = INITIALIZING if app == INITIALIZING else RUNNING
    listed = sidecars or (container("collector-pyspy", RUNNING),)
    return pod("Pending", app, uploader, listed)


COMPLETED = pod(
    "Succeeded",
    terminated(0),
    terminated(0, ended=UPLOADED, message="essence\n"),
    (container("collector-pyspy", terminated(137, ended="2026-11-24T20:16:22Z")),),
)
OUT_OF_MEMORY = pod(app=terminated(137, "OOMKilled"))
COLLECTING = pod(app=terminated(3))
UPLOADER_KILLED = pod("Failed", terminated(0), terminated(137, "OOMKilled", ended=UPLOADED))
NO_NODE = nowhere(
    "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. no new claims to deallocate, "
    "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
)
NO_CLAIM = nowhere('0/1 nodes are available: persistentvolumeclaim "none" not found. not found')
NOT_PULLED = starting(
    app=waiting(
        "ImagePullBackOff",
        'Back-off pulling image "registry.invalid/none:1": ErrImagePull: failed to pull and unpack '
        'image "registry.invalid/none:1": failed to resolve reference "registry.invalid/none:1"',
    )
)
NEVER_PULLED = starting(
    app=waiting(
        "ErrImageNeverPull",
        'Container image "localhost/none:1" is not present with pull policy of Never',
    )
)
NO_NAME = starting(
    app=waiting(
        "InvalidImageName",
        'Failed to apply default image tag "UPPER//x:1": couldn\'t parse image name "UPPER//x:1": '
        "invalid reference format",
    )
)
ROOT_IMAGE = starting(
    container(
        "collector-pyspy",
        waiting(
            "CreateContainerConfigError",
            "container has runAsNonRoot and image will run as root "
            '(pod: "root_ci(pod-1)", container: collector-pyspy)',
        ),
    )
)
ROOT_USER = starting(
    app=waiting(
        "CreateContainerConfigError",
        'container\'s runAsUser breaks non-root policy (pod: "root0_ci(pod-1)", container: app)',
    )
)
NO_SECRET = starting(app=waiting("CreateContainerConfigError", 'secret "none" not found'))
NOT_MOUNTED = starting(container("collector-pyspy", INITIALIZING))
"""A ConfigMap that is not there: only an event tells."""
CANNOT_RUN = terminated(
    128, "StartError", started="1970-01-01T00:00:00Z",
    message="failed to create containerd task: failed to create shim task: OCI runtime create "
    'failed: runc create failed: unable to start container process: exec: "/nowhere": '
    "stat /nowhere: no such file or directory: unknown",
)  # fmt: skip
ENDED_ONCE = terminated(4, message="no\n")
CRASHED_ONCE = starting(container("collector-pyspy", ENDED_ONCE, 1))
CRASHING = starting(
    container("collector-pyspy", waiting("CrashLoopBackOff", "back-off 10s"), 2, ENDED_ONCE)
)
CRASHING_NOW = starting(container("collector-pyspy", ENDED_ONCE, 2))
PLAYBACK_CRASHED = starting(
    container("collector-pyspy", RUNNING), container("playback", terminated(5), 1)
)
PLAYBACK_NOT_READY = starting(
    container("collector-pyspy", RUNNING),
    container("playback", {"running": {"startedAt": ENDED}}, 1, terminated(137)),
)
"""Killed by its startup probe, and started again; the kubelet says that it is not `started`."""
PLAYBACK_NOT_READY["status"]["initContainerStatuses"][1]["started"] = False
NOT_COPIED = pod(
    "Failed",
    INITIALIZING,
    INITIALIZING,
    (container("toolchain-tau", terminated(7)), container("collector-tau", INITIALIZING)),
)
TOO_LONG: Body = {
    "reason": "DeadlineExceeded",
    "message": "Pod was active on the node longer than the specified deadline",
}
RAN_TOO_LONG = pod("Failed", terminated(137), terminated(137), **TOO_LONG)
STARTED_TOO_LONG = pod("Failed", LOST, LOST, **TOO_LONG)
TOO_LARGE = pod(
    "Failed",
    LOST,
    terminated(0, message="essence\n"),
    reason="Evicted",
    message='Usage of EmptyDir volume "profiling-output" exceeds the limit "5Mi". ',
)
TOO_LARGE["status"]["containerStatuses"][0] |= {"restartCount": 1, "lastState": LOST}
GOING_AWAY = {"deletionTimestamp": "2026-11-24T20:17:41Z", "deletionGracePeriodSeconds": 60}
DELETED = pod(about=GOING_AWAY)
"""The kubelet tells nothing new of its containers until all have ended."""
EVICTED = pod(
    about=GOING_AWAY,
    conditions=(
        BOUND,
        {
            "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting", "lastTransitionTime": ENDED,
        },
    ),
)  # fmt: skip
NOT_ADMITTED: Body = {
    "metadata": DELETED["metadata"],
    "spec": {"nodeName": "node-1", "containers": [{"name": "app"}]},
    "status": {
        "phase": "Failed",
        "reason": "UnexpectedAdmissionError",
        "message": "Pod was rejected: Allocate failed due to no healthy devices present; cannot "
        "allocate unhealthy devices nvidia.com/gpu, which is unexpected",
    },
}
"""As the kubelet's source has it: device plugins were not to be had there."""
