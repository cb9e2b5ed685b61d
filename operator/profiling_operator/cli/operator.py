"""`profjob operator`: keeps the ProfilingJobs of a cluster going."""

from __future__ import annotations

import asyncio
import logging
import signal
from typing import Annotated

import typer

from profiling_operator import api, handlers, reconcile, settings
from profiling_operator.acting import Acting
from profiling_operator.agenda import Agenda
from profiling_operator.cli import console
from profiling_operator.control import Control, host_of
from profiling_operator.errors import Problem, SpecError
from profiling_operator.inventory import Inventory
from profiling_operator.reports import Baselines, Reports
from profiling_operator.settings import Settings
from profiling_operator.tally import Tally
from profiling_operator.telemetry import Telemetry


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
    kubeconfig: Annotated[str, typer.Option(help="Default: $KUBECONFIG, or this pod's.")] = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
) -> None:
    """Run the operator, until TERM or Ctrl-C."""
    _log(verbose)
    with console.reporting():
        if all_namespaces and namespace:
            raise SpecError([Problem("--namespace", "excludes --all-namespaces")])
        known = settings.load()
        _require_settings(known)
        asyncio.run(_run(known, namespace or [], (metrics_port, health_port), kubeconfig))


def _require_settings(known: Settings) -> None:
    """What has no default. Raises SpecError."""
    problems = []
    if not known.kubernetes.image:
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


async def _run(
    known: Settings, namespaces: list[str], ports: tuple[int, int], kubeconfig: str
) -> None:
    """`ports` are those of metrics and health."""
    _leave_on_signals()
    metrics_port, health_port = ports
    inventory, agenda = Inventory(), Agenda()
    counts = Telemetry(known.metrics, inventory.counts, agenda.waits)
    async with api.connect(kubeconfig=kubeconfig, told=counts.api_request) as cluster:
        acting = Acting(
            cluster, known, Reports(cluster, known), Baselines(cluster, known), inventory
        )
        control = Control(
            cluster, reconcile.on_cluster(known), acting, namespaces,
            is_mine=lambda body: not host_of(body), watched=Tally(counts), agenda=agenda,
        )  # fmt: skip
        if metrics_port:
            counts.serve(metrics_port)
        health = f"http://0.0.0.0:{health_port}/healthz" if health_port else ""
        try:
            await handlers.watch(control, namespaces, health)
        except asyncio.CancelledError:
            logging.getLogger("profjob.operator").info("ends")
        finally:
            counts.stop()


def _leave_on_signals() -> None:
    """TERM and INT end everything in order: what is being written is written or it is not."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this runs in one
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
