"""Makes what an attempt consists of on a Docker engine, and removes it.

Everything gets its attempt's label before anything is started, so whatever is interrupted here is
found again. Files go through containers that are never started.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from profiling_operator import allowances, archives, claims, containers, delivery, images
from profiling_operator.allowances import Allowance
from profiling_operator.archives import Packed
from profiling_operator.containers import Attempt, Contents, Terms
from profiling_operator.delivery import Delivery, ToolchainImage
from profiling_operator.engine import Engine
from profiling_operator.errors import (
    PlaybackError,
    PreflightError,
    ProfilingError,
    Reason,
    StartError,
    ToolchainError,
)
from profiling_operator.images import Image
from profiling_operator.launching import ToolPlace
from profiling_operator.plan import Plan
from profiling_operator.settings import Settings

WRITABLE = 0o2777
REMOVE_TRIES = 5
PAUSE_SECONDS = 0.5
LOADER_CACHE = "/etc/ld.so.cache"
GLIBC_PATHS = ("/lib/{machine}-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/libc.so.6")

Tell = Callable[[str], None]
Pause = Callable[[float], Any]


@dataclass(frozen=True)
class Provisioning:
    """One attempt on its way into an engine."""

    here: Engine
    plan: Plan
    known: Settings
    tell: Tell
    terms: Terms = containers.ANY

    def prepare(self) -> None:
        """Everything is there, and nothing runs.

        Raises ImageError, ToolchainError, StartError, ExecutorError.
        """
        if refusal := claims.refusal(self.here, self.plan, self.terms):
            raise StartError(f"spec.app.volumes: {refusal}")
        image, server = self._images()
        brought = delivery.of_plan(self.plan, self.known, self.here.machine)
        for name in containers.volume_names(self.plan, brought):
            labels = containers.labels(self.plan, "volume", self.terms)
            self._create("volume", name, {"Labels": labels})
        brought = replace(brought, places={**brought.places, **self._fill(brought)})
        self.tell("bringing the launcher and the collectors")
        brought, contents = self._deliver(brought, image)
        self._make_containers(brought, image, contents, server)

    def _images(self) -> tuple[Image, Image | None]:
        """The application's, and the playback server's where there is one."""
        plan = self.plan
        image = self._image(plan.app.image or "")
        server = self._image(plan.playback.image or "") if plan.playback else None
        if not containers.has_command(plan, image):
            raise _nothing_to_start(image, "spec.app.command")
        if server is not None and not containers.playback_command(plan, server):
            raise _nothing_to_start(server, "spec.playback.command")
        return image, server

    def _make_containers(
        self, brought: Delivery, image: Image, contents: Contents, server: Image | None
    ) -> None:
        plan, own, allowed = self.plan, self.known.docker, self._allowed()
        if server is not None:
            self._create("network", plan.name, containers.network(plan, own, self.terms))
            body = containers.playback(plan, server, own, self.here.version, allowed, self.terms)
            self._create("container", Attempt(plan.name).playback, body)
        body = containers.app(plan, brought, image, own, contents, allowed, self.terms)
        self._create("container", plan.name, body)

    def _allowed(self) -> Allowance:
        if self.terms.agent:
            return allowances.by_name(self.terms.gpus or (), self.known.agent, self.here)
        return allowances.by_number(self.plan.gpu.count if self.plan.gpu else 0, self.here)

    def _image(self, reference: str) -> Image:
        return images.obtain(self.here, reference, self.known.docker.pull, self.tell)

    def _create(self, kind: str, name: str, body: dict[str, Any]) -> None:
        api = self.here.api
        with self.here.asked(f"create {kind} {name}", StartError):
            if kind == "volume":
                api.create_volume(name, labels=body["Labels"])
            elif kind == "network":
                api.create_network(
                    name,
                    driver=body["Driver"],
                    options=body["Options"],
                    internal=body["Internal"],
                    labels=body["Labels"],
                )
            else:
                api.create_container_from_config(body, name)

    def _fill(self, brought: Delivery) -> dict[str, ToolPlace]:
        """Fill volumes from the images that hold toolchains; where their files are."""
        first = len(brought.folders)
        return {
            one.name: self._fill_from(one, first + index)
            for index, one in enumerate(brought.images)
        }

    def _fill_from(self, one: ToolchainImage, index: int) -> ToolPlace:
        name = f"{self.plan.name}-filler-{index}"
        self._create(
            "container", name,
            containers.filler(
                self.plan, index, self._image(one.reference), one.prefix, self.terms
            ),
        )  # fmt: skip
        try:
            return self._place_in(name, one)
        finally:
            _remove_container(self.here, name)

    def _place_in(self, container: str, one: ToolchainImage) -> ToolPlace:
        """Where the toolchain's file is: below the prefix, or below its architecture."""
        prefixes = (one.prefix, f"{one.prefix}/{self.here.machine}")
        for prefix in prefixes:
            if self.here.has(container, f"{prefix}/{one.toolchain.file}"):
                has_loader = self.here.has(container, f"{prefix}/{delivery.OWN_LOADER}")
                return ToolPlace(prefix, delivery.own_loader(prefix) if has_loader else ())
        raise ToolchainError(
            f"{one.name}: {one.reference} has no {one.toolchain.file} below {one.prefix}; "
            f"toolchains.{one.name}.path names the folder in the image"
        )

    def _deliver(self, brought: Delivery, image: Image) -> tuple[Delivery, Contents]:
        """Put files and folders into the volumes; also tells what the image has."""
        name = Attempt(self.plan.name).deliverer
        self._create("container", name, containers.deliverer(self.plan, brought, image, self.terms))
        try:
            has_bash, has_tmp = (self.here.has(name, path) for path in ("/bin/bash", "/tmp"))  # noqa: S108
            contents = Contents(has_bash, has_tmp)
            brought, more = self._with_shell(name, brought, contents)
            self._require_glibc(name, brought, image)
            writable = containers.writable_folders(self.plan)
            folders = [Packed(path[1:], mode=WRITABLE) for path in writable]
            with archives.pack([*folders, *brought.files, *more]) as archive:
                self._put(name, "/", archive)
            for folder in brought.folders:
                with archives.pack_folder(folder, str(folder)[1:]) as archive:
                    self._put(name, "/", archive)
            if brought.companions:
                with archives.pack(self._lacking(name, brought.companions)) as archive:
                    self._put(name, "/", archive)
        finally:
            _remove_container(self.here, name)
        return brought, contents

    def _lacking(self, container: str, companions: Iterable[Packed]) -> list[Packed]:
        """The libraries that the image's loader would not find by itself."""
        known = self.here.content(container, LOADER_CACHE)
        return [one for one in companions if one.name.rpartition("/")[2].encode() not in known]

    def _require_glibc(self, container: str, brought: Delivery, image: Image) -> None:
        """What is loaded into the application needs a C library that is new enough.

        Raises PreflightError (ToolchainIncompatible).
        """
        if brought.glibc == (0, 0):
            return
        paths = (path.format(machine=self.here.machine) for path in GLIBC_PATHS)
        found = next(filter(None, (self.here.content(container, path) for path in paths)), b"")
        there = delivery.provided_glibc(found)
        if there < brought.glibc:
            has = "glibc {}.{}".format(*there) if found else "no GNU C library"
            message = (
                f"{image.reference} has {has}; what is loaded into the application needs glibc "
                "{}.{}".format(*brought.glibc)
            )
            raise PreflightError(Reason.TOOLCHAIN_INCOMPATIBLE, message)

    def _put(self, container: str, path: str, archive: IO[bytes]) -> None:
        with self.here.asked(f"bring files to {container}", StartError):
            self.here.api.put_archive(container, path, archive)

    def _with_shell(
        self, container: str, brought: Delivery, contents: Contents
    ) -> tuple[Delivery, Iterable[Packed]]:
        """Scripts start through a bash of ours where the image has none."""
        scripts = [
            one.name
            for one in self.plan.collectors
            if one.toolchain.is_script and self.plan.starts_program_of(one.name)
        ]
        if contents.bash or not scripts:
            return brought, ()
        places, more = dict(brought.places), delivery.shell()
        for name in scripts:
            own = f"{places[name].prefix}/bin/bash"
            is_to_come = Path(places[name].prefix) in brought.folders and Path(own).exists()
            if is_to_come or self.here.has(container, own):
                places[name] = replace(places[name], loader=(own,))
            elif more:
                places[name] = replace(places[name], loader=(f"{delivery.SHELL}/bash",))
            else:
                raise PreflightError(Reason.TOOLCHAIN_INCOMPATIBLE, NO_BASH.format(name=name))
        return replace(brought, places=places), more


def _nothing_to_start(image: Image, field: str) -> StartError:
    return StartError(f"{image.reference} has no entrypoint, and there is no {field}")


NO_BASH = (
    "{name} starts with a bash script, and the application's image has no bash: put a static one "
    "and what scripts call into the toolchain's bin, or install bash-static and busybox-static "
    "where profjob runs; or set the option launch: preload"
)


def start_playback(here: Engine, plan: Plan, pause: Pause) -> None:
    """Start the playback server and return when it is ready; `pause` waits for events.

    Raises PlaybackError with the server's last words.
    """
    wanted = plan.playback
    assert wanted is not None  # noqa: S101 - only called where there is one
    name = Attempt(plan.name).playback
    with here.asked(f"start {name}", PlaybackError):
        here.api.start(name)
    deadline = time.monotonic() + wanted.readiness.timeout_seconds
    while True:
        state = (here.inspected(name) or {}).get("State", {})
        health = state.get("Health") or {}
        if health.get("Status") == "healthy":
            return
        if state.get("Status") != "running":
            raise PlaybackError(f"it ended before it was ready{_last_words(here, name)}")
        if time.monotonic() > deadline:
            path = wanted.readiness.http_get or ""
            where = f"port {wanted.port} {path}".strip()
            said = "".join(one.get("Output", "") for one in (health.get("Log") or [])[-1:]).strip()
            message = f"{where} after {wanted.readiness.timeout_seconds} s: {said or 'no answer'}"
            raise PlaybackError(f"{Reason.PLAYBACK_NOT_READY}: {message}{_last_words(here, name)}")
        pause(PAUSE_SECONDS)


def _last_words(here: Engine, container: str) -> str:
    words = here.last_words(container)
    return f"; its last words: {words}" if words else ""


def remove(here: Engine, name: str) -> None:
    """Leave nothing of an attempt: containers first, whatever they are doing."""
    label = Attempt(name).label
    for one in here.listed("containers", label):
        _remove_container(here, one["Id"])
    for one in here.listed("networks", label):
        _gone(here, lambda one=one: here.api.remove_network(one["Id"]))  # type: ignore[misc]
    for one in here.listed("volumes", label):
        _gone(here, lambda one=one: here.api.remove_volume(one["Name"]))  # type: ignore[misc]


def _remove_container(here: Engine, name: str) -> None:
    _gone(here, lambda: here.api.remove_container(name, force=True, v=True))


def _gone(here: Engine, remove_it: Callable[[], object]) -> None:
    """Until it is gone: a removal under way, or a volume just let go of, refuses for a moment."""
    for left in reversed(range(REMOVE_TRIES)):
        try:
            with here.asked("remove"):
                remove_it()
        except FileNotFoundError:
            return
        except ProfilingError:
            if not left:
                raise
            time.sleep(PAUSE_SECONDS)  # no event tells of it
        else:
            return
