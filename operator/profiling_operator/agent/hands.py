"""Does what decisions ask for on a Docker host, and answers what they need."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from profiling_operator import api, names
from profiling_operator.agent.host import Host
from profiling_operator.api import Api, Listing
from profiling_operator.asking import Patience
from profiling_operator.errors import ExecutorError, Reason
from profiling_operator.inventory import Inventory
from profiling_operator.plan import Plan
from profiling_operator.reconcile import Accept, Action, CreateJob, Delete, Need, Notice, status_of
from profiling_operator.status import time_text

Body = Mapping[str, Any]


@dataclass
class Hands:
    """The hands of an agent. See control.Hands."""

    api: Api
    host: Host
    stores: Patience
    priority: Callable[[str], Awaitable[int]]
    """That of a priority class. Raises RefusedError for one that is not there."""
    may_act: Callable[[], bool] = lambda: True
    """Whether this agent is the only one of its name, by all that is known."""
    inventory: Inventory = field(default_factory=Inventory)

    async def perform(self, action: Action, namespace: str) -> Notice | None:
        """Do it; done twice is done once. Returns what is to be told of it.

        Raises ApiError's kinds, StoreError, ExecutorError, RefusedError.
        """
        if not self.may_act():
            raise ExecutorError("its Lease could not be renewed: another agent may act")
        if isinstance(action, Accept):
            return await self.stores.accept(action)
        if isinstance(action, CreateJob):
            await self._enlist(action.plan)
        else:
            await self._delete(action, namespace)
        return None

    async def _enlist(self, plan: Plan) -> None:
        priority = await self.priority(plan.placement.priority_class_name)
        owner = self.inventory.owner(plan.uid) or {}
        made = (owner.get("metadata") or {}).get("creationTimestamp")
        since = str(made or time_text(datetime.now(UTC)))
        await self.host.enlist(plan, priority, since)

    async def _delete(self, action: Delete, namespace: str) -> None:
        if action.kind == names.PLURAL:
            await self.api.delete(api.PROFILING_JOBS, namespace, action.name, uid=action.uid)
        elif action.kind == "pods":
            await self.host.stop(action.name)
        else:
            self.host.end(action.name)

    async def learn(self, need: Need, plan: Plan) -> Any:
        """The answer to what a decision needs. Raises StoreError."""
        if need is Need.REPORT:
            return await self.stores.report(plan)
        if need is Need.BASELINES:
            return await self.stores.snapshots(plan)
        if need is Need.PLACES:
            return not self.host.lacks(plan)
        if need is Need.JOB:
            return self.host.job(plan.name)
        return ""

    async def children(self, namespaces: Sequence[str]) -> Mapping[str, Listing]:
        """All attempts. Those of ProfilingJobs that are gone are ended."""
        self.host.sweep({str(one["metadata"]["uid"]) for one in self.inventory.owners()})
        return self.host.listings()

    def settle(self, uid: str, body: Body | None) -> None:
        """Attempts go when their outcome is on the status; what is the only copy of results stays
        as long as its job does."""
        if body is None:
            self.host.end_all_of(uid)
            return
        attempts = status_of(body).attempts
        lost = Reason.RESULTS_LOST.value
        self.host.settle({one.job_name: one.outcome == lost for one in attempts if one.outcome})
