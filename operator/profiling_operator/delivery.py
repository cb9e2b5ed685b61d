"""How a collector's files get into an image that knows nothing of them.

Below `ROOT` go the launcher, and the tools that run from anywhere: each with its own loader and
libraries where it needs some, so that the application's image need have neither libc nor shell,
and the application sees nothing of them. Toolchains whose files name their own folder (TAU) are
brought whole to the same path.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from profiling_operator import launcher, toolchains
from profiling_operator.archives import Packed
from profiling_operator.collectors import Toolchain
from profiling_operator.errors import PreflightError, Reason, ToolchainError
from profiling_operator.launching import ToolPlace
from profiling_operator.plan import Plan, PlannedCollector
from profiling_operator.settings import Settings, ToolchainSettings

ROOT = "/.profiling"
LAUNCHER = f"{ROOT}/launch"
SHELL = f"{ROOT}/shell"
OWN_LOADER = "lib/ld.so"
LDD_SECONDS = 60
# libperl.so.5.36 => /lib/x86_64-linux-gnu/libperl.so.5.36 (0x00007f…)
LIBRARY = re.compile(r"^\s*(\S+) => (/\S+) \(0x[0-9a-f]+\)$")
# /lib64/ld-linux-x86-64.so.2 (0x00007f…); $LD_PRELOAD's libraries stand there as well
LOADER = re.compile(r"^\s*(/(?:\S*/)?ld[^/\s]*) \(0x[0-9a-f]+\)$")
# libc.so.6   libpthread.so.0   ld.so   ld-linux-x86-64.so.2
GLIBC_PART = re.compile(r"(?:ld|ld-linux|lib(?:c|m|dl|pthread|rt|util|resolv|mvec))[-.]")
NEEDED_VERSION = re.compile(rb"GLIBC_(\d+)\.(\d+)")
# GNU C Library (Debian GLIBC 2.36-9+deb12u10) stable release version 2.36.
PROVIDED_VERSION = re.compile(rb"GNU C Library [^\n]{0,200}release version (\d+)\.(\d+)")
# What bash scripts such as tau_exec call, all of them applets of busybox.
APPLETS = ("sed", "tr", "dirname", "basename", "cat", "grep", "ls", "uname", "awk", "cut", "test")


@dataclass(frozen=True)
class Delivery:
    """What has to be brought to make the collectors of a plan work."""

    files: tuple[Packed, ...] = ()
    """Members below the root of the file system."""
    places: Mapping[str, ToolPlace] = field(default_factory=dict)
    folders: tuple[Path, ...] = ()
    """Folders of this machine, to be brought to the same path."""
    images: tuple[ToolchainImage, ...] = ()
    """Images that hold a folder, to be brought to the same path."""
    companions: tuple[Packed, ...] = ()
    """Libraries that preloaded ones need: brought where the application's image lacks them."""
    glibc: tuple[int, int] = (0, 0)
    """The C library's version that preloaded ones need; (0, 0) where there are none."""


@dataclass(frozen=True)
class ToolchainImage:
    """An image with a collector's files."""

    name: str
    reference: str
    prefix: str
    toolchain: Toolchain


def of_plan(plan: Plan, settings: Settings, machine: str) -> Delivery:
    """What a plan's collectors need on a platform of a machine (`uname -m`).

    Raises ToolchainError for files that are not here, LauncherError.
    """
    chosen = [one.toolchain for one in plan.collectors]
    files = [Packed(ROOT[1:]), *launcher_files(chosen, machine)]
    places: dict[str, ToolPlace] = {}
    folders: list[Path] = []
    images: list[ToolchainImage] = []
    preloaded: list[Path] = []
    for one in plan.collectors:
        given = settings.toolchains.get(one.name, ToolchainSettings())
        if given.in_app or given.image:
            prefix = whole_prefix(one.name, given)
            places[one.name] = ToolPlace(prefix)
            if not given.in_app:
                images.append(ToolchainImage(one.name, given.image, prefix, one.toolchain))
            continue
        prefix_here = toolchains.find(one.name, one.toolchain, settings)
        _require_machine(one.name, machine)
        if one.toolchain.files:
            brought = list(_brought(one.name, one.toolchain, prefix_here))
            files += brought
            places[one.name] = _place(one.name, brought)
        else:
            folders.append(prefix_here)
            preloaded += [path for it in one.toolchain.preloads for path in prefix_here.glob(it)]
            places[one.name] = ToolPlace(str(prefix_here))
    companions = tuple(_companions(preloaded, folders))
    needed = [*preloaded, *(one.source for one in companions if one.source)]
    glibc = max(map(needed_glibc, needed), default=(0, 0))
    return Delivery(tuple(files), places, tuple(folders), tuple(images), companions, glibc)


def launcher_files(chosen: Iterable[Toolchain], machine: str = "") -> Iterator[Packed]:
    """The launcher of a machine (`uname -m`), and its library where one of the tools is preloaded.

    Raises LauncherError.
    """
    yield Packed(LAUNCHER[1:], source=launcher.path(machine))
    if any(one.preloads for one in chosen):
        yield Packed(f"{LAUNCHER[1:]}{launcher.LIBRARY}", source=launcher.library(machine))


def places(plan: Plan, settings: Settings) -> Mapping[str, ToolPlace]:
    """Where each collector's tool will be in a pod, as far as the operator can tell. No I/O.

    Each collector's sidecar brings its tool to just there, or refuses.
    """
    return {
        one.name: _expected(one, settings.toolchains.get(one.name, ToolchainSettings()))
        for one in plan.collectors
    }


def _expected(one: PlannedCollector, given: ToolchainSettings) -> ToolPlace:
    if given.in_app or given.image or not one.toolchain.files:
        return ToolPlace(whole_prefix(one.name, given))
    prefix = f"{ROOT}/{one.name}"
    return ToolPlace(prefix, own_loader(prefix) if one.toolchain.is_dynamic else ())


def whole_prefix(name: str, given: ToolchainSettings) -> str:
    """The folder in the application's container of a toolchain that is there as a whole."""
    return given.path or f"/opt/{name}"


def _companions(preloaded: list[Path], folders: list[Path]) -> Iterator[Packed]:
    """What preloaded libraries are linked with, beside them; not the C library, nor their own."""
    for library in preloaded:
        for name, path in _linked(library).items():
            is_own = any(path.is_relative_to(folder) for folder in folders)
            if not is_own and not GLIBC_PART.match(name):
                yield Packed(f"{library.parent}/{name}"[1:], source=path)


def needed_glibc(library: Path) -> tuple[int, int]:
    """The newest version of the GNU C library whose symbols a library asks for."""
    versions = NEEDED_VERSION.findall(library.read_bytes())
    return max(((int(major), int(minor)) for major, minor in versions), default=(0, 0))


def provided_glibc(library: bytes) -> tuple[int, int]:
    """The version of a GNU C library, by its own words; (0, 0) for another one."""
    found = PROVIDED_VERSION.search(library)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def shell() -> tuple[Packed, ...]:
    """A static bash and what scripts call, for images without them; nothing where there is none."""
    bash, busybox = shutil.which("bash-static"), _static_busybox()
    if not bash or not busybox:
        return ()
    folder = SHELL[1:]
    return (
        Packed(folder),
        Packed(f"{folder}/bash", source=Path(bash)),
        Packed(f"{folder}/busybox", source=Path(busybox)),
        *(Packed(f"{folder}/{name}", link=f"{folder}/busybox") for name in APPLETS),
    )


def _static_busybox() -> str | None:
    found = shutil.which("busybox")
    return found if found and not _linked(Path(found)) else None


def _require_machine(name: str, machine: str) -> None:
    """Files of this machine do not run on another architecture."""
    here = os.uname().machine
    if here != machine:
        message = (
            f"{name}: its files here are for {here}, the engine's machine is {machine}; "
            f"name an image that holds them: toolchains.{name}.image"
        )
        raise PreflightError(Reason.TOOLCHAIN_INCOMPATIBLE, message)


def _brought(name: str, toolchain: Toolchain, prefix: Path) -> Iterator[Packed]:
    """The files of a tool that runs from anywhere, below a folder of its own."""
    folder = f"{ROOT[1:]}/{name}"
    for pattern in toolchain.files:
        for path in sorted(prefix.glob(pattern)):
            yield Packed(f"{folder}/{path.relative_to(prefix)}", source=path)
    if toolchain.is_dynamic:
        linked = _linked(prefix / toolchain.file)
        for library, path in {**linked, **_loaded(toolchain, linked)}.items():
            yield Packed(f"{folder}/lib/{library}", source=path)


def _place(name: str, brought: list[Packed]) -> ToolPlace:
    prefix = f"{ROOT}/{name}"
    if any(f"/{one.name}" == f"{prefix}/{OWN_LOADER}" for one in brought):
        return ToolPlace(prefix, own_loader(prefix))
    return ToolPlace(prefix)


def own_loader(prefix: str) -> tuple[str, ...]:
    """Words that start a program through the loader beside it, with the libraries beside it."""
    return (f"{prefix}/{OWN_LOADER}", "--library-path", f"{prefix}/lib")


def _loaded(toolchain: Toolchain, linked: Mapping[str, Path]) -> dict[str, Path]:
    """Libraries that a program loads by itself, where they stand beside the others."""
    beside = {path.parent for path in linked.values()}
    patterns = [(folder, one) for folder in sorted(beside) for one in toolchain.loads]
    return {path.name: path for folder, one in patterns for path in sorted(folder.glob(one))}


def _linked(program: Path) -> dict[str, Path]:
    """Shared libraries of a program by name, its loader as `ld.so`; none for a static one.

    As `ldd` of the C library prints them. Raises ToolchainError when one is missing.
    """
    try:
        done = subprocess.run(
            ["ldd", str(program)],  # noqa: S607 - wherever the C library has put it
            capture_output=True, text=True, timeout=LDD_SECONDS, check=False,
            env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ToolchainError(f"{program}: its libraries are not known: {error}") from error
    libraries: dict[str, Path] = {}
    for line in done.stdout.splitlines():
        if "=> not found" in line:
            raise ToolchainError(f"{program}: a library is missing: {line.strip()}")
        if found := LIBRARY.match(line):
            libraries[found[1]] = Path(found[2])
        elif found := LOADER.match(line):
            libraries["ld.so"] = Path(found[1])
    return libraries
