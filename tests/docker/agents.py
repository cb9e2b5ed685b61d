"""Agents of Docker hosts: processes of a test's own, which it may kill."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.error import URLError
from urllib.parse import unquote, urlsplit

import installed
import yaml
from engines import client
from events import LABEL, Event, Watch
from installed import Namespace, until

from making import free_port, own_environment

Body = dict[str, Any]

DEFINITION = installed.ROOT / "crds/profilingjobs.profiling.dev.yaml"


def define() -> None:
    """The API server knows the resource: no chart is needed for it."""
    installed.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(DEFINITION))
    wait = ("wait", "--for=condition=Established", "--timeout=60s")
    installed.kubectl(*wait, "-f", str(DEFINITION))


class Host:
    """A Docker host: its engine, its results, and the agent process that looks after its jobs."""

    def __init__(self, namespace: Namespace, folder: Path, url: str = "", **agent: Any) -> None:
        """`agent`: its settings; `url`: the engine's, if not the machine's."""
        self.namespace = namespace
        self.name = f"host-{uuid.uuid4().hex[:8]}"
        self.results = folder / "results"
        self.watch = Watch(folder, url)
        self._url = url
        self._folder = folder
        self._env = {**own_environment(folder), **({"DOCKER_HOST": url} if url else {})}
        self._settings = {
            "stores": {"default": {"url": self.results.as_uri()}},
            "agent": {"namespace": namespace.name, "gpu_request": "environment", **agent},
        }
        self._agents: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Host:
        """An engine that is watched; no agent runs yet."""
        self.results.mkdir()
        Path(self._env["PROFJOB_SETTINGS"]).write_text(yaml.safe_dump(self._settings))
        self.watch.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing of it is left, however the test went; what it said is told where it went ill."""
        for one in self._agents.values():
            one.kill()
            one.wait()
        self.watch.end()
        if error is not None:
            sys.stderr.write(self.told())
        with suppress(Exception), client(self._url) as asked:
            mine = {"label": f"{LABEL}agent={self.name}"}
            for container in asked.containers.list(all=True, filters=mine):
                container.remove(force=True)
            for thing in (*asked.volumes.list(filters=mine), *asked.networks.list(filters=mine)):
                thing.remove()

    def begin(self, number: int = 0) -> subprocess.Popen[bytes]:
        """Start an agent; its log is that of its number."""
        self._port = free_port()
        words = ["operator", "--executor", "docker", "--host", self.name, "--verbose",
                 "--namespace", self.namespace.name, "--metrics-port", "0",
                 "--health-port", str(self._port)]  # fmt: skip
        with self._log(number).open("ab") as log:
            agent = subprocess.Popen(
                [sys.executable, "-m", "profiling_operator", *words],
                env=self._env, stdout=log, stderr=log,
            )  # fmt: skip
        self._agents[number] = agent
        return agent

    def start(self) -> None:
        """Start an agent, and wait until it says that it is well.

        One that was killed before is not waited for: `begin` shows how long that would take.
        """
        self.namespace.kubectl("delete", "leases", "--all")
        agent = self.begin()
        port = self._port

        def is_well() -> bool:
            assert agent.poll() is None, f"the agent has ended:\n{self.told()}"
            return _answers(f"http://127.0.0.1:{port}/healthz")

        self.until(is_well, 60)

    def kill(self, number: int = 0) -> None:
        """KILL an agent: what it has begun goes on without it."""
        self._agents[number].kill()
        self._agents[number].wait()

    def told(self, number: int = 0) -> str:
        """What the agents of that number have said."""
        path = self._log(number)
        return path.read_text(errors="replace")[-20000:] if path.exists() else ""

    def _log(self, number: int) -> Path:
        return self._folder / f"agent-{number}.log"

    def apply(self, name: str = "test", **changes: Any) -> str:
        """Apply a job for this host; returns its name."""
        self.apply_all({name: changes})
        return name

    def apply_all(self, jobs: dict[str, Body]) -> None:
        """Apply several at once, in their order."""
        self.namespace.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(
            [self.body(name, **changes) for name, changes in jobs.items()]
        ))  # fmt: skip

    def body(self, name: str, **changes: Any) -> Body:
        """A job for this host."""
        placement = {**changes.pop("placement", {}), "host": self.name}
        return self.namespace.job(name=name, placement=placement, **changes)

    def until(self, look: Callable[[], Any], seconds: float = installed.WAIT_SECONDS) -> Any:
        """What `look` returns once it is true; where it never is, the agent's log is told."""
        try:
            return until(look, seconds)
        except TimeoutError as error:
            raise AssertionError(f"{error}:\n{self.told()}") from error

    def until_phase(self, phase: str, name: str = "test") -> Body:
        """The status of a job once it has come to a phase."""
        self.until(lambda: self.namespace.status(name).get("phase") == phase)
        return self.namespace.status(name)

    def until_seen(self, holds: Callable[[Event], bool]) -> Event:
        """The first event of a kind, as soon as it has happened."""
        found: Event = self.until(lambda: next(filter(holds, self.watch.seen()), None))
        return found

    def until_said(self, attempt: str, words: str) -> None:
        """Return when an application has printed that."""
        with client(self._url) as asked:
            container = asked.containers.get(attempt)
            self.until(lambda: words in container.logs().decode(errors="replace"))

    def wait(self, name: str = "test") -> Body:
        """The status of a job once it has finished."""
        try:
            return self.namespace.wait(name)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.told()}") from error

    def of_apps(self) -> list[Event]:
        """What happened to the containers of this host's applications."""
        seen = (one for one in self.watch.seen() if one.is_of_app)
        return [one for one in seen if one.labels.get(f"{LABEL}agent") == self.name]

    def starts(self) -> dict[str, int]:
        """How often the application of each attempt was started."""
        return Counter(one.attempt for one in self.of_apps() if one.action == "start")

    def check_once(self, *statuses: Body) -> None:
        """The attempts of these jobs, and no others, ran here, each exactly once."""
        attempts = [one["jobName"] for status in statuses for one in status["attempts"]]
        assert self.starts() == dict.fromkeys(attempts, 1), self.told()

    def check_results(self, status: Body) -> dict[str, bytes]:
        """The files of the results, which are complete, and what their checksums say."""
        folder = Path(unquote(urlsplit(status["results"]["url"]).path))
        files = status["results"]["files"]
        found = {one["path"]: (folder / one["path"]).read_bytes() for one in files}
        assert found
        for one in files:
            assert hashlib.sha256(found[one["path"]]).hexdigest() == one["sha256"], one
        return found

    def remains(self) -> list[str]:
        """What the engine has of this host's attempts."""
        with client(self._url) as asked:
            mine = {"label": f"{LABEL}agent={self.name}"}
            found = (
                *asked.containers.list(all=True, filters=mine, ignore_removed=True),
                *asked.volumes.list(filters=mine),
                *asked.networks.list(filters=mine),
            )
            return sorted(one.name for one in found)

    def until_nothing_remains(self) -> None:
        """Return when the engine has nothing of this host's attempts any more, and no file is left
        of a conversion."""
        self.until(lambda: not self.remains())
        self.until(lambda: not list(self._state().glob("*/*")))

    def _state(self) -> Path:
        return Path(self._env["PROFJOB_STATE_DIR"]) / "agent" / self.name

    def child(self, attempt: str) -> int:
        """The process that makes the results of an attempt, as soon as there is one; stopped."""
        lock = self._state() / "attempts" / attempt / "lock"

        def stopped() -> int:
            with suppress(OSError, ValueError):
                pid = int(lock.read_text())
                os.kill(pid, signal.SIGSTOP)
                return pid
            return 0

        found: int = installed.until(stopped)
        return found


def attempts(status: Body) -> list[str]:
    """How each attempt ended."""
    return [one["outcome"] for one in status["attempts"]]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
