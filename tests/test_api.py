"""The door to the API server, against a small one on loopback."""

from __future__ import annotations

import asyncio
import datetime as times
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import certifi
import pytest
from aiohttp import web
from kubernetes.aio.config import incluster_config

from fake_api import FakeApi, connected, play, until
from fake_requests import Fault
from making import free_port
from profiling_operator import api
from profiling_operator.api import Api
from profiling_operator.errors import (
    ApiError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    NotFoundError,
    UnauthorizedError,
    UnreachableError,
)


def named(name: str, **about: Any) -> dict[str, Any]:
    """An object with a name and a spec."""
    return {"metadata": {"name": name, **about}, "spec": {"suspend": False}}


def test_a_created_object_says_what_it_is_and_who_made_it(tmp_path: Path) -> None:
    """Our bodies have no apiVersion and kind: they are those of the place where they go."""

    async def scenario(server: FakeApi, client: Api) -> None:
        made = await client.create(api.JOBS, "ci", named("a"), "profjob-operator")

        assert (made["apiVersion"], made["kind"]) == ("batch/v1", "Job")
        assert await client.get(api.JOBS, "ci", "a") == made
        assert server.requests[0].query == {"fieldManager": "profjob-operator"}
        core = await client.create(api.SERVICE_ACCOUNTS, "ci", {"metadata": {"name": "a"}})
        assert core["apiVersion"] == "v1"

    play(scenario, tmp_path)


def test_creating_twice_is_a_conflict(tmp_path: Path) -> None:
    """So that a name that is computed makes creating idempotent."""

    async def scenario(_: FakeApi, client: Api) -> None:
        await client.create(api.JOBS, "ci", named("a"))
        with pytest.raises(ConflictError, match="already exists") as raised:
            await client.create(api.JOBS, "ci", named("a"))
        assert (raised.value.code, raised.value.said) == (409, "AlreadyExists")

    play(scenario, tmp_path)


def test_lists_are_read_page_by_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All items, whatever fits into a page, and the version from which a watch goes on."""
    monkeypatch.setattr(api, "PAGE", 2)

    async def scenario(server: FakeApi, client: Api) -> None:
        for index in range(5):
            server.put(api.JOBS, named(f"a{index}", namespace="ci"))
        version = str(server.objects.version)
        listing = await client.list(api.JOBS)

        assert [one["metadata"]["name"] for one in listing.items] == [f"a{i}" for i in range(5)]
        assert listing.resource_version == version
        asked = [one.query.get("continue", "") for one in server.requests]
        assert [bool(one) for one in asked] == [False, True, True]
        assert (await client.list(api.PODS)).items == []

    play(scenario, tmp_path)


def test_a_list_that_takes_too_long_has_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its next page is gone: the caller begins anew, half a list is never taken for a whole."""
    monkeypatch.setattr(api, "PAGE", 1)

    async def scenario(server: FakeApi, client: Api) -> None:
        for name in "ab":
            server.put(api.JOBS, named(name))
        fault = Fault("list", "jobs", skip=1, code=410)
        server.faults.append(fault)
        with pytest.raises(ExpiredError):
            await client.list(api.JOBS)

    play(scenario, tmp_path)


def test_only_what_is_selected_is_listed(tmp_path: Path) -> None:
    """By namespace, labels and fields: what is not ours never crosses the network."""

    async def scenario(server: FakeApi, client: Api) -> None:
        server.put(api.PODS, named("ours", namespace="ci", labels={"profiling.dev/job-uid": "u"}))
        server.put(api.PODS, named("theirs", namespace="ci"))
        server.put(api.PODS, named("else", namespace="b", labels={"profiling.dev/job-uid": "u"}))

        async def names(namespace: str | None, **chosen: str) -> list[str]:
            found = await client.list(api.PODS, namespace, **chosen)
            return [one["metadata"]["name"] for one in found.items]

        assert await names("ci") == ["ours", "theirs"]
        assert await names(None, labels="profiling.dev/job-uid") == ["else", "ours"]
        assert await names("ci", labels="profiling.dev/job-uid=u") == ["ours"]
        assert await names(None, fields="metadata.name=theirs") == ["theirs"]

    play(scenario, tmp_path)


def test_a_merge_patch_of_a_version_that_has_passed_is_a_conflict(tmp_path: Path) -> None:
    """Whoever wrote in between is not overwritten."""

    async def scenario(server: FakeApi, client: Api) -> None:
        old = server.put(api.PROFILING_JOBS, named("a", namespace="ci"))
        where = (api.PROFILING_JOBS, "ci", "a")
        version = {"resourceVersion": old["metadata"]["resourceVersion"]}
        patch = {"metadata": version, "status": {"phase": "Running"}}
        written = await client.patch(*where, patch, subresource="status", manager="m")

        assert (written["status"], written["spec"]) == ({"phase": "Running"}, old["spec"])
        with pytest.raises(ConflictError):
            await client.patch(*where, patch, subresource="status", manager="m")
        last = server.requests[-1]
        assert (last.resource, last.content_type) == (
            "profilingjobs/status", "application/merge-patch+json",
        )  # fmt: skip
        assert last.query == {"fieldManager": "m"}

    play(scenario, tmp_path)


def test_an_apply_takes_its_fields_over(tmp_path: Path) -> None:
    """Forced, by a manager of a name; what others wrote stays."""

    async def scenario(server: FakeApi, client: Api) -> None:
        server.put(api.PROFILING_JOBS, {**named("a", namespace="ci"), "status": {"phase": "x"}})
        patch = {"metadata": {"name": "a"}, "status": {"results": {"url": "u"}}}
        written = await client.patch(
            api.PROFILING_JOBS, "ci", "a", patch, subresource="status", how="apply", manager="m"
        )

        assert written["status"] == {"phase": "x", "results": {"url": "u"}}
        asked = server.requests[-1]
        assert asked.query == {"fieldManager": "m", "force": "true"}
        assert asked.content_type == "application/apply-patch+yaml"

    play(scenario, tmp_path)


def test_deleting_deletes_the_one_that_was_meant(tmp_path: Path) -> None:
    """Gone already is fine, and so is another one of that name, which stays."""

    async def scenario(server: FakeApi, client: Api) -> None:
        uid = server.put(api.JOBS, named("a", namespace="ci"))["metadata"]["uid"]
        await client.delete(api.JOBS, "ci", "a", uid="that-of-another")
        assert server.objects.find(api.JOBS, "ci", "a") is not None
        await client.delete(api.JOBS, "ci", "a", uid=uid, propagation="Foreground", grace=5)
        assert server.objects.find(api.JOBS, "ci", "a") is None
        await client.delete(api.JOBS, "ci", "a", uid=uid)

        assert server.requests[1].body == {
            "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground",
            "preconditions": {"uid": uid}, "gracePeriodSeconds": 5,
        }  # fmt: skip

    play(scenario, tmp_path)


def test_a_watch_tells_what_happens(tmp_path: Path) -> None:
    """From a version on, only what is selected, until the server ends it."""

    async def scenario(server: FakeApi, client: Api) -> None:
        server.put(api.JOBS, named("before", labels={"ours": "1"}))
        version = str(server.objects.version)
        watching = asyncio.create_task(
            gathered(client.watch(api.JOBS, labels="ours", resource_version=version))
        )
        server.put(api.JOBS, named("a", labels={"ours": "1"}))
        await until(lambda: server.is_watched("jobs"))
        server.put(api.JOBS, named("b"))
        server.bookmark()
        server.put(api.JOBS, named("a", labels={"ours": "1"}, annotations={"x": "y"}))
        server.objects.remove(api.JOBS, "default", "a")
        server.end_watches()

        assert [event for event, _ in await watching] == [
            "ADDED", "BOOKMARK", "MODIFIED", "DELETED",
        ]  # fmt: skip

    play(scenario, tmp_path)


def test_a_watch_of_one_object_is_about_no_other(tmp_path: Path) -> None:
    """Without a version it begins with the object as it is."""

    async def scenario(server: FakeApi, client: Api) -> None:
        for name in "ab":
            server.put(api.PROFILING_JOBS, named(name, namespace="ci"))
        one = client.watch(api.PROFILING_JOBS, "ci", name="b", seconds=60)
        event, body = await anext(one)
        await one.aclose()  # type: ignore[attr-defined]

        assert (event, body["metadata"]["name"]) == ("ADDED", "b")
        assert server.requests[0].query["timeoutSeconds"] == "60"
        await until(lambda: not server.is_watched("profilingjobs"))

    play(scenario, tmp_path)


def test_an_object_may_be_larger_than_what_arrives_at_once(tmp_path: Path) -> None:
    """An event is a line, and a line may be longer than any buffer on the way."""

    async def scenario(server: FakeApi, client: Api) -> None:
        server.put(api.JOBS, named("a", annotations={"long": "x" * (3 << 20)}))
        watch = client.watch(api.JOBS)
        _, body = await anext(watch)
        await watch.aclose()  # type: ignore[attr-defined]
        assert len(body["metadata"]["annotations"]["long"]) == 3 << 20

    play(scenario, tmp_path)


def test_an_event_without_end_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded, whatever stands at the other end."""
    monkeypatch.setattr(api, "LINE_LIMIT", 1000)

    async def scenario(server: FakeApi, client: Api) -> None:
        server.put(api.JOBS, named("a", annotations={"long": "x" * (1 << 20)}))
        with pytest.raises(UnreachableError, match="more than 1000 bytes"):
            await gathered(client.watch(api.JOBS))

    play(scenario, tmp_path)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(410, ExpiredError), (500, ApiError), (429, ApiError), (401, UnauthorizedError)],
)
def test_a_watch_that_the_server_gives_up_says_why(
    code: int, kind: type[ApiError], tmp_path: Path
) -> None:
    """An event of type ERROR carries a status, as an answer would."""

    async def scenario(server: FakeApi, client: Api) -> None:
        watching = asyncio.create_task(gathered(client.watch(api.JOBS)))
        await until(lambda: server.is_watched("jobs"))
        server.tell_error("jobs", code)
        with pytest.raises(kind, match="the watch ends") as raised:
            await watching
        assert raised.value.code == code

    play(scenario, tmp_path)


def test_a_watch_from_too_long_ago_has_expired(tmp_path: Path) -> None:
    """The caller lists again."""

    async def scenario(server: FakeApi, client: Api) -> None:
        server.put(api.JOBS, named("a"))
        server.objects.expire()
        with pytest.raises(ExpiredError, match="too old"):
            await gathered(client.watch(api.JOBS, resource_version="5"))

    play(scenario, tmp_path)


def test_a_watch_that_is_cut_is_no_end(tmp_path: Path) -> None:
    """In the middle of an event, too: half of one is not told."""

    async def scenario(server: FakeApi, client: Api) -> None:
        watching = asyncio.create_task(gathered(client.watch(api.JOBS)))
        await until(lambda: server.is_watched("jobs"))
        server.end_watches("jobs", "drop")
        with pytest.raises(UnreachableError):
            await watching

    play(scenario, tmp_path)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, ApiError), (401, UnauthorizedError), (403, ForbiddenError), (404, NotFoundError),
        (409, ConflictError), (410, ExpiredError), (413, ApiError), (422, ApiError),
        (429, ApiError), (500, ApiError), (503, ApiError), (504, ApiError),
    ],
)  # fmt: skip
def test_each_answer_has_its_error(code: int, kind: type[ApiError], tmp_path: Path) -> None:
    """With the HTTP status, the API's own word and message, and how long to wait."""

    async def scenario(server: FakeApi, client: Api) -> None:
        server.faults.append(Fault(code=code, message="because", reason="Word", retry_after=7))
        with pytest.raises(kind, match=r"^because$") as raised:
            await client.create(api.JOBS, "ci", named("a"))
        assert type(raised.value) is kind
        assert (raised.value.code, raised.value.said) == (code, "Word")
        assert raised.value.retry_after == 7.0

    play(scenario, tmp_path)


def test_a_dropped_request_is_not_sent_again(tmp_path: Path) -> None:
    """It may have been done: what that means is the caller's to find out."""

    async def scenario(server: FakeApi, client: Api) -> None:
        server.faults.append(Fault("create", how="drop_after"))
        with pytest.raises(UnreachableError, match=server.url):
            await client.create(api.JOBS, "ci", named("a"))
        assert server.objects.find(api.JOBS, "ci", "a") is not None
        assert len(server.requests) == 1

    play(scenario, tmp_path)


def test_a_server_that_hangs_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client by itself would wait for ever."""
    monkeypatch.setattr(api, "ANSWER_SECONDS", 0.05)

    async def scenario(server: FakeApi, client: Api) -> None:
        server.faults.append(Fault(how="hang", times=None))
        with pytest.raises(UnreachableError, match=r"[Tt]imeout"):
            await client.create(api.JOBS, "ci", named("a"))

    play(scenario, tmp_path)


def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    """The message names the server."""
    server = FakeApi()
    server.url = f"http://127.0.0.1:{free_port()}"

    async def scenario() -> None:
        async with connected(server, tmp_path) as client:
            with pytest.raises(UnreachableError, match=server.url) as raised:
                await client.get(api.JOBS, "ci", "a")
            assert (raised.value.code, raised.value.retry) == (0, True)

    asyncio.run(scenario())


@asynccontextmanager
async def no_api_server(folder: Path, text: bytes, code: int = 200) -> AsyncIterator[Api]:
    """Our client of something else that stands there and answers everything alike."""

    async def answered(_: web.Request) -> web.Response:
        return web.Response(body=text, status=code)

    app = web.Application()
    app.router.add_get("/{path:.*}", answered)
    site = web.AppRunner(app, access_log=None)
    await site.setup()
    await web.TCPSite(site, "127.0.0.1", 0).start()
    server = FakeApi()
    server.url = f"http://127.0.0.1:{site.addresses[0][1]}"
    async with connected(server, folder) as client:
        yield client
    await site.cleanup()


@pytest.mark.parametrize("text", [b"<html>sign in</html>\n", b'{"half": \n', b" \n"])
def test_what_is_no_api_server_is_unreachable(text: bytes, tmp_path: Path) -> None:
    """A proxy's page with HTTP 200 is no object, and no event."""

    async def scenario() -> None:
        async with no_api_server(tmp_path, text) as client:
            with pytest.raises(UnreachableError, match="not JSON"):
                await client.get(api.JOBS, "ci", "a")
            with pytest.raises(UnreachableError, match="not JSON"):
                await gathered(client.watch(api.JOBS))

    asyncio.run(scenario())


def test_an_error_that_is_no_status_is_told_as_it_is(tmp_path: Path) -> None:
    """What stands before an API server has its own words."""

    async def scenario() -> None:
        async with no_api_server(tmp_path, b"no upstream", 502) as client:
            with pytest.raises(ApiError, match=r"^no upstream$") as raised:
                await client.get(api.JOBS, "ci", "a")
        error = raised.value
        assert (error.code, error.said, error.retry_after) == (502, "", None)

    asyncio.run(scenario())


def test_every_request_is_told_of(tmp_path: Path) -> None:
    """Verb, resource and HTTP status; 0 where no answer came."""
    told: list[tuple[str, str, int]] = []

    async def scenario(server: FakeApi, client: Api) -> None:
        server.put(api.PROFILING_JOBS, named("a", namespace="ci"))
        await client.list(api.PODS)
        await client.patch(api.PROFILING_JOBS, "ci", "a", {"status": {}}, subresource="status")
        await client.delete(api.JOBS, "ci", "gone")
        server.faults.append(Fault("create", how="drop"))
        with pytest.raises(UnreachableError):
            await client.create(api.JOBS, "ci", named("a"))
        watch = client.watch(api.PROFILING_JOBS)
        await anext(watch)
        await watch.aclose()  # type: ignore[attr-defined]

    play(scenario, tmp_path, told=lambda *one: told.append(one[:3]))

    assert told == [
        ("list", "pods", 200), ("patch", "profilingjobs/status", 200), ("delete", "jobs", 404),
        ("create", "jobs", 0), ("watch", "profilingjobs", 200),
    ]  # fmt: skip


def test_a_log_comes_in_pieces(tmp_path: Path) -> None:
    """What a container printed, byte by byte as it is."""

    async def scenario(server: FakeApi, client: Api) -> None:
        server.logs["ci", "p", "app"] = b"\xff" * 100_000
        pieces = await gathered(client.log("ci", "p", "app", follow=True, timestamps=True))
        assert b"".join(pieces) == b"\xff" * 100_000
        assert server.requests[-1].query == {
            "container": "app", "follow": "true", "timestamps": "true",
        }  # fmt: skip
        with pytest.raises(ApiError, match="waiting to start"):
            await gathered(client.log("ci", "p", "uploader"))

    play(scenario, tmp_path)


def test_names_are_no_paths(tmp_path: Path) -> None:
    """A name from outside stays one segment of the path, whatever stands in it."""
    path = api.JOBS.path("a/../b", "c?d=e", "status")

    assert path == "/apis/batch/v1/namespaces/a%2F..%2Fb/jobs/c%3Fd%3De/status"
    assert api.NODES.path("ci", "n") == "/api/v1/nodes/n"
    assert api.PODS.path(None) == "/api/v1/pods"


def test_a_wrong_token_is_unauthorized(tmp_path: Path) -> None:
    """And a client tells the token that it shows, for others that want it."""

    async def scenario(server: FakeApi, client: Api) -> None:
        assert await client.bearer_token() == "fake-token"
        server.tokens = {"another"}
        with pytest.raises(UnauthorizedError):
            await client.get(api.JOBS, "ci", "a")

    play(scenario, tmp_path)


def kubeconfig(**changes: Any) -> dict[str, Any]:
    """A kubeconfig of two clusters, with parts of it replaced."""
    return {
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": "https://here:6443/"}},
                     {"name": "d", "cluster": {"server": "https://there"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "n"}},
                     {"name": "there", "context": {"cluster": "d", "user": "u"}}],
        **changes,
    }  # fmt: skip


def test_a_context_is_chosen_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current one if none is; its namespace is where objects are. $KUBECONFIG names files."""
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(kubeconfig()))
    monkeypatch.setenv("KUBECONFIG", f"{tmp_path}/none:{file}")

    async def chosen(**given: Any) -> tuple[str, str]:
        async with api.connect(**given) as client:
            return client.server, client.namespace

    assert asyncio.run(chosen()) == ("https://here:6443", "n")
    assert asyncio.run(chosen(context="there")) == ("https://there", "default")
    assert asyncio.run(chosen(kubeconfig=str(file))) == ("https://here:6443", "n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"), ("", ""), ("a: [", "flow node"), ("[]", ""), ("hello", ""),
        (kubeconfig(contexts=None), "contexts"), (kubeconfig(clusters=[]), "name c"),
        (kubeconfig(users=[]), ""), ({"kind": "Config"}, "current-context"),
        (kubeconfig(clusters=[{"name": "c", "cluster": {
            "server": "https://x", "certificate-authority": "/nowhere"}}]), "/nowhere"),
        (kubeconfig(clusters=[{"name": "c", "cluster": {
            "server": "https://x", "certificate-authority-data": "aGVsbG8="}}]), "certificate"),
    ],
)  # fmt: skip
def test_a_bad_kubeconfig_is_named(text: Any, said: str, tmp_path: Path) -> None:
    """Whatever is wrong with it: never a traceback."""
    file = tmp_path / "kubeconfig"
    if text is not None:
        file.write_text(text if isinstance(text, str) else json.dumps(text))

    with pytest.raises(UnreachableError, match=f"no cluster is known here: {file}: .*{said}"):
        asyncio.run(opened(kubeconfig=str(file)))


def test_a_context_that_is_not_there_is_named(tmp_path: Path) -> None:
    """It is the user's word."""
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(kubeconfig()))

    with pytest.raises(UnreachableError, match="elsewhere"):
        asyncio.run(opened(kubeconfig=str(file), context="elsewhere"))


def test_a_kubeconfig_may_tell_of_the_results_server(tmp_path: Path) -> None:
    """In an extension of its cluster, as the control plane's do; that server has its authority."""
    authority = tmp_path / "ca.crt"
    shutil.copy(certifi.where(), authority)
    url = "https://here/v1/results"
    ours = [{"name": "other", "extension": None},
            {"name": "profiling.dev", "extension": {"resultsUrl": url}}]  # fmt: skip
    server = {"server": "https://here", "certificate-authority": str(authority)}
    clusters = [
        {"name": "c", "cluster": {**server, "extensions": ours}},
        {"name": "d", "cluster": server},
    ]
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(kubeconfig(clusters=clusters)))

    async def told(context: str) -> tuple[str, str]:
        paths = f"{file}:{tmp_path}/none"
        async with api.connect(kubeconfig=paths, context=context) as client:
            return client.results_url, client.authority()

    assert asyncio.run(told("")) == (url, authority.read_text())
    assert asyncio.run(told("there")) == ("", authority.read_text())


def test_another_client_may_have_the_same_credentials(tmp_path: Path) -> None:
    """kopf has one of its own: files, and the token as it is now."""
    authority = tmp_path / "ca.crt"
    shutil.copy(certifi.where(), authority)
    server = {"server": "https://here", "certificate-authority": str(authority)}
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(kubeconfig(clusters=[{"name": "c", "cluster": server}])))
    insecure = {"server": "https://here", "insecure-skip-tls-verify": True}
    other = tmp_path / "insecure"
    other.write_text(json.dumps(kubeconfig(clusters=[{"name": "c", "cluster": insecure}])))

    async def known(path: Path) -> api.Credentials:
        async with api.connect(kubeconfig=str(path)) as client:
            return await client.credentials()

    told = asyncio.run(known(file))
    assert (told.ca_path, told.token, told.is_insecure) == (str(authority), "t", False)
    assert (told.certificate_path, told.key_path) == ("", "")
    assert asyncio.run(known(other)).is_insecure
    assert "token" not in repr(told)


@pytest.fixture
def pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that a pod is given, in a folder."""
    (tmp_path / "token").write_text("first")
    (tmp_path / "namespace").write_text("team\n")
    shutil.copy(certifi.where(), tmp_path / "ca.crt")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))
    monkeypatch.setattr(api, "NAMESPACE_FILE", tmp_path / "namespace")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    return tmp_path


def test_a_pod_talks_to_its_own_server(pod: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its service account, whose token is read anew in time: it expires after an hour."""
    clock = [times.datetime(2026, 1, 31, 12)]
    stopped = SimpleNamespace(now=lambda: clock[0])
    known = SimpleNamespace(datetime=stopped, timedelta=times.timedelta)
    monkeypatch.setattr(incluster_config, "datetime", known)

    async def scenario() -> None:
        async with api.connect() as client:
            assert (client.server, client.namespace) == ("https://10.96.0.1:443", "team")
            assert await client.bearer_token() == "first"
            (pod / "token").write_text("second")
            clock[0] += times.timedelta(minutes=2)
            assert await client.bearer_token() == "second"
            (pod / "token").write_text("")
            clock[0] += times.timedelta(minutes=2)
            with pytest.raises(UnreachableError, match="Token file"):
                await client.get(api.JOBS, "team", "a")

    asyncio.run(scenario())


def test_a_pod_without_a_token_is_told(pod: Path) -> None:
    """It knows no cluster, and says whose account is meant."""
    (pod / "token").unlink()

    with pytest.raises(UnreachableError, match=r"service account of this pod: .*token"):
        asyncio.run(opened())


def test_a_kubeconfig_comes_before_the_pod(pod: Path) -> None:
    """Somebody put it there."""
    (pod / ".kube").mkdir()
    (pod / ".kube" / "config").write_text(json.dumps(kubeconfig()))

    async def scenario() -> None:
        async with api.connect() as client:
            assert client.server == "https://here:6443"

    asyncio.run(scenario())


async def gathered(parts: AsyncIterator[Any]) -> list[Any]:
    """All that comes."""
    return [one async for one in parts]


async def opened(**given: Any) -> None:
    """Connect, and nothing else."""
    async with api.connect(**given):
        pass
