"""`profjob doctor`: what this machine can do, and how to get the rest."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from profiling_operator import launcher, registry, settings, toolchains
from profiling_operator.agent import gpus
from profiling_operator.cli import console
from profiling_operator.collectors import Collector, Facts
from profiling_operator.errors import ProfilingError

if TYPE_CHECKING:
    from profiling_operator.engine import Engine


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    detail: str


def doctor(
    output: Annotated[str, typer.Option("--output", "-o", help="text, json or yaml.")] = "text",
) -> None:
    """Say what works on this machine. Exit code 3 when not even `profjob run` would."""
    findings = [_machine(), _launcher(), *_collectors(), *_facts(), *_docker(), *_tools()]
    if output == "text":
        out = console.stdout()
        for one in findings:
            out.print(f"{'ok  ' if one.ok else 'no  '}{one.what}: {one.detail}", markup=False)
    else:
        console.print_data([asdict(one) for one in findings], output)
    raise typer.Exit(0 if findings[1].ok else 3)


def _machine() -> Finding:
    detail = f"Linux {platform.machine()}, Python {platform.python_version()}"
    return Finding("machine", platform.system() == "Linux", detail)


def _launcher() -> Finding:
    return _tried("launcher", lambda: str(launcher.path()))


def _collectors() -> list[Finding]:
    known = settings.load()
    facts = toolchains.facts_here()
    return [_collector(name, known, facts) for name in registry.names("collectors")]


def _collector(name: str, known: settings.Settings, facts: Facts) -> Finding:
    one: Collector = registry.load("collectors", name)
    for finding in one.preflight(facts, one.options()):
        return Finding(f"collector {name}", False, finding.message)
    return _tried(f"collector {name}", lambda: str(toolchains.find(name, one.toolchain, known)))


def _facts() -> list[Finding]:
    facts = toolchains.facts_here()
    gpus = toolchains.gpus_here()
    paranoid = facts.perf_event_paranoid
    said = "not available" if paranoid is None else f"kernel.perf_event_paranoid is {paranoid}"
    return [
        Finding("NVIDIA GPUs", bool(gpus), _gpus(gpus, facts)),
        Finding("hardware counters", paranoid is not None and paranoid <= 2, said),  # noqa: PLR2004
    ]


def _gpus(devices: list[str], facts: Facts) -> str:
    """The device files, what the driver calls them, and who may read their counters."""
    if not devices:
        return "none: no /dev/nvidia0"
    words = [", ".join(devices), *facts.gpu_models]
    if facts.gpu_counters_admin_only is not None:
        who = "administrators only" if facts.gpu_counters_admin_only else "everybody"
        words.append(f"counters: {who}")
    return "; ".join(words)


def _docker() -> list[Finding]:
    """The engine that the docker executor would use, and what its agent would hand out."""
    from profiling_operator import engine  # its client takes a third of a second to import

    try:
        here = engine.connect()
    except ProfilingError as error:
        return [Finding("executor docker", False, str(error))]
    try:
        return [_tried("executor docker", lambda: _engine(here)), _agent_gpus(here)]
    finally:
        here.close()


def _engine(here: Engine) -> str:
    """Where it is, which one, and with GPUs or not."""
    said = here.info()
    runtimes = ", ".join(sorted(said.get("Runtimes") or {}))
    return (
        f"{here.url}: {said.get('Name')}, version {said.get('ServerVersion')}, "
        f"{here.machine}, runtimes {runtimes}"
    )


def _agent_gpus(here: Engine) -> Finding:
    """The GPUs that the agent of a Docker host would give to its jobs."""
    what = "GPUs for an agent"
    try:
        found = gpus.of_host(settings.load().agent.gpus, here.cdi_gpus, here.is_here)
    except ProfilingError as error:
        return Finding(what, False, str(error))
    words = ", ".join(f"{one.uuid} {one.product}".rstrip() for one in found)
    return Finding(what, bool(found), words or "none; the settings may name some: agent.gpus")


TOOLS: dict[str, str] = {
    "cc": "a C compiler: for the C example and the launcher's own tests",
    "docker": "the Docker client: for `make images`",
    "bash-static": "with a static busybox: TAU in images without bash",
    "kubectl": "for clusters",
}


def _tools() -> list[Finding]:
    return [
        Finding(name, found is not None, found or f"not found; {purpose}")
        for name, purpose in TOOLS.items()
        for found in [shutil.which(name)]
    ]


def _tried(what: str, attempt: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, attempt())
    except ProfilingError as error:
        return Finding(what, False, str(error))
