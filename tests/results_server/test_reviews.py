"""The questions, as an API server gets and answers them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from aiohttp import web

from profiling_operator import api
from profiling_operator.errors import ApiError
from profiling_operator.results_server.reviews import ApiReviews, Identity, Right

T = TypeVar("T")
USER = {
    "username": "system:serviceaccount:ci:profjob-uploader",
    "uid": "u-1",
    "groups": ["system:serviceaccounts"],
    "extra": {"authentication.kubernetes.io/pod-name": ["p"]},
}


class Server:
    """Answers every POST with a status, every GET with a pod."""

    def __init__(self, status: dict[str, Any] | None, code: int = 201) -> None:
        self.status, self.code = status, code
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def ask(self, tmp_path: Path, question: Callable[[ApiReviews], Awaitable[T]]) -> T:
        """Ask it one question."""

        async def main() -> T:
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", self._answer)
            runner = web.AppRunner(app)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                async with api.connect(kubeconfig=_kubeconfig(tmp_path, url)) as opened:
                    return await question(ApiReviews(opened))
            finally:
                await runner.cleanup()

        return asyncio.run(main())

    async def _answer(self, request: web.Request) -> web.Response:
        body = json.loads(await request.text() or "{}")
        self.asked.append((request.path, body))
        if self.status is None:
            return web.json_response({"kind": "Status", "message": "no"}, status=self.code)
        return web.json_response({**body, "status": self.status}, status=self.code)


def _kubeconfig(folder: Path, url: str) -> str:
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": url}}],
        "users": [{"name": "a", "user": {"token": "own"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    }))  # fmt: skip
    return str(path)


def test_a_token_is_reviewed(tmp_path: Path) -> None:
    """For the audience; everything that the API server knows is kept."""
    server = Server({"authenticated": True, "audiences": ["profjob-results"], "user": USER})

    found = server.ask(tmp_path, lambda one: one.token("t", ("profjob-results",)))

    (path, body) = server.asked[0]
    assert path == "/apis/authentication.k8s.io/v1/tokenreviews"
    assert body["spec"] == {"token": "t", "audiences": ["profjob-results"]}
    assert found == Identity(
        "system:serviceaccount:ci:profjob-uploader", "u-1", ("system:serviceaccounts",),
        {"authentication.kubernetes.io/pod-name": ("p",)},
    )  # fmt: skip
    assert found.only("authentication.kubernetes.io/pod-name") == "p"
    assert found.only("authentication.kubernetes.io/pod-uid") == ""


@pytest.mark.parametrize(("status", "audiences"), [
    ({}, ()),
    ({"authenticated": False, "error": "expired"}, ()),
    ({"authenticated": "true", "user": USER}, ()),
    ({"authenticated": True, "user": {}}, ()),
    ({"authenticated": True, "user": USER}, ("profjob-results",)),
    ({"authenticated": True, "user": USER, "audiences": ["other"]}, ("profjob-results",)),
])  # fmt: skip
def test_who_is_not_known_is_nobody(
    status: dict[str, Any], audiences: tuple[str, ...], tmp_path: Path
) -> None:
    """Neither is a token for another audience, from an API server that knows none."""
    assert Server(status).ask(tmp_path, lambda one: one.token("t", audiences)) is None


def test_the_api_servers_own_audience_needs_no_name(tmp_path: Path) -> None:
    """It knows it itself."""
    server = Server({"authenticated": True, "user": {"username": "jane"}})

    assert server.ask(tmp_path, lambda one: one.token("t", ())) == Identity("jane")
    assert server.asked[0][1]["spec"] == {"token": "t"}


@pytest.mark.parametrize(("status", "allowed"), [
    ({"allowed": True}, True), ({"allowed": False}, False), ({}, False),
    ({"allowed": True, "denied": True}, False),
])  # fmt: skip
def test_access_is_asked_for_the_job(status: dict[str, Any], allowed: bool, tmp_path: Path) -> None:
    """For exactly this one, with all that is known of who asks."""
    server = Server(status)
    jane = Identity("jane", "7", ("dev",), {"scope": ("a",)})

    right = Right("get", "ci", "nbody-1")

    assert server.ask(tmp_path, lambda one: one.may(jane, right)) == allowed
    (path, body) = server.asked[0]
    assert path == "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    assert body["spec"] == {
        "user": "jane", "uid": "7", "groups": ["dev"], "extra": {"scope": ["a"]},
        "resourceAttributes": {"verb": "get", "group": "profiling.dev",
                               "resource": "profilingjobs", "namespace": "ci", "name": "nbody-1"},
    }  # fmt: skip


def test_a_right_can_be_one_of_roles_alone(tmp_path: Path) -> None:
    """A subresource that the API server does not have; and it reads as people would say it."""
    server, right = Server({"allowed": True}), Right("update", "ci", "main", "baseline")

    assert server.ask(tmp_path, lambda one: one.may(Identity("jane"), right))
    assert server.asked[0][1]["spec"]["resourceAttributes"] == {
        "verb": "update", "group": "profiling.dev", "resource": "profilingjobs",
        "subresource": "baseline", "namespace": "ci", "name": "main",
    }  # fmt: skip
    assert str(right) == "update profilingjobs.profiling.dev/baseline main in namespace ci"
    assert str(Right("get", "ci")) == "get profilingjobs.profiling.dev in namespace ci"


def test_a_pod_is_got(tmp_path: Path) -> None:
    """By namespace and name."""
    server = Server({"phase": "Running"}, 200)

    found = server.ask(tmp_path, lambda one: one.pod("ci", "p"))

    assert found == {"status": {"phase": "Running"}}
    assert server.asked[0][0] == "/api/v1/namespaces/ci/pods/p"


def test_a_pod_that_is_not_there_is_none(tmp_path: Path) -> None:
    """Other errors stay errors."""
    assert Server(None, 404).ask(tmp_path, lambda one: one.pod("ci", "p")) is None
    with pytest.raises(ApiError):
        Server(None, 403).ask(tmp_path, lambda one: one.pod("ci", "p"))
