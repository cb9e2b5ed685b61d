"""Installs the objects in an API server that has just been started. Done twice it is done once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

from profiling_operator.api import PROFILING_JOBS, Api, Body
from profiling_operator.backoff import pauses
from profiling_operator.control_plane import objects
from profiling_operator.errors import ApiError, ConflictError, NotFoundError, UnreachableError

MANAGER = "profjob-control-plane"
"""Field manager: who else changes an object's other fields keeps them."""
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 2.0
TOO_MANY, SERVER_ERROR = 429, 500

Tell = Callable[[str], None]


async def install(door: Api, namespace: str, seconds: float, tell: Tell) -> None:
    """Apply all objects, and wait until the definition is served.

    Raises ApiError where the server refuses one, UnreachableError when it is not ready in time.
    """
    try:
        async with asyncio.timeout(seconds):
            for body in objects.objects(namespace):
                await _insist(lambda body=body: _apply(door, body), door, tell)  # type: ignore[misc]
            await _insist(lambda: _served(door), door, tell)
    except TimeoutError:
        raise UnreachableError(f"{door.server}: was not ready within {seconds:g} s") from None


async def _insist(ask: Callable[[], Any], door: Api, tell: Tell) -> None:
    """Ask again as long as the server comes up; its start has no event for who stands outside."""
    told = False
    for pause in pauses(PAUSE_SECONDS, LONGEST_PAUSE_SECONDS):
        try:
            await ask()
        except ApiError as error:
            if not _may_pass(error):
                raise
            if not told:
                tell(f"waiting for {door.server}: {error}")
            told = True
            await asyncio.sleep(pause)
        else:
            return


def _may_pass(error: ApiError) -> bool:
    """A kind that is not found is of an API that is not served yet."""
    passing = isinstance(error, UnreachableError | NotFoundError | ConflictError)
    return passing or error.code == TOO_MANY or error.code >= SERVER_ERROR


async def _apply(door: Api, body: Body) -> None:
    metadata, kind = body["metadata"], objects.KINDS[body["kind"]]
    await door.patch(
        kind, metadata.get("namespace"), metadata["name"], body, how="apply", manager=MANAGER
    )


async def _served(door: Api) -> None:
    """The definition is established, and jobs can be listed."""
    listing = await door.list(objects.DEFINITION, fields=f"metadata.name={objects.DEFINITION_NAME}")
    if not any(map(_is_established, listing.items)):
        await _established(door, listing.resource_version)
    await door.list(PROFILING_JOBS)


async def _established(door: Api, version: str) -> None:
    name = objects.DEFINITION_NAME
    changes = door.watch(objects.DEFINITION, name=name, resource_version=version)
    async with aclosing(changes):
        async for _, body in changes:
            if _is_established(body):
                return


def _is_established(body: Body) -> bool:
    conditions = (body.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)
