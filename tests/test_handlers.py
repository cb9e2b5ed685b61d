"""kopf's half of the operator, against a small API server."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fake_api import FakeApi, play, until
from fake_requests import Fault
from kept_baselines import NoBaselines
from making import free_port, job_body
from profiling_operator import api, handlers, names, pods
from profiling_operator.acting import Acting
from profiling_operator.api import Api
from profiling_operator.control import Control
from profiling_operator.plan import Plan
from profiling_operator.reconcile import on_cluster
from profiling_operator.reporting import Report
from profiling_operator.settings import KubernetesSettings, Settings, StoreSettings

Body = dict[str, Any]

OURS = {pods.JOB_UID: "u-1"}
KNOWN = Settings(
    stores={"default": StoreSettings(url="http://r")},
    kubernetes=KubernetesSettings(image="profjob:1", starts_per_second=1e6),
)
FINISHED: Body = {"conditions": [{"type": "Finished", "status": "True"}]}


async def no_report(_: Plan) -> Report | None:
    """A store that has none."""
    return None


class Noted(Control):
    """A control loop that writes down what it was told."""

    notes: list[tuple[str, str | None, str]]
    sick: str = ""

    def seen(self, kind: str, event: str | None, body: Any) -> None:
        """What a watch tells."""
        self.notes.append((kind, event, body["metadata"]["name"]))
        super().seen(kind, event, body)

    def ailment(self) -> str:
        """What a test says is wrong with it, or what is."""
        return self.sick or super().ailment()


def noted(client: Api, namespaces: Sequence[str] = ()) -> Noted:
    """Such a loop, with nothing written down yet."""
    hands = Acting(client, KNOWN, no_report, NoBaselines())
    made = Noted(client, on_cluster(KNOWN), hands, namespaces)
    made.notes = []
    return made


@asynccontextmanager
async def operating(
    server: FakeApi, control: Noted, health: str = ""
) -> AsyncIterator[asyncio.Task[None]]:
    """Both halves, with all watches begun."""
    running = asyncio.create_task(handlers.watch(control, control.namespaces, health))
    watched = [names.PLURAL, "jobs", "pods"]
    await until(lambda: running.done() or all(map(server.is_watched, watched)))
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def operate(
    scene: Callable[[FakeApi, Noted], Awaitable[None]], folder: Path, *namespaces: str
) -> FakeApi:
    """Play a scene with an operator on a server."""

    async def scenario(server: FakeApi, client: Api) -> None:
        control = noted(client, namespaces)
        async with operating(server, control):
            await scene(server, control)

    return play(scenario, folder)


def thing(name: str, **about: Any) -> Body:
    """An object of ours, finished where that means something."""
    labels = about.pop("labels", OURS)
    body = job_body(name=name)
    del body["metadata"]["uid"]
    return {**body, "metadata": {**body["metadata"], "labels": labels, **about}, "status": FINISHED}


def unfinished(name: str, **spec: Any) -> Body:
    """A ProfilingJob that was just made."""
    body = job_body(name=name, **spec)
    del body["metadata"]["uid"]
    return body


WHERE = {names.PLURAL: api.PROFILING_JOBS, "jobs": api.JOBS, "pods": api.PODS}


@pytest.mark.parametrize("kind", WHERE)
def test_what_happens_is_told(kind: str, tmp_path: Path) -> None:
    """Made, changed, deleted: in that order, for each kind that is watched."""

    async def scene(server: FakeApi, control: Noted) -> None:
        server.put(WHERE[kind], thing("a"))
        await until(lambda: (kind, "ADDED", "a") in control.notes)
        server.put(WHERE[kind], thing("a", annotations={"x": "y"}))
        await until(lambda: (kind, "MODIFIED", "a") in control.notes)
        server.objects.remove(WHERE[kind], "ci", "a")
        await until(lambda: (kind, "DELETED", "a") in control.notes)
        assert [event for _, event, _ in control.notes] == ["ADDED", "MODIFIED", "DELETED"]

    operate(scene, tmp_path)


def test_what_was_there_before_is_told_as_well(tmp_path: Path) -> None:
    """As it is, with all of its fields; nothing of kopf's is in it."""

    async def scenario(server: FakeApi, client: Api) -> None:
        there = server.put(api.PROFILING_JOBS, thing("a"))
        control = noted(client)
        async with operating(server, control):
            await until(lambda: control.notes)
            assert control.notes == [(names.PLURAL, None, "a")]
            assert list(control.inventory.owners()) == [there]

    play(scenario, tmp_path)


def test_only_what_is_ours_crosses_the_network(tmp_path: Path) -> None:
    """A cluster may have ten thousand other pods: the server selects."""

    async def scene(server: FakeApi, control: Noted) -> None:
        for kind in (api.JOBS, api.PODS):
            server.put(kind, thing("theirs", labels={}))
            server.put(kind, thing("ours"))
        await until(lambda: len(control.notes) == 2)
        assert {name for _, _, name in control.notes} == {"ours"}
        for one in server.requests:
            if one.verb in {"list", "watch"} and one.resource in {"jobs", "pods"}:
                assert one.query["labelSelector"] == "profiling.dev/job-uid"

    operate(scene, tmp_path)


def test_only_the_namespaces_that_are_named_are_looked_at(tmp_path: Path) -> None:
    """No right to look at others is needed."""

    async def scene(server: FakeApi, control: Noted) -> None:
        for namespace in ("a", "b", "c"):
            server.put(api.PROFILING_JOBS, thing("x", namespace=namespace))
        await until(lambda: len(control.notes) == 2)
        asked = {one.namespace for one in server.requests if one.verb in {"list", "watch"}}
        assert asked == {"a", "b"}

    operate(scene, tmp_path, "a", "b")


def test_all_namespaces_are_looked_at_where_none_is_named(tmp_path: Path) -> None:
    """With one list and one watch for each kind."""

    async def scene(server: FakeApi, _: Noted) -> None:
        asked = [one for one in server.requests if one.verb in {"list", "watch"}]
        assert {one.namespace for one in asked} == {""}
        watched = [one.resource for one in asked if one.verb == "watch"]
        assert sorted(watched) == ["jobs", "pods", "profilingjobs"]

    operate(scene, tmp_path)


def test_nothing_is_ever_written_through_kopf(tmp_path: Path) -> None:
    """No finalizer, no annotation, no event of its own: what is written is our control loop's."""

    async def scene(server: FakeApi, control: Noted) -> None:
        server.put(api.PROFILING_JOBS, unfinished("a", app={"image": "app:1", "command": ["/a"]}))
        server.put(api.PROFILING_JOBS, unfinished("b", app={}))
        server.put(api.PODS, thing("ours"))
        await until(lambda: len(server.objects.of(api.EVENTS)) == 2)
        await until(lambda: ("jobs", "ADDED", server.objects.of(api.JOBS)[0]["metadata"]["name"])
                    in control.notes)  # fmt: skip

        assert {one.query.get("fieldManager") for one in server.writes()} == {"profjob-operator"}
        written = {(one.verb, one.resource) for one in server.writes()}
        assert written == {
            ("create", "jobs"), ("create", "events"), ("patch", "profilingjobs/status"),
        }  # fmt: skip
        for one in (*server.objects.of(api.PROFILING_JOBS), *server.objects.of(api.JOBS)):
            assert not {"finalizers", "annotations"} & set(one["metadata"])

    operate(scene, tmp_path)


def test_what_is_finished_causes_no_write_at_all(tmp_path: Path) -> None:
    """However often it is told of."""

    async def scene(server: FakeApi, control: Noted) -> None:
        for index in range(20):
            server.put(api.PROFILING_JOBS, thing("a", annotations={"x": str(index)}))
        await until(lambda: len(control.notes) == 20)
        assert server.writes() == []

    operate(scene, tmp_path)


def cut(server: FakeApi) -> None:
    """A load balancer drops the connections."""
    server.end_watches(how="drop")


def end(server: FakeApi) -> None:
    """The server ends its watches, as it does every few minutes."""
    server.end_watches()


def expire(server: FakeApi) -> None:
    """The server has forgotten what was before."""
    server.objects.expire()
    for kind in WHERE:
        server.tell_error(kind, 410)


def refuse(server: FakeApi) -> None:
    """Too many ask."""
    server.faults.append(Fault("watch", code=429, retry_after=0, times=2))
    server.end_watches()


def break_down(server: FakeApi) -> None:
    """The server is restarted."""
    server.faults += [Fault(verb, code=503, times=2) for verb in ("watch", "list")]
    server.objects.expire()
    for kind in WHERE:
        server.tell_error(kind, 410)


@pytest.mark.parametrize("trouble", [cut, end, expire, refuse, break_down])
def test_watches_recover(trouble: Callable[[FakeApi], None], tmp_path: Path) -> None:
    """And what happens afterwards is told."""

    async def scene(server: FakeApi, control: Noted) -> None:
        trouble(server)
        for kind, where in WHERE.items():
            server.put(where, thing(f"after-{kind}"))
        await until(lambda: {f"after-{kind}" for kind in WHERE} <= {n for _, _, n in control.notes})

    operate(scene, tmp_path)


def test_a_token_that_has_expired_is_replaced(tmp_path: Path) -> None:
    """A pod's lives an hour: the next one is taken from our own client, which reads it anew."""

    async def scene(server: FakeApi, control: Noted) -> None:
        server.tokens = {"second"}
        control.api._client.configuration.api_key["BearerToken"] = "Bearer second"
        cut(server)
        await until(lambda: not server.is_watched("pods"))
        await until(lambda: server.is_watched("pods"))
        server.put(api.PODS, thing("a"))
        await until(lambda: ("pods", "ADDED", "a") in control.notes)
        assert 401 in {one.code for one in server.requests}

    operate(scene, tmp_path)


def test_the_health_endpoint_tells_how_it_is(tmp_path: Path) -> None:
    """As the kubelet asks: 500 while something is wrong, 200 when all is well."""
    url = f"http://127.0.0.1:{free_port()}/healthz"

    async def scenario(server: FakeApi, client: Api) -> None:
        control = noted(client)
        control.sick = "a job has waited 301 s for a look"
        async with operating(server, control, url), aiohttp.ClientSession() as session:
            assert await answer(session) == 500
            control.sick = ""
            assert await answer(session) == 200

    async def answer(session: aiohttp.ClientSession) -> int:
        async with session.get(url) as response:
            return response.status

    play(scenario, tmp_path)


def test_watches_begin_once_the_resource_is_known(tmp_path: Path) -> None:
    """kopf looks once which kinds there are: before the CRD is there, it would see nothing ever."""

    async def scenario(server: FakeApi, client: Api) -> None:
        server.faults.append(Fault("list", names.PLURAL, code=404, times=1))
        control = noted(client)
        async with operating(server, control):
            first = [one.code for one in server.requests if one.verb == "list"]
            assert first[:2] == [404, 200]
            discovered = [one.verb for one in server.requests].index("discover")
            assert discovered > 2
            server.put(api.PROFILING_JOBS, thing("a"))
            await until(lambda: (names.PLURAL, "ADDED", "a") in control.notes)

    play(scenario, tmp_path)


def test_watches_that_cannot_go_on_end_the_operator(tmp_path: Path) -> None:
    """Whoever started it starts it anew: better than an operator that is deaf on one ear."""

    async def scenario(server: FakeApi, client: Api) -> None:
        control = noted(client)
        async with operating(server, control) as running:
            server.tell_error("pods", 500)
            with pytest.raises(Exception, match="the watch ends"):
                await running

    play(scenario, tmp_path)


def test_a_control_loop_that_ends_ends_the_watches(tmp_path: Path) -> None:
    """One half is no operator."""

    class Broken(Noted):
        async def run(self) -> None:
            self.synced.set()
            await self.stopped.wait()
            raise RuntimeError("a bug")

    async def scenario(server: FakeApi, client: Api) -> None:
        control = Broken(client, on_cluster(KNOWN), Acting(client, KNOWN, no_report, NoBaselines()))
        control.notes, control.stopped = [], asyncio.Event()  # type: ignore[attr-defined]
        async with operating(server, control) as running:
            control.stopped.set()  # type: ignore[attr-defined]
            with pytest.raises(RuntimeError, match="a bug"):
                await running
        await until(lambda: not server.is_watched(""))

    play(scenario, tmp_path)


def test_pauses_never_end_and_never_come_all_at_once() -> None:
    """kopf gives a request up for good when they are at their end."""
    longest = 0.5
    for pause in itertools.islice(handlers.Backoffs(), 1000):
        assert longest / 2 <= pause <= longest
        longest = min(handlers.LONGEST_BACKOFF, 2 * longest)
    first = {next(iter(handlers.Backoffs())) for _ in range(20)}
    assert len(first) > 1


def test_kopf_keeps_nothing_and_asks_for_no_right_that_it_does_not_need() -> None:
    """Names of our own all the same: other operators of kopf's may run in the cluster."""
    known = handlers.settings()

    assert (known.posting.enabled, known.scanning.disabled) == (False, True)
    assert known.posting.level > 50
    assert known.peering.standalone
    assert known.persistence.finalizer.startswith("operator.profiling.dev/")
    assert isinstance(known.watching.server_timeout, int)
