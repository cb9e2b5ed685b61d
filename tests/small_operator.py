"""The operator of control.py and acting.py on a small cluster, and what may happen to it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from kept_baselines import SmallBaselines
from profiling_operator import names
from profiling_operator.acting import Acting
from profiling_operator.api import Api
from profiling_operator.control import Control
from profiling_operator.reconcile import Decision, on_cluster
from profiling_operator.settings import Settings
from profiling_operator.status import Status
from reconciling import MIDNIGHT, SETTINGS, owner
from small_cluster import SmallCluster
from small_node import SmallNode

Body = dict[str, Any]
WRITES = {"create", "patch", "delete"}
RESTART_SECONDS = 5.0


@dataclass
class Noted:
    """What the operator tells of itself."""

    ended_: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    noticed_: list[str] = field(default_factory=list)
    looks: int = 0

    def reconciled(self, seconds: float) -> None:
        """Count."""
        self.looks += 1

    def reconcile_failed(self, reason: str) -> None:
        """Note."""
        self.failures.append(reason)

    def event_seen(self, kind: str) -> None:
        """Nothing hangs on it."""

    def noticed(self, reason: str) -> None:
        """Note."""
        self.noticed_.append(reason)

    def ended(self, body: Mapping[str, Any], status: Status, decision: Decision) -> None:
        """Note."""
        self.ended_.append(body["metadata"]["name"])

    def found_ended(self, body: Mapping[str, Any], status: Status) -> None:
        """Note."""
        self.found.append(body["metadata"]["name"])

    def forgotten(self, uid: str) -> None:
        """Note."""
        self.gone.append(uid)


@dataclass
class Place:
    """A cluster, what goes on in it, and an operator that may end and begin anew."""

    chance: random.Random = field(default_factory=lambda: random.Random(1))
    settings: Settings = SETTINGS
    loses_news: float = 0.0
    repeats_news: float = 0.0
    slowest_news: float = 0.1
    noted: Noted = field(default_factory=Noted)

    def __post_init__(self) -> None:
        """Nothing runs yet."""
        self.cluster = SmallCluster()
        self.node = SmallNode(self.cluster, self.chance)
        self.baselines = SmallBaselines(self.cluster)
        self.control: Control | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._machinery: asyncio.Task[None] | None = None
        self._delivered: dict[str, float] = {}

    def start(self) -> None:
        """Begin an operator, and the cluster if it does not run."""
        if self._machinery is None:
            self._machinery = asyncio.create_task(self.node.run())
            room = {"allocatable": {"ephemeral-storage": "1Ti"}}
            self.cluster.make("nodes", "", {"metadata": {"name": "node"}, "status": room})
        if self.control is not None:
            return
        api = cast(Api, self.cluster)
        acting = Acting(api, self.settings, self.node.report, self.baselines)
        loop = asyncio.get_running_loop()
        self.control = Control(
            api, on_cluster(self.settings), acting, watched=self.noted,
            now=lambda: MIDNIGHT + timedelta(seconds=loop.time()),
        )  # fmt: skip
        self.cluster.watch = self._deliver
        self._tasks.append(asyncio.create_task(self.control.run()))

    def crash(self) -> None:
        """End the operator now, in the middle of whatever it does."""
        self.cluster.watch = None
        self.control = None
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    def crash_and_restart(self) -> None:
        """Raises CancelledError in the request that it is called from."""
        self.crash()
        asyncio.get_running_loop().call_later(RESTART_SECONDS, self.start)
        raise asyncio.CancelledError

    async def stop(self) -> None:
        """The end of a test."""
        running = [*self._tasks, *([self._machinery] if self._machinery else [])]
        self.crash()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def apply(
        self, name: str = "test", annotations: Mapping[str, str] | None = None, **spec: Any
    ) -> Body:
        """A user makes a job."""
        body = owner(name=name, **spec)
        body["metadata"]["annotations"] = dict(annotations or {})
        return self.cluster.make(names.PLURAL, "ci", body)

    def wish(self, body: Body, **spec: Any) -> None:
        """A user changes one."""
        self.cluster.change(body, spec={**body["spec"], **spec})

    async def until(self, holds: Callable[[], object], seconds: float = 3600) -> None:
        """Until something holds; fails when the time is over."""
        end = asyncio.get_running_loop().time() + seconds
        while not holds():
            if asyncio.get_running_loop().time() > end:
                raise AssertionError(f"not within {seconds} s")
            await asyncio.sleep(0.5)

    def _deliver(self, kind: str, event: str, body: Body) -> None:
        """News of a kind come in their order, some twice, some never."""
        if self.control is None or self.chance.random() < self.loses_news:
            return
        loop = asyncio.get_running_loop()
        soon = loop.time() + self.chance.uniform(0, self.slowest_news)
        when = max(soon, self._delivered.get(kind, 0.0) + 1e-6)
        self._delivered[kind] = when
        loop.call_at(when, self.control.seen, kind, event, body)
        if self.chance.random() < self.repeats_news:
            loop.call_at(when + 1e-7, self.control.seen, kind, event, body)


def outcome(body: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """How a ProfilingJob ended: its reason, and the outcomes of its attempts."""
    status = body.get("status") or {}
    listed = {one["type"]: one for one in status.get("conditions", ())}
    reason = listed.get("Finished", {"reason": ""})["reason"]
    return reason, tuple(one["outcome"] for one in status.get("attempts", ()))
