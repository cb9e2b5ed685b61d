"""What priority classes are worth."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import virtual_time
from fake_api import FakeApi, play
from fake_requests import Fault
from profiling_operator.agent import priorities
from profiling_operator.agent.priorities import Priorities
from profiling_operator.api import PRIORITY_CLASSES, Api, Listing
from profiling_operator.errors import RefusedError, UnreachableError

FORBIDDEN = 'User "agent" cannot list resource "priorityclasses" in API group "scheduling.k8s.io"'


def put(server: FakeApi, name: str, value: int, is_default: bool = False) -> None:
    """Make a class."""
    about = {"metadata": {"name": name}, "value": value}
    server.put(PRIORITY_CLASSES, {**about, "globalDefault": True} if is_default else about)


def asked(scene: Callable[[FakeApi, Priorities], Awaitable[None]], folder: Path) -> FakeApi:
    """Play a scene with a server."""

    async def scenario(server: FakeApi, client: Api) -> None:
        await scene(server, Priorities(client))

    return play(scenario, folder)


def test_a_class_has_its_value(tmp_path: Path) -> None:
    """And nothing is asked twice within the time."""

    async def scene(server: FakeApi, known: Priorities) -> None:
        put(server, "urgent", 1000)
        put(server, "later", -10)

        assert [await known.of(one) for one in ("urgent", "later", "", "urgent")] == [
            1000, -10, 0, 1000
        ]  # fmt: skip
        assert [(one.verb, one.resource) for one in server.requests] == [
            ("list", "priorityclasses")
        ]

    asked(scene, tmp_path)


def test_a_job_without_one_has_the_default_one(tmp_path: Path) -> None:
    """The lowest, as in Kubernetes, where two claim to be it."""

    async def scene(server: FakeApi, known: Priorities) -> None:
        put(server, "usual", 50, is_default=True)
        put(server, "another", 70, is_default=True)

        assert await known.of("") == 50

    asked(scene, tmp_path)


def test_one_that_was_made_just_now_is_found(tmp_path: Path) -> None:
    """Together with the job, perhaps. One that is not there is refused in Kubernetes' words."""

    async def scene(server: FakeApi, known: Priorities) -> None:
        assert await known.of("") == 0
        with pytest.raises(RefusedError) as caught:
            await known.of("urgent")
        put(server, "urgent", 1000)

        assert str(caught.value) == "no PriorityClass with name urgent was found"
        assert await known.of("urgent") == 1000

    asked(scene, tmp_path)


def test_who_may_not_look_says_which_right_is_missing(tmp_path: Path) -> None:
    """Jobs that name no class go on; once it is granted, all do."""

    async def scene(server: FakeApi, known: Priorities) -> None:
        put(server, "urgent", 1000)
        server.faults.append(Fault("list", "priorityclasses", 403, FORBIDDEN, times=2))

        assert await known.of("") == 0
        with pytest.raises(RefusedError, match=r"urgent cannot be looked up: .*no right to list "):
            await known.of("urgent")
        assert await known.of("urgent") == 1000

    asked(scene, tmp_path)


def test_no_answer_is_an_error_that_passes(tmp_path: Path) -> None:
    """Nobody is refused for it."""

    async def scene(server: FakeApi, known: Priorities) -> None:
        put(server, "urgent", 1000)
        server.faults.append(Fault("list", "priorityclasses", how="drop", times=2))

        with pytest.raises(UnreachableError):
            await known.of("urgent")
        assert await known.of("urgent") == 1000

    asked(scene, tmp_path)


class Changing:
    """Classes of an API server whose one class has another value at each list."""

    lists = 0

    async def list(self, *_: Any) -> Listing:
        """Takes a moment."""
        self.lists += 1
        await asyncio.sleep(1)
        return Listing([{"metadata": {"name": "urgent"}, "value": self.lists}], "1")


def test_values_are_remembered_for_a_while() -> None:
    """Those who ask together share one answer."""

    async def scene() -> None:
        server = Changing()
        known = Priorities(server)  # type: ignore[arg-type]

        assert await asyncio.gather(*(known.of("urgent") for _ in range(3))) == [1, 1, 1]
        await asyncio.sleep(priorities.REMEMBERED_SECONDS - 1)
        assert await known.of("urgent") == 1
        await asyncio.sleep(1)
        assert await known.of("urgent") == 2

    virtual_time.run(scene())
