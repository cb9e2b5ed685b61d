"""Stores that stay away, and what becomes of what they were asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import virtual_time
from kept_baselines import NoBaselines
from making import job
from profiling_operator import plan
from profiling_operator.asking import Patience
from profiling_operator.baselines import Snapshot
from profiling_operator.errors import StoreError
from profiling_operator.keeping import NotAcceptableError
from profiling_operator.plan import Plan
from profiling_operator.reconcile import Accept, Notice
from profiling_operator.stores import StoreConflictError, StoreRefusedError


def planned(**changes: Any) -> Plan:
    """A plan."""
    app = {"image": "app:1", "command": ["/a"]}
    return plan.build_plan(job(**{"uid": "u-1", "app": app, **changes}))


def asked(answers: dict[float, Any]) -> list[Any]:
    """What comes of asking for a report at such times, with a store that says so then."""
    found: list[Any] = []

    async def reports(_: Plan) -> Any:
        said = answers[round(asyncio.get_running_loop().time())]
        if isinstance(said, Exception):
            raise said
        return said

    async def scene() -> None:
        patience = Patience(reports, NoBaselines())
        for when in answers:
            await asyncio.sleep(when - asyncio.get_running_loop().time())
            try:
                found.append(await patience.report(planned()))
            except StoreError as error:
                found.append(error)

    virtual_time.run(scene())
    return found


def test_a_store_that_is_away_is_waited_for() -> None:
    """Until a minute is over: then what the pod's last words tell has to do."""
    away = StoreError("no answer")

    assert asked({0: away, 30: away, 59: away, 61: away}) == [away, away, away, None]
    assert asked({0: away, 30: "report"}) == [away, "report"]
    assert asked({0: None}) == [None]


def test_each_wait_for_a_store_begins_anew() -> None:
    """A store that answered meanwhile has its minute again."""
    away = StoreError("no answer")

    assert asked({0: away, 30: None, 100: away}) == [away, None, away]


GATES = [{"measure": "app/duration", "baseline": "main", "maxIncrease": "5%"}]


class Answering:
    """Baselines of a store that says at such times what a test wants."""

    def __init__(self, answers: dict[float, Any]) -> None:
        self.answers = answers

    async def snapshots(self, plan: Plan) -> tuple[Snapshot, ...]:
        """What it says now."""
        return self._now()  # type: ignore[no-any-return]

    async def accept(self, plan: Plan, name: str) -> str:
        """What it says now."""
        return self._now()  # type: ignore[no-any-return]

    def _now(self) -> Any:
        said = self.answers[round(asyncio.get_running_loop().time())]
        if isinstance(said, Exception):
            raise said
        return said


def answered(
    answers: dict[float, Any], ask: Callable[[Patience], Awaitable[Any]], report: Any = None
) -> list[Any]:
    """What comes of asking at such times."""
    found: list[Any] = []

    async def reports(_: Plan) -> Any:
        return report

    async def scene() -> None:
        patience = Patience(reports, Answering(answers))
        for when in answers:
            await asyncio.sleep(when - asyncio.get_running_loop().time())
            try:
                found.append(await ask(patience))
            except (StoreError, NotAcceptableError) as error:
                found.append(error)

    virtual_time.run(scene())
    return found


def test_no_gpu_waits_for_a_store_for_ever() -> None:
    """After a minute without baselines the gates on them are told why; until then it is asked."""
    away, there = StoreError("no answer"), (Snapshot(name="main"),)
    of_job = planned(gates=GATES)

    async def ask(patience: Patience) -> Any:
        return await patience.snapshots(of_job)

    unknown = (Snapshot(name="main", problem="no answer"),)
    assert answered({0: away, 59: away, 61: away}, ask) == [away, away, unknown]
    assert answered({0: away, 59: there, 100: away}, ask) == [away, there, away]


@pytest.mark.parametrize("error", [
    StoreRefusedError("no room"), NotAcceptableError("no summary"),
])  # fmt: skip
def test_what_never_becomes_a_part_of_a_baseline_is_told_at_once(error: Exception) -> None:
    """The job ends all the same."""

    async def ask(patience: Patience) -> Any:
        return await patience.accept(Accept(planned(), "main"))

    said = Notice("BaselineNotWritten", f"not added to baseline main: {error}", is_warning=True)
    assert answered({0: error}, ask) == [said]


@pytest.mark.parametrize("error", [StoreError("no answer"), StoreConflictError("changed")])
def test_a_baseline_is_waited_for_but_not_long(error: Exception) -> None:
    """A minute; then the job ends without."""

    async def ask(patience: Patience) -> Any:
        return await patience.accept(Accept(planned(), "main"))

    said = Notice("BaselineNotWritten", f"not added to baseline main: {error}", is_warning=True)
    assert answered({0: error, 59: error, 61: error}, ask) == [error, error, said]
    good = Notice("BaselineAccepted", "one of 3")
    assert answered({0: error, 59: "one of 3", 70: error}, ask) == [error, good, error]


def test_what_the_store_told_of_an_attempt_is_not_lost_when_it_goes_away_then() -> None:
    """Its report was read: while the baseline is waited for, it is not asked for again."""

    async def ask(patience: Patience) -> Any:
        found = await patience.report(planned())
        if found == "kept":
            patience._ask = None  # type: ignore[assignment]
        return await patience.accept(Accept(planned(), "main", found))

    away = StoreError("no answer")
    good = Notice("BaselineAccepted", "done")
    assert answered({0: away, 30: away, 40: "done"}, ask, report="kept") == [away, away, good]
