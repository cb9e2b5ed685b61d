"""One agent of a name: a Lease on the API server, kept as client-go's leader election keeps it.

Clocks of two machines are never compared: whoever wants a Lease that another has watches it for
its whole duration, by his own clock, and takes it when it has not changed meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from profiling_operator import names
from profiling_operator.api import LEASES, Api, Body
from profiling_operator.errors import (
    ApiError,
    ConflictError,
    ForbiddenError,
    LeaseLostError,
    NotFoundError,
)

LEASE_SECONDS = 15
"""How long others leave it alone after a renewal that they have seen."""
HELD_SECONDS = 12.0
"""How long the holder himself counts on it, so that a step that he has begun ends in time."""
RENEW_SECONDS, RETRY_SECONDS, WAIT_SECONDS = 5.0, 1.0, 2.0
ANSWER_SECONDS = 4.0
TOLD_SECONDS = 60.0
NAME_LIMIT = 253
MANAGER = "profjob-agent"
LABELS = {"app.kubernetes.io/managed-by": "profiling-operator"}

Clock = Callable[[], float]


def clock() -> float:
    """Seconds that also pass while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def lease_name(agent: str) -> str:
    """What the Lease of an agent is called."""
    whole = f"{MANAGER}-{agent}"
    return whole if len(whole) <= NAME_LIMIT else names.shorten(whole, NAME_LIMIT)


@dataclass(frozen=True)
class _Record:
    """The Lease as it was seen; two that are equal are the same version of it."""

    version: str
    holder: str
    since: str
    transitions: int
    seconds: float


class Lease:
    """The right to be the agent of a name."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        name: str,
        holder: str,
        tell: Callable[[str], None],
        clock: Clock = clock,
    ) -> None:
        """Not held yet. `name`: the agent's. `holder`: no two processes may ever have the same."""
        self._api = api
        self._namespace = namespace
        self._agent = name
        self._name = lease_name(name)
        self._holder = holder
        self._voice = _Voice(tell, clock)
        self._clock = clock
        self._seen: _Record | None = None
        self._changed_at = 0.0
        self._held_until = -1.0

    @property
    def is_held(self) -> bool:
        """Whether nobody else can have it at this moment: the agent acts only then."""
        return self._clock() < self._held_until

    async def acquire(self) -> None:
        """Wait until it is ours. Who has it is told at once, and once a minute."""
        while why := await self._attempt(self._take):
            self._voice.say(why)
            await asyncio.sleep(_up_to(WAIT_SECONDS))
        self._voice.hush()

    async def keep(self) -> None:
        """Renew it for ever, also after hours without an API server if nobody else came.

        Raises LeaseLostError when another agent has it.
        """
        pause = RENEW_SECONDS
        while True:
            await asyncio.sleep(_up_to(pause))
            if why := await self._attempt(self._renew):
                state = "" if self.is_held else "; nothing is begun until it is"
                self._voice.say(f"agent {self._agent} cannot be kept: {why}{state}")
            elif self._voice.hush():
                self._voice.tell(f"agent {self._agent} is kept again")
            pause = RETRY_SECONDS if why else RENEW_SECONDS

    async def release(self) -> None:
        """Give it back once nothing keeps it, so that the next one need not wait.

        Not held any more in any case.
        """
        self._held_until = -1.0
        if why := await self._attempt(self._give_back):
            wait = f"the next one waits {LEASE_SECONDS} s"
            self._voice.tell(f"agent {self._agent} was not given back, {wait}: {why}")

    async def _attempt(self, step: Callable[[], Awaitable[str]]) -> str:
        """Try a step. Returns why it did not succeed; empty: it did."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await step()
        except TimeoutError:
            return f"{self._api.server} does not answer"
        except ConflictError:
            return "somebody else was quicker; looking again"
        except ForbiddenError as error:
            needs = f"get, create and patch leases.coordination.k8s.io in {self._namespace}"
            return f"it needs the right to {needs}: {error}"
        except ApiError as error:
            return str(error)

    async def _take(self) -> str:
        begun = self._clock()
        there = await self._look()
        if there is None:
            return await self._create(begun)
        if there.holder not in ("", self._holder) and not self._has_expired(there):
            since = f" since {there.since}" if there.since else ""
            return f"agent {self._agent} is kept by {there.holder}{since}; waiting"
        return await self._write(there, begun)

    async def _renew(self) -> str:
        """By what was written last; where that has passed, by what is there now."""
        begun = self._clock()
        try:
            if self._seen is not None:
                return await self._write(self._seen, begun)
        except (ConflictError, NotFoundError):
            self._seen = None
        there = await self._look()
        if there is None:
            return await self._create(begun)
        if there.holder != self._holder:
            self._held_until = -1.0
            who = f"{there.holder} since {there.since}" if there.holder else "nobody"
            raise LeaseLostError(f"agent {self._agent} is kept by {who}, and no longer from here")
        return await self._write(there, begun)

    async def _give_back(self) -> str:
        """Unless another one has it by now. An answer may have been lost: it is looked at again."""
        there = await self._look()
        if there is None or there.holder != self._holder:
            return ""
        spec = {"holderIdentity": None, "leaseDurationSeconds": 1, "renewTime": _now()}
        await self._patch(there, spec)
        return ""

    async def _look(self) -> _Record | None:
        try:
            self._see(await self._api.get(LEASES, self._namespace, self._name))
        except NotFoundError:
            self._seen = None
        return self._seen

    async def _create(self, begun: float) -> str:
        spec = {**self._renewed(), "acquireTime": _now(), "leaseTransitions": 0}
        body: Body = {"metadata": {"name": self._name, "labels": LABELS}, "spec": spec}
        try:
            made = await self._api.create(LEASES, self._namespace, body, MANAGER)
        except NotFoundError as error:
            missing = f"kubectl create namespace {self._namespace}"
            return f"{error}: create it ({missing}), or set agent.namespace to another one"
        return self._have(made, begun)

    async def _write(self, there: _Record, begun: float) -> str:
        """Renew it, or take it over, if it still is as it was seen."""
        spec = self._renewed()
        if there.holder != self._holder:
            spec |= {"acquireTime": _now(), "leaseTransitions": there.transitions + 1}
        return self._have(await self._patch(there, spec), begun)

    async def _patch(self, there: _Record, spec: Mapping[str, Any]) -> Body:
        body: Body = {"metadata": {"resourceVersion": there.version}, "spec": dict(spec)}
        return await self._api.patch(LEASES, self._namespace, self._name, body, manager=MANAGER)

    def _have(self, body: Body, begun: float) -> str:
        """Others count from when they see the renewal, which is later than when it was begun."""
        self._see(body)
        self._held_until = begun + HELD_SECONDS
        return ""

    def _see(self, body: Body) -> None:
        there = _record(body)
        if there != self._seen:
            self._seen, self._changed_at = there, self._clock()

    def _has_expired(self, there: _Record) -> bool:
        return self._clock() - self._changed_at > there.seconds

    def _renewed(self) -> dict[str, Any]:
        return {
            "holderIdentity": self._holder,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": _now(),
        }


class _Voice:
    """Tells what is new at once, and what goes on once a minute."""

    def __init__(self, tell: Callable[[str], None], clock: Clock) -> None:
        self.tell = tell
        self._clock = clock
        self._said = ""
        self._said_at = 0.0

    def say(self, text: str) -> None:
        """Unless it was said within the minute."""
        now = self._clock()
        if text != self._said or now - self._said_at >= TOLD_SECONDS:
            self._said, self._said_at = text, now
            self.tell(text)

    def hush(self) -> bool:
        """It is over. Whether there was something."""
        was, self._said = self._said, ""
        return bool(was)


def _record(body: Body) -> _Record:
    spec = body.get("spec") or {}
    return _Record(
        version=str(body["metadata"]["resourceVersion"]),
        holder=spec.get("holderIdentity") or "",
        since=str(spec.get("acquireTime") or ""),
        transitions=int(spec.get("leaseTransitions") or 0),
        seconds=float(spec.get("leaseDurationSeconds") or LEASE_SECONDS),
    )


def _now() -> str:
    """A MicroTime: always six digits."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _up_to(seconds: float) -> float:
    """A little less at times, so that several do not ask at the same moments."""
    return seconds * random.uniform(0.8, 1.0)  # noqa: S311 - only to spread the load
