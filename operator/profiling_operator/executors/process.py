"""Runs a plan as processes of this machine: no daemon, no image, no isolation.

What it keeps is a folder per attempt (`attempt_folder`), so another `profjob` can go on after this
one was killed. Processes of an attempt carry its name in their environment, so that what outlives
the launcher can still be found and ended.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ClassVar

from profiling_operator import (
    attempt_folder,
    launcher,
    machines,
    processes,
    readiness,
    settings,
    spawning,
    toolchains,
    workspace,
)
from profiling_operator.attempt_folder import AttemptFolder
from profiling_operator.errors import (
    ExecutorError,
    PlaybackError,
    Problem,
    Reason,
    WorkspaceGoneError,
)
from profiling_operator.executors import SILENT, Executor, Listener, Observation, State
from profiling_operator.launching import (
    Places,
    ToolPlace,
    launcher_words,
    playback_env,
    playback_words,
)
from profiling_operator.machines import Machine
from profiling_operator.plan import Plan
from profiling_operator.workspace import Liveness

HOST = "127.0.0.1"
LAUNCH_SECONDS = 30.0
REAP_SECONDS = 5.0  # a launcher lets go of its sign of life a moment before it has ended
STALE_SECONDS = 24 * 3600

FIELDS: Mapping[str, str] = {
    "spec.app.image": "ignored: the command runs as it is installed here",
    "spec.app.command": "required",
    "spec.app.workingDir": "relative to the folder of the job's file, which is also the default",
    "spec.app.env": "added to the environment of `profjob`",
    "spec.app.env[].valueFrom": "refused: there is no cluster to take it from",
    "spec.app.resources.limits.cpu": "as many cores, rounded up (CPU affinity)",
    "spec.app.resources.limits.memory": "RLIMIT_DATA of each process",
    "spec.app.volumes": "refused: nothing can be mounted",
    "spec.app.securityContext.runAsUser": "needs root, unless it is the user's own id",
    "spec.app.imagePullSecrets": "ignored: there is no image",
    "spec.collectors[].mode": "`attach` is refused: nothing runs beside the application",
    "spec.gpu": "the machine must have as many GPUs; they are not set apart",
    "spec.gpu.product": "not checked",
    "spec.playback.image": "ignored: the command runs as it is installed here",
    "spec.playback.command": "required",
    "spec.playback.port": "on 127.0.0.1; must be free",
    "spec.output.path": "ignored: $PROFILING_OUTPUT is the run's own folder",
    "spec.output.store": "ignored: `--results` names the folder",
    "spec.placement": "met by being here; `host` must be this machine's name",
    "spec.deadlines.queueSeconds": "never needed: nothing queues",
    "spec.deadlines.startSeconds": "never needed: nothing is pulled; playback has its own limit",
    "spec.deadlines.collectSeconds": "not enforced: Ctrl-C ends a conversion",
    "spec.retries.infrastructure": "ignored: the only place is this one",
    "spec.suspend": "refused when true: there is nobody to resume it",
    "spec.ttlSecondsAfterFinished": "ignored: the result is a folder",
}


class Process:
    """The executor."""

    name: ClassVar[str] = "process"
    fields: ClassVar[Mapping[str, str]] = FIELDS
    can_be_lost: ClassVar[bool] = False

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def check(self, plan: Plan) -> Sequence[Problem]:
        """Fields that cannot be served here."""
        return [
            Problem(where, f"{message} (executor process)") for where, message in _objections(plan)
        ]

    def facts(self, plan: Plan) -> toolchains.Facts:
        """This machine's."""
        return toolchains.facts_here()

    def machine(self) -> Machine:
        """This one."""
        return machines.here()

    def start(self, plan: Plan, listener: Listener = SILENT) -> str:
        """Start playback and launcher, unless the attempt is there already."""
        folder = _folder(plan.name)
        folder.make(passable=plan.app.security_context.run_as_user not in {None, os.geteuid()})
        with folder.locked():
            if not folder.was_launched():
                self._clear_half_started(plan, folder)
                folder.keep_plan(plan)
                self._launch(plan, folder, listener)
        return plan.name

    def _clear_half_started(self, plan: Plan, folder: AttemptFolder) -> None:
        """End what somebody left who died while starting it: the playback server."""
        if folder.plan() is not None:
            folder.end_launchers(plan.stop_seconds)
            processes.end_all(plan.name)
            shutil.rmtree(folder.playback, ignore_errors=True)

    def _launch(self, plan: Plan, folder: AttemptFolder, listener: Listener) -> None:
        places = Places(str(folder.workspace), str(launcher.path()), _toolchains(plan))
        words = launcher_words(plan, places)
        if plan.playback is not None:
            self._start_playback(plan, folder)
            stop_file = folder.playback / workspace.CONTROL / "stop"
            words[1:1] = ["--stop-file-at-end", str(stop_file)]
        own = {one.name: one.value or "" for one in plan.app.env}
        env = {**os.environ, **playback_env(plan, HOST), **own}
        env[processes.ATTEMPT_VARIABLE] = plan.name
        child = spawning.spawn(words, folder.workspace, env, plan, listener.output)
        self._children[plan.name] = child
        folder.keep_launcher(child.pid)
        _await_first_word(child, folder)

    def _start_playback(self, plan: Plan, folder: AttemptFolder) -> None:
        """Start the playback server under a launcher of its own, and wait until it is ready."""
        wanted = plan.playback
        if wanted is None:
            return
        if readiness.accepts(HOST, wanted.port):
            raise PlaybackError(f"spec.playback.port: {wanted.port} is in use already")
        env = {**os.environ, processes.ATTEMPT_VARIABLE: plan.name}
        env |= {one.name: one.value or "" for one in wanted.env}
        words = playback_words(plan, str(launcher.path()), str(folder.playback), wanted.command)
        child = spawning.spawn(words, folder.playback, env, plan)
        self._children[f"{plan.name}-playback"] = child
        try:
            readiness.wait_until_ready(
                *(HOST, wanted.port, wanted.readiness.http_get),
                wanted.readiness.timeout_seconds,
                lambda seconds: spawning.still_runs(child, seconds),
            )
        except PlaybackError as error:
            log = folder.playback / workspace.run_folder(0) / workspace.LOG
            raise PlaybackError(f"{error}{_tail(log)}") from error

    def observe(self, attempt: str) -> Observation:
        """What the workspace says, and whether the launcher lives."""
        folder = _folder(attempt)
        self._reap(attempt)
        plan = folder.plan()
        if plan is None:
            return Observation(State.LOST, message=f"there is no attempt {attempt}")
        state = _state(folder)
        return Observation(
            state=state,
            started=workspace.read_started(folder.workspace),
            runs=workspace.read_runs(folder.workspace, plan.runs),
            exit=workspace.read_exit(folder.workspace),
            reason=_playback_failure(folder, state),
            message="the launcher ended without leaving an outcome" if state is State.LOST else "",
            node=platform.node(),
        )

    def wait(self, attempt: str, seconds: float) -> Observation:
        """Woken by the launcher's end."""
        _wait_a_while(_folder(attempt), seconds)
        return self.observe(attempt)

    def stop(self, attempt: str, reason: Reason, message: str = "") -> None:
        """Leave word for the launcher."""
        with suppress(FileNotFoundError):
            workspace.request_stop(_folder(attempt).workspace, reason, message)

    @contextmanager
    def workspace(self, attempt: str) -> Iterator[Path]:
        """The folder itself."""
        root = _folder(attempt).workspace
        if not root.is_dir():
            raise WorkspaceGoneError(f"the workspace of attempt {attempt} is gone")
        yield root

    def remove(self, attempt: str) -> None:
        """End what still runs, playback included, and delete the folder."""
        folder = _folder(attempt)
        plan = folder.plan()
        if plan is not None:
            folder.end_launchers(plan.stop_seconds)
        left = processes.end_all(attempt)
        self._reap(attempt, REAP_SECONDS)
        shutil.rmtree(folder.path, ignore_errors=True)
        if left:
            raise ExecutorError(f"processes of attempt {attempt} could not be ended: {left}")

    def attempts(self) -> Sequence[str]:
        """The folders that are there; what ended a day ago and nobody collected is removed."""
        there = [one for one in map(AttemptFolder, _base().iterdir()) if one.plan() is not None]
        stale = [one.path.name for one in there if _is_stale(one)]
        for name in stale:
            self.remove(name)
        return sorted({one.path.name for one in there} - set(stale))

    def _reap(self, attempt: str, seconds: float = 0.0) -> None:
        """Take leave of children that have ended, so that no zombies stay."""
        for name in (attempt, f"{attempt}-playback"):
            child = self._children.get(name)
            if child is not None and not spawning.still_runs(child, seconds):
                del self._children[name]


def _objections(plan: Plan) -> Iterator[tuple[str, str]]:
    """Fields that are refused, with the reason. A table: one line per field."""
    app, playback, gpus = plan.app, plan.playback, toolchains.gpus_here()
    user, host = app.security_context.run_as_user, plan.placement.host
    asked = plan.gpu.count if plan.gpu else 0
    attached = plan.attached_field
    foreign = user not in {None, os.geteuid()} and os.geteuid() != 0
    env = [*app.env, *(playback.env if playback else ())]
    sourced = ", ".join(one.name for one in env if one.value_from is not None)
    no_server = playback is not None and not playback.command
    checks: list[tuple[bool, str, str]] = [
        (not app.command, "spec.app.command", FIELDS["spec.app.command"]),
        (bool(sourced), "spec.app.env", f"{sourced}: {FIELDS['spec.app.env[].valueFrom']}"),
        (bool(app.volumes), "spec.app.volumes", FIELDS["spec.app.volumes"]),
        (foreign, "spec.app.securityContext.runAsUser", f"{user} needs root"),
        (bool(attached), attached, '"attach" must be wrap: nothing runs beside the application'),
        (asked > len(gpus), "spec.gpu.count", f"{asked} asked for, {len(gpus)} are here"),
        (no_server, "spec.playback.command", FIELDS["spec.playback.command"]),
        (host not in {"", platform.node()}, "spec.placement.host", f"{host} is not this machine"),
    ]
    return ((where, message) for holds, where, message in checks if holds)


def _base() -> Path:
    return attempt_folder.base(settings.load().state_dir)


def _folder(attempt: str) -> AttemptFolder:
    return AttemptFolder(_base() / attempt)


STATE_OF_LIVENESS = {Liveness.ALIVE: State.RUNNING, Liveness.GONE: State.LOST}


def _wait_a_while(folder: AttemptFolder, seconds: float) -> None:
    """Wait for the launcher's end.

    The application can remove the sign of life; then the process itself is waited for.
    """
    life = workspace.wait_for_end(folder.workspace, seconds)
    pid = folder.launcher() if life is Liveness.ABSENT else None
    if pid is not None:
        processes.wait_for_exit(pid, seconds)


def _state(folder: AttemptFolder) -> State:
    life = workspace.liveness(folder.workspace)
    if life is Liveness.GONE and workspace.read_exit(folder.workspace) is not None:
        return State.ENDED
    if life is not Liveness.ABSENT:
        return STATE_OF_LIVENESS[life]
    starting = folder.is_locked() or folder.launcher() is not None
    return State.STARTING if starting else State.LOST


def _is_stale(folder: AttemptFolder) -> bool:
    return folder.age() > STALE_SECONDS and _state(folder) in {State.ENDED, State.LOST}


def _playback_failure(folder: AttemptFolder, state: State) -> Reason | None:
    """The application failed, and its server had ended before: that is why."""
    server = workspace.read_run(folder.playback, 0)
    ended = workspace.read_exit(folder.workspace)
    if state is not State.ENDED or server is None or ended is None:
        return None
    before = server.finished_at < ended.finished_at
    return Reason.PLAYBACK_FAILED if before and ended.reason != Reason.COMPLETED else None


def _await_first_word(child: subprocess.Popen[bytes], folder: AttemptFolder) -> None:
    """Until the launcher is to be seen in its workspace, or has ended without a word."""
    deadline = time.monotonic() + LAUNCH_SECONDS
    while workspace.read_started(folder.workspace) is None:
        if not spawning.still_runs(child, 0.01) or time.monotonic() > deadline:
            return


def _toolchains(plan: Plan) -> dict[str, ToolPlace]:
    known = settings.load()
    return {
        one.name: ToolPlace(str(toolchains.find(one.name, one.toolchain, known)))
        for one in plan.collectors
    }


def _tail(log: Path, size: int = 500) -> str:
    try:
        text = log.read_bytes()[-size:].decode("utf-8", "replace").strip()
    except OSError:
        return ""
    return f"; its last words: {text}" if text else ""


EXECUTOR: Executor = Process()
