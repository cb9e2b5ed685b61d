"""A child process that works for the agent: bounded, polite, and ended as a whole.

It outlives an agent that is killed. So it holds a lock for as long as it lives, by which the next
agent knows of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from profiling_operator.errors import ExecutorError

NICE = 10  # applications that are being measured go first
FIRST_TO_GO = 500  # of 1000: where the machine has no memory left, rather it than an application
LOOK_SECONDS = 0.2  # nothing tells that a lock has become free
ENDING_SECONDS = 10.0  # for what was killed to be gone


class Child:
    """A process in a session of its own."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str], log: Path, lock: int) -> None:
        """Start it. Its output goes to a file; it holds the lock, too. Raises OSError."""
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                words, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                cwd=log.parent, start_new_session=True, pass_fds=(lock,),
            )  # fmt: skip
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(self._process.pid).encode(), 0)

    def bound(self, memory: int) -> None:
        """Limit what each of its processes may take, and let others go first.

        Done from outside, while it begins: between fork and exec nothing is safe in a process with
        threads. Data is counted, not addresses: threads of libraries reserve far more than they
        use.
        """
        pid = self._process.pid
        with suppress(OSError):  # it has ended already
            resource.prlimit(pid, resource.RLIMIT_DATA, (memory, memory))
            resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
            os.setpriority(os.PRIO_PROCESS, pid, max(NICE, os.getpriority(os.PRIO_PROCESS, pid)))
            Path(f"/proc/{pid}/oom_score_adj").write_text(str(FIRST_TO_GO))

    def wait(self, seconds: float) -> int | None:
        """Its exit code, negative for a signal; None while it still runs after so long."""
        try:
            return self._process.wait(max(seconds, 0.0))
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End it and all that it started."""
        _kill(self._process.pid)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(ENDING_SECONDS)


@contextmanager
def held(lock: Path, seconds: float) -> Iterator[int]:
    """A file that is locked by nobody but us and the child that we give it to.

    A child of an agent that is gone is waited for, at most so many seconds; then it is killed.
    Raises ExecutorError where even that does not help.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _locks(descriptor, seconds):
            kill_holder(lock)
            if not _locks(descriptor, ENDING_SECONDS):
                raise ExecutorError(f"{lock}: is held by a process that does not end")
        yield descriptor
    finally:
        os.close(descriptor)


def kill_holder(lock: Path) -> None:
    """End the child that holds a lock, if one does."""
    with contextlib.ExitStack() as stack, suppress(OSError, ValueError):
        descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
        stack.callback(os.close, descriptor)
        if _locks(descriptor, 0.0):
            return
        pid = int(os.read(descriptor, 32))
        if Path(f"/proc/{pid}/cwd").samefile(lock.parent):  # nobody else's, after all this time
            _kill(pid)


def _locks(descriptor: int, seconds: float) -> bool:
    """Whether it could be locked within some seconds."""
    deadline = time.monotonic() + seconds
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(LOOK_SECONDS)


def _kill(session: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(session, signal.SIGKILL)
