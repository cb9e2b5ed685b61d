"""The attempts of one Docker host: who waits, who runs, what they leave.

It stands where a cluster has its Job controller, its scheduler and its kubelets, and is told what
to do by the same decisions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Any

from profiling_operator import containers
from profiling_operator.agent import bodies, capacity, queueing
from profiling_operator.agent.capacity import Capacity
from profiling_operator.agent.keeper import Keeper
from profiling_operator.agent.means import Means
from profiling_operator.agent.queueing import Waiting
from profiling_operator.agent.records import Record, utc
from profiling_operator.api import Listing
from profiling_operator.inventory import JOBS, PODS
from profiling_operator.plan import Plan
from profiling_operator.pod_sightings import Stage

LOOK_SECONDS = 5.0  # at the queue, although nothing has told of a change

Body = Mapping[str, Any]
Told = Callable[[str, str, Body], None]
"""Called with each change, as a watch would be: kind, event, object."""


class Host:
    """For one event loop."""

    def __init__(
        self,
        means: Means,
        there: Capacity,
        may_start: Callable[[], bool] = lambda: True,
    ) -> None:
        """`may_start` says whether attempts may be begun now."""
        self.told: Told = lambda kind, event, body: None
        self._means = means
        self._there = there
        self._may_start = may_start
        self._keepers: dict[str, Keeper] = {}
        self._versions = 0
        self._changed = asyncio.Event()
        self._ending: dict[str, asyncio.Task[None]] = {}

    async def load(self) -> None:
        """Go on with what an earlier agent has left. Raises ExecutorError."""
        found = await self._means.in_thread(self._means.shelf.find)
        running = await self._means.in_thread(self._means.shelf.containers)
        begun = found.begun | {name for name, one in running.items() if _has_begun(one)}
        kept = {one.name for one in found.records} & begun
        for name in found.made - kept:  # what was being prepared, or removed
            await self._means.in_thread(partial(self._means.executor(()).remove, name))
        for record in found.records:
            keeper = self._new(record)
            if record.name in kept:
                container = running.get(record.name)
                keeper.place(_gpus_of(container), utc(str((container or {}).get("Created") or "")))

    async def run(self) -> None:
        """Hand out places, for ever."""
        while True:
            self.hand_out()
            try:
                await asyncio.wait_for(self._changed.wait(), LOOK_SECONDS)
            except TimeoutError:
                continue
            self._changed.clear()

    def hand_out(self) -> None:
        """Give each who is next his place."""
        if not self._may_start():
            return
        wanted = [self._waiting(one) for one in self._keepers.values() if self._is_in_turn(one)]
        holding = [one for one in self._keepers.values() if one.holds_place]
        taken = {uuid for one in holding for uuid in one.gpus or ()}
        free = [one for one in self._there.gpus if one.uuid not in taken]
        slots = self._there.jobs_without_gpu - sum(not one.gpus for one in holding)
        for name, gpus in queueing.place(wanted, free, max(0, slots)).items():
            self._keepers[name].place(gpus)

    def _is_in_turn(self, keeper: Keeper) -> bool:
        """Whether it waits for its place; it is told what for, or why it never gets one."""
        if keeper.gpus is not None or keeper.is_unwanted:
            return False
        plan = keeper.record.plan
        lacking = self.lacks(plan)
        count = plan.gpu.count if plan.gpu else 0
        wanted = f"{count} of {len(self._there.gpus)} GPUs" if count else "its turn"
        keeper.wait_for(lacking or f"waiting for {wanted}")
        return not lacking

    @staticmethod
    def _waiting(keeper: Keeper) -> Waiting:
        record, gpu = keeper.record, keeper.record.plan.gpu
        return Waiting(
            record.name, record.priority, record.since,
            gpu.count if gpu else 0, gpu.product if gpu else None,
        )  # fmt: skip

    async def enlist(self, plan: Plan, priority: int, since: str) -> None:
        """Take an attempt; twice is once. Raises ExecutorError."""
        if plan.name in self._keepers:
            return
        record = Record(plan, priority, since)
        kept = await self._means.in_thread(partial(self._means.shelf.enlist, record))
        if plan.name not in self._keepers:
            self._new(kept)
            self._changed.set()

    def lacks(self, plan: Plan) -> str:
        """Why the host could never serve a plan; empty: it could."""
        return capacity.lacks(plan, self._there)

    def job(self, attempt: str) -> Body | None:
        """An attempt's Job."""
        keeper = self._keepers.get(attempt)
        return self._job(keeper) if keeper else None

    async def stop(self, attempt: str) -> None:
        """Ask an attempt to end and to keep its profile. Raises ExecutorError."""
        if keeper := self._keepers.get(attempt):
            await keeper.stop()

    def end(self, attempt: str) -> None:
        """End an attempt and remove all of it; what that takes goes on behind."""
        keeper = self._keepers.get(attempt)
        if keeper is not None and attempt not in self._ending:
            self._ending[attempt] = asyncio.create_task(self._end(keeper), name=f"end {attempt}")

    async def _end(self, keeper: Keeper) -> None:
        await keeper.discard()
        await keeper.patiently(partial(self._means.shelf.forget, keeper.record.name))
        name = keeper.record.name
        self._keepers.pop(name, None)
        self._ending.pop(name, None)
        self._versions += 1
        for kind, body in ((PODS, self._pod(keeper)), (JOBS, self._job(keeper))):
            self.told(kind, "DELETED", body)
        self._changed.set()

    def settle(self, outcomes: Mapping[str, bool]) -> None:
        """Attempts whose outcome is written: what has ended may go, but for what is to be kept."""
        for name, is_kept in outcomes.items():
            keeper = self._keepers.get(name)
            if keeper is not None and keeper.seen.stage is Stage.ENDED and not is_kept:
                self.end(name)

    def sweep(self, jobs: Collection[str]) -> None:
        """End the attempts of all ProfilingJobs but those of these UIDs."""
        self._end_those(lambda uid: uid not in jobs)

    def end_all_of(self, uid: str) -> None:
        """End the attempts of a ProfilingJob."""
        self._end_those(lambda one: one == uid)

    def _end_those(self, is_meant: Callable[[str], bool]) -> None:
        for name, keeper in tuple(self._keepers.items()):
            if is_meant(keeper.record.plan.uid):
                self.end(name)

    def listings(self) -> Mapping[str, Listing]:
        """All Jobs and pods."""
        keepers: Iterable[Keeper] = self._keepers.values()
        version = str(self._versions)
        return {
            JOBS: Listing([dict(self._job(one)) for one in keepers], version),
            PODS: Listing([dict(self._pod(one)) for one in keepers], version),
        }

    def _new(self, record: Record) -> Keeper:
        """A keeper of an attempt, which is told of."""
        keeper = Keeper(record, self._means, lambda: self._saw(keeper))
        self._keepers[record.name] = keeper
        self._saw(keeper)
        return keeper

    def _saw(self, keeper: Keeper) -> None:
        if keeper.record.name not in self._keepers:
            return
        self._versions += 1
        self.told(JOBS, "MODIFIED", self._job(keeper))
        self.told(PODS, "MODIFIED", self._pod(keeper))
        if not keeper.holds_place and keeper.gpus is not None:
            self._changed.set()

    def _job(self, keeper: Keeper) -> Body:
        return bodies.job_body(keeper.record, keeper.seen, self._versions)

    def _pod(self, keeper: Keeper) -> Body:
        return bodies.pod_body(keeper.record, keeper.seen, self._versions, keeper.ends_by)


def _has_begun(container: Body) -> bool:
    return bool(container["State"]["Status"] != "created")


def _gpus_of(container: Body | None) -> tuple[str, ...]:
    """The GPUs that a container was given, by its label."""
    labels = ((container or {}).get("Config") or {}).get("Labels") or {}
    return tuple(filter(None, str(labels.get(containers.GPUS) or "").split(",")))
