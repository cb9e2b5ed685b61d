"""The workspace protocol: what application and reader share, and how either notices the other.

The files and their fields are described in docs/launcher.md. Nothing here is trusted: the
application may write below `.run` too, so files are bounded, never followed as links, and a file
that is not what it should be counts as absent.
"""

from __future__ import annotations

import contextlib
import os
import select
import stat
import time
from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from profiling_operator.errors import Reason

CONTROL = ".run"
ALIVE = "alive"
LOG = "app.log"
REFUSED = "refused.json"
"""In a copy of a workspace: what whoever copied it left out, and why."""
RECORD_LIMIT = 64 << 10
READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
FOLDER_FLAGS = READ_FLAGS | os.O_DIRECTORY
HOLD_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
NEW_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
LONGEST_POLL = 3600.0  # seconds; poll takes no more milliseconds than an int holds

# Bounds, since what these files say goes to the status, whose numbers are Kubernetes' int64.
Number = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Amount = Annotated[float, msgspec.Meta(ge=0)]
Text = Annotated[str, msgspec.Meta(max_length=8192)]
Time = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]{1,9})?Z\Z")
]


class Origin(StrEnum):
    """Whose doing an outcome is."""

    APP = "app"
    LAUNCHER = "launcher"


class Started(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`.run/started.json`."""

    protocol: Number
    pid: Count
    started_at: Time
    started_monotonic_ns: Count
    runs: Count
    warmups: Count
    name: Text = ""


class RunRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`.run/run-<k>.json`: how one run of the application went."""

    index: Count
    warmup: bool
    reason: Text
    origin: Origin
    started_at: Time
    finished_at: Time
    started_monotonic_ns: Count
    finished_monotonic_ns: Count
    message: Text = ""
    exit_code: Number | None = None
    signal: Number | None = None
    timed_out: bool = False
    user_seconds: Amount = 0.0
    system_seconds: Amount = 0.0
    peak_memory_bytes: Count = 0
    tool_exit_code: Number | None = None
    tool_signal: Number | None = None
    log_bytes: Count = 0
    log_truncated: bool = False
    after_exit_code: Number | None = None

    @property
    def nanoseconds(self) -> int:
        """How long it took, by the monotonic clock."""
        return max(0, self.finished_monotonic_ns - self.started_monotonic_ns)


class ExitRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`.run/exit.json`: how the attempt went."""

    protocol: Number
    reason: Text
    origin: Origin
    runs: Count
    started_at: Time
    finished_at: Time
    message: Text = ""
    exit_code: Number | None = None
    signal: Number | None = None
    timed_out: bool = False


class LeftOut(msgspec.Struct, frozen=True):
    """Something of a workspace that its copy does not have."""

    path: Text
    reason: Text


Record = TypeVar("Record", Started, RunRecord, ExitRecord)


class Liveness(StrEnum):
    """What `.run/alive` says of the launcher."""

    ABSENT = "absent"
    ALIVE = "alive"
    GONE = "gone"


def read_started(root: Path) -> Started | None:
    """The launcher's first word, once it is there."""
    return _read(root, "started.json", Started)


def read_run(root: Path, index: int) -> RunRecord | None:
    """The record of one run, once it has ended."""
    record = _read(root, f"run-{index}.json", RunRecord)
    return record if record and record.index == index else None


def read_runs(root: Path, limit: int) -> tuple[RunRecord, ...]:
    """The records of the runs that have ended, in order, at most `limit`."""
    records: list[RunRecord] = []
    while len(records) < limit:
        record = read_run(root, len(records))
        if record is None:
            break
        records.append(record)
    return tuple(records)


def read_exit(root: Path) -> ExitRecord | None:
    """The launcher's last word, once it is there."""
    return _read(root, "exit.json", ExitRecord)


def read_left_out(root: Path) -> tuple[LeftOut, ...]:
    """What the copying of a workspace left out; nothing where it is no copy."""
    try:
        return msgspec.json.decode(_bytes(root, REFUSED), type=tuple[LeftOut, ...])
    except (OSError, msgspec.DecodeError, ValueError, RecursionError):
        return ()


def stop_is_requested(root: Path) -> bool:
    """Whether somebody asked the launcher to stop."""
    try:
        _bytes(root, "stop")
    except OSError:
        return False
    return True


def liveness(root: Path) -> Liveness:
    """Whether the launcher lives, without waiting."""
    with _opened_fifo(root, ALIVE) as descriptor:
        return Liveness.ABSENT if descriptor is None else _liveness(root, descriptor)


def wait_for_end(root: Path, seconds: float) -> Liveness:
    """Wait until the launcher is gone, however it ends, or until the time is over.

    The kernel closes the FIFO when the launcher dies, and wakes us; nothing is polled for. A poll
    begun after the writer's end would stay silent, hence the read before it.
    """
    with _opened_fifo(root, ALIVE) as descriptor:
        if descriptor is None:
            return Liveness.ABSENT
        state = _liveness(root, descriptor)
        hung_up = state is Liveness.ALIVE and _hangs_up(descriptor, seconds)
        return Liveness.GONE if hung_up else state


def hold(root: Path, name: str) -> int:
    """Be seen to work on something until the descriptor is closed, or this process is gone.

    As the launcher is by `alive`. Raises OSError where there is no workspace, or no FIFO can be.
    """
    with _control(root) as folder:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(name, dir_fd=folder)
        descriptor = os.open(name, HOLD_FLAGS, dir_fd=folder)
    if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(f"{root / CONTROL / name}: must be a FIFO")


def wait_for_release(root: Path, name: str, seconds: float) -> bool:
    """Whether nobody holds it, or nobody does any more within so many seconds."""
    with _opened_fifo(root, name) as descriptor:
        if descriptor is None or not _is_held(descriptor):
            return True
        return _hangs_up(descriptor, seconds)


def request_stop(root: Path, reason: Reason, message: str = "") -> None:
    """Ask the launcher to walk its stop sequence; asking again changes nothing.

    Raises OSError where there is no workspace (yet).
    """
    _leave_note(root, "stop", reason, message)


def refuse_start(root: Path, reason: Reason, message: str) -> None:
    """Tell the launcher to start nothing; telling it again changes nothing.

    Raises OSError where there is no `.run` (yet).
    """
    _leave_note(root, "refuse", reason, message)


def _leave_note(root: Path, name: str, reason: Reason, message: str) -> None:
    """A file with a line each for reason and message, whole or not at all; the first one stays."""
    said = " ".join(message.split())
    temporary = f".{name}.{os.getpid()}.{time.monotonic_ns()}"
    with _control(root) as folder:
        descriptor = os.open(temporary, NEW_FLAGS, 0o644, dir_fd=folder)
        try:
            with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
                file.write(f"{reason.value}\n{said}\n")
            with contextlib.suppress(FileExistsError):
                os.link(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            os.unlink(temporary, dir_fd=folder)


def run_folder(index: int) -> str:
    """The name of a run's folder."""
    return f"run-{index}"


@contextlib.contextmanager
def _control(root: Path) -> Iterator[int]:
    """The folder `.run`, open; never what a link in its place points at."""
    folder = os.open(root / CONTROL, FOLDER_FLAGS)
    try:
        yield folder
    finally:
        os.close(folder)


@contextlib.contextmanager
def _opened_fifo(root: Path, name: str) -> Iterator[int | None]:
    try:
        with _control(root) as folder:
            descriptor = os.open(name, READ_FLAGS, dir_fd=folder)
    except OSError:
        yield None
        return
    try:
        yield descriptor if stat.S_ISFIFO(os.fstat(descriptor).st_mode) else None
    finally:
        os.close(descriptor)


def _liveness(root: Path, descriptor: int) -> Liveness:
    if _is_held(descriptor):
        return Liveness.ALIVE
    # The launcher makes the FIFO, opens it, then writes started.json: without that it may have
    # made the FIFO just now.
    return Liveness.ABSENT if read_started(root) is None else Liveness.GONE


def _is_held(descriptor: int) -> bool:
    """Whether somebody has the FIFO open for writing; asked before each wait for his end."""
    try:
        return os.read(descriptor, 1) != b""
    except BlockingIOError:
        return True


def _hangs_up(descriptor: int, seconds: float) -> bool:
    """Whether the last one who had a FIFO open for writing is gone within so many seconds."""
    deadline = time.monotonic() + seconds
    poll = select.poll()
    poll.register(descriptor, select.POLLHUP)
    while (left := deadline - time.monotonic()) > 0:
        if poll.poll(min(left, LONGEST_POLL) * 1000):
            return True
    return False


def _read(root: Path, name: str, kind: type[Record]) -> Record | None:
    """The record in a file; None for what is no regular file, too large, or not such a record."""
    try:
        text = _bytes(root, name)
        record = msgspec.json.decode(text, type=kind)
        datetime.fromisoformat(record.started_at)  # the pattern lets 31 February through
        if not isinstance(record, Started):
            datetime.fromisoformat(record.finished_at)
    except (OSError, msgspec.DecodeError, ValueError, RecursionError):
        return None
    return record


def _bytes(root: Path, name: str) -> bytes:
    with _control(root) as folder:
        descriptor = os.open(name, READ_FLAGS, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        return os.read(descriptor, RECORD_LIMIT)
    finally:
        os.close(descriptor)
