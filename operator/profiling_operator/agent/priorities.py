"""What priority classes are worth. The higher value goes first; nobody who runs is thrown out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from profiling_operator.api import PRIORITY_CLASSES, Api
from profiling_operator.errors import ForbiddenError, RefusedError

REMEMBERED_SECONDS = 30.0
RIGHT = "list priorityclasses.scheduling.k8s.io"


class Priorities:
    """The classes of an API server, remembered for a while."""

    def __init__(self, api: Api) -> None:
        """Nothing is asked yet."""
        self._api = api
        self._values: Mapping[str, int] = {}
        self._default = 0
        self._refusal = ""
        """Why they could not be read."""
        self._old_at = float("-inf")
        self._asking = asyncio.Lock()

    async def of(self, class_name: str) -> int:
        """The value of a class; of the default one, where none is named.

        Raises RefusedError where there is no such class, or we may not look; ApiError.
        """
        async with self._asking:
            is_old = asyncio.get_running_loop().time() >= self._old_at
            # One that is not known may have been made just now, together with the job.
            if is_old or (class_name and class_name not in self._values):
                await self._ask()
        if not class_name:
            return self._default
        if class_name in self._values:
            return self._values[class_name]
        if self._refusal:
            missing = f"the agent has no right to {RIGHT}: {self._refusal}"
            raise RefusedError(f"PriorityClass {class_name} cannot be looked up: {missing}")
        raise RefusedError(f"no PriorityClass with name {class_name} was found")

    async def _ask(self) -> None:
        try:
            found, self._refusal = (await self._api.list(PRIORITY_CLASSES)).items, ""
        except ForbiddenError as error:
            found, self._refusal = [], str(error)
        self._values = {one["metadata"]["name"]: int(one.get("value", 0)) for one in found}
        defaults = [one["metadata"]["name"] for one in found if one.get("globalDefault")]
        # Where there are several by mistake, Kubernetes takes the lowest.
        self._default = min((self._values[name] for name in defaults), default=0)
        self._old_at = asyncio.get_running_loop().time() + REMEMBERED_SECONDS
