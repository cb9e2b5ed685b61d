"""Asks stores on behalf of a decision, and gives up on one that stays away: no GPU waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from profiling_operator.baselines import Snapshot
from profiling_operator.errors import StoreError
from profiling_operator.keeping import NotAcceptableError, unknown
from profiling_operator.plan import Plan
from profiling_operator.reconcile import Accept, Notice
from profiling_operator.reconcile.accepting import ACCEPTED, NOT_WRITTEN
from profiling_operator.reporting import Report
from profiling_operator.stores import StoreConflictError, StoreRefusedError

Reports = Callable[[Plan], Awaitable[Report | None]]
"""Asks the store for an attempt's report. Raises StoreError while the store does not answer."""

STORE_SECONDS = 60.0


class Baselines(Protocol):
    """Asks the job's store for baselines, and writes them. See reports.py."""

    async def snapshots(self, plan: Plan) -> tuple[Snapshot, ...]:
        """What a plan's gates need. Raises StoreError while the store does not answer."""
        ...

    async def accept(self, plan: Plan, name: str) -> str:
        """Add an attempt to a baseline, and say what came of it; twice is once.

        Raises StoreError while the store does not answer, StoreRefusedError, NotAcceptableError.
        """
        ...


class Patience:
    """Reports and baselines, with an end to the waiting for a store that does not answer."""

    def __init__(self, reports: Reports, baselines: Baselines) -> None:
        """Ask these."""
        self._ask = reports
        self._baselines = baselines
        self._asked: dict[str, float] = {}
        """Since when a store has not answered, by what it was asked for."""
        self._reports: dict[str, Report | None] = {}
        """Of attempts that are being added to a baseline."""

    async def report(self, plan: Plan) -> Report | None:
        """The report, or None where there is none. A store that is away is waited for, not long:
        the pod's last words tell what matters. Raises StoreError meanwhile."""
        if plan.name in self._reports:
            return self._reports[plan.name]
        try:
            found = await self._ask(plan)
        except StoreError:
            if self._is_waited_for(plan.name):
                raise
            found = None
        self._asked.pop(plan.name, None)
        return found

    async def snapshots(self, plan: Plan) -> tuple[Snapshot, ...]:
        """What gates are judged by; where the store stays away, that is what they will be told:
        no GPU waits for a store. Raises StoreError meanwhile."""
        asked = f"baselines of {plan.name}"
        try:
            found = await self._baselines.snapshots(plan)
        except StoreError as error:
            if self._is_waited_for(asked):
                raise
            found = unknown(plan, str(error))
        self._asked.pop(asked, None)
        return found

    async def accept(self, action: Accept) -> Notice:
        """Add the attempt to a baseline. Whatever comes of it, the job ends: that it does not wait
        for a store is worth more than a baseline. Raises StoreError meanwhile."""
        name, asked = action.plan.name, f"accept {action.plan.name}"
        try:
            notice = Notice(ACCEPTED, await self._baselines.accept(action.plan, action.baseline))
        except (StoreError, NotAcceptableError) as error:
            is_final = isinstance(error, (StoreRefusedError, NotAcceptableError))
            may_pass = isinstance(error, StoreConflictError) or not is_final
            if may_pass and self._is_waited_for(asked):
                self._reports[name] = action.report
                raise
            said = f"not added to baseline {action.baseline}: {error}"
            notice = Notice(NOT_WRITTEN, said, is_warning=True)
        self._asked.pop(asked, None)
        self._reports.pop(name, None)
        return notice

    def _is_waited_for(self, asked: str) -> bool:
        """Whether the store may still come back, by when it failed to answer this first."""
        now = asyncio.get_running_loop().time()
        return now - self._asked.setdefault(asked, now) < STORE_SECONDS
