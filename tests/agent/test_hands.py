"""What decisions ask of an agent."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from kept_baselines import NoBaselines
from profiling_operator import api, names
from profiling_operator.agent.hands import Hands
from profiling_operator.api import Listing
from profiling_operator.asking import Patience
from profiling_operator.errors import ExecutorError, RefusedError
from profiling_operator.plan import Plan
from profiling_operator.reconcile import Accept, CreateJob, Delete, Need
from profiling_operator.status import AttemptStatus, Status
from reconciling import UID, at, owner, planned

Body = dict[str, Any]


@dataclass
class Calls:
    """A host, and an API server, that note what they are told."""

    made: list[Any] = field(default_factory=list)
    lacking: str = ""

    async def enlist(self, plan: Plan, priority: int, since: str) -> None:
        """Note."""
        self.made.append(("enlist", plan.name, priority, since))

    async def stop(self, attempt: str) -> None:
        """Note."""
        self.made.append(("stop", attempt))

    async def delete(self, kind: Any, namespace: str, name: str, *, uid: str) -> None:
        """Note."""
        self.made.append(("delete", kind.plural, namespace, name, uid))

    def end(self, attempt: str) -> None:
        """Note."""
        self.made.append(("end", attempt))

    def end_all_of(self, uid: str) -> None:
        """Note."""
        self.made.append(("end all", uid))

    def settle(self, outcomes: Any) -> None:
        """Note."""
        self.made.append(("settle", dict(outcomes)))

    def sweep(self, jobs: Any) -> None:
        """Note."""
        self.made.append(("sweep", set(jobs)))

    def listings(self) -> Any:
        """One of each."""
        return {"jobs": Listing([], "7"), "pods": Listing([], "7")}

    def lacks(self, plan: Plan) -> str:
        """What a test says."""
        return self.lacking

    def job(self, attempt: str) -> Body | None:
        """Only of one that is there."""
        return {"metadata": {"name": attempt}} if attempt == planned().name else None


async def _priority(name: str) -> int:
    if name:
        raise RefusedError(f"no PriorityClass with name {name} was found")
    return 5


async def _report(_: Plan) -> Any:
    return "report"


def hands(calls: Calls, is_alone: bool = True) -> Hands:
    """The hands of an agent that does nothing but note."""
    given: Any = calls
    return Hands(given, given, Patience(_report, NoBaselines()), _priority, lambda: is_alone)


def test_attempts_are_enlisted_with_their_jobs_age_and_priority() -> None:
    """A class that is not there is refused."""
    calls = Calls()
    mine = hands(calls)
    mine.inventory.put(names.PLURAL, owner())
    odd = planned(1, owner(placement={"priorityClassName": "odd"}))

    asyncio.run(mine.perform(CreateJob(planned()), "ci"))
    with pytest.raises(RefusedError, match="odd"):
        asyncio.run(mine.perform(CreateJob(odd), "ci"))

    assert calls.made == [("enlist", planned().name, 5, at(0))]


def test_deleting_is_ending_stopping_or_the_api_servers() -> None:
    """By what is deleted."""
    calls = Calls()
    for kind in ("jobs", "pods", names.PLURAL):
        asyncio.run(hands(calls).perform(Delete(kind, "a", "u"), "ci"))

    assert calls.made == [
        ("end", "a"), ("stop", "a"), ("delete", api.PROFILING_JOBS.plural, "ci", "a", "u"),
    ]  # fmt: skip


@pytest.mark.parametrize("action", [
    CreateJob(planned()), Delete("jobs", "a", "u"), Accept(planned(), "main"),
])  # fmt: skip
def test_who_may_not_be_alone_does_nothing(action: Any) -> None:
    """Another agent of the name may be acting."""
    calls = Calls()

    with pytest.raises(ExecutorError, match="Lease"):
        asyncio.run(hands(calls, is_alone=False).perform(action, "ci"))

    assert calls.made == []


def test_needs_are_answered() -> None:
    """By the store, and by the host."""
    calls = Calls()

    def learned(need: Need, number: int = 1) -> Any:
        return asyncio.run(hands(calls).learn(need, planned(number)))

    assert learned(Need.REPORT) == "report"
    assert learned(Need.REFUSALS) == ""
    assert learned(Need.PLACES) is True
    calls.lacking = "GPUs"
    assert learned(Need.PLACES) is False
    assert learned(Need.JOB) is not None
    assert learned(Need.JOB, 2) is None


def test_what_belongs_to_no_job_is_ended() -> None:
    """Whenever all is listed."""
    calls = Calls()
    mine = hands(calls)
    mine.inventory.put(names.PLURAL, owner())

    found = asyncio.run(mine.children([]))

    assert calls.made == [("sweep", {UID})]
    assert set(found) == {"jobs", "pods"}


def test_attempts_go_when_their_outcome_is_written() -> None:
    """But for what is the only copy of its results."""
    calls = Calls()
    attempts = (
        AttemptStatus(number=1, job_name="a-1", outcome="ResultsLost"),
        AttemptStatus(number=2, job_name="a-2", outcome="Completed"),
        AttemptStatus(number=3, job_name="a-3"),
    )
    hands(calls).settle(UID, owner(Status(attempts=attempts)))
    hands(calls).settle(UID, None)

    assert calls.made == [("settle", {"a-1": True, "a-2": False}), ("end all", UID)]
