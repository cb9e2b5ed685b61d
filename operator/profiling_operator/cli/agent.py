"""`profjob operator --executor docker`: the agent of a Docker host."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from profiling_operator import engine, handlers, names, settings
from profiling_operator.agenda import Agenda
from profiling_operator.agent import capacity, gpus, platform
from profiling_operator.agent.capacity import Capacity
from profiling_operator.agent.collecting import Collecting
from profiling_operator.agent.hands import Hands
from profiling_operator.agent.host import Host
from profiling_operator.agent.lease import Lease
from profiling_operator.agent.means import Means
from profiling_operator.agent.priorities import Priorities
from profiling_operator.agent.records import Shelf
from profiling_operator.agent.threads import Threads
from profiling_operator.api import Api
from profiling_operator.asking import Patience
from profiling_operator.containers import Terms
from profiling_operator.control import Control, host_of
from profiling_operator.engine import Engine
from profiling_operator.executors.docker import Docker
from profiling_operator.inventory import Inventory
from profiling_operator.reports import Baselines, Reports
from profiling_operator.settings import Settings
from profiling_operator.tally import Tally
from profiling_operator.telemetry import Telemetry

TOKEN_SECONDS = 10.0

logger = logging.getLogger("profjob.agent")


@dataclass(frozen=True)
class Wanted:
    """Whose jobs an agent keeps."""

    host: str
    """Name of the host, which `spec.placement.host` names."""
    is_default: bool
    """Also those that name no host."""
    namespaces: Sequence[str]
    """None named: all."""

    def is_mine(self, body: Any) -> bool:
        """Whether a ProfilingJob is the agent's."""
        named = host_of(body)
        return named == self.host or (self.is_default and not named)


@dataclass(frozen=True)
class _Side:
    """The engine, and what is known of it."""

    here: Engine
    there: Capacity


async def run(
    cluster: Api, known: Settings, wanted: Wanted, counts: Telemetry, agenda: Agenda,
    inventory: Inventory, health: str,
) -> None:  # fmt: skip
    """Keep the host's jobs, alone, until a signal ends that.

    Raises ExecutorError without an engine, LeaseLostError when another agent took over.
    """
    side = await asyncio.to_thread(_side, known, wanted.host)
    lease = Lease(cluster, known.agent.namespace, wanted.host, _holder(), logger.warning)
    await lease.acquire()
    logger.info("agent %s: %s", wanted.host, _described(side))
    state = _state(known, wanted.host)
    collecting = Collecting(known, state / "attempts", wanted.host, _token_of(cluster))
    try:
        known = _with_copies(known, state / "copies")
        host = _host(side, known, wanted.host, collecting, lease)
        hands = Hands(
            cluster, host, Patience(Reports(cluster, known), Baselines(cluster, known)),
            Priorities(cluster).of, lambda: lease.is_held, inventory,
        )  # fmt: skip
        control = Control(
            cluster, platform.on_host(known), hands, wanted.namespaces,
            kinds=(names.PLURAL,), is_mine=wanted.is_mine, watched=Tally(counts), agenda=agenda,
        )  # fmt: skip
        host.told = control.seen
        await host.load()
        await asyncio.to_thread(_tidy, collecting, host)
        await handlers.watch(control, wanted.namespaces, health, lease.keep(), host.run())
    finally:
        collecting.close()
        await lease.release()


def _side(known: Settings, name: str) -> _Side:
    """Ask the engine, which blocks."""
    here = engine.connect()
    own = gpus.of_host(known.agent.gpus, here.cdi_gpus, here.is_here)
    return _Side(here, capacity.of_engine(here.info(), own, known, name))


def _host(side: _Side, known: Settings, name: str, collecting: Collecting, lease: Lease) -> Host:
    machine = None if side.here.is_here else Docker(known).machine()
    means = Means(
        host=name,
        executor=lambda given: Docker(known, Terms(agent=name, gpus=given)),
        shelf=Shelf(side.here, name),
        collect=partial(collecting.run, machine=machine),
        forget=collecting.forget,
        threads=Threads(),
        collections=asyncio.Semaphore(known.agent.collections),
    )
    return Host(means, side.there, lambda: lease.is_held)


def _holder() -> str:
    """This process, and no other one ever."""
    return f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4().hex[:8]}"


def _described(side: _Side) -> str:
    has = ", ".join(f"{one.uuid} {one.product}".strip() for one in side.there.gpus)
    return f"{side.here.url}; GPUs: {has or 'none'}"


def _state(known: Settings, name: str) -> Path:
    """Where conversions are kept until their attempt is settled."""
    base = Path(known.state_dir) if known.state_dir else settings.data_folder()
    return base / "agent" / name


def _with_copies(known: Settings, folder: Path) -> Settings:
    """Workspaces are copied into a folder of the agent's own; what a dead one left there goes."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    return known.model_copy(update={"state_dir": str(folder)})


def _tidy(collecting: Collecting, host: Host) -> None:
    """Remove what is kept of attempts that are no more."""
    for name in collecting.attempts():
        if host.job(name) is None:
            collecting.forget(name)


def _token_of(cluster: Api) -> Any:
    """Asks for the token from another thread, as it is then."""
    loop = asyncio.get_running_loop()

    def token() -> str:
        return asyncio.run_coroutine_threadsafe(cluster.bearer_token(), loop).result(TOKEN_SECONDS)

    return token
