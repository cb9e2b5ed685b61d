"""Turns what an attempt left into results in the store, in a child process (`profjob upload`).

What an application left is hostile, so it is not read in the agent: the child has limits, only the
variables that it needs, and an end. What it has converted is kept in the attempt's folder: after a
crash the same bytes are sent, and only those that the store does not have.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from profiling_operator import assignment, reporting, store, upload, workspace
from profiling_operator.agent import children
from profiling_operator.agent.children import Child
from profiling_operator.errors import ExecutorError, WorkspaceGoneError
from profiling_operator.machines import Machine
from profiling_operator.observation import Observation
from profiling_operator.plan import Plan
from profiling_operator.quantities import parse_quantity
from profiling_operator.reporting import Report
from profiling_operator.settings import Settings
from profiling_operator.status import Collected, time_text

Copy = Callable[[], AbstractContextManager[Path]]

MARGIN_SECONDS = 30.0  # the child has its own limit; reconcile gives up after twice as much
TOKEN_SECONDS = 60.0  # tokens are renewed
LOCK, TOKEN, WORDS, LOG, SCRATCH, EMPTY = "lock", "token", "last-words", "log", "scratch", "empty"
LOG_TAIL = 300
KILLED = 128 + signal.SIGKILL

PASSED_ON = {
    *("PATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
}
CREDENTIALS = ("AWS_", "GOOGLE_", "AZURE_")
"""Of object stores: what their variables begin with."""


@dataclass(frozen=True)
class LastWords:
    """How collecting ended, as a pod's uploader would have."""

    exit_code: int
    message: str
    finished_at: str = field(default_factory=lambda: time_text(datetime.now(UTC)))


class Collecting:
    """Collects attempts, each in a folder of its own below `state`."""

    def __init__(self, known: Settings, state: Path, node: str, token: Callable[[], str]) -> None:
        """`node` is the host's name; `token` gives the token for a results server, or nothing."""
        self._known = known
        self._state = state
        self._node = node
        self._token = token
        self._running: set[Child] = set()
        self._is_closed = False
        self._lock = threading.Lock()

    def run(
        self,
        planned: Plan,
        container: str,
        copy: Copy,
        seen: Observation | None = None,
        machine: Machine | None = None,
    ) -> LastWords:
        """Save what an ended attempt left; `copy` brings its workspace. Blocks, within limits.

        `seen` may tell its device and its image, `machine` where it ran, if not here.

        Done twice it is done once. Raises ExecutorError, OSError where trying again may help: the
        engine does not answer, this machine has no room, or `close` was called.
        """
        until = time.monotonic() + planned.deadlines.collect_seconds + MARGIN_SECONDS
        folder = self._state / planned.name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if planned.output.store not in self._known.stores:
            return LastWords(1, f"the settings name no store {planned.output.store!r}")
        with children.held(folder / LOCK, until - time.monotonic()) as lock:
            self._assign(folder, planned, seen, machine)
            try:
                with _workspace(folder, copy) as root:
                    return self._collected(folder, planned, container, root, lock, until)
            except WorkspaceGoneError as error:
                return LastWords(1, f"{error}")

    def forget(self, attempt: str) -> None:
        """Remove what is kept of an attempt."""
        folder = self._state / attempt
        children.kill_holder(folder / LOCK)
        shutil.rmtree(folder, ignore_errors=True)

    def attempts(self) -> list[str]:
        """The attempts of which something is kept."""
        try:
            return sorted(one.name for one in self._state.iterdir() if one.is_dir())
        except FileNotFoundError:
            return []

    def close(self) -> None:
        """End all children, so that nobody waits for them; what they converted is kept."""
        with self._lock:
            self._is_closed = True
            for one in self._running:
                one.kill()

    def _assign(
        self, folder: Path, planned: Plan, seen: Observation | None, machine: Machine | None
    ) -> None:
        """Tell the child what a pod's uploader is told. The agent writes the status itself."""
        given = assignment.assign(planned, self._known, ()).model_copy(update={
            "reports_to_api": False, "node": self._node, "machine": machine,
            "device": seen.device if seen else "", "image": seen.image if seen else "",
        })  # fmt: skip
        store.write_whole(folder / assignment.FILE, given.model_dump_json(exclude_defaults=True))
        (folder / WORDS).unlink(missing_ok=True)
        (folder / SCRATCH).mkdir(exist_ok=True)

    def _collected(
        self, folder: Path, planned: Plan, container: str, root: Path, lock: int, until: float
    ) -> LastWords:
        try:
            code = self._ended(folder, container, root, lock, until)
        finally:
            (folder / TOKEN).unlink(missing_ok=True)
        said = _tail(folder / WORDS, reporting.ESSENCE_LIMIT)
        if said and code is not None and code >= 0:
            return LastWords(code, said)
        why = self._why(planned, folder, code)
        return _lost(planned, container, root, KILLED if code is None else _shown(code), why)

    def _ended(
        self, folder: Path, container: str, root: Path, lock: int, until: float
    ) -> int | None:
        """The child's exit code; None where it had to be killed."""
        _write_secret(folder / TOKEN, self._token())
        env = {**_passed_on(), assignment.POD_UID: container, "TMPDIR": str(folder / SCRATCH)}
        child = self._start(_words(folder, root), env, folder / LOG, lock)
        try:
            while (code := child.wait(min(until - time.monotonic(), TOKEN_SECONDS))) is None:
                if time.monotonic() >= until:
                    return None
                _write_secret(folder / TOKEN, self._token())
        finally:
            child.kill()  # also what an ended one started
            with self._lock:
                self._running.discard(child)
        if self._is_closed and code < 0:
            raise ExecutorError("the agent ends")
        return code

    def _start(self, words: list[str], env: dict[str, str], log: Path, lock: int) -> Child:
        with self._lock:
            if self._is_closed:
                raise ExecutorError("the agent ends")
            child = Child(words, env, log, lock)
            self._running.add(child)
        child.bound(int(parse_quantity(self._known.agent.collection_memory)))
        return child

    def _why(self, planned: Plan, folder: Path, code: int | None) -> str:
        """Why there are no last words of the child's own."""
        if code is None:
            limit = planned.deadlines.collect_seconds
            return f"collecting did not end within collectSeconds, {limit} s, and was killed"
        if code < 0:
            memory = self._known.agent.collection_memory
            name = signal.Signals(-code).name
            return f"collecting was ended by {name}; its memory limit is {memory}"
        return f"collecting ended with exit code {code}: {_tail(folder / LOG, LOG_TAIL)}"


def _lost(planned: Plan, container: str, root: Path, code: int, why: str) -> LastWords:
    """The results are lost; the application's own outcome is told where it can be read."""
    report = Report(
        job=planned.key,
        uid=planned.uid,
        attempt=planned.attempt,
        pod_uid=container,
        collected=Collected((), None, lost=why),
        started=workspace.read_started(root),
        exit=workspace.read_exit(root),
        runs=workspace.read_runs(root, planned.runs),
        stop_requested=workspace.stop_is_requested(root),
    )
    return LastWords(code, reporting.essence(report))


def _shown(code: int) -> int:
    """An exit code as shells and container engines tell it."""
    return code if code >= 0 else 128 - code


def _words(folder: Path, root: Path) -> list[str]:
    return [
        *(sys.executable, "-P", "-m", "profiling_operator", "upload", "--ended"),
        *("--workspace", str(root), "--scratch", str(folder / SCRATCH)),
        *("--assignment", str(folder), "--results-token", str(folder / TOKEN)),
        *("--last-words", str(folder / WORDS)),
    ]


@contextmanager
def _workspace(folder: Path, copy: Copy) -> Iterator[Path]:
    """A copy of the workspace. One that is gone is not needed where all of it is converted."""
    with ExitStack() as stack:
        try:
            root = stack.enter_context(copy())
        except WorkspaceGoneError:
            if not (folder / SCRATCH / upload.KEPT).exists():
                raise
            root = folder / EMPTY
            root.mkdir(exist_ok=True)
        yield root


def _passed_on() -> dict[str, str]:
    """Of the agent's own variables those that a child needs; DOCKER_HOST is none of them."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_ON or name.startswith(CREDENTIALS)
    }


def _write_secret(path: Path, text: str) -> None:
    """Nobody else may read it, and nobody reads half of it."""
    new = path.with_name(f".{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    new.rename(path)


def _tail(path: Path, limit: int) -> str:
    """The end of a text file; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - limit))
            return file.read(limit).decode("utf-8", "replace").strip()
    except OSError:
        return ""
