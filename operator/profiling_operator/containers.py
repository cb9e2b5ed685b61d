"""A plan as bodies of the Engine API: what is created, and what is to be seen of it. No I/O.

Names are computed and labels hold everything that is needed later, so what one `profjob` created
another one finds, goes on with, and removes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from profiling_operator import allowances, delivery, names, seccomp
from profiling_operator.allowances import Allowance
from profiling_operator.delivery import Delivery
from profiling_operator.images import Image
from profiling_operator.launching import (
    PLAYBACK_GRACE,
    Places,
    launcher_words,
    playback_env,
    playback_words,
)
from profiling_operator.plan import Plan
from profiling_operator.quantities import parse_quantity
from profiling_operator.settings import DockerSettings
from profiling_operator.spec.app import EnvVar, Volume

ATTEMPT = f"{names.LABEL}attempt"
ROLE = f"{names.LABEL}role"
OUTPUT, SIZE_LIMIT = f"{names.LABEL}output-path", f"{names.LABEL}size-limit"
RUNS, COLLECT_SECONDS = f"{names.LABEL}runs", f"{names.LABEL}collect-seconds"

AGENT, GPUS = f"{names.LABEL}agent", f"{names.LABEL}gpus"
"""Labels: whose attempt it is, and which GPUs it was given, by comma; empty: none's, none."""

PLAYBACK_HOST = "playback"
PLAYBACK_WORKSPACE = f"{delivery.ROOT}-playback"
STOP_MARGIN = 30  # seconds that docker grants beyond what the launcher may need
LOG_OPTIONS = {"Type": "local", "Config": {"max-size": "4m", "max-file": "2"}}
NANO = 10**9
PROBE_SECONDS = 3
OLD_PROBE_PAUSE = 1.0  # engines before API 1.44 probe as often when ready as before
PROBE_PAUSE, READY_PAUSE = 0.2, 60.0
START_INTERVAL_API = (1, 44)
TMP = "/tmp"  # noqa: S108 - the containers'
NO_ADDRESS = {"com.docker.network.bridge.inhibit_ipv4": "true"}
"""The host has no address on the bridge: what listens on all of its addresses is not there."""


@dataclass(frozen=True)
class Attempt:
    """The names of what an attempt consists of."""

    name: str

    @property
    def label(self) -> str:
        """Tells all of it from everything else."""
        return f"{ATTEMPT}={self.name}"

    @property
    def playback(self) -> str:
        """The playback server's container."""
        return f"{self.name}-playback"

    @property
    def deliverer(self) -> str:
        """The container that is never started: files go through it into volumes."""
        return f"{self.name}-deliverer"

    def volume(self, what: str) -> str:
        """A volume of the attempt."""
        return f"{self.name}-{what}"


@dataclass(frozen=True)
class Terms:
    """On what terms an engine takes an attempt, beside what its plan says."""

    agent: str = ""
    """Name of the agent that keeps it; empty: a `profjob run`."""
    gpus: tuple[str, ...] | None = None
    """The GPUs that it was given, by UUID; None: whichever the engine chooses."""


ANY = Terms()


def labels(plan: Plan, role: str, terms: Terms = ANY) -> dict[str, str]:
    """What is needed to go on with an attempt that somebody else started."""
    return {
        # Empty ones, too: labels of an image show on its containers, where ours do not hide them.
        AGENT: terms.agent,
        GPUS: ",".join(terms.gpus or ()),
        ATTEMPT: plan.name,
        ROLE: role,
        f"{names.LABEL}job": plan.key,
        f"{names.LABEL}job-uid": plan.uid,
        f"{names.LABEL}attempt-number": str(plan.attempt),
        RUNS: str(plan.runs),
        OUTPUT: plan.output.path,
        SIZE_LIMIT: str(plan.size_limit),
        COLLECT_SECONDS: str(plan.deadlines.collect_seconds),
    }


def volume_names(plan: Plan, brought: Delivery) -> list[str]:
    """The volumes that have to be made."""
    attempt = Attempt(plan.name)
    folders = [_folder_volume(index) for index in range(len(_own_paths(brought)))]
    emptied = [f"volume-{one.name}" for one in plan.app.volumes if _is_volume(one)]
    playback = ["playback"] if plan.playback else []
    return [attempt.volume(what) for what in ("workspace", "tools", *playback, *folders, *emptied)]


def _is_volume(volume: Volume) -> bool:
    return volume.empty_dir is not None and volume.empty_dir.medium != "Memory"


def _own_paths(brought: Delivery) -> list[str]:
    """Paths at which toolchains stand as a whole."""
    return [*map(str, brought.folders), *(image.prefix for image in brought.images)]


def _folder_volume(index: int) -> str:
    return f"toolchain-{index}"


def tool_mounts(plan: Plan, brought: Delivery, *, read_only: bool) -> list[dict[str, Any]]:
    """Launcher and toolchains, as the application sees them."""
    attempt = Attempt(plan.name)
    mounts = [_mount(attempt.volume("tools"), delivery.ROOT, read_only=read_only)]
    mounts += [
        _mount(attempt.volume(_folder_volume(index)), path, read_only=read_only)
        for index, path in enumerate(_own_paths(brought))
    ]
    return mounts


def _mount(volume: str, target: str, *, read_only: bool = False) -> dict[str, Any]:
    return {
        "Type": "volume",
        "Source": volume,
        "Target": target,
        "ReadOnly": read_only,
        "VolumeOptions": {"NoCopy": True},  # what the image has there is not ours
    }


def _volume_mount(attempt: Attempt, volume: Volume) -> dict[str, Any]:
    """A volume of the job; claims are volumes that the engine has by that name."""
    if volume.persistent_volume_claim is not None:
        claim = volume.persistent_volume_claim
        return _mount(claim.claim_name, volume.mount_path, read_only=claim.read_only)
    empty = volume.empty_dir
    if empty is not None and empty.medium == "Memory":
        size = {"SizeBytes": int(parse_quantity(empty.size_limit))} if empty.size_limit else {}
        options = {**size, "Mode": 0o1777}
        return {"Type": "tmpfs", "Target": volume.mount_path, "TmpfsOptions": options}
    return _mount(attempt.volume(f"volume-{volume.name}"), volume.mount_path)


def deliverer(plan: Plan, brought: Delivery, image: Image, terms: Terms = ANY) -> dict[str, Any]:
    """Never started: what is put into it lands in the volumes that it mounts."""
    attempt = Attempt(plan.name)
    mounts = [
        *tool_mounts(plan, brought, read_only=False),
        _mount(attempt.volume("workspace"), plan.output.path),
        *(_volume_mount(attempt, one) for one in plan.app.volumes if _is_volume(one)),
    ]
    if plan.playback:
        mounts.append(_mount(attempt.volume("playback"), PLAYBACK_WORKSPACE))
    return {
        "Image": image.id,
        "Entrypoint": ["-"],
        "Labels": labels(plan, "deliverer", terms),
        "HostConfig": {"Mounts": mounts, "NetworkMode": "none"},
    }


def writable_folders(plan: Plan) -> list[str]:
    """Folders that anybody in a container may write to: volumes are root's at first."""
    own = [one.mount_path for one in plan.app.volumes if _is_volume(one)]
    return [plan.output.path, *own, *([PLAYBACK_WORKSPACE] if plan.playback else [])]


def filler(plan: Plan, index: int, image: Image, prefix: str, terms: Terms = ANY) -> dict[str, Any]:
    """Never started: the engine fills an empty volume with what the image has at the path."""
    source = Attempt(plan.name).volume(_folder_volume(index))
    return {
        "Image": image.id,
        "Entrypoint": ["-"],
        "Labels": labels(plan, "filler", terms),
        "HostConfig": {
            "Mounts": [{"Type": "volume", "Source": source, "Target": prefix}],
            "NetworkMode": "none",
        },
    }


@dataclass(frozen=True)
class Contents:
    """What an image has of what programs expect everywhere."""

    bash: bool = True
    tmp: bool = True


def app(
    plan: Plan,
    brought: Delivery,
    image: Image,
    settings: DockerSettings,
    contents: Contents,
    allowed: Allowance = allowances.NOTHING,
    terms: Terms = ANY,
) -> dict[str, Any]:
    """The application's container: the launcher, which starts the wrapped command."""
    attempt = Attempt(plan.name)
    places = Places(plan.output.path, delivery.LAUNCHER, brought.places)
    words = launcher_words(_with_command(plan, image), places)
    mounts = [
        *tool_mounts(plan, brought, read_only=True),
        _mount(attempt.volume("workspace"), plan.output.path),
        *(_volume_mount(attempt, one) for one in plan.app.volumes),
    ]
    if plan.playback:
        stop = f"{PLAYBACK_WORKSPACE}/.run/stop"
        words[1:1] = ["--stop-file-at-end", stop]
        mounts.append(_mount(attempt.volume("playback"), PLAYBACK_WORKSPACE))
    return {
        **_body(plan, "app", image, words, terms),
        "Env": [*_app_env(plan, allowed), *([] if contents.bash else [_shell_path(plan, image)])],
        **_user(plan),
        "StopTimeout": math.ceil(plan.stop_seconds) + STOP_MARGIN,
        "HostConfig": {
            **_host(settings),
            **_limits(plan, allowed),
            "CapAdd": list(settings.capabilities),
            "Mounts": mounts,
            "Tmpfs": _tmp(plan, settings, contents),
            "NetworkMode": plan.name if plan.playback else _network(settings, terms),
            "SecurityOpt": _security(plan, settings),
            "DeviceRequests": [dict(one) for one in allowed.devices],
        },
    }


def playback(
    plan: Plan,
    image: Image,
    settings: DockerSettings,
    api: tuple[int, ...],
    allowed: Allowance = allowances.NOTHING,
    terms: Terms = ANY,
) -> Any:
    """The playback server's container, under a launcher of its own, so that it ends."""
    wanted = plan.playback
    assert wanted is not None  # noqa: S101 - only called where there is one
    attempt = Attempt(plan.name)
    command = playback_command(plan, image)
    words = playback_words(plan, delivery.LAUNCHER, PLAYBACK_WORKSPACE, command)
    return {
        **_body(plan, "playback", image, words, terms),
        "Env": [f"{allowances.VISIBLE_DEVICES}={allowances.NONE}", *_env(wanted.env)],
        "StopTimeout": math.ceil(PLAYBACK_GRACE) + STOP_MARGIN,
        "Healthcheck": _health(plan, api),
        "HostConfig": {
            **_host(settings),
            **_memory(allowed.memory),
            "Mounts": [
                _mount(attempt.volume("tools"), delivery.ROOT, read_only=True),
                _mount(attempt.volume("playback"), PLAYBACK_WORKSPACE),
            ],
            "NetworkMode": plan.name,
            "SecurityOpt": ["no-new-privileges"],
        },
        "NetworkingConfig": {
            "EndpointsConfig": {plan.name: {"Aliases": [PLAYBACK_HOST]}},
        },
    }


def playback_command(plan: Plan, image: Image) -> tuple[str, ...]:
    """The server's words; empty where there is nothing to start."""
    command = plan.playback.command if plan.playback else ()
    return command or (*image.entrypoint, *image.command)


def network(plan: Plan, settings: DockerSettings, terms: Terms = ANY) -> dict[str, Any]:
    """The network that only the application and its server are on."""
    is_internal = bool(terms.agent) if settings.internal is None else settings.internal
    return {
        "Name": plan.name,
        "Driver": "bridge",
        "Internal": is_internal,
        "Options": NO_ADDRESS if is_internal else {},
        "Labels": labels(plan, "network", terms),
    }


def _network(settings: DockerSettings, terms: Terms) -> str:
    return settings.network or ("none" if terms.agent else "bridge")


def _body(
    plan: Plan, role: str, image: Image, words: Sequence[str], terms: Terms
) -> dict[str, Any]:
    return {
        "Image": image.id,
        "Entrypoint": [words[0]],
        "Cmd": list(words[1:]),
        "Labels": labels(plan, role, terms),
        "StopSignal": "SIGTERM",  # the launcher's, whatever the image says of its own program
        "Healthcheck": {"Test": ["NONE"]},  # an image's own check would run beside the measurement
    }


def _host(settings: DockerSettings) -> dict[str, Any]:
    """What every container that is started has in common."""
    return {
        "Init": True,
        "AutoRemove": False,
        "RestartPolicy": {"Name": "no"},
        "Privileged": False,
        "CapDrop": ["ALL"],
        "PidsLimit": settings.pids_limit,
        "ReadonlyRootfs": settings.read_only,
        "LogConfig": LOG_OPTIONS,
    }


def _limits(plan: Plan, allowed: Allowance) -> dict[str, Any]:
    """CPU and memory."""
    limits = plan.app.resources.limits
    bounds = _memory(int(parse_quantity(limits.memory)) if limits.memory else allowed.memory)
    if limits.cpu:
        bounds["NanoCpus"] = int(parse_quantity(limits.cpu) * NANO)
    return bounds


def _memory(limit: int) -> dict[str, Any]:
    """No swap beside it, which would hide what is taken."""
    return {"Memory": limit, "MemorySwap": limit} if limit else {}


def _tmp(plan: Plan, settings: DockerSettings, contents: Contents) -> dict[str, str]:
    """A /tmp, where there is none that can be written to."""
    own = [plan.output.path, *(one.mount_path for one in plan.app.volumes)]
    is_there = TMP in own or (contents.tmp and not settings.read_only)
    return {} if is_there else {TMP: "mode=1777"}


def _security(plan: Plan, settings: DockerSettings) -> list[str]:
    granted = sorted(set(plan.system_calls) & set(settings.system_calls))
    profile = [f"seccomp={seccomp.as_json(granted)}"] if granted else []
    return ["no-new-privileges", *profile]


def _user(plan: Plan) -> dict[str, str]:
    wanted = plan.app.security_context
    if wanted.run_as_user is None:
        return {}
    group = wanted.run_as_user if wanted.run_as_group is None else wanted.run_as_group
    return {"User": f"{wanted.run_as_user}:{group}"}


def _with_command(plan: Plan, image: Image) -> Plan:
    """As Kubernetes has it: a command replaces the entrypoint, arguments replace the image's."""
    wanted = plan.app
    if wanted.command:
        return plan
    changes = {"command": image.entrypoint, "args": wanted.args or image.command}
    return plan.model_copy(update={"app": wanted.model_copy(update=changes)})


def has_command(plan: Plan, image: Image) -> bool:
    """Whether there is something to start."""
    resolved = _with_command(plan, image).app
    return bool(resolved.command or resolved.args)


def _app_env(plan: Plan, allowed: Allowance) -> Iterator[str]:
    if allowed.visible:
        yield f"{allowances.VISIBLE_DEVICES}={allowed.visible}"
    yield from (f"{name}={value}" for name, value in playback_env(plan, PLAYBACK_HOST).items())
    yield from _env(plan.app.env)


def _env(variables: Sequence[EnvVar]) -> Iterator[str]:
    """Which GPUs there are is not the job's to say."""
    wanted = (one for one in variables if one.name != allowances.VISIBLE_DEVICES)
    return (f"{one.name}={one.value or ''}" for one in wanted)


def _shell_path(plan: Plan, image: Image) -> str:
    """Where the image has no bash, ours comes last: the application's own programs go first."""
    given = dict(one.partition("=")[::2] for one in (*image.env, *_env(plan.app.env)))
    path = given.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    return f"PATH={path}:{delivery.SHELL}"


def _health(plan: Plan, api: tuple[int, ...]) -> dict[str, Any]:
    """The launcher probes: the server's image need hold nothing else.

    Newer engines probe often until the server is ready and rarely afterwards, so that the checks
    do not disturb the measurement.
    """
    wanted = plan.playback
    assert wanted is not None  # noqa: S101 - only called where there is one
    test = ["CMD", delivery.LAUNCHER, "--probe", str(wanted.port)]
    if wanted.readiness.http_get:
        test += ["--probe-path", wanted.readiness.http_get]
    seconds = wanted.readiness.timeout_seconds
    timing: Mapping[str, float] = {"Interval": OLD_PROBE_PAUSE}
    if api >= START_INTERVAL_API:
        timing = {"Interval": READY_PAUSE, "StartInterval": PROBE_PAUSE}
    numbers = {name: int(pause * NANO) for name, pause in timing.items()}
    return {
        "Test": test,
        "Timeout": PROBE_SECONDS * NANO,
        "StartPeriod": (seconds + STOP_MARGIN) * NANO,
        "Retries": 3,
        **numbers,
    }
