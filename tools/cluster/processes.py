"""Daemons as plain processes: each with a session, a log and a file that says which it is."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from cluster.place import ClusterError

STEP = 0.05  # seconds between two looks
TAIL = 15  # lines of a log that a message shows


class Daemon:
    """A process that was started once; it may have ended since."""

    def __init__(self, name: str, directory: Path) -> None:
        """`directory` is the cluster's; nothing is started."""
        self.name = name
        self.log = directory / "logs" / f"{name}.log"
        self._file = directory / "run" / f"{name}.pid"

    def start(self, words: Sequence[str], env: Mapping[str, str]) -> None:
        """Start it in a session of its own; its output goes to the log."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        pid = os.posix_spawn(
            words[0],
            list(words),
            dict(env),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log), flags, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        self._file.write_text(json.dumps({"pid": pid, "started": started(pid)}))

    def alive(self) -> bool:
        """Whether the very process that was started still runs."""
        return self._pid() is not None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if it lives."""
        pid = self._pid()
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def told(self) -> str:
        """The end of its log."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            return ""
        return "\n".join(lines[-TAIL:])

    def _pid(self) -> int | None:
        try:
            known = json.loads(self._file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        with contextlib.suppress(ChildProcessError):  # reap it, if it is a child of this process
            os.waitpid(known["pid"], os.WNOHANG)
        same = known["started"] and started(known["pid"]) == known["started"]
        return int(known["pid"]) if same else None


def started(pid: int) -> int:
    """When a process began, in ticks since the machine did; 0 where it has ended (proc(5))."""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 0 if after_name[0] in "ZX" else int(after_name[19])


def stop(daemons: Iterable[Daemon], seconds: float = 10) -> None:
    """End them together: TERM, and after some seconds KILL."""
    rest = list(daemons)

    def gone() -> bool:
        return not any(one.alive() for one in rest)

    for number in (signal.SIGTERM, signal.SIGKILL):
        for one in rest:
            one.signal(number)
        if wait_until(gone, seconds):
            return


def wait_until(done: Callable[[], object], seconds: float) -> bool:
    """Look until it is so, or the time is over; tells which."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(STEP)
    return True


def wait_ready(
    daemon: Daemon, ready: Callable[[], object], seconds: float, others: Iterable[Daemon] = ()
) -> None:
    """Wait for a daemon, which may need others.

    Raises ClusterError with the end of a log where one of them ends, or this one hangs.
    """

    def ended() -> list[Daemon]:
        return [one for one in (*others, daemon) if not one.alive()]

    came = wait_until(lambda: ended() or ready(), seconds)
    for one in ended():
        raise ClusterError(f"{one.name} ended; its log says:\n{one.told()}")
    if not came:
        raise ClusterError(f"{daemon.name} is not ready after {seconds} s:\n{daemon.told()}")
