"""Keeps every ProfilingJob going: takes what is due, decides, acts, publishes.

Nothing here is remembered that could not be found again: after a crash, lists tell all. A failure
of one job is its own affair, and is tried again for ever, ever less often.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from profiling_operator import api, names, plan, publishing, reconcile, spec
from profiling_operator.agenda import Agenda
from profiling_operator.api import Api, Listing
from profiling_operator.errors import (
    ApiError,
    ConflictError,
    NotFoundError,
    ProfilingError,
    RefusedError,
)
from profiling_operator.inventory import KINDS, Inventory
from profiling_operator.publishing import MANAGER
from profiling_operator.reconcile import Action, Decision, Need, Notice, Platform, World
from profiling_operator.status import Status

Body = Mapping[str, Any]

LOOKS_AT_ONCE = 16
RESYNC_SECONDS = 300.0
STALE_SECONDS = 3 * RESYNC_SECONDS
STUCK_SECONDS = 300.0
UNPROCESSABLE = 422
ROUNDS = 8  # of asking whom a decision needs: each need once, and one refusal

logger = logging.getLogger("profjob.operator")


class Hands(Protocol):
    """Who does what decisions ask for: acting.Acting on a cluster, agent.Hands on a Docker host."""

    inventory: Inventory

    async def perform(self, action: Action, namespace: str) -> Notice | None:
        """Do it; done twice is done once. Returns what is to be told of it.

        Raises ProfilingError's kinds, RefusedError.
        """
        ...

    async def learn(self, need: Need, plan: plan.Plan) -> Any:
        """The answer to what a decision needs. Raises ProfilingError's kinds."""
        ...

    async def children(self, namespaces: Sequence[str]) -> Mapping[str, Listing]:
        """All Jobs and pods of ProfilingJobs, by kind. Raises ProfilingError's kinds."""
        ...

    def settle(self, uid: str, body: Body | None) -> None:
        """A job's status is written, or the job is gone: what has served its purpose may go."""
        ...


class Watched(Protocol):
    """Who counts what the operator does; see telemetry.py."""

    def reconciled(self, seconds: float) -> None:
        """One job was looked at."""
        ...

    def reconcile_failed(self, reason: str) -> None:
        """Looking at one failed."""
        ...

    def event_seen(self, kind: str) -> None:
        """A watch told something."""
        ...

    def noticed(self, reason: str) -> None:
        """Something came of a job, beside its status."""
        ...

    def ended(self, body: Body, status: Status, decision: Decision) -> None:
        """A job has finished."""
        ...

    def found_ended(self, body: Body, status: Status) -> None:
        """A job that had finished before was found."""
        ...

    def forgotten(self, uid: str) -> None:
        """A job is gone."""
        ...


class Unwatched:
    """Nobody counts."""

    def reconciled(self, seconds: float) -> None:
        """See Watched."""

    def reconcile_failed(self, reason: str) -> None:
        """See Watched."""

    def event_seen(self, kind: str) -> None:
        """See Watched."""

    def noticed(self, reason: str) -> None:
        """See Watched."""

    def ended(self, body: Body, status: Status, decision: Decision) -> None:
        """See Watched."""

    def found_ended(self, body: Body, status: Status) -> None:
        """See Watched."""

    def forgotten(self, uid: str) -> None:
        """See Watched."""


@dataclass
class Control:
    """The operator's own half; the other one is kopf's watches."""

    api: Api
    platform: Platform
    acting: Hands
    namespaces: Sequence[str] = ()
    """Those that are looked at; none named: all."""
    kinds: Sequence[str] = KINDS
    """Those that the API server has, and that are watched there."""
    is_mine: Callable[[Body], bool] = lambda body: True
    """Which ProfilingJobs are kept going here; the others are somebody else's."""
    watched: Watched = field(default_factory=Unwatched)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    agenda: Agenda = field(default_factory=Agenda)
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    """Everything was listed once, so the resource is known to the API server."""
    _synced: float | None = None
    _told: set[str] = field(default_factory=set)

    @property
    def inventory(self) -> Inventory:
        """What is known of all objects."""
        return self.acting.inventory

    def seen(self, kind: str, event: str | None, body: Body) -> None:
        """What a watch tells: a hint that something is to be looked at."""
        self.watched.event_seen(kind)
        if kind == names.PLURAL and not self.is_mine(body):
            return
        is_gone = event == "DELETED"
        owner = self.inventory.drop(kind, body) if is_gone else self.inventory.put(kind, body)
        if owner and is_gone and kind == names.PLURAL:
            self._forget(owner)
        elif owner and self._synced is not None:  # before, half of the truth would be acted upon
            self.agenda.mark(owner)

    async def run(self) -> None:
        """For ever, or until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._resyncs())
            for _ in range(LOOKS_AT_ONCE):
                group.create_task(self._looks())

    def ailment(self) -> str:
        """What is wrong with the operator itself; empty when it is well."""
        now = asyncio.get_running_loop().time()
        if self._synced is None:
            return "the API server's objects are not known yet"
        if now - self._synced > STALE_SECONDS:
            return f"the last list of objects is {now - self._synced:.0f} s old"
        waited = self.agenda.oldest_seconds()
        return f"a job has waited {waited:.0f} s for a look" if waited > STUCK_SECONDS else ""

    async def _resyncs(self) -> None:
        failures = 0
        while True:
            try:
                await self._resync()
                failures, pause = 0, RESYNC_SECONDS
            except ProfilingError as error:
                self.watched.reconcile_failed(_word(error))
                logger.warning("listing failed: %s", error)
                failures, pause = failures + 1, min(60.0, 1.0 * (1 << min(failures, 6)))
            await asyncio.sleep(pause)

    async def _resync(self) -> None:
        """List everything: what vanished while no watch was there, and what a watch lost."""
        news: set[str] = set()
        listed = await self.api.list_in(api.PROFILING_JOBS, self.namespaces)
        mine = [one for one in listed.items if self.is_mine(one)]
        news |= self.inventory.replace(names.PLURAL, mine, listed.resource_version)
        self.watched.event_seen(names.PLURAL)
        for kind, found in (await self.acting.children(self.namespaces)).items():
            news |= self.inventory.replace(kind, found.items, found.resource_version)
            self.watched.event_seen(kind)
        if self._synced is None:
            news |= {str(one["metadata"]["uid"]) for one in self.inventory.owners()}
        self._synced = asyncio.get_running_loop().time()
        self.synced.set()
        for uid in news:
            self.agenda.mark(uid)

    async def _looks(self) -> None:
        while True:
            uid = await self.agenda.take()
            begun = asyncio.get_running_loop().time()
            try:
                await self._look_at(uid)
                self.agenda.succeeded(uid)
            except (ConflictError, NotFoundError):
                await self._refresh(uid)
            except ProfilingError as error:
                self._failed(uid, error)
            except Exception as error:  # one job's trouble is not the others': it waits apart
                logger.exception("job %s: a bug", uid)
                self._failed(uid, error)
            finally:
                self.agenda.done(uid)
                self.watched.reconciled(asyncio.get_running_loop().time() - begun)

    def _failed(self, uid: str, error: Exception) -> None:
        self.watched.reconcile_failed(_word(error))
        pause = self.agenda.retry(uid)
        if isinstance(error, ApiError) and error.retry_after:
            pause = error.retry_after
            self.agenda.later(uid, pause)
        body = self.inventory.owner(uid)
        logger.warning("%s: %s; again in %.1f s", _name(body) if body else uid, error, pause)

    async def _refresh(self, uid: str) -> None:
        """Somebody wrote in between, or deleted it: read anew, and decide anew after a pause."""
        body = self.inventory.owner(uid)
        if body is None:
            return
        about = body["metadata"]
        try:
            fresh = await self.api.get(api.PROFILING_JOBS, about["namespace"], about["name"])
        except NotFoundError:
            self._gone(uid, body)
            return
        except ApiError as error:
            self._failed(uid, error)
            return
        self.inventory.put(names.PLURAL, fresh)
        if fresh["metadata"]["uid"] != uid:  # another one of its name
            self._gone(uid, body)
            self.agenda.mark(str(fresh["metadata"]["uid"]))
            return
        self.agenda.retry(uid)

    def _gone(self, uid: str, body: Body) -> None:
        self.inventory.drop(names.PLURAL, body)
        self._forget(uid)

    def _forget(self, uid: str) -> None:
        self.agenda.forget(uid)
        self._told.discard(uid)
        self.watched.forgotten(uid)
        self.acting.settle(uid, None)

    async def _look_at(self, uid: str) -> None:
        body = self.inventory.owner(uid)
        if body is None:
            self._forget(uid)
            return
        self._tell_of_the_past(uid, body)
        world = World(
            body, self.now(), self.platform, self.inventory.jobs(uid), self.inventory.pods(uid)
        )
        decision = await self._decided(world)
        for notice in decision.notices:  # before the status, after which nothing is done again
            self.watched.noticed(notice.reason)
            await self._post(publishing.event_of(body, notice, self.now()))
        if decision.status is not None:
            await self._publish(body, decision)
        if decision.wake_seconds is not None:
            self.agenda.later(uid, decision.wake_seconds)
        self.acting.settle(uid, self.inventory.owner(uid))

    async def _decided(self, world: World) -> Decision:
        """Decide, ask whom that needs, decide again, act."""
        learned: dict[Need, Any] = {}
        namespace = world.body["metadata"]["namespace"]
        for _ in range(ROUNDS):
            decision = reconcile.reconcile(replace(world, learned=learned))
            for need in decision.needs:
                learned[need] = await self.acting.learn(need, _plan_of(world))
            if decision.needs:
                continue
            try:
                done = [await self.acting.perform(one, namespace) for one in decision.actions]
            except RefusedError as refusal:
                learned[Need.REFUSALS] = str(refusal)
                continue
            return replace(decision, notices=(*decision.notices, *filter(None, done)))
        raise RuntimeError(f"no decision after {ROUNDS} rounds: {sorted(learned)}")

    async def _publish(self, body: Body, decision: Decision) -> None:
        """Write the status if it differs, then tell of it. Raises ApiError's kinds."""
        assert decision.status is not None  # noqa: S101 - the caller has looked
        patch = publishing.status_patch(body, decision.status)
        if patch is None:
            return
        written, refusal = await self._write(body, decision.status, patch)
        self.inventory.put(names.PLURAL, written)
        before = reconcile.status_of(body)
        for event in publishing.events(body, before, decision.status, self.now()):
            await self._post(event)
        if reconcile.is_finished(written):
            self._told.add(str(body["metadata"]["uid"]))
            self.watched.ended(body, decision.status, decision)
        elif refusal is not None:  # the rest of the status is missing: try again, less often
            raise refusal

    async def _write(
        self, body: Body, status: Status, patch: dict[str, Any]
    ) -> tuple[Body, ApiError | None]:
        """The object as it is then; and why it has the outcome alone, if the whole was refused."""
        about = body["metadata"]
        where = (api.PROFILING_JOBS, about["namespace"], about["name"])
        how: dict[str, Any] = {"subresource": "status", "manager": MANAGER}
        try:
            return await self.api.patch(*where, patch, **how), None
        except ApiError as error:
            if error.code != UNPROCESSABLE:
                raise
            self.watched.reconcile_failed("StatusRejected")
            logger.warning("%s: its status was refused: %s", _name(body), error)
            least = publishing.minimal_patch(body, status)
            return await self.api.patch(*where, least, **how), error

    async def _post(self, event: dict[str, Any]) -> None:
        """An event is a courtesy: without it, the status tells."""
        try:
            await self.api.create(api.EVENTS, event["metadata"]["namespace"], event, MANAGER)
        except ConflictError:
            return
        except ApiError as error:
            self.watched.reconcile_failed("EventLost")
            logger.warning("an event was not taken: %s", error)

    def _tell_of_the_past(self, uid: str, body: Body) -> None:
        """Jobs that finished before this operator began still have the newest results."""
        if uid not in self._told and reconcile.is_finished(body):
            self._told.add(uid)
            self.watched.found_ended(body, reconcile.status_of(body))


def host_of(body: Body) -> str:
    """The Docker host that a ProfilingJob is addressed to, as it stands there; empty: none."""
    spec_of = body.get("spec")
    placement = spec_of.get("placement") if isinstance(spec_of, Mapping) else None
    return str(placement.get("host") or "") if isinstance(placement, Mapping) else ""


def _plan_of(world: World) -> plan.Plan:
    """The plan of the attempt that a decision is about."""
    job = spec.read_object(world.body)
    number = reconcile.open_number(reconcile.status_of(world.body))
    return plan.build_plan(job, number)


def _name(body: Body) -> str:
    return f"{body['metadata']['namespace']}/{body['metadata']['name']}"


def _word(error: Exception) -> str:
    """A failure in a word, from few."""
    if isinstance(error, ApiError) and error.code:
        return f"Api{error.code}"
    return type(error).__name__
