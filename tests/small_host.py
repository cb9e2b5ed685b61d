"""An agent on a small engine and a small API server, and what may happen to it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import virtual_time
from profiling_operator import names
from profiling_operator.agent import platform
from profiling_operator.agent.capacity import Capacity
from profiling_operator.agent.collecting import LastWords as LastWords
from profiling_operator.agent.gpus import Gpu
from profiling_operator.agent.hands import Hands
from profiling_operator.agent.host import Host
from profiling_operator.agent.means import Means
from profiling_operator.api import Api
from profiling_operator.asking import Patience
from profiling_operator.control import Control
from profiling_operator.errors import ExecutorError, RefusedError
from profiling_operator.plan import Plan
from profiling_operator.reporting import Report
from reconciling import MIDNIGHT
from small_engine import Executing, OnLoop, SmallEngine, SmallShelf, clock
from small_operator import Place

Body = dict[str, Any]
TWO = (Gpu("GPU-1", "NVIDIA-H200"), Gpu("GPU-2", "NVIDIA-H200"))
PRIORITIES = {"": 0, "high": 1000, "low": -1}


@dataclass
class HostPlace(Place):
    """An engine, what goes on in it, and an agent that may end and begin anew."""

    engine: SmallEngine = field(default_factory=SmallEngine)
    gpus: tuple[Gpu, ...] = TWO
    jobs_without_gpu: int = 1
    is_alone: bool = True
    """Whether its Lease is held."""
    host: Host | None = None

    def start(self) -> None:
        """Begin an agent."""
        if self.control is None:
            self._tasks.append(asyncio.create_task(self._run()))

    async def _run(self) -> None:
        api = cast(Api, self.cluster)
        host = Host(self._means(), self._capacity(), lambda: self.is_alone)
        patience = Patience(self._report, self.baselines)
        hands = Hands(api, host, patience, _priority, lambda: self.is_alone)
        loop = asyncio.get_running_loop()
        self.control = Control(
            api, platform.on_host(self.settings), hands, kinds=(names.PLURAL,),
            watched=self.noted, now=lambda: MIDNIGHT + timedelta(seconds=loop.time()),
        )  # fmt: skip
        host.told = self.control.seen
        self.host = host
        while True:
            try:
                await host.load()
                break
            except ExecutorError:
                await asyncio.sleep(1)
        self.cluster.watch = self._deliver
        async with asyncio.TaskGroup() as group:
            group.create_task(self.control.run())
            group.create_task(host.run())

    def _capacity(self) -> Capacity:
        return Capacity(self.gpus, 8.0, 32 << 30, {}, self.jobs_without_gpu)

    def _means(self) -> Means:
        return Means(
            host="h1", executor=lambda gpus: Executing(self.engine, gpus),
            shelf=SmallShelf(self.engine),
            collect=self.engine.collect, forget=self.engine.forget, threads=OnLoop(),
            collections=asyncio.Semaphore(2), now=clock,
        )  # fmt: skip

    async def _report(self, plan: Plan) -> Report | None:
        return self.engine.reports.get(plan.name)

    def crash(self) -> None:
        """End the agent now; its keepers end with it."""
        super().crash()
        for task in asyncio.all_tasks():
            if task.get_name().startswith("attempt ") or task.get_name().startswith("end "):
                task.cancel()
        self.host = None


async def _priority(name: str) -> int:
    if name not in PRIORITIES:
        raise RefusedError(f"no PriorityClass with name {name} was found")
    return PRIORITIES[name]


def run(scene: Callable[[HostPlace], Awaitable[None]], **place: Any) -> HostPlace:
    """Play a scene on a host with an agent, in virtual time."""

    async def play() -> HostPlace:
        made = HostPlace(**place)
        made.start()
        try:
            await scene(made)
        finally:
            await made.stop()
            made.crash()
        return made

    return virtual_time.run(play())
