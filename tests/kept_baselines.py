"""Baselines as the operator asks for them and writes them, without a store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from profiling_operator.baselines import Snapshot
from profiling_operator.errors import StoreError
from profiling_operator.plan import Plan
from small_cluster import SmallCluster, Write

RESOURCE = "baselines"
"""How writes of baselines are told beside those of the cluster."""


class NoBaselines:
    """A store that has none, and takes none."""

    async def snapshots(self, plan: Plan) -> tuple[Snapshot, ...]:
        """Nothing is accepted."""
        return tuple(Snapshot(name=one) for one in plan.baseline_names)

    async def accept(self, plan: Plan, name: str) -> str:
        """It does not answer."""
        raise StoreError("there is no store")


@dataclass
class SmallBaselines:
    """A store's baselines on a small cluster, which can interfere with what is written."""

    cluster: SmallCluster
    accepted: list[tuple[str, str, int]] = field(default_factory=list)
    """Baseline, UID, attempt: the oldest first."""
    away: float = 0.0
    """Until when it does not answer."""

    async def snapshots(self, plan: Plan) -> tuple[Snapshot, ...]:
        """With as many jobs as were accepted, for people."""
        await asyncio.sleep(0)
        self._answer()
        return tuple(
            Snapshot(name=one, others=f"{len(self.of(one))} jobs") for one in plan.baseline_names
        )

    async def accept(self, plan: Plan, name: str) -> str:
        """As keeping.accept does: who is there already stays."""
        self._answer()
        self.cluster.interfere("before", "patch", RESOURCE, name)
        mine = (name, plan.uid, plan.attempt)
        is_new = mine not in self.accepted
        if is_new:
            self.accepted.append(mine)
        self.cluster.writes.append(Write("patch", RESOURCE, name, is_new))
        self.cluster.interfere("after", "patch", RESOURCE, name)
        await asyncio.sleep(0)
        return f"one of {len(self.of(name))} jobs of baseline {name}"

    def of(self, name: str) -> list[tuple[str, str, int]]:
        """The jobs of a baseline."""
        return [one for one in self.accepted if one[0] == name]

    def _answer(self) -> None:
        if asyncio.get_running_loop().time() < self.away:
            raise StoreError("the store does not answer")
