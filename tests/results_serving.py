"""A results server for tests: real, but for the API server that it asks.

    python results_serving.py ROOT [PORT]

serves in a process of its own, to be killed.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from making import SOURCE_ROOT
from profiling_operator.api import Body
from profiling_operator.errors import UnreachableError
from profiling_operator.results_server import server
from profiling_operator.results_server.access import POD_NAME, POD_UID
from profiling_operator.results_server.reviews import Identity, Right

ACCOUNT = "system:serviceaccount:"
KEY = "ci/nbody-1/0b7b2f5e-7f5e-4b0e-9d5a-0d8f3f1f0a01/1"
UPLOADER = "uploader-token"
READER, STRANGER = "reader-token", "stranger-token"
OPERATOR = "operator-token"
AGENT = "agent-token"
POD = "nbody-1-abc"


def pod(key: str = KEY, uid: str = "pod-uid-1") -> Body:
    """A pod as the operator makes it."""
    _, job, job_uid, attempt = key.split("/")
    labels = {"job": job, "job-uid": job_uid, "attempt": attempt}
    said = {f"profiling.dev/{name}": value for name, value in labels.items()}
    return {"metadata": {"name": POD, "uid": uid, "labels": said}}


def uploader(namespace: str = "ci", **extra: tuple[str, ...]) -> Identity:
    """The uploader of the pod."""
    bound = {POD_NAME: (POD,), POD_UID: ("pod-uid-1",)}
    return Identity(f"{ACCOUNT}{namespace}:profjob-uploader", extra=extra or bound)


@dataclass
class FakeReviews:
    """An API server that knows five tokens and one pod."""

    tokens: dict[tuple[str, str], Identity] = field(default_factory=lambda: {
        (UPLOADER, "profjob-results"): uploader(),
        (READER, ""): Identity("jane", groups=("dev",)),
        (STRANGER, ""): Identity("joe"),
        (AGENT, ""): Identity(f"{ACCOUNT}profiling-system:profjob-agent"),
        (OPERATOR, "profjob-results"): Identity(f"{ACCOUNT}profiling-system:profiling-operator"),
    })  # fmt: skip
    """By token and audience; an empty one is the API server's own."""
    pods: dict[tuple[str, str], Body] = field(default_factory=lambda: {("ci", POD): pod()})
    readers: set[str] = field(default_factory=lambda: {"jane"})
    writers: set[str] = field(
        default_factory=lambda: {f"{ACCOUNT}profiling-system:profiling-operator"}
    )
    """Of baselines; they read as well."""
    senders: set[str] = field(default_factory=lambda: {f"{ACCOUNT}profiling-system:profjob-agent"})
    """Of results in namespace ci; they read as well."""
    down: bool = False
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    async def token(self, token: str, audiences: Sequence[str]) -> Identity | None:
        """Whose token it is."""
        self._note("token", token, *audiences)
        return self.tokens.get((token, audiences[0] if audiences else ""))

    async def may(self, identity: Identity, right: Right) -> bool:
        """Whether somebody is a reader, a writer, or a sender."""
        self._note("may", identity.username, str(right))
        if right.subresource == "results":
            return right.namespace == "ci" and identity.username in self.senders
        readers = self.readers | self.senders if right.verb == "get" else set()
        return identity.username in self.writers | readers

    async def pod(self, namespace: str, name: str) -> Body | None:
        """One of the pods."""
        self._note("pod", namespace, name)
        return self.pods.get((namespace, name))

    def _note(self, *words: str) -> None:
        self.asked.append(words)
        if self.down:
            raise UnreachableError("nobody there")


@contextmanager
def serving(root: Path, reviews: FakeReviews | None = None, **settings: Any) -> Iterator[str]:
    """A server in a thread; yields the URL of its results."""
    how = server.Serving(root, host="127.0.0.1", **{"port": 0, "grace_seconds": 1.0, **settings})
    started = threading.Event()
    said: list[str] = []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def main() -> None:
        async with server.running(how, reviews or FakeReviews()) as url:
            said.append(f"{url}/v1/results")
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    try:
        assert started.wait(30)
        yield said[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@dataclass
class Apart:
    """A server in a process of its own; started again, it has the same port."""

    root: Path
    port: int
    process: subprocess.Popen[str]

    @classmethod
    def start(cls, root: Path, port: int = 0) -> Apart:
        """Start one and wait until it listens."""
        process = subprocess.Popen(
            [sys.executable, __file__, str(root), str(port)], stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": SOURCE_ROOT},
        )  # fmt: skip
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        return cls(root, int(url.split(":")[2].split("/")[0]), process)

    @property
    def url(self) -> str:
        """Of its results."""
        return f"http://127.0.0.1:{self.port}/v1/results"

    @property
    def peak(self) -> int:
        """Most memory that it ever had, in bytes."""
        said = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(said.partition("VmHWM:")[2].split()[0])

    def __enter__(self) -> Apart:
        """Not needed for long."""
        return self

    def __exit__(self, *_: object) -> None:
        """Gone, if it was not ended."""
        if self.process.returncode is None:
            self.end(signal.SIGKILL)

    def received(self) -> int:
        """Bytes of unfinished uploads."""
        return sum(one.stat().st_size for one in self.root.rglob(".profjob/partial/*"))

    def end(self, signal_: int) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(signal_)
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def until(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Wait for something that happens in another process."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.001)


def main() -> None:
    """Serve until TERM, or until killed."""
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    how = server.Serving(Path(sys.argv[1]), host="127.0.0.1", port=port, grace_seconds=5.0)
    told = lambda url: print(f"{url}/v1/results", flush=True)  # noqa: E731
    asyncio.run(server.serve(how, FakeReviews(), told))


if __name__ == "__main__":
    main()
