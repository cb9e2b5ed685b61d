"""What a decision asks for, done on a small API server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import virtual_time
from fake_api import FakeApi, play
from fake_requests import Fault
from kept_baselines import NoBaselines
from making import job
from profiling_operator import acting, api, names, plan, pods
from profiling_operator.acting import Acting
from profiling_operator.api import Api
from profiling_operator.errors import (
    ApiError,
    ForbiddenError,
    RefusedError,
    UnreachableError,
)
from profiling_operator.plan import Plan
from profiling_operator.reconcile import CreateJob, Delete, Need
from profiling_operator.reporting import Report
from profiling_operator.settings import KubernetesSettings, Settings, StoreSettings

Body = dict[str, Any]
Scene = Callable[[FakeApi, Acting], Awaitable[None]]

UID = "u-1"
APP: Body = {"image": "app:1", "command": ["/a"]}


def known(**kubernetes: Any) -> Settings:
    """Settings with a store."""
    given = {"image": "profjob:1", "starts_per_second": 1e6, **kubernetes}
    return Settings(
        stores={"default": StoreSettings(url="http://r")}, kubernetes=KubernetesSettings(**given)
    )


def planned(attempt: int = 1, **changes: Any) -> Plan:
    """A plan."""
    return plan.build_plan(job(**{"uid": UID, "app": APP, **changes}), attempt)


async def no_report(_: Plan) -> Report | None:
    """A store that has none."""
    return None


def act(scene: Scene, folder: Path, settings: Settings | None = None) -> FakeApi:
    """Play a scene with the operator's hands on a server."""

    async def scenario(server: FakeApi, client: Api) -> None:
        await scene(server, Acting(client, settings or known(), no_report, NoBaselines()))

    return play(scenario, folder)


def test_a_job_is_created_as_it_is_planned(tmp_path: Path) -> None:
    """In the namespace of the job, by our field manager; and it is known from then on."""

    async def scene(server: FakeApi, hands: Acting) -> None:
        await hands.perform(CreateJob(planned()), "ci")

        made = server.objects.get(api.JOBS, "ci", planned().name)
        assert made["spec"] == pods.job(planned(), known())["spec"]
        assert hands.inventory.jobs(UID) == [made]
        assert [(one.verb, one.resource, one.query) for one in server.writes()] == [
            ("create", "jobs", {"fieldManager": "profjob-operator"})
        ]

    act(scene, tmp_path)


def test_creating_it_twice_is_creating_it_once(tmp_path: Path) -> None:
    """After a crash, an answer that was lost, two looks: what is there is taken for ours."""

    async def scene(server: FakeApi, hands: Acting) -> None:
        server.faults.append(Fault("create", "jobs", how="drop_after"))
        with pytest.raises(UnreachableError):
            await hands.perform(CreateJob(planned()), "ci")
        await hands.perform(CreateJob(planned()), "ci")
        await hands.perform(CreateJob(planned()), "ci")

        there = server.objects.of(api.JOBS)
        assert len(there) == 1
        assert hands.inventory.jobs(UID) == there

    act(scene, tmp_path)


def test_a_job_of_its_name_that_is_anothers_is_not_taken(tmp_path: Path) -> None:
    """Whoever made it, it is not run, watched or deleted for ours."""

    async def scene(server: FakeApi, hands: Acting) -> None:
        for owners in (None, [], [{"uid": "another"}]):
            about = {"name": planned().name, "namespace": "ci", "ownerReferences": owners}
            server.put(api.JOBS, {"metadata": about})
            with pytest.raises(RefusedError, match="it is not of this job"):
                await hands.perform(CreateJob(planned()), "ci")
        assert hands.inventory.jobs(UID) == []

    act(scene, tmp_path)


QUOTA = 'jobs.batch "a" is forbidden: exceeded quota: q, requested: count/jobs.batch=1'
RIGHTS = (
    'jobs.batch is forbidden: User "system:serviceaccount:denied:op" cannot create resource "jobs" '
    'in API group "batch" in the namespace "access-denied"'
)
GOING = (
    'jobs.batch "denied-1" is forbidden: unable to create new content in namespace ci because it '
    "is being terminated"
)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (403, QUOTA),
        (403, 'admission webhook "v.example" denied the request: no'),
        (403, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"),
        (422, "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no"),
        (422, 'Job.batch "a" is invalid: spec.template.spec.containers[0].name: Invalid value'),
        (400, "strict decoding error"),
        (413, "etcdserver: request is too large"),
    ],
)
def test_what_the_cluster_does_not_take_is_refused(code: int, message: str, tmp_path: Path) -> None:
    """With its own words: no second try would change them, and a job must not wait for ever."""

    async def scene(server: FakeApi, hands: Acting) -> None:
        server.faults.append(Fault("create", "jobs", code=code, message=message))
        with pytest.raises(RefusedError) as raised:
            await hands.perform(CreateJob(planned()), "ci")
        assert str(raised.value) == message

    act(scene, tmp_path)


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        (403, RIGHTS, ForbiddenError), (403, GOING, ForbiddenError),
        (401, "Unauthorized", ApiError), (404, "not found", ApiError), (429, "slow", ApiError),
        (500, "out of order", ApiError), (503, "later", ApiError), (504, "late", ApiError),
    ],
)  # fmt: skip
def test_what_may_get_better_is_no_refusal(
    code: int, message: str, kind: type[ApiError], tmp_path: Path
) -> None:
    """Our own rights, a namespace that goes away, a server in trouble: tried again by others."""

    async def scene(server: FakeApi, hands: Acting) -> None:
        server.faults.append(Fault("create", "jobs", code=code, message=message))
        with pytest.raises(kind, match=message[:20]):
            await hands.perform(CreateJob(planned()), "ci")

    act(scene, tmp_path)


def test_only_what_was_meant_is_deleted(tmp_path: Path) -> None:
    """By its UID: one of its name that came later stays. Twice is once."""

    async def scene(server: FakeApi, hands: Acting) -> None:
        for kind, plural in ((api.JOBS, "jobs"), (api.PODS, "pods"),
                             (api.PROFILING_JOBS, names.PLURAL)):  # fmt: skip
            uid = server.put(kind, {"metadata": {"name": "a", "namespace": "ci"}})["metadata"][
                "uid"
            ]
            await hands.perform(Delete(plural, "a", "that-of-another"), "ci")
            assert server.objects.find(kind, "ci", "a") is not None
            await hands.perform(Delete(plural, "a", uid), "ci")
            await hands.perform(Delete(plural, "a", uid), "ci")
            assert server.objects.find(kind, "ci", "a") is None

    act(scene, tmp_path)


def test_the_uploaders_account_is_made_where_we_are_to_make_it(tmp_path: Path) -> None:
    """Once for all jobs of a namespace, before the first one; what is there already is fine."""
    settings = known(uploader_role="profjob-uploads")

    async def scene(server: FakeApi, hands: Acting) -> None:
        server.put(api.SERVICE_ACCOUNTS, {"metadata": {"name": "profjob-uploader",
                                                       "namespace": "ci"}})  # fmt: skip
        await hands.perform(CreateJob(planned()), "ci")
        await hands.perform(CreateJob(planned(2)), "ci")

        assert [(one.verb, one.resource, one.code) for one in server.writes()] == [
            ("create", "serviceaccounts", 409), ("create", "rolebindings", 201),
            ("create", "jobs", 201), ("create", "jobs", 201),
        ]  # fmt: skip
        binding = server.objects.get(api.ROLE_BINDINGS, "ci", "profjob-uploader")
        assert binding["roleRef"] == {
            "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
            "name": "profjob-uploads",
        }  # fmt: skip
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": "profjob-uploader", "namespace": "ci"}
        ]

    act(scene, tmp_path, settings)


def test_a_new_account_has_no_token_mounted_by_itself(tmp_path: Path) -> None:
    """Only our own pods say where it goes."""

    async def scene(server: FakeApi, hands: Acting) -> None:
        await hands.perform(CreateJob(planned()), "ci")
        account = server.objects.get(api.SERVICE_ACCOUNTS, "ci", "profjob-uploader")
        assert account["automountServiceAccountToken"] is False

    act(scene, tmp_path, known(uploader_role="r"))


def test_no_account_is_made_where_somebody_else_does(tmp_path: Path) -> None:
    """Nor is any right to make one needed."""

    async def scene(server: FakeApi, hands: Acting) -> None:
        await hands.perform(CreateJob(planned()), "ci")
        assert [one.resource for one in server.writes()] == ["jobs"]

    act(scene, tmp_path)


def test_a_namespace_that_was_made_anew_gets_its_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the same name, as continuous integration makes them."""
    monkeypatch.setattr(acting, "ACCOUNT_SECONDS", 0)

    async def scene(server: FakeApi, hands: Acting) -> None:
        await hands.perform(CreateJob(planned()), "ci")
        server.objects.remove(api.SERVICE_ACCOUNTS, "ci", "profjob-uploader")
        await hands.perform(CreateJob(planned(2)), "ci")
        assert server.objects.find(api.SERVICE_ACCOUNTS, "ci", "profjob-uploader")

    act(scene, tmp_path, known(uploader_role="r"))


def test_an_account_that_could_not_be_made_is_tried_again(tmp_path: Path) -> None:
    """No Job is created before: its pod would be refused."""

    async def scene(server: FakeApi, hands: Acting) -> None:
        server.faults.append(Fault("create", "rolebindings", code=403))
        with pytest.raises(ForbiddenError):
            await hands.perform(CreateJob(planned()), "ci")
        assert server.objects.of(api.JOBS) == []
        await hands.perform(CreateJob(planned()), "ci")
        assert server.objects.find(api.ROLE_BINDINGS, "ci", "profjob-uploader")

    act(scene, tmp_path, known(uploader_role="r"))


def test_jobs_are_started_at_a_pace() -> None:
    """Whatever comes in at once: so many in a second at most, and none waits without need."""
    times: list[float] = []

    async def create(*_: Any) -> Body:
        times.append(asyncio.get_running_loop().time())
        return pods.job(planned(), known()) | {"metadata": {"uid": "j", "resourceVersion": "1"}}

    async def scene() -> None:
        server: Any = SimpleNamespace(create=create)
        hands = Acting(server, known(starts_per_second=4.0), no_report, NoBaselines())
        jobs = [hands.perform(CreateJob(planned(number)), "ci") for number in range(1, 42)]
        await asyncio.gather(*jobs)
        await asyncio.sleep(60)
        await hands.perform(CreateJob(planned()), "ci")

    virtual_time.run(scene())

    assert times[:-1] == pytest.approx([index / 4 for index in range(41)], abs=0.01)
    assert times[-1] == pytest.approx(70, abs=0.01)


def event(name: str, message: str, of: str = "", **more: Any) -> Body:
    """An event of a Job."""
    about = {"name": name, "namespace": "ci"}
    involved = {"kind": "Job", "name": of or planned().name}
    return {
        "metadata": about, "involvedObject": involved, "reason": "FailedCreate",
        "message": message, **more,
    }  # fmt: skip


def test_the_newest_event_says_why_there_is_no_pod(tmp_path: Path) -> None:
    """Of this Job, of this reason; whichever of its times an event has."""

    async def scene(server: FakeApi, hands: Acting) -> None:
        assert await hands.learn(Need.REFUSALS, planned()) == ""
        for one in (
            event("a", "old", lastTimestamp="2026-01-31T12:00:00Z"),
            event("b", "older", eventTime="2026-01-31T11:00:00.000000Z", lastTimestamp=None),
            event("c", "anothers", "another", lastTimestamp="2026-01-31T13:00:00Z"),
            event("d", "created", reason="SuccessfulCreate", lastTimestamp="2026-01-31T14:00:00Z"),
            event("e", "no time at all"),
        ):
            server.put(api.EVENTS, one)
        assert await hands.learn(Need.REFUSALS, planned()) == "old"
        series = {"lastObservedTime": "2026-01-31T12:30:00.000000Z"}
        server.put(api.EVENTS, event("f", "new", series=series))
        assert await hands.learn(Need.REFUSALS, planned()) == "new"

    act(scene, tmp_path)


def node(name: str = "n", labels: Body | None = None, **allocatable: str) -> Body:
    """A node of four cores and 16 GiB."""
    there = {"cpu": "4", "memory": "16Gi", "ephemeral-storage": "93492209Ki", **allocatable}
    return {"metadata": {"name": name, "labels": labels}, "status": {"allocatable": there}}


GPU: Body = {"nvidia.com/gpu": "4"}
H200 = {"nvidia.com/gpu.product": "NVIDIA-H200", "disk": "fast"}
LIMITS = {**APP, "resources": {"limits": {"cpu": "3500m", "memory": "15Gi"}}}


@pytest.mark.parametrize(
    ("wanted", "there", "has_place"),
    [
        ({}, [node()], True),
        ({}, [], False),
        ({}, [{"metadata": {"name": "n"}}], True),  # it tells nothing, and nothing is asked for
        ({"gpu": {"count": 4}}, [node(), node("m", **GPU)], True),
        ({"gpu": {"count": 5}}, [node(**GPU), node("m", **GPU)], False),
        ({"gpu": {"count": 1}}, [node()], False),
        ({"gpu": {"resource": "amd.com/gpu"}}, [node(**GPU)], False),
        ({"gpu": {"product": "NVIDIA-H200"}}, [node("n", H200, **GPU)], True),
        ({"gpu": {"product": "NVIDIA-H100"}}, [node("n", H200, **GPU)], False),
        ({"gpu": {"product": "NVIDIA-H200"}}, [node("n", H200), node("m", **GPU)], False),
        ({"placement": {"nodeSelector": {"disk": "fast"}}}, [node("n", H200)], True),
        ({"placement": {"nodeSelector": {"disk": "slow"}}}, [node("n", H200)], False),
        ({"app": LIMITS}, [node()], True),
        ({"app": LIMITS}, [node(cpu="3")], False),
        ({"app": LIMITS}, [node(memory="14Gi")], False),
        ({"output": {"sizeLimit": "1Ti"}}, [node()], False),
    ],
)
def test_whether_any_node_could_ever_serve_a_job(
    wanted: Body, there: list[Body], has_place: bool, tmp_path: Path
) -> None:
    """Were it empty: labels, GPUs, limits, room for the output, all on one node."""

    async def scene(server: FakeApi, hands: Acting) -> None:
        for one in there:
            server.put(api.NODES, one)
        assert await hands.learn(Need.PLACES, planned(**wanted)) is has_place

    act(scene, tmp_path)


def test_who_may_not_look_at_nodes_does_not_say_that_there_is_none(tmp_path: Path) -> None:
    """In an installation for one namespace only; the queue's deadline ends the wait."""

    async def scene(server: FakeApi, hands: Acting) -> None:
        server.faults.append(Fault("list", "nodes", code=403, times=None))
        assert await hands.learn(Need.PLACES, planned()) is True

    act(scene, tmp_path)


def test_nodes_are_listed_once_for_many_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a while: one that is brought later is seen."""

    async def scene(server: FakeApi, hands: Acting) -> None:
        wanted = planned(gpu={"count": 1})
        for _ in range(3):
            assert await hands.learn(Need.PLACES, wanted) is False
        assert len(server.requests) == 1
        server.put(api.NODES, node(**GPU))
        monkeypatch.setattr(acting, "PLACES_SECONDS", -1)
        assert await hands.learn(Need.PLACES, wanted) is True

    act(scene, tmp_path)


def test_a_job_is_looked_for_on_the_server_itself(tmp_path: Path) -> None:
    """Not where news of it are late; what is found is known from then on."""

    async def scene(server: FakeApi, hands: Acting) -> None:
        assert await hands.learn(Need.JOB, planned()) is None
        body = pods.job(planned(), known())
        body["metadata"]["namespace"] = "ci"
        there = server.put(api.JOBS, body)
        assert await hands.learn(Need.JOB, planned()) == there
        assert hands.inventory.jobs(UID) == [there]
        server.faults.append(Fault("get", "jobs", code=503))
        with pytest.raises(ApiError):
            await hands.learn(Need.JOB, planned())

    act(scene, tmp_path)
