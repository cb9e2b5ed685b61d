"""Objects as an API server shows them, for tests of the commands that ask one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from making import job_body

Body = dict[str, Any]
UID = "0b6c1e6e-1111-4222-8333-944455566677"
CREATED = "2026-11-23T10:00:00Z"
STARTED, ENDED = "2026-11-23T10:01:00Z", "2026-11-23T10:01:02.5Z"


def stored_job(
    name: str = "nbody", uid: str = UID, status: Body | None = None, **spec: Any
) -> Body:
    """A job as it is kept, with the status given."""
    body = job_body(name=name, uid=uid, **spec)
    body["metadata"] |= {"creationTimestamp": CREATED, "generation": 1, "managedFields": [{}]}
    return {**body, "status": status or {}}


def going(phase: str, started: str = "") -> Body:
    """The status of a job that has not ended."""
    return {"phase": phase, "startTime": started, "conditions": [condition("Finished", "False")]}


def ended(phase: str = "Succeeded", reason: str = "Completed", usable: str = "True",
          **more: Any) -> Body:  # fmt: skip
    """The status of a finished job of one run."""
    app = {"exitCode": 0, "reason": "Completed", "startedAt": STARTED, "finishedAt": ENDED}
    run = {"index": 0, "app": app, "collectors": [
        {"name": "pyspy", "usable": usable == "True", "entries": 12}]}  # fmt: skip
    return {
        "phase": phase, "startTime": STARTED, "completionTime": ENDED, "duration": "1m2s",
        "headline": "hot 81 % of 2.5 s",
        "conditions": [condition("Finished", "True", reason), condition("ProfileUsable", usable)],
        "attempts": [{"number": 1, "podName": "nbody-1-x", "podUID": "pod-uid", "nodeName": "n1",
                      "outcome": reason, "startedAt": STARTED, "finishedAt": ENDED}],
        "runs": [run], **more,
    }  # fmt: skip


def condition(kind: str, status: str, reason: str = "Because", message: str = "") -> Body:
    """A condition."""
    return {"type": kind, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": ENDED, "observedGeneration": 1}  # fmt: skip


def stored_pod(state: str = "running", attempt: int = 1, name: str = "nbody-1-x") -> Body:
    """The pod of an attempt, with its application waiting, running or terminated."""
    labels = {"profiling.dev/job-uid": UID, "profiling.dev/attempt": str(attempt)}
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "ci", "uid": f"uid-of-{name}", "labels": labels},
        "spec": {"initContainers": [{"name": "collector-pyspy"}],
                 "containers": [{"name": "app"}, {"name": "uploader"}]},
        "status": {"containerStatuses": [{"name": "app", "state": {state: {}}}]},
    }  # fmt: skip


def stored_logs(tmp_path: Path, logs: dict[int, str]) -> tuple[str, Body]:
    """A store that holds the output of these runs: its URL, and the results of the job's status."""
    folder = tmp_path / "store" / "ci" / "nbody" / UID / "1"
    files = []
    for run, text in logs.items():
        path = folder / f"run-{run}" / "app.log"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        files.append({"path": f"run-{run}/app.log", "size": len(text), "sha256": digest})
    url = f"http://store/{folder.relative_to(tmp_path / 'store')}"
    return (tmp_path / "store").as_uri(), {"url": url, "files": files}


def event(reason: str, at: str, uid: str = UID, message: str = "it happened") -> Body:
    """An event about the object of a UID."""
    return {
        "apiVersion": "v1", "kind": "Event", "type": "Normal", "reason": reason,
        "metadata": {"name": reason.lower(), "namespace": "ci", "uid": f"e-{reason}"},
        "message": message, "lastTimestamp": at,
        "involvedObject": {"kind": "ProfilingJob", "uid": uid},
    }  # fmt: skip
