"""One agent of a name: who has the Lease, when another takes it, and what is said of it."""

from __future__ import annotations

import asyncio
import os
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

import fake_objects
import virtual_time
from fake_api import FakeApi, play
from fake_objects import Objects
from fake_requests import Fault
from profiling_operator import api
from profiling_operator.agent import lease
from profiling_operator.agent.lease import LEASE_SECONDS, Lease, lease_name
from profiling_operator.api import LEASES, NAMESPACES, Api, Kind
from profiling_operator.errors import (
    ApiError,
    ConflictError,
    LeaseLostError,
    NotFoundError,
    UnreachableError,
)

Body = dict[str, Any]
Step = Callable[[], Body]

SYSTEM, NAME = "profiling-system", "profjob-agent-gpu-1"
ERRORS: dict[int, type[ApiError]] = {404: NotFoundError, 409: ConflictError}


class Server:
    """An API server in this process, whose answers take a tenth of a second of virtual time."""

    server = "https://api:6443"

    def __init__(self) -> None:
        """Empty, and well."""
        self.objects = Objects()
        self.is_down = False
        self.hangs = False
        self.loses_answers = 0
        """This many writes are done without an answer."""
        self.meanwhile: list[Callable[[], object]] = []
        """What others do just before the next writes."""
        self.asked: list[str] = []

    async def get(self, kind: Kind, namespace: str, name: str) -> Body:
        """See api.Api."""
        return await self._do("get", lambda: self.objects.get(kind, namespace, name))

    async def create(self, kind: Kind, namespace: str, body: Body, manager: str) -> Body:
        """See api.Api."""
        return await self._write("create", lambda: self.objects.create(kind, namespace, body))

    async def patch(
        self, kind: Kind, namespace: str, name: str, body: Body, *, manager: str
    ) -> Body:
        """See api.Api."""
        return await self._write("patch", lambda: self.objects.merge(kind, namespace, name, body))

    async def _write(self, verb: str, step: Step) -> Body:
        if self.meanwhile:
            self.meanwhile.pop()()
        done = await self._do(verb, step)
        if self.loses_answers:
            self.loses_answers -= 1
            raise UnreachableError("the connection was closed")
        return done

    async def _do(self, verb: str, step: Step) -> Body:
        self.asked.append(verb)
        if self.hangs:
            await asyncio.sleep(3600)
        if self.is_down:
            raise UnreachableError("connection refused")
        try:
            done = step()
        except fake_objects.RefusedError as error:
            raise ERRORS[error.code](error.code, error.reason, str(error)) from error
        await asyncio.sleep(0.1)
        return done

    @property
    def spec(self) -> Body:
        """Of the Lease as it is."""
        spec: Body = self.objects.get(LEASES, SYSTEM, NAME)["spec"]
        return spec

    @property
    def holder(self) -> str:
        """Who has it."""
        return str(self.spec.get("holderIdentity") or "")

    def write(self, **spec: Any) -> None:
        """Somebody else writes it."""
        self.objects.merge(LEASES, SYSTEM, NAME, {"spec": spec})


class Agent:
    """One that wants the Lease, in a task of its own."""

    def __init__(self, server: Server, holder: str) -> None:
        """Not begun yet."""
        self.said: list[str] = []
        loop = asyncio.get_running_loop()
        self.lease = Lease(
            server,  # type: ignore[arg-type]
            SYSTEM, "gpu-1", holder, self.said.append, loop.time,
        )  # fmt: skip
        self.task = asyncio.create_task(self._live())

    async def _live(self) -> None:
        await self.lease.acquire()
        await self.lease.keep()

    async def die(self) -> None:
        """At once, and without giving anything back."""
        self.task.cancel()
        with suppress(asyncio.CancelledError, LeaseLostError):
            await self.task


Scene = Callable[[Server, Callable[[str], Agent]], Awaitable[None]]


def played(scene: Scene) -> None:
    """Play a scene in virtual time; its agents die at the end."""

    async def play() -> None:
        agents: list[Agent] = []
        server = Server()

        def agent(holder: str) -> Agent:
            agents.append(Agent(server, holder))
            return agents[-1]

        try:
            await scene(server, agent)
        finally:
            for one in agents:
                await one.die()

    virtual_time.run(play())


def test_the_first_one_has_it_and_keeps_it() -> None:
    """Within a request or two; a day later still, with little more than one request in 5 s."""

    async def scene(server: Server, agent: Callable[[str], Agent]) -> None:
        first = agent("a")
        assert not first.lease.is_held
        await asyncio.sleep(1)
        assert first.lease.is_held
        assert server.spec["leaseDurationSeconds"] == LEASE_SECONDS
        assert server.spec["leaseTransitions"] == 0
        for text in (server.spec["acquireTime"], server.spec["renewTime"]):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)

        for _ in range(24 * 60):
            await asyncio.sleep(60)
            assert first.lease.is_held

        assert server.asked[:2] == ["get", "create"]
        assert set(server.asked[2:]) == {"patch"}
        assert len(server.asked) < 24 * 3600 / 4
        assert first.said == []
        assert server.spec["leaseTransitions"] == 0

    played(scene)


def test_the_second_one_stays_out_and_says_so() -> None:
    """At once, and once a minute; the first one is not disturbed."""

    async def scene(server: Server, agent: Callable[[str], Agent]) -> None:
        first = agent("host-a_1")
        await asyncio.sleep(1)
        second = agent("host-b_2")
        await asyncio.sleep(1)
        since = server.spec["acquireTime"]
        told = f"agent gpu-1 is kept by host-a_1 since {since}; waiting"
        assert second.said == [told]

        await asyncio.sleep(600)

        assert second.said == [told] * len(second.said)
        assert 9 <= len(second.said) <= 11
        assert (first.lease.is_held, second.lease.is_held) == (True, False)
        assert server.holder == "host-a_1"

    played(scene)


def test_one_that_died_is_followed_after_the_lease() -> None:
    """Not before: he might only have been slow."""

    async def scene(server: Server, agent: Callable[[str], Agent]) -> None:
        first = agent("a")
        await asyncio.sleep(1)
        second = agent("b")
        await asyncio.sleep(60)
        await first.die()
        acquired = server.spec["acquireTime"]

        await asyncio.sleep(LEASE_SECONDS - 6)
        assert not second.lease.is_held
        await asyncio.sleep(12)
        assert second.lease.is_held
        assert server.holder == "b"
        assert server.spec["leaseTransitions"] == 1
        assert server.spec["acquireTime"] > acquired

    played(scene)


def test_clocks_of_machines_are_not_compared() -> None:
    """A Lease whose times are of next year, or of last year, is watched for its duration."""

    async def scene(server: Server, agent: Callable[[str], Agent]) -> None:
        for year in (2020, 2040):
            when = f"{year}-01-01T00:00:00.000000Z"
            spec = {"holderIdentity": "x", "renewTime": when, "leaseDurationSeconds": 30}
            server.objects.put(
                LEASES, {"metadata": {"name": NAME, "namespace": SYSTEM}, "spec": spec}
            )
            one = agent("a")
            await asyncio.sleep(29)
            assert not one.lease.is_held
            await asyncio.sleep(5)
            assert one.lease.is_held
            await one.die()

    played(scene)


class Clock:
    """An agent's own, which may be set forward: the process hung meanwhile."""

    def __init__(self) -> None:
        """As the loop's."""
        self.ahead = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return asyncio.get_running_loop().time() + self.ahead


def test_one_that_hung_finds_that_it_is_lost() -> None:
    """From the moment it wakes up it does not act, and then it is told who has it."""

    async def scene(server: Server, agent: Callable[[str], Agent]) -> None:
        clock = Clock()
        hung = Lease(server, SYSTEM, "gpu-1", "a", print, clock)  # type: ignore[arg-type]
        await hung.acquire()
        assert hung.is_held
        second = agent("b")
        await asyncio.sleep(20)  # nothing of the first one goes on
        assert second.lease.is_held
        assert not hung.is_held
        with pytest.raises(LeaseLostError, match=r"^agent gpu-1 is kept by b since 2\d{3}-.*Z, "):
            await hung.keep()
        assert not hung.is_held
        assert second.lease.is_held

    played(scene)


def test_a_machine_that_slept_does_not_count_on_it() -> None:
    """Its own clock went on."""

    async def scene(server: Server, agent: Callable[[str], Agent]) -> None:
        clock = Clock()
        one = Lease(server, SYSTEM, "gpu-1", "a", print, clock)  # type: ignore[arg-type]
        await one.acquire()
        clock.ahead += 3600
        assert not one.is_held

    played(scene)


def test_giving_it_back_lets_the_next_one_in() -> None:
    """Without waiting for the end of the lease."""

    async def scene(server: Server, agent: Callable[[str], Agent]) -> None:
        first = agent("a")
        await asyncio.sleep(1)
        second = agent("b")
        await asyncio.sleep(30)
        await first.die()
        await first.lease.release()
        assert not first.lease.is_held
        assert server.holder == ""

        await asyncio.sleep(3)
        assert second.lease.is_held
        assert server.spec["leaseTransitions"] == 1

    played(scene)


def test_what_is_anothers_is_not_given_back() -> None:
    """Whoever waits, or has lost it, ends without a word."""

    async def scene(server: Server, agent: Callable[[str], Agent]) -> None:
        first = agent("a")
        await asyncio.sleep(1)
        second = agent("b")
        await asyncio.sleep(1)
        await second.die()
        await second.lease.release()

        assert server.holder == "a"
        assert first.lease.is_held

    played(scene)


@pytest.mark.parametrize("how", ["is_down", "hangs"])
def test_the_end_is_not_held_up(how: str) -> None:
    """Without an answer it is said that the next one has to wait."""

    async def scene(server: Server, agent: Callable[[str], Agent]) -> None:
        first = agent("a")
        await asyncio.sleep(1)
        await first.die()
        setattr(server, how, True)
        begun = asyncio.get_running_loop().time()
        await first.lease.release()

        assert asyncio.get_running_loop().time() - begun < 5
        assert "agent gpu-1 was not given back, the next one waits 15 s: " in first.said[-1]

    played(scene)


@pytest.mark.parametrize("how", ["is_down", "hangs"])
def test_an_api_server_that_is_away_for_long_is_waited_for(how: str) -> None:
    """Nothing is done meanwhile; where nobody else came, it goes on, and all of it is said."""

    async def scene(server: Server, agent: Callable[[str], Agent]) -> None:
        first = agent("a")
        await asyncio.sleep(1)
        setattr(server, how, True)
        await asyncio.sleep(600)
        assert not first.lease.is_held
        assert first.said[0].startswith("agent gpu-1 cannot be kept: ")
        assert first.said[1].endswith("; nothing is begun until it is")
        assert 9 <= len(first.said) <= 13
        setattr(server, how, False)
        await asyncio.sleep(6)

        assert first.lease.is_held
        assert first.said[-1] == "agent gpu-1 is kept again"
        assert server.spec["leaseTransitions"] == 0

    played(scene)


def test_a_request_that_fails_now_and_then_is_no_matter() -> None:
    """It is tried again before anybody would notice, and the Lease stays held throughout."""

    async def scene(server: Server, agent: Callable[[str], Agent]) -> None:
        first = agent("a")
        await asyncio.sleep(1)
        for how in ("is_down", "hangs") * 20:
            setattr(server, how, True)
            asked = len(server.asked)
            while len(server.asked) == asked:
                await asyncio.sleep(0.05)
                assert first.lease.is_held
            setattr(server, how, False)
            for _ in range(400):
                await asyncio.sleep(0.05)
                assert first.lease.is_held

    played(scene)


def test_an_api_server_that_is_away_at_the_start_is_waited_for() -> None:
    """It is said at once, and then once a minute."""

    async def scene(server: Server, agent: Callable[[str], Agent]) -> None:
        server.is_down = True
        first = agent("a")
        await asyncio.sleep(120)
        assert first.said[:1] == ["connection refused"]
        assert len(first.said) <= 3
        server.is_down = False
        await asyncio.sleep(3)

        assert first.lease.is_held

    played(scene)


def test_who_is_quicker_has_it() -> None:
    """Two that look at once: one is told that the other has written first."""

    async def scene(server: Server, agent: Callable[[str], Agent]) -> None:
        agents = [agent(name) for name in "abc"]
        for _ in range(300):
            await asyncio.sleep(0.1)
            assert sum(one.lease.is_held for one in agents) <= 1

        assert sum(one.lease.is_held for one in agents) == 1
        await next(one for one in agents if one.lease.is_held).die()
        for _ in range(300):
            await asyncio.sleep(0.1)
            assert sum(one.lease.is_held for one in agents) <= 1
        assert sum(one.lease.is_held for one in agents) == 1

    played(scene)


def test_a_version_that_has_passed_is_looked_at_again() -> None:
    """Somebody labelled it: it is still ours."""

    async def scene(server: Server, agent: Callable[[str], Agent]) -> None:
        first = agent("a")
        await asyncio.sleep(1)
        labelled = {"metadata": {"labels": {"team": "x"}}}
        server.meanwhile.append(lambda: server.objects.merge(LEASES, SYSTEM, NAME, labelled))
        for _ in range(200):
            await asyncio.sleep(0.1)
            assert first.lease.is_held
        assert server.meanwhile == []
        assert server.objects.get(LEASES, SYSTEM, NAME)["metadata"]["labels"]["team"] == "x"

    played(scene)


@pytest.mark.parametrize("holder", ["b", None])
def test_one_that_was_taken_away_is_lost(holder: str | None) -> None:
    """Also where whoever had it gave it back: he has acted meanwhile."""

    async def scene(server: Server, agent: Callable[[str], Agent]) -> None:
        first = agent("a")
        await asyncio.sleep(1)
        server.write(holderIdentity=holder, acquireTime="2026-01-01T00:00:00.000000Z")
        await asyncio.sleep(6)

        assert not first.lease.is_held
        with pytest.raises(LeaseLostError, match="is kept by nobody" if not holder else "by b "):
            await first.task

    played(scene)


def test_one_that_was_deleted_is_made_again() -> None:
    """Whoever did that wanted it free; nobody came."""

    async def scene(server: Server, agent: Callable[[str], Agent]) -> None:
        first = agent("a")
        await asyncio.sleep(1)
        server.objects.remove(LEASES, SYSTEM, NAME)
        await asyncio.sleep(6)

        assert server.holder == "a"
        assert first.lease.is_held

    played(scene)


def test_an_answer_that_was_lost_costs_nothing() -> None:
    """What was written is found, and is ours."""

    async def scene(server: Server, agent: Callable[[str], Agent]) -> None:
        server.loses_answers = 1
        first = agent("a")
        await asyncio.sleep(3)
        assert first.lease.is_held
        server.loses_answers = 1
        for _ in range(200):
            await asyncio.sleep(0.1)
            assert first.lease.is_held
        assert server.loses_answers == 0
        assert server.spec["leaseTransitions"] == 0

    played(scene)


def test_each_agent_has_a_lease_of_its_name() -> None:
    """As long as a name may be."""
    assert lease_name("gpu-1.example") == "profjob-agent-gpu-1.example"
    long = {lease_name("a" * 252 + last) for last in "bc"}
    assert len(long) == 2
    assert all(len(one) <= 253 for one in long)


def test_the_clock_goes_on() -> None:
    """In seconds."""
    assert 0 <= lease.clock() <= lease.clock()


CANNOT = (
    'leases.coordination.k8s.io "profjob-agent-gpu-1" is forbidden: User "agent" cannot get '
    'resource "leases" in API group "coordination.k8s.io" in the namespace "profiling-system"'
)


@pytest.mark.parametrize(("fault", "told"), [
    (Fault("get", "leases", 403, CANNOT),
     r"it needs the right to get, create and patch leases\.coordination\.k8s\.io in "
     r"profiling-system: .*cannot get"),
    (Fault("create", "leases", 404, 'namespaces "profiling-system" not found'),
     r'namespaces "profiling-system" not found: create it \(kubectl create namespace '
     r"profiling-system\), or set agent\.namespace to another one"),
], ids=["no right", "no namespace"])  # fmt: skip
def test_what_is_missing_is_named(
    fault: Fault, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And once it is there, the agent goes on by itself."""
    monkeypatch.setattr(lease, "WAIT_SECONDS", 0.01)
    said: list[str] = []

    async def scenario(server: FakeApi, client: Api) -> None:
        server.faults.append(fault)
        wanted = Lease(client, SYSTEM, "gpu-1", "a", said.append)
        await wanted.acquire()
        assert wanted.is_held
        await wanted.release()
        assert not wanted.is_held
        sent = [(one.verb, one.resource, one.content_type) for one in server.writes()]
        assert sent[-1] == ("patch", "leases", "application/merge-patch+json")

    play(scenario, tmp_path)
    assert len(said) == 1
    assert re.search(told, said[0])


@asynccontextmanager
async def namespace(client: Api) -> AsyncIterator[str]:
    """One of its own on a real cluster."""
    name = f"test-lease-{uuid.uuid4().hex[:8]}"
    await client.create(NAMESPACES, None, {"metadata": {"name": name}})
    try:
        yield name
    finally:
        await client.delete(NAMESPACES, None, name)


@pytest.mark.needs("cluster")
def test_a_real_api_server_takes_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing namespace, taking, staying out, renewing, giving back, taking over, losing."""
    monkeypatch.setattr(lease, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.2)
    told: asyncio.Queue[str] = asyncio.Queue()

    async def scene() -> None:
        async with api.connect(kubeconfig=os.environ["KUBECONFIG"]) as client:
            nowhere = Lease(client, "no-such-namespace", "gpu-1", "x", told.put_nowait)
            waiting = asyncio.create_task(nowhere.acquire())
            assert 'namespaces "no-such-namespace" not found: create it' in await told.get()
            waiting.cancel()
            async with namespace(client) as where:
                await handed_over(client, where, told)

    asyncio.run(scene())


async def changed_twice(client: Api, where: str) -> None:
    """The Lease was renewed."""
    times: set[str] = set()
    async with aclosing(client.watch(LEASES, where, name=NAME)) as seen:
        async for _, body in seen:
            times.add(body["spec"]["renewTime"])
            if len(times) > 2:
                return


async def handed_over(client: Api, where: str, told: asyncio.Queue[str]) -> None:
    """One has it, another waits; one gives it back, the other takes it."""
    first = Lease(client, where, "gpu-1", "a", told.put_nowait)
    second = Lease(client, where, "gpu-1", "b", told.put_nowait)
    async with asyncio.timeout(60):
        await first.acquire()
        keeping = asyncio.create_task(first.keep())
        waiting = asyncio.create_task(second.acquire())
        assert "agent gpu-1 is kept by a since 2" in await told.get()
        await changed_twice(client, where)
        assert (first.is_held, second.is_held) == (True, False)
        keeping.cancel()
        await first.release()
        await waiting
        assert (first.is_held, second.is_held) == (False, True)
        with pytest.raises(LeaseLostError, match="agent gpu-1 is kept by b since 2"):
            await first.keep()
        spec = (await client.get(LEASES, where, NAME))["spec"]
        assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("b", 1)
        await second.release()
        assert "holderIdentity" not in (await client.get(LEASES, where, NAME))["spec"]
