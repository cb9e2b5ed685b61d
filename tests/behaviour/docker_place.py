"""Jobs in containers of a Docker engine, looked after by an agent of the test's own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.parse import unquote, urlsplit

import installed
import yaml
from installed import Namespace, until
from places import Body, Place

from making import free_port, own_environment

UUIDS = ("GPU-11111111-aaaa-bbbb-cccc-000000000001", "GPU-11111111-aaaa-bbbb-cccc-000000000002")
PRODUCT = "NVIDIA-TEST"
JOBS_AT_ONCE = 3
START_SECONDS = 60
END_SECONDS = 30
LABEL = "profiling.dev"
DEFINITION = installed.ROOT / "crds/profilingjobs.profiling.dev.yaml"


def define() -> None:
    """The API server knows the resource: no chart is needed for it."""
    kubectl = installed.kubectl
    kubectl("apply", "--server-side", "--force-conflicts", "--filename", str(DEFINITION))
    kubectl("wait", "--for=condition=Established", "--timeout=60s", "--filename", str(DEFINITION))


def docker(*words: str) -> str:
    """What the docker command prints."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=True)
    return done.stdout


class DockerPlace(Place):
    """A Docker host with two declared GPUs. Enter it to start its agent."""

    platform = "docker"
    gpus = len(UUIDS)

    def __init__(self, namespace: Namespace, folder: Path) -> None:
        super().__init__(namespace)
        self.host = f"host-{uuid.uuid4().hex[:8]}"
        self.results = folder / "results"
        self._env = own_environment(folder)
        self._log, self._starts = folder / "agent.log", folder / "starts.jsonl"
        self._metrics_port, self._health_port = free_port(), free_port()
        self._agent: subprocess.Popen[bytes] | None = None
        self._listener: subprocess.Popen[bytes] | None = None
        Path(self._env["PROFJOB_SETTINGS"]).write_text(yaml.safe_dump(self._settings()))

    def _settings(self) -> Body:
        return {
            "stores": {"default": {"url": self.results.as_uri()}},
            "agent": {
                "namespace": self.namespace.name,
                "gpus": [{"uuid": one, "product": PRODUCT} for one in UUIDS],
                "gpu_request": "environment",
                "jobs_without_gpu": JOBS_AT_ONCE,
            },
        }

    def __enter__(self) -> DockerPlace:
        """The agent runs, and every start of a container of its is noted."""
        self.results.mkdir()
        chosen = ("type=container", "event=start", f"label={LABEL}/agent={self.host}")
        filters = (word for one in chosen for word in ("--filter", one))
        words = ["events", *filters, "--format", "{{json .}}"]
        with self._starts.open("wb") as file:
            self._listener = subprocess.Popen(["docker", *words], stdout=file)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing of it stays, however the tests went."""
        for process in (self._agent, self._listener):
            if process is not None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(END_SECONDS)
                process.kill()
                process.wait()
        label = f"label={LABEL}/agent={self.host}"
        for kind, words in (("container", ("rm", "--force", "--volumes")),
                            ("volume", ("rm", "--force")), ("network", ("rm",))):  # fmt: skip
            every = ("--all",) if kind == "container" else ()
            if found := docker(kind, "ls", *every, "--quiet", "--filter", label).split():
                docker(kind, *words, *found)

    def start(self) -> None:
        """Start the agent, and wait until it says that it is well."""
        words = ["operator", "--executor", "docker", "--host", self.host,
                 "--namespace", self.namespace.name,
                 "--metrics-port", str(self._metrics_port),
                 "--health-port", str(self._health_port), "--verbose"]  # fmt: skip
        with self._log.open("ab") as log:
            self._agent = subprocess.Popen(
                [sys.executable, "-m", "profiling_operator", *words],
                env=self._env, stdout=log, stderr=log,
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self._is_well():
            if self._agent.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the agent does not start:\n{self.told()}")
            time.sleep(installed.PAUSE_SECONDS)  # there is no event for it

    def _is_well(self) -> bool:
        url = f"http://127.0.0.1:{self._health_port}/healthz"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def placement(self) -> Body:
        """Its name."""
        return {"host": self.host}

    def claim(self, name: str) -> None:
        """A volume that says who may have it."""
        own = ("--label", f"{LABEL}/claim-namespace={self.namespace.name}")
        whose = ("--label", f"{LABEL}/agent={self.host}")  # so that it goes with the agent's
        docker("volume", "create", *own, *whose, name)

    def executions(self, name: str) -> int:
        """As the engine's events count them."""
        uid = self.uid(name)
        told = (json.loads(one) for one in self._starts.read_text().splitlines())
        labels = (one["Actor"]["Attributes"] for one in told)
        return sum(
            one.get(f"{LABEL}/job-uid") == uid and one.get(f"{LABEL}/role") == "app"
            for one in labels
        )

    def running(self, name: str) -> list[str]:
        """Containers that run."""
        return self._listed("container", name, "--format", "{{.Names}}")

    def remains(self, name: str) -> list[str]:
        """Containers, volumes and networks."""
        named = ("--format", "{{.Name}}")
        return [
            *self._listed("container", name, "--all", "--format", "{{.Names}}"),
            *self._listed("volume", name, *named),
            *self._listed("network", name, *named),
        ]

    def _listed(self, kind: str, name: str, *words: str) -> list[str]:
        label = f"label={LABEL}/job-uid={self.uid(name)}"
        return docker(kind, "ls", "--filter", label, *words).split()

    def lose(self, name: str) -> None:
        """Remove the application's container."""
        role = ("--filter", f"label={LABEL}/role=app", "--quiet")
        (found,) = self._listed("container", name, *role)
        docker("container", "rm", "--force", found)

    def kill(self) -> None:
        """KILL the agent, and start another one."""
        assert self._agent is not None
        self._agent.kill()
        self._agent.wait()
        self.start()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Ended in order, and started again."""
        assert self._agent is not None
        self._agent.terminate()
        self._agent.wait(END_SECONDS)
        try:
            yield
        finally:
            self.start()

    def metrics(self) -> str:
        """From the agent."""
        url = f"http://127.0.0.1:{self._metrics_port}/metrics"
        with urllib.request.urlopen(url, timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def stored(self, name: str, path: str) -> bytes:
        """From the folder that is its store."""
        url = until(lambda: self.status(name).get("results", {}).get("url"))
        return (Path(unquote(urlsplit(url).path)) / path).read_bytes()

    def told(self) -> str:
        """The end of the agent's log."""
        return self._log.read_text(errors="replace")[-10000:]
