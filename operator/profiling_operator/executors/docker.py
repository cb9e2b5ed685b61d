"""Runs a plan in containers of a Docker engine, wherever that is.

No exec, no `ps`, no path of the host: one container is one process tree with the launcher at its
top; what goes in and out goes through volumes, as archives. Labels are the durable state: after a
crash of `profjob` another one finds everything by them. Events only wake; `inspect` is the truth.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from profiling_operator import (
    archives,
    attempt_folder,
    claims,
    containers,
    engine,
    images,
    machines,
    provisioning,
    settings,
    toolchains,
    workspace,
)
from profiling_operator.archives import Packed
from profiling_operator.artifacts import Limits
from profiling_operator.containers import Attempt, Terms
from profiling_operator.engine import Engine
from profiling_operator.errors import Problem, Reason, StartError, WorkspaceGoneError
from profiling_operator.executors import SILENT, Executor, Listener, Observation, State
from profiling_operator.machines import Machine
from profiling_operator.plan import Plan
from profiling_operator.provisioning import Provisioning
from profiling_operator.sightings import Records, observation, read_records
from profiling_operator.watching import Watch

STALE_SECONDS = 24 * 3600
STOP_SECONDS = 10.0
LAUNCH_PAUSE = 0.2
OVERSHOOT = 1 << 30  # what may come between two looks of the launcher at the size
RECORDS = Limits(count=2000, depth=1, file_bytes=1 << 20, total_bytes=16 << 20)
RECORDS_SECONDS = 30.0
READ_SHARE = 20  # reading records of what runs may take one part in so many of the time

NO_OBJECTS = "nothing is taken from Secrets and ConfigMaps here"
FIELDS: Mapping[str, str] = {
    "spec.app.image": "required; pulled with the credentials of docker's own configuration",
    "spec.app.command": "default: the image's entrypoint",
    "spec.app.args": "default, where there is no command: the image's CMD",
    "spec.app.workingDir": "relative to the image's, which is also the default",
    "spec.app.env": "without `NVIDIA_VISIBLE_DEVICES`: the engine says which GPUs there are",
    "spec.app.env[].valueFrom": f"refused: {NO_OBJECTS}",
    "spec.app.resources.limits.memory": "without swap beside it; an agent limits what names none: "
    "`agent.memory`",
    "spec.app.volumes[].persistentVolumeClaim": "a volume that the engine has by that name; an "
    "agent: one whose label `profiling.dev/claim-namespace` is the job's namespace, or `*`",
    "spec.app.volumes[].configMap": f"refused: {NO_OBJECTS}",
    "spec.app.volumes[].emptyDir": "a volume that goes with the attempt; a tmpfs for `Memory`; "
    "its sizeLimit counts only there",
    "spec.app.securityContext.runAsUser": "default: the image's user",
    "spec.app.imagePullSecrets": "ignored: docker's own configuration has the credentials; an "
    "agent's are those of its user, for all jobs",
    "spec.collectors[].mode": "`attach` is refused: nothing runs beside the application",
    "spec.gpu.count": "as `docker run --gpus`; the engine needs a GPU runtime; an agent: that many "
    "GPUs of its own choice, for this job alone",
    "spec.gpu.resource": "ignored: NVIDIA GPUs",
    "spec.gpu.product": "not checked; an agent: `product` of its GPUs",
    "spec.playback.image": "required",
    "spec.playback.command": "default: the image's entrypoint",
    "spec.playback.env[].valueFrom": f"refused: {NO_OBJECTS}",
    "spec.playback.port": "on a network of its own, at the host name `playback`; an agent's has no "
    "way out",
    "spec.output.path": "where the volume is mounted; $PROFILING_OUTPUT is the run's own folder",
    "spec.output.store": "ignored: `--results` names the folder; an agent: as on Kubernetes",
    "spec.placement": "met by being here; `host` must be the engine's name; an agent: its own",
    "spec.deadlines.queueSeconds": "never needed: nothing queues; an agent: as on Kubernetes",
    "spec.deadlines.startSeconds": "bounds pulling and delivering; playback has its own limit",
    "spec.deadlines.collectSeconds": "bounds the copying of the results; Ctrl-C ends a conversion; "
    "an agent: as on Kubernetes",
    "spec.suspend": "refused when true: there is nobody to resume it; an agent: as on Kubernetes",
    "spec.ttlSecondsAfterFinished": "ignored: the result is a folder; an agent: as on Kubernetes",
}


class Docker:
    """The executor."""

    name: ClassVar[str] = "docker"
    fields: ClassVar[Mapping[str, str]] = FIELDS
    can_be_lost: ClassVar[bool] = True

    def __init__(
        self,
        known: settings.Settings | None = None,
        terms: Terms = containers.ANY,
        here: Engine | None = None,
    ) -> None:
        """No engine is asked yet. `known`: settings, else those of this machine.

        `here`: an engine that others use, too; else a connection of its own. Threads may share it.
        """
        self._known = known
        self.terms = terms
        """Of the next start."""
        self._connected = here
        self._lock = threading.Lock()
        self._watches: dict[str, Watch] = {}
        self._records: dict[str, tuple[float, Records]] = {}
        self._images: dict[str, str] = {}

    def _engine(self) -> Engine:
        with self._lock:
            if self._connected is None:
                self._connected = engine.connect()
            return self._connected

    @property
    def _settings(self) -> settings.Settings:
        return self._known or settings.load()

    def check(self, plan: Plan) -> Sequence[Problem]:
        """Fields that cannot be served here."""
        return [*refusals(plan), *_told(_of_engine(plan, self._engine(), self.terms))]

    def facts(self, plan: Plan) -> toolchains.Facts:
        """Of the engine's machine: its kernel is ours where its socket is."""
        here = self._engine()
        if not here.is_here:
            return toolchains.Facts(machine=here.machine)
        mine = toolchains.facts_here()
        granted = self._settings.docker.capabilities
        return toolchains.Facts(
            machine=here.machine,
            uid=plan.app.security_context.run_as_user or 0,
            ptrace_scope=mine.ptrace_scope,
            perf_event_paranoid=mine.perf_event_paranoid,
            gpus=mine.gpus,
            capabilities=frozenset(one.upper().removeprefix("CAP_") for one in granted),
            gpu_models=mine.gpu_models,
            gpu_counters_admin_only=mine.gpu_counters_admin_only,
        )

    def machine(self) -> Machine:
        """The engine's. Of one elsewhere only its name and its size are known, never this one's."""
        here = self._engine()
        if here.is_here:
            return machines.here()
        said = here.info()
        return Machine(cpu=f"{said.get('NCPU')} × {here.machine} of {said.get('Name')}")

    def start(self, plan: Plan, listener: Listener = SILENT) -> str:
        """Bring everything there and start it, unless the attempt is there already."""
        if not self.has_begun(plan.name):
            self.prepare(plan, listener)
        return self.begin(plan.name, listener)

    def container(self, attempt: str) -> Mapping[str, Any] | None:
        """The application's container, as `docker inspect` shows it; None where there is none."""
        return self._engine().inspected(attempt)

    def has_begun(self, attempt: str) -> bool:
        """Whether the application's container was started, whatever has become of it since."""
        found = self.container(attempt)
        return found is not None and found["State"]["Status"] != "created"

    def prepare(self, plan: Plan, listener: Listener = SILENT) -> None:
        """Bring everything there, and start what comes before the application. Raises as `start`.

        What somebody left who died while preparing it is removed first.
        """
        here = self._engine()
        self.remove(plan.name)
        Provisioning(here, plan, self._settings, listener.progress, self.terms).prepare()
        watch = self._watch(plan.name, listener)
        if plan.playback is not None:
            listener.progress("waiting for the playback server")
            provisioning.start_playback(here, plan, watch.wait)

    def begin(self, attempt: str, listener: Listener = SILENT) -> str:
        """Start what is prepared, unless it has begun, and return its name."""
        self._watch(attempt, listener)
        if not self.has_begun(attempt):
            here = self._engine()
            with here.asked(f"start {attempt}", StartError):
                here.api.start(attempt)
        return attempt

    def _watch(self, attempt: str, listener: Listener = SILENT) -> Watch:
        with self._lock:
            if attempt not in self._watches:
                self._watches[attempt] = Watch(Attempt(attempt), listener.output)
            return self._watches[attempt]

    def observe(self, attempt: str) -> Observation:
        """What the engine says of the container, and the launcher's records in its volume."""
        here = self._engine()
        found = here.inspected(attempt)
        if found is None:
            return Observation(State.LOST, message=f"there is no attempt {attempt}")
        records = self._records_of(attempt, found)
        is_lost = _has_ended(found) and records.exit is None
        words = here.last_words(attempt) if is_lost else ""
        server = here.inspected(Attempt(attempt).playback) if records.exit else None
        node = str(here.info().get("Name", ""))
        return observation(found, records, server, words, node, self._image_of(found))

    def _image_of(self, found: Mapping[str, Any]) -> str:
        """Asked for once."""
        image = str(found.get("Image") or "")
        if image and image not in self._images:
            self._images[image] = images.resolved(self._engine(), image)
        return self._images.get(image, "")

    def _records_of(self, attempt: str, found: Mapping[str, Any]) -> Records:
        """Read anew, but of a running container only now and then: reading disturbs it."""
        due, records = self._records.get(attempt, (0.0, Records()))
        status = found["State"]["Status"]
        if status == "created" or (status == "running" and time.monotonic() < due):
            return records
        began = time.monotonic()
        labels = found["Config"]["Labels"]
        with self._scratch() as root:
            with suppress(FileNotFoundError):  # the launcher has not come so far
                self._copy(attempt, f"{labels[containers.OUTPUT]}/{workspace.CONTROL}", root)
            records = read_records(root, int(labels[containers.RUNS]))
        now = time.monotonic()
        due = now + READ_SHARE * (now - began) if records.started else now
        self._records[attempt] = (due, records)
        return records

    def _copy(
        self,
        attempt: str,
        path: str,
        folder: Path,
        limits: Limits = RECORDS,
        seconds: float = RECORDS_SECONDS,
    ) -> None:
        """Copy the workspace, or its records, into an empty folder.

        Raises FileNotFoundError when there is nothing at the path.
        """
        deadline = time.monotonic() + seconds
        with self._engine().archive(attempt, path) as pieces:
            archives.unpack(
                pieces, folder, limits, lambda: time.monotonic() > deadline,
                keeps_name=limits is RECORDS,
            )  # fmt: skip

    def wait(self, attempt: str, seconds: float) -> Observation:
        """Woken by the container's end."""
        found = self._engine().inspected(attempt)
        if found is not None and not _has_ended(found):
            self._watch(attempt).wait(seconds)
        return self.observe(attempt)

    def stop(self, attempt: str, reason: Reason, message: str = "") -> None:
        """Leave word for the launcher, in its volume; the first word stays."""
        here, deadline = self._engine(), time.monotonic() + STOP_SECONDS
        while (found := here.inspected(attempt)) is not None:
            control = f"{found['Config']['Labels'][containers.OUTPUT]}/{workspace.CONTROL}"
            if found["State"]["Status"] != "running" or here.has(attempt, f"{control}/stop"):
                return
            with suppress(FileNotFoundError), here.asked(f"stop {attempt}"):
                with archives.pack(_stop_note(reason, message)) as archive:
                    here.api.put_archive(attempt, control, archive)
                return
            if time.monotonic() > deadline:  # the launcher has not made its workspace: it hangs
                with here.asked(f"stop {attempt}"):
                    here.api.kill(attempt, "SIGTERM")
                return
            self._watch(attempt).wait(LAUNCH_PAUSE)

    @contextmanager
    def workspace(self, attempt: str) -> Iterator[Path]:
        """A copy of the volume, made through the container that has ended."""
        gone = WorkspaceGoneError(f"the workspace of attempt {attempt} is gone")
        found = self._engine().inspected(attempt)
        if found is None:
            raise gone
        labels = found["Config"]["Labels"]
        size = int(labels[containers.SIZE_LIMIT]) + OVERSHOOT
        limits = Limits(file_bytes=size, total_bytes=size)
        with self._scratch() as root:
            try:
                seconds = int(labels[containers.COLLECT_SECONDS])
                self._copy(attempt, labels[containers.OUTPUT], root, limits, seconds)
            except FileNotFoundError as error:
                raise gone from error
            yield root

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """An empty folder of this user's own, gone afterwards."""
        base = attempt_folder.base(self._settings.state_dir)
        with tempfile.TemporaryDirectory(dir=base, prefix="copy-") as scratch:
            yield Path(scratch)

    def remove(self, attempt: str) -> None:
        """Containers, network, volumes."""
        self._records.pop(attempt, None)
        try:
            provisioning.remove(self._engine(), attempt)
        finally:
            watch = self._watches.pop(attempt, None)
            if watch is not None:
                watch.close()

    def attempts(self) -> Sequence[str]:
        """The attempts that the engine has; what nobody collected within a day is removed."""
        here = self._engine()
        there: dict[str, float] = {}
        for kind in ("containers", "networks", "volumes"):
            for one in here.listed(kind, containers.ATTEMPT):
                if one["Labels"].get(containers.AGENT):  # the agent's to keep, and to remove
                    continue
                name = one["Labels"][containers.ATTEMPT]
                there[name] = max(there.get(name, 0.0), _made_at(one))
        long_ago = time.time() - STALE_SECONDS
        stale = [name for name, made in there.items() if made < long_ago and _is_over(here, name)]
        for name in stale:
            self.remove(name)
        return sorted(set(there) - set(stale))


def _has_ended(container: Mapping[str, Any]) -> bool:
    return container["State"]["Status"] in {"exited", "dead", "removing"}


def _stop_note(reason: Reason, message: str) -> list[Packed]:
    """Written under another name first, so that the launcher never reads half of it."""
    said = " ".join(message.split())
    text = f"{reason.value}\n{said}\n".encode(errors="replace")
    return [Packed(".stop.note", content=text, mode=0o644), Packed("stop", link=".stop.note")]


def _made_at(one: Mapping[str, Any]) -> float:
    """When something was made: containers have a number, the others a text."""
    made = one.get("Created") or one.get("CreatedAt") or 0
    return float(made) if isinstance(made, int) else datetime.fromisoformat(made[:19]).timestamp()


def _is_over(here: Engine, name: str) -> bool:
    """Nothing of it runs, and what ran ended long ago."""
    found = here.inspected(name)
    if found is None or found["State"]["Status"] == "created":
        return True
    ended = datetime.fromisoformat(found["State"]["FinishedAt"][:19]).replace(tzinfo=UTC)
    return found["State"]["Status"] != "running" and time.time() - ended.timestamp() > STALE_SECONDS


def refusals(plan: Plan) -> list[Problem]:
    """Fields that no engine serves, whatever it has. No I/O."""
    return _told(_of_plan(plan))


def _told(objections: Iterator[tuple[bool, str, str]]) -> list[Problem]:
    return [
        Problem(where, f"{message} (executor docker)")
        for holds, where, message in objections
        if holds
    ]


def _of_plan(plan: Plan) -> Iterator[tuple[bool, str, str]]:
    """Fields that are refused, with the reason. A table: one line per field."""
    app, server, attached = plan.app, plan.playback, plan.attached_field
    env = [*app.env, *(server.env if server else ())]
    sourced = ", ".join(one.name for one in env if one.value_from is not None)
    configured = ", ".join(one.name for one in app.volumes if one.config_map)
    yield not app.image, "spec.app.image", "required"
    yield bool(sourced), "spec.app.env", f"{sourced}: {NO_OBJECTS}"
    yield bool(configured), "spec.app.volumes", f"{configured}: {NO_OBJECTS}"
    yield bool(attached), attached, '"attach" must be wrap: nothing runs beside the application'
    yield server is not None and not server.image, "spec.playback.image", "required"


def _of_engine(plan: Plan, here: Engine, terms: Terms) -> Iterator[tuple[bool, str, str]]:
    """Those that this engine does not serve. An agent judges host and GPUs itself."""
    name, host = str(here.info().get("Name", "")), plan.placement.host
    unclaimable = claims.refusal(here, plan, terms)
    yield bool(unclaimable), "spec.app.volumes", unclaimable
    if not terms.agent:
        lacking = _lacks_gpus(here, plan.gpu.count if plan.gpu else 0)
        yield bool(lacking), "spec.gpu.count", lacking
        yield host not in {"", name}, "spec.placement.host", f"{host} is not this engine, {name}"


def _lacks_gpus(here: Engine, asked: int) -> str:
    """Why the engine cannot serve so many GPUs; empty where it may."""
    if not asked or here.has_gpu_runtime:
        return ""
    if here.cdi_gpus:
        known = len(here.cdi_gpus)
        return f"{asked} asked for, {here.url} has {known}" if asked > known else ""
    return f"{asked} asked for, {here.url} has no GPU runtime; install nvidia-container-toolkit"


EXECUTOR: Executor = Docker()
