"""`profjob operator`: keeps the ProfilingJobs of a cluster going."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from profiling_operator import api, handlers, reconcile, settings
from profiling_operator.acting import Acting
from profiling_operator.agenda import Agenda
from profiling_operator.api import Api
from profiling_operator.cli import agent, console
from profiling_operator.cli.agent import Wanted
from profiling_operator.control import Control
from profiling_operator.errors import Problem, SpecError
from profiling_operator.inventory import Inventory
from profiling_operator.reports import Baselines, Reports
from profiling_operator.settings import Settings
from profiling_operator.tally import Tally
from profiling_operator.telemetry import Telemetry

LOOPBACK = "127.0.0.1"
HOST = re.compile(r"(?=.{1,253}$)[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?")


class Place(StrEnum):
    """Where jobs run."""

    KUBERNETES = "kubernetes"
    DOCKER = "docker"


@dataclass(frozen=True)
class Listens:
    """Where metrics and health are told."""

    address: str
    """Empty: everywhere."""
    metrics: int
    """Ports; 0: nowhere."""
    health: int

    @property
    def url(self) -> str:
        """That of the health endpoint; empty: there is none."""
        host = self.address or "0.0.0.0"  # noqa: S104 - a pod
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.health}/healthz" if self.health else ""


def operator(
    namespace: Annotated[
        list[str] | None,
        typer.Option("--namespace", "-n", help="Look at this namespace; may be repeated."),
    ] = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Look at all of them: the default.")
    ] = False,
    metrics_port: Annotated[int, typer.Option(help="Port of /metrics; 0: none.")] = 8080,
    health_port: Annotated[int, typer.Option(help="Port of /healthz; 0: none.")] = 8081,
    address: Annotated[
        str,
        typer.Option(help="Address of both ports; default: all, for an agent 127.0.0.1."),
    ] = "",
    executor: Annotated[
        Place, typer.Option("--executor", "-e", help="Where jobs run: pods, or one Docker engine.")
    ] = Place.KUBERNETES,
    host: Annotated[
        str, typer.Option(metavar="NAME", help="With docker: jobs whose placement.host is this.")
    ] = "",
    default_host: Annotated[
        bool, typer.Option("--default-host", help="With docker: also jobs that name no host.")
    ] = False,
    kubeconfig: Annotated[str, typer.Option(help="Default: $KUBECONFIG, or this pod's.")] = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
) -> None:
    """Run the operator of a cluster, or the agent of a Docker host, until TERM or Ctrl-C."""
    _log(verbose)
    with console.reporting():
        if all_namespaces and namespace:
            raise SpecError([Problem("--namespace", "excludes --all-namespaces")])
        known = settings.load()
        wanted = _wanted(executor, host, default_host, namespace or [])
        _require_settings(known, executor)
        listens = Listens(address or (LOOPBACK if wanted.host else ""), metrics_port, health_port)
        asyncio.run(_run(known, wanted, listens, kubeconfig))


def _wanted(executor: Place, host: str, is_default: bool, namespaces: list[str]) -> Wanted:
    """Whose jobs are kept; without a host those of the cluster. Raises SpecError."""
    is_agent = executor is Place.DOCKER
    problems = []
    if is_agent and not HOST.fullmatch(host):
        said = f'"{host}" must be a name as spec.placement.host takes it: a DNS name'
        problems.append(Problem("--host", said))
    if not is_agent and (host or is_default):
        named = "--host" if host else "--default-host"
        problems.append(Problem(named, "is for --executor docker"))
    if problems:
        raise SpecError(problems)
    return Wanted(host, is_default, namespaces)


def _require_settings(known: Settings, executor: Place) -> None:
    """What has no default. Raises SpecError."""
    problems = []
    if executor is Place.KUBERNETES and not known.kubernetes.image:
        problems.append(Problem("settings.kubernetes.image", "is required: the image of profjob"))
    if "default" not in known.stores:
        problems.append(Problem("settings.stores.default", "is required: where results go"))
    if problems:
        raise SpecError(problems)


def _log(verbose: bool) -> None:
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("profjob").setLevel(logging.DEBUG if verbose else logging.INFO)


async def _run(known: Settings, wanted: Wanted, listens: Listens, kubeconfig: str) -> None:
    _leave_on_signals()
    inventory, agenda = Inventory(), Agenda()
    counts = Telemetry(known.metrics, inventory.counts, agenda.waits)
    async with api.connect(kubeconfig=kubeconfig, told=counts.api_request) as cluster:
        if listens.metrics:
            counts.serve(listens.metrics, listens.address)
        keep = agent.run if wanted.host else _keep_cluster
        try:
            await keep(cluster, known, wanted, counts, agenda, inventory, listens.url)
        except asyncio.CancelledError:
            logging.getLogger("profjob.operator").info("ends")
        finally:
            counts.stop()


async def _keep_cluster(
    cluster: Api, known: Settings, wanted: Wanted, counts: Telemetry, agenda: Agenda,
    inventory: Inventory, health: str,
) -> None:  # fmt: skip
    acting = Acting(cluster, known, Reports(cluster, known), Baselines(cluster, known), inventory)
    control = Control(
        cluster, reconcile.on_cluster(known), acting, wanted.namespaces,
        is_mine=wanted.is_mine, watched=Tally(counts), agenda=agenda,
    )  # fmt: skip
    await handlers.watch(control, wanted.namespaces, health)


def _leave_on_signals() -> None:
    """TERM and INT end everything in order: what is being written is written or it is not."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this runs in one
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
