"""What stands beside an application in a pod, for tests: its files, its store, its launcher."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from making import SOURCE_ROOT, job
from profiling_operator import assignment, launcher, workspace
from profiling_operator.launching import Places, launcher_words
from profiling_operator.plan import Plan, build_plan
from profiling_operator.settings import KubernetesSettings, Settings, StoreSettings
from profiling_operator.upload import Where

POD_UID = "pod-1"
SAVES = """
echo hello
mkdir -p "$PROFILING_OUTPUT/pyspy"
echo "main (a.py:1);hot (a.py:2) 40" > "$PROFILING_OUTPUT/pyspy/profile.folded"
"""
"""A shell program that leaves what py-spy would have left."""
PROGRAM = """
import sys, typer
from profiling_operator.cli import {command}
typer.run({command}.{command})
"""


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """Polls, long enough for a loaded machine."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.01)
    return value


class PodSide:
    """The folders of a pod's own containers, below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.where = Where(
            workspace=folder / "workspace", scratch=folder / "scratch",
            assigned=folder / "etc", results_token=folder / "token",
            last_words=folder / "last-words",
        )  # fmt: skip
        for one in (self.where.workspace, self.where.scratch, self.where.assigned):
            one.mkdir()
        self.where.results_token.write_text("secret-token\n")
        self.started: list[subprocess.Popen[bytes]] = []

    def assign(self, script: str = SAVES, url: str = "", **changes: Any) -> Plan:
        """Tell the containers of an attempt whose application is a shell script."""
        wanted = {"output": {"raw": True}, "app": {"image": "a", "command": ["sh", "-c", script]}}
        planned = build_plan(job(uid="uid-1", **{**wanted, **changes}))
        planned = planned.model_copy(update={"wrapper": (), "stop": (), "recorded": False})
        known = Settings(
            stores={"default": StoreSettings(url=url or (self.folder / "store").as_uri())},
            kubernetes=KubernetesSettings(reports_to_api=False),
        )
        self.tell(assignment.assign(planned, known, ()))
        return planned

    def tell(self, given: assignment.Assignment) -> None:
        """Put an assignment where the containers find it."""
        text = given.model_dump_json(exclude_defaults=True)
        (self.where.assigned / assignment.FILE).write_text(text)

    def launch(self, planned: Plan) -> subprocess.Popen[bytes]:
        """Start the application's container: the launcher itself."""
        places = Places(str(self.where.workspace), str(launcher.path()), {})
        return self._start(launcher_words(planned, places))

    def launched(self, planned: Plan) -> int:
        """Let the application's container run to its end."""
        return self.launch(planned).wait(60)

    def upload(self, *more: str, **env: str) -> subprocess.Popen[bytes]:
        """Start `profjob upload` as a process of its own, with more words."""
        return self.command("upload", *self._upload_words(), *more, **env)

    def upload_as_first(self) -> subprocess.Popen[bytes]:
        """Start it as a container does: as the first process of a namespace."""
        first = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
        program = [sys.executable, "-m", "profiling_operator", "upload"]
        own = {"PYTHONPATH": SOURCE_ROOT, "POD_UID": POD_UID, "NODE_NAME": "node-1"}
        return self._start([*first, *program, *self._upload_words()], env={**os.environ, **own})

    def _upload_words(self) -> list[str]:
        where = self.where
        return [
            *("--workspace", str(where.workspace), "--scratch", str(where.scratch)),
            *("--assignment", str(where.assigned), "--results-token", str(where.results_token)),
            *("--last-words", str(where.last_words)),
        ]

    def command(self, command: str, *words: str, **env: str) -> subprocess.Popen[bytes]:
        """Start a command of `profjob`."""
        program = PROGRAM.format(command=command)
        own = {"PYTHONPATH": SOURCE_ROOT, "POD_UID": POD_UID, "NODE_NAME": "node-1", **env}
        return self._start([sys.executable, "-c", program, *words], env={**os.environ, **own})

    def _start(self, words: list[str], **more: Any) -> subprocess.Popen[bytes]:
        streams = {"stdout": subprocess.DEVNULL, "stderr": (self.folder / "stderr").open("ab")}
        with streams["stderr"]:
            process = subprocess.Popen(words, **streams, **more)
        self.started.append(process)
        return process

    @property
    def stderr(self) -> str:
        """What all containers have said."""
        return (self.folder / "stderr").read_text()

    def wait_until_started(self) -> None:
        """Until the application runs."""
        wait_for(lambda: workspace.read_started(self.where.workspace))

    def end(self) -> None:
        """End what still runs."""
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


class FakeServer:
    """A results server that can be down, or stuck while a file arrives."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.puts: list[str] = []
        self.tokens: set[str] = set()
        self.is_down = False
        self.stuck_after = 0
        """The gate closes when so many files have begun to arrive."""
        self.gate = threading.Event()
        self.gate.set()
        self.url = ""


@contextmanager
def serving() -> Iterator[FakeServer]:
    """A fake results server that listens."""
    state = FakeServer()

    class Handler(_Handler):
        server_state = state

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}/v1/results"
        try:
            yield state
        finally:
            state.gate.set()
            server.shutdown()
            thread.join()


def _digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


class _Handler(BaseHTTPRequestHandler):
    server_state: FakeServer

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_HEAD(self) -> None:
        state = self.server_state
        state.tokens.add(self.headers.get("Authorization", ""))
        content = state.files.get(self.path)
        if state.is_down:
            self._answer(503)
        elif content is None:
            self._answer(404)
        else:
            self._answer(200, content, size=len(content))

    def do_PUT(self) -> None:
        state = self.server_state
        content = self.rfile.read(int(self.headers["Content-Length"]))
        state.puts.append(self.path)
        if len(state.puts) == state.stuck_after:
            state.gate.clear()
        state.gate.wait(60)
        if state.is_down:
            self._answer(503)
            return
        state.files[self.path] = content
        self._answer(201, content)

    def _answer(self, code: int, content: bytes | None = None, size: int = 0) -> None:
        try:
            self.send_response(code)
            if content is not None:
                self.send_header("Repr-Digest", _digest(content))
            self.send_header("Content-Length", str(size))
            self.end_headers()
        except OSError:  # the client was killed
            self.close_connection = True
