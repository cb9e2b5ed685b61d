"""Measures an application of a pod from outside: starts a collector's tool on each of its runs.

The pod's containers share their processes, so that the launcher's pid leads to the application.
Until everything is written, a FIFO of the workspace is held open: the uploader waits for its end,
as it waits for the launcher's. The kernel closes it, however the sidecar ends.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from profiling_operator import finding, workspace
from profiling_operator.captures import ATTACH_LOG
from profiling_operator.collectors import Attachment
from profiling_operator.plan import Plan

SIGN = "measuring-"
MISSED = "the application ended before it could be attached to"
LOOK_SECONDS = 0.05  # nothing tells of a new process; a run's first moments are not measured
TRIES, FIRST_PAUSE = 8, 0.1  # a shell may start what a tool can measure some seconds later
ENDING = (signal.SIGTERM, signal.SIGINT)
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def hold(root: Path, name: str) -> int:
    """Say that a collector is measuring, until the descriptor is closed. Raises OSError."""
    return workspace.hold(root, f"{SIGN}{name}")


def await_tools(root: Path, plan: Plan, seconds: float) -> list[str]:
    """Wait until the plan's attached collectors have written all; those that have not in time."""
    deadline = time.monotonic() + seconds
    attached = [one.name for one in plan.collectors if one.mode == "attach"]
    return [name for name in attached if not _await_one(root, name, deadline - time.monotonic())]


def _await_one(root: Path, name: str, seconds: float) -> bool:
    return workspace.wait_for_release(root, f"{SIGN}{name}", seconds)


@dataclass(frozen=True)
class Tool:
    """What is started, and on what."""

    name: str
    """The collector."""
    attachment: Attachment
    prefix: str
    """What `{tool}` stands for."""
    runs: int
    recorded: bool
    """An inner launcher stands before the application."""


class Measuring:
    """An attached tool's work for all runs of an attempt."""

    def __init__(self, root: Path, tool: Tool, scratch: Path) -> None:
        """From now on the uploader waits. Raises OSError.

        `root` is the workspace; `scratch` a folder that this may make, and remove.
        """
        self._root = root
        self._tool = tool
        self._scratch = scratch
        self._launcher = -1
        self._measured: list[int] = []
        self._sign = hold(root, tool.name)

    def run(self) -> None:
        """Measure each run until the launcher is gone. Raises OSError, also for what it finds.

        Whatever a signal's handler raises meanwhile ends the tool, which keeps what it has.
        """
        try:
            with ExitStack() as kept:
                self._launcher = self._await_launcher()
                gone = _opened(kept, self._launcher) if self._launcher else None
                if gone is None:
                    self._note_missed()
                    return
                files = self._files(kept) if self._tool.attachment.after else None
                for index in range(self._tool.runs):
                    self._measure(index, gone)
                for index in self._measured:
                    self._finish(index, files)
        finally:
            os.close(self._sign)

    def _await_launcher(self) -> int:
        """Its pid; 0 where it ended before it started anything."""
        while (started := workspace.read_started(self._root)) is None:
            if workspace.read_exit(self._root) is not None:
                return 0
            time.sleep(LOOK_SECONDS)
        return started.pid

    def _note_missed(self) -> None:
        """The launcher is gone already: that is why there is no profile of its runs."""
        for index in range(self._tool.runs):
            folder = self._folder(index)
            if folder.is_dir() and not (folder / ATTACH_LOG).exists():  # by one before this
                self._note(index, MISSED)

    def _files(self, kept: ExitStack) -> int:
        """The root of the application's file system, which this keeps beyond the container."""
        path = f"/proc/{self._launcher}/root"
        descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        kept.callback(os.close, descriptor)
        return descriptor

    def _measure(self, index: int, gone: int) -> None:
        with ExitStack() as kept:
            app = self._await_application(index, gone)
            ended = None if app is None else _opened(kept, app)
            if app is not None and ended is not None:
                self._measured.append(index)
                self._try(index, app, ended)
            elif self._folder(index).is_dir():
                self._note(index, MISSED)
            while workspace.read_run(self._root, index) is None:  # what comes after the application
                if _wait({gone: select.POLLIN}, LOOK_SECONDS):
                    return

    def _await_application(self, index: int, gone: int) -> int | None:
        """The process of a run, once it is there; None if it has ended by then."""
        while workspace.read_run(self._root, index) is None:
            app = finding.application(self._launcher, self._tool.recorded)
            if app is not None and self._folder(index).is_dir():
                return app
            if _wait({gone: select.POLLIN}, LOOK_SECONDS):
                return None
        return None

    def _try(self, index: int, app: int, ended: int) -> None:
        """Start the tool, again if it finds nothing to measure yet."""
        for number in range(TRIES):
            done = self._attach(index, app, ended)
            if done or _wait({ended: select.POLLIN}, FIRST_PAUSE * 2**number):
                return

    def _attach(self, index: int, app: int, ended: int) -> bool:
        """Whether the tool was content."""
        family = ",".join(map(str, finding.family(app)))
        words = self._words(self._tool.attachment.words, index, pid=str(app), pids=family)
        with _new_file(self._folder(index) / ATTACH_LOG) as log:
            try:
                process = self._start(words, index, stdout=log)
            except OSError as error:
                os.write(log, f"{words[0]}: {error}\n".encode(errors="replace"))
                return True  # another try would not help
            try:
                descriptor = os.pidfd_open(process.pid)
                _wait({ended: select.POLLIN, descriptor: select.POLLIN}, None)
                os.close(descriptor)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(self._tool.attachment.stop.seconds)
            finally:
                self._end(process)
        return process.returncode == 0

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Tell the tool to write its profile, and see to it that it ends."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            stop = self._tool.attachment.stop
            if process.poll() is None:
                process.send_signal(signal.Signals[f"SIG{stop.signal}"])
                with suppress(subprocess.TimeoutExpired):
                    process.wait(stop.seconds)
            if process.poll() is None:
                process.kill()
                process.wait()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _finish(self, index: int, files: int | None) -> None:
        """The command after a run, if any. Its output is there as a whole, or not at all."""
        attachment = self._tool.attachment
        if files is None:
            return
        target = Path(self._word(attachment.after_output, index))
        part = target.with_name(f".{target.name}.part")
        with ExitStack() as kept:
            output = kept.enter_context(_new_file(part))
            log = kept.enter_context(_new_file(target.with_name(f"{target.name}.log")))
            shown = kept.enter_context(_shown(files, self._scratch))
            words = self._words(attachment.after, index, root=str(shown))
            process = self._start(words, index, stdout=output, stderr=log, pass_fds=(files,))
            try:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(attachment.after_seconds)
            finally:
                process.kill()
                process.wait()
        if process.returncode == 0:
            part.rename(target)
        else:
            part.unlink(missing_ok=True)

    def _start(
        self, words: Sequence[str], index: int, stdout: int, stderr: int = subprocess.STDOUT,
        pass_fds: Sequence[int] = (),
    ) -> subprocess.Popen[bytes]:  # fmt: skip
        return subprocess.Popen(
            words, cwd=self._folder(index), env={**os.environ, **self._tool.attachment.env},
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, pass_fds=pass_fds,
        )  # fmt: skip

    def _words(self, words: Sequence[str], index: int, **more: str) -> list[str]:
        return [self._word(word, index, more) for word in words]

    def _word(self, word: str, index: int, more: Mapping[str, str] | None = None) -> str:
        """A word with its stand-ins put in."""
        run = str(self._root / workspace.run_folder(index))
        for name, value in {"tool": self._tool.prefix, "run": run, **(more or {})}.items():
            word = word.replace(f"{{{name}}}", value)
        return word

    def _folder(self, index: int) -> Path:
        return self._root / workspace.run_folder(index) / self._tool.name

    def _note(self, index: int, words: str) -> None:
        with _new_file(self._folder(index) / ATTACH_LOG) as log:
            os.write(log, f"{words}\n".encode())


def _opened(kept: ExitStack, pid: int) -> int | None:
    """A process, in a form that can be waited for; None if it is gone."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    kept.callback(os.close, descriptor)
    return descriptor


def _wait(descriptors: Mapping[int, int], seconds: float | None) -> list[tuple[int, int]]:
    """What has happened to the descriptors, at the latest after so many seconds."""
    poll = select.poll()
    for descriptor, events in descriptors.items():
        poll.register(descriptor, events)
    return poll.poll(None if seconds is None else seconds * 1000)


@contextmanager
def _new_file(path: Path) -> Iterator[int]:
    """A file to write to; never what a link in its place points at."""
    descriptor = os.open(path, NEW_FILE, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _shown(files: int, folder: Path) -> Iterator[Path]:
    """A folder whose links lead to all that is in an open root; gone afterwards.

    The root's own path under /proc would not do: who resolves it by its text is at our own root.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        for name in os.listdir(f"/proc/self/fd/{files}"):
            (folder / name).symlink_to(f"/proc/self/fd/{files}/{name}")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
