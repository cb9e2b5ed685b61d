"""The fake API server answers as a real one does, wherever our code can tell the difference."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from fake_api import FakeApi, in_thread, play, until
from profiling_operator import api
from profiling_operator.api import Api
from profiling_operator.errors import ApiError

Body = dict[str, Any]

LABEL = "example.com/ours"
JOB: Body = {
    "metadata": {"name": "a", "labels": {LABEL: "yes"}},
    "spec": {
        "suspend": True,
        "managedBy": "example.com/nobody",  # no controller writes in between
        "template": {"spec": {"restartPolicy": "Never",
                              "containers": [{"name": "a", "image": "a"}]}},
    },
}  # fmt: skip


async def said(answer: Awaitable[Any]) -> Any:
    """What comes of a request: an error's code and word, or nothing."""
    try:
        await answer
    except ApiError as error:
        return error.code, error.said
    return None


async def told(client: Api, namespace: str) -> list[Any]:
    """What a server says to requests of each kind, in words that every server has."""
    jobs = (api.JOBS, namespace)
    status: dict[str, Any] = {"subresource": "status", "manager": "m"}
    made = await client.create(*jobs, JOB, "m")
    about = made["metadata"]
    old, uid = {"resourceVersion": about["resourceVersion"]}, about["uid"]
    answers: list[Any] = [
        about["generation"], "status" in made and bool(made["status"]),
        await said(client.create(*jobs, JOB, "m")),
        await said(client.get(*jobs, "none")),
        await said(client.patch(*jobs, "none", {"status": {}}, **status)),
    ]  # fmt: skip
    same = await client.patch(*jobs, "a", {"metadata": {**old, "labels": {LABEL: "yes"}}})
    changed = await client.patch(*jobs, "a", {"status": {"active": 1}, "metadata": old}, **status)
    ignored = await client.patch(*jobs, "a", {"status": {"active": 7}, "spec": {"suspend": False}})
    again = await client.patch(*jobs, "a", {"status": {"active": 2}, "spec": None}, **status)
    answers += [
        same["metadata"]["resourceVersion"] == about["resourceVersion"],
        changed["status"]["active"], ignored["status"]["active"], ignored["metadata"]["generation"],
        again["status"]["active"], again["metadata"]["generation"], again["spec"]["suspend"],
        await said(client.patch(*jobs, "a", {"metadata": old, "status": {}}, **status)),
        await said(client.patch(*jobs, "a", {"metadata": {"uid": "other"}}, **status)),
        await said(client.patch(*jobs, "a", {"metadata": {**old, "uid": "other"}}, **status)),
    ]  # fmt: skip
    mine = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}}
    for part in ({"failed": 1, "ready": 1}, {"failed": 2}):
        applied = await client.patch(*jobs, "a", {**mine, "status": part}, how="apply", **status)
        answers.append({key: applied["status"].get(key) for key in ("active", "failed", "ready")})
    missing = {**mine, "metadata": {"name": "none"}, "status": {}}
    answers.append(await said(client.patch(*jobs, "none", missing, how="apply", **status)))
    await client.delete(*jobs, "a", uid="other")
    answers.append((await client.get(*jobs, "a"))["metadata"]["uid"] == uid)
    await client.delete(*jobs, "a", uid=uid)
    await client.delete(*jobs, "a", uid=uid)
    answers.append(await said(client.get(*jobs, "a")))
    return answers


async def watched(client: Api, namespace: str) -> list[Any]:
    """What a watch by a label tells of an object that gets it, loses it, and is deleted."""
    where = (api.SERVICE_ACCOUNTS, namespace)
    since = (await client.list(*where)).resource_version

    async def change(name: str, label: str | None) -> None:
        await client.patch(*where, name, {"metadata": {"labels": {LABEL: label}}})

    for name in ("early", "late"):
        labels = {LABEL: "1"} if name == "early" else {}
        await client.create(*where, {"metadata": {"name": name, "labels": labels}})
    await change("early", None)
    await change("late", "1")
    await change("early", "2")
    await change("early", "3")
    await client.delete(*where, "early")
    await client.delete(*where, "late")
    events: list[Any] = []
    watch = client.watch(*where, labels=LABEL, resource_version=since, seconds=3)
    async for event, body in watch:
        if event != "BOOKMARK":
            about = body["metadata"]
            events.append((event, about["name"], about["labels"][LABEL]))
    return events


TOLD: list[Any] = [
    1, False, (409, "AlreadyExists"), (404, "NotFound"), (404, "NotFound"),
    True, 1, 1, 2, 2, 2, False, (409, "Conflict"), (422, "Invalid"), (409, "Conflict"),
    {"active": 2, "failed": 1, "ready": 1}, {"active": 2, "failed": 2, "ready": None},
    (404, "NotFound"), True, (404, "NotFound"),
]  # fmt: skip
WATCHED = [
    ("ADDED", "early", "1"), ("DELETED", "early", "1"), ("ADDED", "late", "1"),
    ("ADDED", "early", "2"), ("MODIFIED", "early", "3"), ("DELETED", "early", "3"),
    ("DELETED", "late", "1"),
]  # fmt: skip


def test_the_fake_one_says_what_is_expected(tmp_path: Path) -> None:
    """The answers that the operator's tests count on."""

    async def scenario(_: FakeApi, client: Api) -> None:
        assert await told(client, "ci") == TOLD
        assert await watched(client, "ci") == WATCHED

    play(scenario, tmp_path)


@pytest.mark.needs("cluster")
def test_the_real_one_says_the_same() -> None:
    """Or those tests would be about nothing."""
    namespace = f"fake-{uuid.uuid4().hex[:8]}"

    async def scenario() -> None:
        async with api.connect() as client:
            await client.create(api.NAMESPACES, None, {"metadata": {"name": namespace}})
            try:
                assert await told(client, namespace) == TOLD
                assert await watched(client, namespace) == WATCHED
            finally:
                await client.delete(api.NAMESPACES, None, namespace)

    asyncio.run(scenario())


def test_what_is_owned_goes_with_its_owner(tmp_path: Path) -> None:
    """As the garbage collector does it; at once."""

    async def scenario(server: FakeApi, client: Api) -> None:
        for name in ("kept", "gone"):
            uid = server.put(api.JOBS, {"metadata": {"name": name}})["metadata"]["uid"]
            about = {"name": name, "ownerReferences": [{"kind": "Job", "uid": uid}]}
            server.put(api.PODS, {"metadata": about})
        await client.delete(api.JOBS, "default", "gone")
        await client.delete(api.JOBS, "default", "kept", propagation="Orphan")
        assert [one["metadata"]["name"] for one in server.objects.of(api.PODS)] == ["kept"]

    play(scenario, tmp_path)


def test_what_lingers_is_deleted_later(tmp_path: Path) -> None:
    """A pod that takes its time, an object with a finalizer: a time of deletion first."""

    async def scenario(server: FakeApi, client: Api) -> None:
        server.objects.lingering.add("pods")
        server.put(api.PODS, {"metadata": {"name": "a"}})
        server.put(api.JOBS, {"metadata": {"name": "a", "finalizers": ["x/y"]}})
        for kind in (api.PODS, api.JOBS):
            await client.delete(kind, "default", "a")
            assert "deletionTimestamp" in (await client.get(kind, "default", "a"))["metadata"]
        await client.patch(api.JOBS, "default", "a", {"metadata": {"finalizers": None}})
        assert server.objects.of(api.JOBS) == []
        server.objects.remove(api.PODS, "default", "a")
        assert server.objects.of(api.PODS) == []

    play(scenario, tmp_path)


def test_events_may_be_lost(tmp_path: Path) -> None:
    """A watch that tells nothing more, although it is open."""

    async def scenario(server: FakeApi, client: Api) -> None:
        names: list[str] = []

        async def follow() -> None:
            async for _, body in client.watch(api.PODS):
                names.append(body["metadata"]["name"])

        following = asyncio.create_task(follow())
        await until(lambda: server.is_watched("pods"))
        server.muted.add("pods")
        server.put(api.PODS, {"metadata": {"name": "lost"}})
        server.muted.clear()
        server.put(api.PODS, {"metadata": {"name": "told"}})
        await until(lambda: names)
        assert names == ["told"]
        server.end_watches()
        await following

    play(scenario, tmp_path)


def test_it_serves_whole_programs_from_a_thread(tmp_path: Path) -> None:
    """While the test itself puts objects there."""
    with in_thread() as server:

        async def scenario() -> str:
            path = server.kubeconfig(tmp_path / "kubeconfig")
            async with api.connect(kubeconfig=path) as client:
                watch = client.watch(api.PODS, resource_version=str(server.objects.version))
                first = asyncio.ensure_future(anext(watch))
                await until(lambda: server.is_watched("pods"))
                await asyncio.to_thread(server.put, api.PODS, {"metadata": {"name": "a"}})
                _, body = await first
                await watch.aclose()  # type: ignore[attr-defined]
                return str(body["metadata"]["name"])

        assert asyncio.run(scenario()) == "a"
