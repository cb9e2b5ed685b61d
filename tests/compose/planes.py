"""Control planes of tests: compose.yaml under a name of their own, with ports of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

import capabilities
import docker
from making import SOURCE_ROOT

ROOT = Path(__file__).parents[2]
HOST = f"test-{os.getpid()}"
"""Others may use the engine at the same time."""
SERVICES = {"etcd", "kube-apiserver", "results", "agent", "prometheus"}
ONE_SHOT = {"setup", "install"}
SECONDS = 120
# Busy until somebody says that it may end, and long enough for a profile.
APP = """
import os, time
def hot():
    end = time.monotonic() + 0.02
    while time.monotonic() < end:
        sum(range(1000))
print("begun", flush=True)
while time.process_time() < 1 or not os.path.exists("/tmp/go"):
    hot()
"""


def _program(name: str) -> Path:
    folder: Path = capabilities._script("go_programs").folder(name)
    return folder


def kubectl_path() -> str:
    """kubectl, of the same version as the API server."""
    return str(_program("kubernetes") / "kubectl")


class Plane:
    """One control plane. Its files are in `folder`, its engine answers at `url`."""

    def __init__(self, name: str, folder: Path, url: str = "", within: Sequence[str] = ()) -> None:
        """`within`: words in front of commands that reach its ports, as of nsenter."""
        self.name, self.folder, self.within = name, folder, within
        self.url = url or os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        self.api, self.results, self.prometheus = free_ports(3)
        self.env = {
            **os.environ,
            "DOCKER_HOST": self.url,
            "PROFJOB_HOST": HOST,
            "PROFJOB_SOCKET": self.url.removeprefix("unix://"),
            "PROFJOB_API_PORT": str(self.api),
            "PROFJOB_RESULTS_PORT": str(self.results),
            "PROFJOB_PROMETHEUS_PORT": str(self.prometheus),
        }

    def compose(self, *words: str, is_fine: bool = True) -> str:
        """Run docker compose; what it printed."""
        command = [
            str(_program("docker-compose") / "docker-compose"),
            "--project-name", self.name, "--project-directory", str(ROOT),
            "--env-file", str(ROOT / "tests/compose/local.env"), "--progress", "quiet", *words,
        ]  # fmt: skip
        done = subprocess.run(
            command, env=self.env, capture_output=True, text=True, timeout=240, check=False
        )
        if is_fine and done.returncode:
            raise AssertionError(f"{words}: {done.stdout}{done.stderr}\n{self.logs()}")
        return done.stdout

    def up(self, *services: str) -> None:
        """Start it, and wait until all is well."""
        self.compose("up", "--detach", "--wait", "--no-build", *services)

    def logs(self) -> str:
        """The last lines of each service."""
        return self.compose("logs", "--no-color", "--tail", "30", is_fine=False)

    def access(self, name: str) -> Path:
        """A kubeconfig, copied as the printed line says."""
        target = self.folder / f"{name}.kubeconfig"
        self.compose("cp", f"install:/access/{name}.kubeconfig", str(target))
        return target

    def kubectl(
        self, *words: str, by: str = "admin", given: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as a person."""
        command = [
            *self.within,
            kubectl_path(),
            "--kubeconfig",
            str(self.folder / f"{by}.kubeconfig"),
            *words,
        ]
        return subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "HOME": str(self.folder)},
        )  # fmt: skip

    def profjob(self, *words: str, by: str = "jenkins") -> subprocess.CompletedProcess[str]:
        """Run profjob as a person who has a kubeconfig and nothing else."""
        env = {
            **os.environ, "PYTHONPATH": SOURCE_ROOT, "HOME": str(self.folder), "NO_COLOR": "1",
            "KUBECONFIG": str(self.folder / f"{by}.kubeconfig"),
            "PROFJOB_SETTINGS": str(self.folder / "none.yaml"),
        }  # fmt: skip
        return subprocess.run(
            [*self.within, sys.executable, "-m", "profiling_operator", *words],
            env=env, cwd=self.folder, capture_output=True, text=True, timeout=170, check=False,
        )  # fmt: skip

    def apply(self, name: str, **changes: Any) -> None:
        """Apply a job that runs until `let_go`."""
        path = self.folder / f"{name}.yaml"
        path.write_text(yaml.safe_dump(job(name, **changes)))
        done = self.profjob("apply", str(path))
        assert done.returncode == 0, done.stderr

    def wait(self, name: str) -> subprocess.CompletedProcess[str]:
        """Wait for the end of a job."""
        return self.profjob("wait", name, "--timeout", f"{SECONDS}s", "--quiet")

    def status(self, name: str) -> dict[str, Any]:
        """The status of a job."""
        done = self.profjob("describe", name, "-o", "json")
        assert done.returncode == 0, done.stderr
        status: dict[str, Any] = json.loads(done.stdout)["status"]
        return status

    def ready(self) -> None:
        """Wait until the API server knows what roles there are; before, it refuses everything."""
        eventually(
            lambda: self.kubectl("get", "--raw", "/readyz", by="jenkins").stdout == "ok",
            "the API server does not come back", self.logs,
        )  # fmt: skip

    def application(self, job_name: str) -> Any:
        """The running container of a job's application; waits for its first line."""

        def begun() -> Any:
            for one in self._applications(job_name):
                if b"begun" in one.logs():
                    return one
            return None

        return eventually(begun, f"{job_name} never ran", self.logs)

    def let_go(self, job_name: str) -> None:
        """Tell the application that it may end."""
        (one,) = self._applications(job_name)
        done = one.exec_run(["touch", "/tmp/go"])
        assert done.exit_code == 0, done.output

    def _applications(self, job_name: str) -> list[Any]:
        with client(self.url) as asked:
            found = asked.containers.list(filters={"label": f"profiling.dev/agent={HOST}"})
            named = [one for one in found if one.name.startswith(f"{job_name}-")]
            return [one for one in named if one.labels.get("profiling.dev/role") == "app"]

    def container(self, service: str) -> Any:
        """The container of a service."""
        with client(self.url) as asked:
            return asked.containers.get(f"{self.name}-{service}-1")

    def left(self) -> list[str]:
        """What the engine has of it, and of its agent's."""
        label = f"com.docker.compose.project={self.name}"
        with client(self.url) as asked:
            given = {"filters": {"label": label}}
            found = [*asked.containers.list(all=True, **given), *asked.volumes.list(**given),
                     *asked.networks.list(**given)]  # fmt: skip
            return sorted(one.name for one in found)

    def ask_prometheus(self, path: str) -> Any:
        """`data` of an answer of Prometheus' API."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.prometheus}{path}") as answer:
            return json.load(answer)["data"]


@contextmanager
def starts(url: str) -> Iterator[Callable[[], dict[str, int]]]:
    """Counts from now on how often containers of our agents' applications start, by attempt."""
    counted: dict[str, int] = {}
    words = ["docker", "-H", url, "events", "--format", "{{json .}}", "--filter", "event=start",
             "--filter", "type=container", "--filter", "label=profiling.dev/role=app",
             "--filter", f"label=profiling.dev/agent={HOST}",
             "--since", "0s"]  # fmt: skip
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = process.stdout

    def read() -> dict[str, int]:
        process.terminate()
        for line in lines:
            attempt = json.loads(line)["Actor"]["Attributes"]["profiling.dev/attempt"]
            counted[attempt] = counted.get(attempt, 0) + 1
        return counted

    try:
        yield read
    finally:
        process.terminate()
        process.wait(timeout=30)
        lines.close()


def job(name: str, **changes: Any) -> dict[str, Any]:
    """A job that runs until it is let go."""
    return {
        "apiVersion": "profiling.dev/v1alpha1",
        "kind": "ProfilingJob",
        "metadata": {"name": name, "namespace": "ci"},
        "spec": {
            "app": {
                "image": "profiling-operator/examples/python-threads",
                "command": ["python3", "-c", APP],
            },
            "collectors": [{"name": "pyspy"}],
            "timeoutSeconds": 150,
            "gracePeriodSeconds": 5,
            "retries": {"infrastructure": 1},
            **changes,
        },
    }


def eventually(
    look: Callable[[], Any], problem: str, more: Callable[[], str] = str, seconds: float = SECONDS
) -> Any:
    """What a look brings, once it brings something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(urllib.error.URLError, ConnectionError, docker.errors.APIError):
            if found := look():
                return found
        time.sleep(0.3)
    raise AssertionError(f"{problem}\n{more()}")


@contextmanager
def client(url: str) -> Iterator[docker.DockerClient]:
    """A client of an engine."""
    asked = docker.DockerClient(base_url=url, timeout=60)
    try:
        yield asked
    finally:
        asked.close()


def free_ports(count: int) -> list[int]:
    """Ports that nobody has."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
