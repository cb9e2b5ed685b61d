"""`profjob collect NAME`: brings a collector's files to the application of a pod, says before the
start where measuring cannot work, and runs the tool itself where that is to be attached.

What it finds is told to the launcher, which then starts nothing and ends with that reason. It never
crashes for something foreseeable: a sidecar that is started again and again says less.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from profiling_operator import (
    assignment,
    delivery,
    plan,
    toolchains,
    workspace,
)
from profiling_operator.archives import Packed
from profiling_operator.assignment import Assignment
from profiling_operator.attaching import Measuring, Tool
from profiling_operator.delivery import Delivery
from profiling_operator.errors import PreflightError, ProfilingError, Reason, ToolchainError
from profiling_operator.plan import Plan, PlannedCollector
from profiling_operator.settings import ToolchainSettings

ENDING = (signal.SIGTERM, signal.SIGINT)
SHARED_MODE = 0o2777


@dataclass(frozen=True)
class Where:
    """What the sidecar's container has, and where."""

    workspace: Path = Path(assignment.WORKSPACE)
    delivered: Path = Path(delivery.ROOT)
    """The volume that the application sees at `delivery.ROOT`."""
    toolchains: Path = Path(assignment.TOOLCHAINS)
    """Below it, the volumes of toolchains that go to a path of their own."""
    assigned: Path = Path(assignment.FOLDER)


def prepare(name: str, where: Where) -> Measuring | None:
    """Bring what a collector needs, refuse what cannot work, and mark that this is done.

    Doing it again disturbs no application that runs meanwhile. Returns what remains to be done for
    a tool that is attached. Raises OSError; ValueError for an assignment that cannot be read, or
    that does not have the collector.
    """
    measuring = None
    given = assignment.read(where.assigned)
    own = next((one for one in given.plan.collectors if one.name == name), None)
    if own is None:
        known = ", ".join(one.name for one in given.plan.collectors) or "none"
        raise ValueError(f'"{name}" must be a collector of the job: {known}')
    _share(where.workspace)
    where.delivered.mkdir(parents=True, exist_ok=True)
    try:
        _bring(list(delivery.launcher_files([own.toolchain])), where)
        tool = None if own.mode == "wrap" else _tool(given, own, where)
        if tool is None:
            _deliver(given, own, where)
        _require_possible(given, own)
        if tool is not None:
            _share(where.workspace / workspace.CONTROL)
            measuring = Measuring(where.workspace, tool, where.delivered / f".root-{name}")
    except ProfilingError as error:
        refuse(where.workspace, error.reason, str(error))
        _say(f"refused: {error.reason}: {error}")
    (where.delivered / f".delivered-{name}").touch()
    return measuring


def measure(measuring: Measuring | None) -> None:
    """What remains to be done, if anything, until the application's last run has ended."""
    try:
        if measuring is not None:
            measuring.run()
    except OSError as error:  # the application may write to the folders of its runs
        _say(f"measuring ended: {error}")


def wait_to_be_ended() -> None:
    """Until TERM or INT comes."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    signal.sigwait(ENDING)


def refuse(root: Path, reason: Reason, message: str) -> None:
    """Tell the launcher to start nothing. The first refusal stays. Raises OSError."""
    _share(root / workspace.CONTROL)
    workspace.refuse_start(root, reason, message)


def _share(folder: Path) -> None:
    """A folder that application, collectors and uploader may write to; maybe it is root's."""
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(PermissionError):
        folder.chmod(SHARED_MODE)


def _tool(given: Assignment, own: PlannedCollector, where: Where) -> Tool:
    """The collector's tool in this container. Raises ToolchainError, PreflightError."""
    known = given.toolchains.get(own.name, ToolchainSettings())
    if known.in_app:
        message = (
            f"{own.name}: attaching needs its files beside the application, and "
            f"toolchains.{own.name}.in_app says that they are in its image; use mode: wrap"
        )
        raise PreflightError(Reason.TOOLCHAIN_INCOMPATIBLE, message)
    prefix = where.toolchains / own.name
    if known.image:
        _require_file(own, known.image, str(prefix), prefix)
    else:
        prefix = toolchains.find(own.name, own.toolchain, given.settings())
    return Tool(
        name=own.name,
        attachment=plan.attachment_of(own),
        prefix=str(prefix),
        runs=given.plan.runs,
        recorded=given.plan.recorded,
    )


def _deliver(given: Assignment, own: PlannedCollector, where: Where) -> None:
    """The collector's files, to where the operator told the launcher that they are.

    Raises ToolchainError, PreflightError, LauncherError, OSError.
    """
    known = given.toolchains.get(own.name, ToolchainSettings())
    alone = given.plan.model_copy(update={"collectors": (own,)})
    brought = delivery.of_plan(alone, given.settings(), platform.machine())
    volume = where.toolchains / own.name
    if brought.images:
        _require_file(own, brought.images[0].reference, brought.images[0].prefix, volume)
    elif brought.folders:
        _bring_whole(own, known, brought, volume)
    elif not known.in_app:
        _require_as_expected(own, alone, given, brought)
        _bring(brought.files, where)


def _require_as_expected(
    own: PlannedCollector, alone: Plan, given: Assignment, brought: Delivery
) -> None:
    """The launcher's command line was made before anybody could look at the program."""
    if brought.places != delivery.places(alone, given.settings()):
        message = (
            f"{own.name}: {own.toolchain.file} here needs no libraries, which was not expected"
        )
        raise PreflightError(Reason.TOOLCHAIN_INCOMPATIBLE, message)


def _bring_whole(
    own: PlannedCollector, known: ToolchainSettings, brought: Delivery, volume: Path
) -> None:
    """A toolchain whose files name their own folder: all of it, and what its libraries need."""
    found, place = brought.folders[0], Path(delivery.whole_prefix(own.name, known))
    if not found.is_relative_to(place):
        message = (
            f"{own.name}: its files are in {found} and name that folder, the application sees them "
            f"in {place}: set toolchains.{own.name}.path to {found} in the operator's settings"
        )
        raise PreflightError(Reason.TOOLCHAIN_INCOMPATIBLE, message)
    _copy_tree(place, volume)
    for one in brought.companions:
        if one.source is not None:
            _copy(one.source, volume / Path(f"/{one.name}").relative_to(place))
    _require_file(own, "this image", str(place), volume)


def _require_file(own: PlannedCollector, whose: str, prefix: str, volume: Path) -> None:
    """The collector's program is in the volume, at the prefix that the launcher knows."""
    file, machine = own.toolchain.file, platform.machine()
    if os.access(volume / file, os.X_OK):
        return
    if not os.access(volume / machine / file, os.X_OK):
        raise ToolchainError(
            f"{own.name}: {whose} has no program {prefix}/{file}, nor {prefix}/{machine}/{file}. "
            f"{own.toolchain.install}"
        )
    for one in (volume / machine).iterdir():  # TAU installs below its architecture
        with suppress(FileExistsError):
            (volume / one.name).symlink_to(f"{machine}/{one.name}")


def _require_possible(given: Assignment, own: PlannedCollector) -> None:
    """Raises PreflightError with what makes measuring impossible here."""
    collector, options = plan.collector_of(own)
    attaches = own.mode == "attach"
    needed = own.system_calls if attaches else collector.wrap(options).system_calls
    refused = sorted(set(needed) - set(given.system_calls))
    if refused:
        message = (
            f"{own.name}: containers may not call {', '.join(refused)} here; the administrator can "
            "name a seccomp profile in the operator's settings: kubernetes.seccomp_profile, and "
            "this namespace in kubernetes.seccomp_namespaces"
        )
        raise PreflightError(Reason.COUNTERS_NOT_PERMITTED, message)
    gpus = given.plan.gpu.count if given.plan.gpu else 0
    here = given.plan.asks_of(toolchains.facts_here())
    facts = replace(here, gpus=gpus, capabilities=frozenset(), attaches=attaches)
    for finding in collector.preflight(facts, options):
        raise PreflightError(finding.reason, f"{own.name}: {finding.message}")


def _bring(things: Iterable[Packed], where: Where) -> None:
    """Files that go below `delivery.ROOT`."""
    for one in things:
        target = where.delivered / Path(f"/{one.name}").relative_to(delivery.ROOT)
        if one.source is None or one.source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            _copy(one.source, target)


def _copy_tree(source: Path, target: Path) -> None:
    """A folder as it is: links stay links, what is neither file nor folder is left out."""
    for here, folders, files in os.walk(source):
        there = target / Path(here).relative_to(source)
        there.mkdir(parents=True, exist_ok=True)
        for name in (*folders, *files):
            path = Path(here, name)
            if path.is_symlink():
                with suppress(FileExistsError):
                    (there / name).symlink_to(path.readlink())
            elif path.is_file():
                _copy(path, there / name)


def _copy(source: Path, target: Path) -> None:
    """A file that everybody may read, and run if its owner may; one that is there is left alone.

    It may be running: it is never written to, nor replaced by an equal one.
    """
    status = source.stat()
    if target.is_file() and target.stat().st_size == status.st_size:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        shutil.copyfile(source, temporary)
        temporary.chmod(0o755 if status.st_mode & 0o100 else 0o644)
        temporary.rename(target)
    finally:
        temporary.unlink(missing_ok=True)


def _say(words: str) -> None:
    """A line for people, in the container's log."""
    print(f"profjob collect: {words}", file=sys.stderr, flush=True)
