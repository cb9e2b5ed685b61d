"""Installing into an API server that comes up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from profiling_operator.api import Api, Kind, Listing
from profiling_operator.control_plane import installing, objects
from profiling_operator.errors import ForbiddenError, NotFoundError, UnreachableError

ESTABLISHED = {"status": {"conditions": [{"type": "Established", "status": "True"}]}}
YOUNG = {"status": {"conditions": [{"type": "Established", "status": "False"}]}}


class Door:
    """An API server that begins with errors."""

    server = "https://here"

    def __init__(self, *errors: Exception, is_young: bool = False) -> None:
        self.errors = list(errors)
        self.is_young = is_young
        self.applied: list[str] = []
        self.asked: list[str] = []

    async def patch(
        self, kind: Kind, namespace: str | None, name: str, body: Any, **how: str
    ) -> None:
        if self.errors:
            raise self.errors.pop(0)
        assert how == {"how": "apply", "manager": installing.MANAGER}
        self.applied.append(f"{body['kind']}/{name}")

    async def list(self, kind: Kind, namespace: str | None = None, *, fields: str = "") -> Listing:
        self.asked.append(f"list {kind.plural} {fields}".strip())
        return Listing([YOUNG if self.is_young else ESTABLISHED], "7")

    async def watch(self, kind: Kind, *, name: str, resource_version: str) -> AsyncIterator[Any]:
        self.asked.append(f"watch {kind.plural} {name} from {resource_version}")
        for body in (YOUNG, ESTABLISHED):
            yield "MODIFIED", body


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits."""
    monkeypatch.setattr(installing, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(installing, "LONGEST_PAUSE_SECONDS", 0.0)


def _install(door: Door, seconds: float = 10.0) -> list[str]:
    told: list[str] = []
    asyncio.run(installing.install(cast(Api, door), "profiling-system", seconds, told.append))
    return told


def test_everything_is_applied_in_order() -> None:
    """And jobs can be listed at the end."""
    door = Door()

    assert _install(door) == []

    wanted = objects.objects("profiling-system")
    assert door.applied == [f"{one['kind']}/{one['metadata']['name']}" for one in wanted]
    assert door.asked[-1] == "list profilingjobs"


def test_a_server_that_comes_up_is_waited_for() -> None:
    """It is told once."""
    door = Door(UnreachableError("no"), UnreachableError("no"), NotFoundError(404, "", "not yet"))

    assert _install(door) == ["waiting for https://here: no"]
    assert len(door.applied) == len(objects.objects("profiling-system"))


def test_a_young_definition_is_watched_until_it_is_established() -> None:
    """From the version of the list, so that no change is missed."""
    door = Door(is_young=True)
    _install(door)

    name = objects.DEFINITION_NAME
    assert door.asked == [
        f"list customresourcedefinitions metadata.name={name}",
        f"watch customresourcedefinitions {name} from 7",
        "list profilingjobs",
    ]


def test_a_refusal_is_not_waited_out() -> None:
    """Waiting makes no right."""
    with pytest.raises(ForbiddenError):
        _install(Door(ForbiddenError(403, "Forbidden", "no")))


def test_it_does_not_wait_for_ever() -> None:
    """And says for how long it did."""

    class Silent(Door):
        async def patch(self, *words: Any, **how: Any) -> None:
            await asyncio.Event().wait()

    with pytest.raises(UnreachableError, match=r"was not ready within 0\.01 s"):
        _install(Silent(), 0.01)
