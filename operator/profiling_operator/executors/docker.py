"""Runs a plan in containers of a Docker engine, wherever that is.

No exec, no `ps`, no path of the host: one container is one process tree with the launcher at its
top; what goes in and out goes through volumes, as archives. Labels are the durable state: after a
crash of `profjob` another one finds everything by them. Events only wake; `inspect` is the truth.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from profiling_operator import (
    archives,
    attempt_folder,
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
from profiling_operator.errors import ExecutorError, Problem, Reason, StartError
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

FIELDS: Mapping[str, str] = {
    "spec.app.image": "required; pulled with the credentials of docker's own configuration",
    "spec.app.command": "default: the image's entrypoint",
    "spec.app.args": "default, where there is no command: the image's CMD",
    "spec.app.workingDir": "relative to the image's, which is also the default",
    "spec.app.env[].valueFrom": "refused: there is no cluster to take it from",
    "spec.app.resources.limits.memory": "without swap beside it",
    "spec.app.volumes[].persistentVolumeClaim": "a volume that the engine has by that name",
    "spec.app.volumes[].configMap": "refused: there is no cluster to take it from",
    "spec.app.volumes[].emptyDir": "a volume that goes with the attempt; a tmpfs for `Memory`; "
    "its sizeLimit counts only there",
    "spec.app.securityContext.runAsUser": "default: the image's user",
    "spec.app.imagePullSecrets": "ignored: docker's own configuration has the credentials",
    "spec.collectors[].mode": "`attach` is refused: nothing runs beside the application",
    "spec.gpu.count": "as `docker run --gpus`; the engine needs a GPU runtime",
    "spec.gpu.resource": "ignored: NVIDIA GPUs",
    "spec.gpu.product": "not checked",
    "spec.playback.image": "required",
    "spec.playback.command": "default: the image's entrypoint",
    "spec.playback.env[].valueFrom": "refused: there is no cluster to take it from",
    "spec.playback.port": "on a network of its own, at the host name `playback`",
    "spec.output.path": "where the volume is mounted; $PROFILING_OUTPUT is the run's own folder",
    "spec.output.store": "ignored: `--results` names the folder",
    "spec.placement": "met by being here; `host` must be the engine's name",
    "spec.deadlines.queueSeconds": "never needed: nothing queues",
    "spec.deadlines.startSeconds": "bounds pulling and delivering; playback has its own limit",
    "spec.deadlines.collectSeconds": "bounds the copying of the results; Ctrl-C ends a conversion",
    "spec.suspend": "refused when true: there is nobody to resume it",
    "spec.ttlSecondsAfterFinished": "ignored: the result is a folder",
}


class Docker:
    """The executor."""

    name: ClassVar[str] = "docker"
    fields: ClassVar[Mapping[str, str]] = FIELDS
    can_be_lost: ClassVar[bool] = True

    def __init__(
        self, known: settings.Settings | None = None, terms: Terms = containers.ANY
    ) -> None:
        """No engine is asked yet. `known`: settings, else those of this machine."""
        self._known = known
        self.terms = terms
        """Of the next start."""
        self._connected: Engine | None = None
        self._watches: dict[str, Watch] = {}
        self._records: dict[str, tuple[float, Records]] = {}
        self._images: dict[str, str] = {}

    def _engine(self) -> Engine:
        if self._connected is None:
            self._connected = engine.connect()
        return self._connected

    @property
    def _settings(self) -> settings.Settings:
        return self._known or settings.load()

    def check(self, plan: Plan) -> Sequence[Problem]:
        """Fields that cannot be served here."""
        return [
            Problem(where, f"{message} (executor docker)")
            for where, message in _objections(plan, self._engine())
        ]

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
        here = self._engine()
        found = here.inspected(plan.name)
        if found is not None and found["State"]["Status"] != "created":
            self._watch(plan.name, listener)
            return plan.name
        self.remove(plan.name)  # what somebody left who died while starting it
        Provisioning(here, plan, self._settings, listener.progress, self.terms).prepare()
        watch = self._watch(plan.name, listener)
        if plan.playback is not None:
            listener.progress("waiting for the playback server")
            provisioning.start_playback(here, plan, watch.wait)
        with here.asked(f"start {plan.name}", StartError):
            here.api.start(plan.name)
        return plan.name

    def _watch(self, attempt: str, listener: Listener = SILENT) -> Watch:
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
        with _scratch() as root:
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
        gone = ExecutorError(f"the workspace of attempt {attempt} is gone")
        found = self._engine().inspected(attempt)
        if found is None:
            raise gone
        labels = found["Config"]["Labels"]
        size = int(labels[containers.SIZE_LIMIT]) + OVERSHOOT
        limits = Limits(file_bytes=size, total_bytes=size)
        with _scratch() as root:
            try:
                seconds = int(labels[containers.COLLECT_SECONDS])
                self._copy(attempt, labels[containers.OUTPUT], root, limits, seconds)
            except FileNotFoundError as error:
                raise gone from error
            yield root

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
                name = one["Labels"][containers.ATTEMPT]
                there[name] = max(there.get(name, 0.0), _made_at(one))
        long_ago = time.time() - STALE_SECONDS
        stale = [name for name, made in there.items() if made < long_ago and _is_over(here, name)]
        for name in stale:
            self.remove(name)
        return sorted(set(there) - set(stale))


def _has_ended(container: Mapping[str, Any]) -> bool:
    return container["State"]["Status"] in {"exited", "dead", "removing"}


@contextmanager
def _scratch() -> Iterator[Path]:
    """An empty folder of this user's own, gone afterwards."""
    base = attempt_folder.base(settings.load().state_dir)
    with tempfile.TemporaryDirectory(dir=base, prefix="copy-") as scratch:
        yield Path(scratch)


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


def _objections(plan: Plan, here: Engine) -> Iterator[tuple[str, str]]:
    """Fields that are refused, with the reason. A table: one line per field."""
    app, server, name = plan.app, plan.playback, str(here.info().get("Name", ""))
    env = [*app.env, *(server.env if server else ())]
    sourced = ", ".join(one.name for one in env if one.value_from is not None)
    configured = ", ".join(one.name for one in app.volumes if one.config_map)
    claims = [one.persistent_volume_claim for one in app.volumes if one.persistent_volume_claim]
    missing = ", ".join(one.claim_name for one in claims if not _has_volume(here, one.claim_name))
    attached = plan.attached_field
    lacking = _lacks_gpus(here, plan.gpu.count if plan.gpu else 0)
    host = plan.placement.host
    checks: list[tuple[bool, str, str]] = [
        (not app.image, "spec.app.image", "required"),
        (bool(sourced), "spec.app.env", f"{sourced}: {FIELDS['spec.app.env[].valueFrom']}"),
        (bool(configured), "spec.app.volumes",
         f"{configured}: {FIELDS['spec.app.volumes[].configMap']}"),
        (bool(missing), "spec.app.volumes", f"{missing}: the engine has no such volume"),
        (bool(attached), attached, '"attach" must be wrap: nothing runs beside the application'),
        (bool(lacking), "spec.gpu.count", lacking),
        (server is not None and not server.image, "spec.playback.image", "required"),
        (host not in {"", name}, "spec.placement.host", f"{host} is not this engine, {name}"),
    ]  # fmt: skip
    return ((where, message) for holds, where, message in checks if holds)


def _has_volume(here: Engine, name: str) -> bool:
    try:
        with here.asked(f"inspect volume {name}"):
            here.api.inspect_volume(name)
    except FileNotFoundError:
        return False
    return True


def _lacks_gpus(here: Engine, asked: int) -> str:
    """Why the engine cannot serve so many GPUs; empty where it may."""
    if not asked or here.has_gpu_runtime:
        return ""
    if here.cdi_gpus:
        known = len(here.cdi_gpus)
        return f"{asked} asked for, {here.url} has {known}" if asked > known else ""
    return f"{asked} asked for, {here.url} has no GPU runtime; install nvidia-container-toolkit"


EXECUTOR: Executor = Docker()
