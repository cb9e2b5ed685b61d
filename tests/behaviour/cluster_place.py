"""Jobs in pods of a cluster, looked after by the operator that the chart installed."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import installed
import yaml
from installed import kubectl, until
from places import Body, Place

OWNER = "test-namespace"
OPERATOR_PODS = ("-n", installed.SYSTEM, "get", "pods", "-l",
                 "app.kubernetes.io/component=operator")  # fmt: skip


class ClusterPlace(Place):
    """A cluster with four GPUs; see docs/cluster.md."""

    platform = "kubernetes"
    gpus = 4

    def placement(self) -> Body:
        """Nothing: who names no host comes here."""
        return {}

    def claim(self, name: str) -> None:
        """A claim, and the volume that it is bound to: there may be no storage class."""
        size, own = {"storage": "1Mi"}, f"{self.namespace.name}-{name}"
        more = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
        volume = {
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": own, "labels": {OWNER: self.namespace.name}},
            "spec": {**more, "capacity": size, "hostPath": {"path": "/usr/share"}},
        }  # fmt: skip
        claim = {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {**more, "resources": {"requests": size}, "volumeName": own},
        }  # fmt: skip
        for one in (volume, claim):
            self.namespace.kubectl("create", "--filename", "-", given=yaml.safe_dump(one))

    def close(self) -> None:
        """Nothing stays that has no namespace."""
        kubectl("delete", "pv", "--selector", f"{OWNER}={self.namespace.name}", "--wait=false")

    def executions(self, name: str) -> int:
        """As the kubelets' events count them."""
        uid = self.uid(name)
        begun = (
            one.get("count") or 1
            for one in self.namespace.listed("events", "--field-selector", "reason=Started")
            if one["involvedObject"].get("fieldPath") == "spec.containers{app}"
            and self._is_of(one["involvedObject"]["name"], uid)
        )
        return sum(begun)

    def _is_of(self, pod: str, uid: str) -> bool:
        """Whether a pod is of an attempt of that job: its name begins with that of the attempt."""
        names = self._names.setdefault(uid, set())
        found = self.namespace.listed("profilingjobs")
        for one in (one for one in found if one["metadata"]["uid"] == uid):
            names.update(each["jobName"] for each in one.get("status", {}).get("attempts", ()))
        return any(pod.startswith(f"{each}-") for each in names)

    def __init__(self, namespace: installed.Namespace) -> None:
        super().__init__(namespace)
        self._names: dict[str, set[str]] = {}

    def running(self, name: str) -> list[str]:
        """Pods that hold something of a node, and that nobody has asked to end."""
        active = "status.phase!=Succeeded,status.phase!=Failed"
        found = self._of("pods", name, "--field-selector", active)
        return [_name(one) for one in found if "deletionTimestamp" not in one["metadata"]]

    def remains(self, name: str) -> list[str]:
        """Jobs and pods."""
        return [_name(one) for kind in ("jobs", "pods") for one in self._of(kind, name)]

    def _of(self, kind: str, name: str, *words: str) -> list[Body]:
        selector = ("--selector", f"profiling.dev/job-uid={self.uid(name)}")
        return self.namespace.listed(kind, *selector, *words)

    def lose(self, name: str) -> None:
        """Delete its Job, and thereby the pod."""
        attempt = self.status(name)["attempts"][-1]
        self.namespace.kubectl("delete", "job", attempt["jobName"])

    def kill(self) -> None:
        """KILL its process, which only its node can do; the kubelet starts another one."""
        (pod,) = self._operators()
        uid, restarts = pod["metadata"]["uid"], _restarts(pod)
        for one in installed.processes_of(uid):
            if "operator" in one.words:
                subprocess.run(["kill", "-KILL", str(one.pid)], check=True)
        until(
            lambda: any(_restarts(one) > restarts and _is_ready(one) for one in self._operators())
        )

    @contextmanager
    def away(self) -> Iterator[None]:
        """Without a pod of it."""
        yield from installed.without_operator()

    def _operators(self) -> list[Body]:
        found: list[Body] = json.loads(kubectl(*OPERATOR_PODS, "-o", "json"))["items"]
        return found

    def metrics(self) -> str:
        """From the operator's pod."""
        (pod,) = self._operators()
        address = pod["status"]["podIP"]
        with urllib.request.urlopen(f"http://{address}:8080/metrics", timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def stored(self, name: str, path: str) -> bytes:
        """From the results server, as somebody who may read the job."""
        number = self.status(name)["attempts"][-1]["number"]
        return installed.stored(self.namespace.name, name, self.uid(name), number, path)

    def told(self) -> str:
        """The operator's log."""
        words = ("-n", installed.SYSTEM, "logs", f"deployment/{installed.OPERATOR}", "--tail=50")
        return kubectl(*words)


def _name(body: Body) -> str:
    return str(body["metadata"]["name"])


def _restarts(pod: Body) -> int:
    return sum(one["restartCount"] for one in pod["status"].get("containerStatuses", ()))


def _is_ready(pod: Body) -> Any:
    return all(one["ready"] for one in pod["status"].get("containerStatuses", ()))
