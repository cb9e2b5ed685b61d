"""Random histories: users who change their minds, a cluster that loses things, an operator that
dies, news that are late, lost and repeated; then quiet. What must hold, holds in every one."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import virtual_time
from profiling_operator import control, names
from scenes import GATES
from small_cluster import condition, finished
from small_node import attempt_of, evict
from small_operator import WRITES, Place

Body = dict[str, Any]

DEADLINES = {"queueSeconds": 1500, "startSeconds": 300, "collectSeconds": 60}
BUDGETS = ({"infrastructure": 3, "app": 0}, {"infrastructure": 1, "app": 1})
BUSY_SECONDS = 900.0
BOUND_SECONDS = 4 * 3600.0
"""Until all is over once users are quiet: some attempts, each with its deadlines."""
ACTS = (
    "cancel", "suspend", "resume", "resume", "delete Job", "delete pod", "evict", "kill node",
    "preempt", "admit", "admit",
)  # fmt: skip
PHASES = ("Queued", "Starting", "Running", "Collecting")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Faults are told of, and there are many."""
    logging.getLogger("profjob.operator").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("profjob.operator").setLevel(logging.NOTSET)


class History:
    """One random history, and what has been seen of it."""

    def __init__(self, seed: int) -> None:
        """The same seed gives the same history."""
        self.chance = random.Random(seed)
        self.place = Place(
            self.chance,
            loses_news=self.chance.choice([0.0, 0.2]),
            repeats_news=self.chance.choice([0.0, 0.3]),
            slowest_news=self.chance.choice([0.05, 3.0]),
        )
        node = self.place.node
        node.gpus = self.chance.choice([1, 2])
        node.fails = self.chance.choice([0.0, 0.3])
        node.loses = self.chance.choice([0.0, 0.3])
        self.crashes = self.chance.choice([0.0, 0.1])
        self.place.baselines.away = self.chance.choice([0.0, 0.0, 300.0, 1000.0])
        self.bodies: list[Body] = []
        self.suspensions: Counter[str] = Counter()
        self.is_quiet = False

    async def play(self) -> None:
        """Busy for a while, then quiet for as long as it takes, then for good."""
        place = self.place
        place.cluster.interfere = self._interfere
        place.start()
        watcher = asyncio.create_task(self._watch())
        try:
            await self._be_busy()
            self.is_quiet = True
            for body in self.bodies:
                place.wish(body, suspend=False)
                self._hold(place.cluster.of(body["metadata"]["uid"]), is_held=False)
            await place.until(lambda: all(map(finished, self.bodies)), BOUND_SECONDS)
            await asyncio.sleep(2 * control.RESYNC_SECONDS)
            await self._stays_as_it_is()
        finally:
            if watcher.done():
                watcher.result()
            watcher.cancel()
            await place.stop()
        self._ended_well()

    async def _be_busy(self) -> None:
        end = asyncio.get_running_loop().time() + BUSY_SECONDS
        for number in range(self.chance.randint(1, 4)):
            budget = self.chance.choice(BUDGETS)
            wish = self.chance.choice([{}, {names.ACCEPT_BASELINE: "main"}])
            gates = self.chance.choice([[], GATES])
            self.bodies.append(
                self.place.apply(
                    f"job-{number}", wish, deadlines=DEADLINES, retries=budget, gates=gates
                )
            )
        while asyncio.get_running_loop().time() < end:
            await asyncio.sleep(self.chance.uniform(1, 120))
            self._act(self.chance.choice(self.bodies), self.chance.choice(ACTS))

    def _act(self, body: Body, act: str) -> None:
        """What a user does to a job, or a cluster. Nobody deletes a Job in the moment between its
        creation and the status that tells of it: that is the one thing nobody can know of."""
        cluster = self.place.cluster
        told = {one["jobName"] for one in (body.get("status") or {}).get("attempts", ())}
        jobs = [one for one in cluster.of(body["metadata"]["uid"])
                if one["metadata"]["name"] in told]  # fmt: skip
        pods = [pod for job in jobs for pod in cluster.of(job["metadata"]["uid"])]
        if act == "cancel" and self.chance.random() < 0.3:
            self.place.wish(body, cancel=True)
        elif act == "suspend" and not body["spec"].get("suspend"):
            self.suspensions[body["metadata"]["uid"]] += 1
            self.place.wish(body, suspend=True)
        elif act == "resume":
            self.place.wish(body, suspend=False)
        elif act == "delete Job":
            for job in jobs:
                cluster.remove(job)
        elif act in {"preempt", "admit"}:
            self._hold(jobs, is_held=act == "preempt")
        self._act_on_pods(pods, act)

    def _hold(self, jobs: list[Body], *, is_held: bool) -> None:
        """As a queue does that takes a place away, and gives another one later: not before the
        operator has had a look, or else the same Job runs a second time and nobody could know."""
        for job in jobs:
            has_run = self.place.node.executions[attempt_of(job)] and not _is_closed(
                self.bodies, job
            )
            if is_held or not has_run:
                self.place.cluster.change(job, spec={**job["spec"], "suspend": is_held})

    def _act_on_pods(self, pods: list[Body], act: str) -> None:
        for pod in pods:
            if act == "delete pod":
                self.place.cluster.remove(pod)
            elif act == "evict" and pod["status"]["phase"] in {"Pending", "Running"}:
                evict(self.place.cluster, pod)
            elif act == "kill node" and pod["spec"].get("nodeName"):
                self.place.node.dead.add(pod["metadata"]["uid"])

    def _interfere(self, when: str, verb: str, resource: str, name: str) -> None:
        """The operator dies before or after a write, at random."""
        is_write = verb in WRITES and not self.is_quiet
        if is_write and self.chance.random() < self.crashes:
            self.place.crash_and_restart()

    async def _watch(self) -> None:
        """What must hold at every moment."""
        while True:
            for job in self.place.cluster.all("jobs"):
                assert len(self.place.cluster.of(job["metadata"]["uid"])) <= 1
            assert max(self.place.node.executions.values(), default=0) <= 1
            await asyncio.sleep(1)

    async def _stays_as_it_is(self) -> None:
        """Not one write more, and nothing of a finished job lives on."""
        cluster = self.place.cluster
        before = len(cluster.writes)
        await asyncio.sleep(2 * control.RESYNC_SECONDS)
        assert cluster.writes[before:] == []
        for job in cluster.all("jobs"):
            assert condition(job, "Complete") or condition(job, "Failed")

    def _ended_well(self) -> None:
        for body in self.bodies:
            self._kept_its_budgets(body)
            self._never_went_back(body)
            self._is_accepted_at_most_once(body)

    def _kept_its_budgets(self, body: Body) -> None:
        attempts = body["status"]["attempts"]
        retries = body["spec"]["retries"]
        allowed = 1 + retries["infrastructure"] + retries["app"]
        assert len(attempts) <= allowed + self.suspensions[body["metadata"]["uid"]]
        assert [one["number"] for one in attempts] == list(range(1, len(attempts) + 1))
        assert all(one["outcome"] for one in attempts)

    def _is_accepted_at_most_once(self, body: Body) -> None:
        """Only a complete job that asks for it; and if it is not, an event says so."""
        uid = body["metadata"]["uid"]
        accepted = [one for one in self.place.baselines.accepted if one[1] == uid]
        wanted = bool(body["metadata"]["annotations"]) and bool(condition(body, "Complete"))
        told = {
            one["reason"] for one in self.place.cluster.all("events")
            if one["involvedObject"]["uid"] == uid and one["reason"].startswith("Baseline")
        }  # fmt: skip
        assert len(accepted) <= wanted
        assert accepted or "BaselineAccepted" not in told
        assert not wanted or accepted or self.crashes or "BaselineNotWritten" in told

    def _never_went_back(self, body: Body) -> None:
        """Once over, a status never changes; before, attempts are only added and closed."""
        told = [one for uid, one in self.place.cluster.history if uid == body["metadata"]["uid"]]
        ends = [one for one in told if finished({"status": one})]
        assert all(one == ends[0] for one in ends)
        assert told[-1] == ends[0]
        outcomes: dict[int, list[str]] = defaultdict(list)
        for one in told:
            for attempt in one.get("attempts", ()):
                outcomes[attempt["number"]].append(attempt["outcome"])
        for number in outcomes:
            phases = [one["phase"] for one in told if _open_number(one) == number]
            ranks = [PHASES.index(phase) for phase in phases if phase in PHASES]
            assert ranks == sorted(ranks), phases
        for listed in outcomes.values():
            assert len({outcome for outcome in listed if outcome}) <= 1
            assert listed == sorted(listed, key=bool)


def _is_closed(bodies: list[Body], job: Body) -> bool:
    """Whether a status says that the attempt of a Job is over."""
    return any(
        one["jobName"] == job["metadata"]["name"] and one["outcome"]
        for body in bodies
        for one in (body.get("status") or {}).get("attempts", ())
    )


def _open_number(status: Body) -> int:
    """The attempt that a status says is under way; 0: none."""
    last = next(reversed(status.get("attempts", ())), {"outcome": "none"})
    return 0 if last["outcome"] else int(last["number"])


@given(st.integers(0, 2**32))
@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_whatever_happens_it_ends_well(seed: int) -> None:
    """One execution per attempt, budgets kept, an end in bounded time, for ever, and no orphan."""
    virtual_time.run(History(seed).play())


def test_a_history_is_the_same_each_time() -> None:
    """Or else a failure could not be looked into."""
    told = []
    for _ in range(2):
        history = History(7)
        virtual_time.run(history.play())
        told.append([(one.verb, one.resource, one.name) for one in history.place.cluster.writes])

    assert told[0] == told[1]
    assert names.PLURAL in {resource.partition("/")[0] for _, resource, _ in told[0]}
