"""A release of the chart on a real cluster, and the namespaces in which tests apply their jobs."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import go_programs
import yaml

from making import job_body

PYTHON = "profiling-operator/python:local"
SYSTEM = "profiling-system"
RELEASE = "profjob"
OPERATOR = f"{RELEASE}-profiling-operator"
ROOT = Path(__file__).parent.parent.parent
VALUES = ROOT / "tools/cluster/values.yaml"
RESULTS = "http://10.96.0.80:8080/v1/results"
ADOPT = ("--take-ownership", "--force-conflicts")
WAIT_SECONDS = 150
PAUSE_SECONDS = 0.3

Body = dict[str, Any]


class KubectlError(AssertionError):
    """kubectl said no."""


def kubectl(*words: str, given: str | None = None) -> str:
    """What kubectl prints. Raises KubectlError with what it complains of."""
    done = subprocess.run(
        ["kubectl", *words], input=given, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise KubectlError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def until(look: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    """What `look` returns once it is true. Raises TimeoutError with what it returned last."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"still {found!r} after {seconds} s")
        time.sleep(PAUSE_SECONDS)  # kubectl has no event for most of what tests wait for
    return found


@dataclass(frozen=True)
class Namespace:
    """A namespace of one test, in which Pod Security is `restricted`."""

    name: str

    def kubectl(self, *words: str, given: str | None = None) -> str:
        """kubectl in this namespace."""
        return kubectl("--namespace", self.name, *words, given=given)

    def job(self, **changes: Any) -> Body:
        """A job whose application is Python in a container."""
        app = {"image": PYTHON, **changes.pop("app", {"command": ["true"]})}
        body = job_body(app=app, **changes)
        del body["metadata"]["uid"]
        body["metadata"]["namespace"] = self.name
        return body

    def apply(self, **changes: Any) -> str:
        """Apply a job and return its name."""
        body = self.job(**changes)
        self.kubectl("apply", "--filename", "-", given=yaml.safe_dump(body))
        return str(body["metadata"]["name"])

    def get(self, name: str = "test", kind: str = "profilingjob") -> Body:
        """An object."""
        found: Body = json.loads(self.kubectl("get", kind, name, "--output", "json"))
        return found

    def status(self, name: str = "test") -> Body:
        """A job's status; empty while there is none."""
        found: Body = self.get(name).get("status") or {}
        return found

    def listed(self, kind: str, *words: str) -> list[Body]:
        """Objects of a kind."""
        found: list[Body] = json.loads(self.kubectl("get", kind, "--output", "json", *words))[
            "items"
        ]
        return found

    def wait(self, name: str = "test", seconds: int = WAIT_SECONDS) -> Body:
        """The status of a job once it has finished."""
        try:
            self.kubectl(
                "wait", "--for=condition=Finished", f"--timeout={seconds}s", f"profilingjob/{name}"
            )
        except KubectlError as error:
            raise AssertionError(f"{error}\n{self.told(name)}") from error
        return self.status(name)

    def until_phase(self, phase: str, name: str = "test") -> Body:
        """The status of a job once it has come to a phase."""
        until(lambda: self.status(name).get("phase") == phase)
        return self.status(name)

    def until_gone(self, kind: str, *words: str) -> None:
        """Return when there is no such object any more."""
        until(lambda: not self.listed(kind, *words))

    def told(self, name: str) -> str:
        """What may tell why it did not end as a test wants it."""
        words = ("get", "profilingjob,job,pod,event", "--output", "yaml")
        lines = self.kubectl(*words).splitlines()
        return "\n".join(line for line in lines if "assignment" not in line)[-20000:]

    def reasons(self) -> list[str]:
        """The reasons of the events of ProfilingJobs, in no order."""
        fields = "involvedObject.kind=ProfilingJob"
        return [one["reason"] for one in self.listed("events", "--field-selector", fields)]


def condition(status: Body, kind: str) -> Body:
    """A condition of a status; empty where there is none."""
    found = (one for one in status.get("conditions", ()) if one["type"] == kind)
    return next(found, {})


def ended(status: Body) -> tuple[str, str]:
    """Phase and reason of a finished job."""
    return status["phase"], condition(status, "Finished")["reason"]


def scale(replicas: int) -> None:
    """Run so many operators: one or none. Returns when it is so."""
    kubectl("-n", SYSTEM, "scale", "deployment", OPERATOR, f"--replicas={replicas}")
    if replicas:
        kubectl("-n", SYSTEM, "rollout", "status", "deployment", OPERATOR, "--timeout=120s")
    else:
        pods = (
            "-n",
            SYSTEM,
            "get",
            "pods",
            "-l",
            "app.kubernetes.io/component=operator",
            "-o",
            "name",
        )
        until(lambda: not kubectl(*pods).strip())


def helm(*words: str) -> None:
    """Run helm. Raises AssertionError with what it complains of."""
    program = str(go_programs.ensure("helm") / "helm")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pods = kubectl("-n", SYSTEM, "get", "pods,events")
        raise AssertionError(f"helm {' '.join(words)}: {done.stderr}\n{pods}")


def install(*settings: str) -> None:
    """Install the chart, or upgrade it: quick to give up, and with these settings."""
    quick = ("unschedulable_seconds=5", "image_pull_seconds=5")
    chosen = [*(f"settings.kubernetes.{one}" for one in quick), *settings]
    sets = [word for one in chosen for word in ("--set", one)]
    chart = str(ROOT / "charts/profiling-operator")
    words = ("upgrade", "--install", RELEASE, chart, "--namespace", SYSTEM, "--create-namespace")
    # The definition outlives a release, and may be that of another one.
    helm(*words, *ADOPT, "--values", str(VALUES), "--wait", "--timeout", "3m", *sets)


@contextmanager
def upgraded(*settings: str) -> Iterator[None]:
    """The release has these settings meanwhile."""
    install(*settings)
    try:
        yield
    finally:
        install()


def stored(namespace: str, job: str, uid: str, attempt: int, path: str) -> bytes:
    """A file of the results server, with a token of an account that may read the job."""
    account = "reader"
    words = ("--namespace", namespace, "create")
    with suppress(KubectlError):  # they are there
        kubectl(*words, "serviceaccount", account)
        kubectl(*words, "role", account, "--verb=get", "--resource=profilingjobs.profiling.dev")
        kubectl(*words, "rolebinding", account, f"--role={account}",
                f"--serviceaccount={namespace}:{account}")  # fmt: skip
    url = f"{RESULTS}/{namespace}/{job}/{uid}/{attempt}/{path}"
    asked = urllib.request.Request(
        url, headers={"Authorization": f"Bearer {token(namespace, account)}"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        content: bytes = answer.read()
    return content


@contextmanager
def released() -> Iterator[str]:
    """The chart, installed and tested by itself; uninstalled at the end, with its namespace."""
    install()
    try:
        helm("test", RELEASE, "--namespace", SYSTEM)
        yield RELEASE
    finally:
        helm("uninstall", RELEASE, "--namespace", SYSTEM, "--wait")
        kubectl("delete", "namespace", SYSTEM)


@contextmanager
def own_namespace() -> Iterator[Namespace]:
    """A namespace that admits restricted pods only; nothing of it stays."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    try:
        yield Namespace(name)
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


def without_operator() -> Iterator[None]:
    """No operator runs meanwhile; it comes back in any case."""
    scale(0)
    try:
        yield
    finally:
        scale(1)


def token(namespace: str, account: str, *words: str) -> str:
    """A token of a service account."""
    return kubectl("-n", namespace, "create", "token", account, *words).strip()


@dataclass(frozen=True)
class Process:
    """A process of this machine."""

    pid: int
    words: list[str]
    group: str


def processes() -> Iterator[Process]:
    """The processes of this machine with their words and control groups."""
    for one in Path("/proc").glob("[0-9]*"):
        try:
            words = (one / "cmdline").read_bytes().decode(errors="replace").split("\0")
            group = (one / "cgroup").read_text()
        except OSError:
            continue
        yield Process(int(one.name), words, group)


def processes_of(uid: str) -> Iterator[Process]:
    """Those of a pod that runs on this machine, by its control group's name."""
    for process in processes():
        if uid.replace("-", "_") in process.group.replace("-", "_"):
            yield process


def has_cluster() -> bool:
    """Whether $KUBECONFIG names a cluster that answers."""
    if not os.environ.get("KUBECONFIG"):
        return False
    try:
        kubectl("get", "--raw", "/readyz")
    except (KubectlError, FileNotFoundError):
        return False
    return True
