"""What the commands ask of an API server, in the words of jobs and pods."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from profiling_operator import api, names
from profiling_operator.api import Body, Listing

MANAGER = "profjob"
EVENT_FIELD = "involvedObject.uid"

Changes = AsyncGenerator[tuple[str, Body], None]
"""Kinds of change and objects. To be closed (`contextlib.aclosing`), and so is a log."""


@dataclass(frozen=True)
class Own:
    """What a kubeconfig has for the results server; empty is what it does not tell."""

    token: str = field(default="", repr=False)
    results_url: str = ""
    authority: str = ""
    """Who signs that server's certificate, in PEM."""


@dataclass(frozen=True)
class Conversation:
    """Questions about one namespace. Every method raises ApiError's kinds."""

    door: api.Api
    namespace: str

    async def job(self, name: str) -> Body:
        """One job. Raises NotFoundError."""
        return _told(await self.door.get(api.PROFILING_JOBS, self.namespace, name))

    async def jobs(self, labels: str, everywhere: bool) -> list[Body]:
        """The jobs of the namespace, or of all."""
        namespace = None if everywhere else self.namespace
        found = await self.door.list(api.PROFILING_JOBS, namespace, labels=labels)
        kind = {"apiVersion": names.API_VERSION, "kind": names.KIND}
        return [_told({**kind, **item}) for item in found.items]  # lists leave the kind out

    async def create(self, body: Body, *, dry_run: bool = False) -> Body:
        """Create a job. Raises ConflictError when there is one of its name."""
        return _told(
            await self.door.create(
                api.PROFILING_JOBS, self.namespace, body, MANAGER, strict=True, dry_run=dry_run
            )
        )

    async def delete(self, name: str, uid: str) -> None:
        """Ask for the deletion of the job of that UID; one of another UID stays."""
        await self.door.delete(api.PROFILING_JOBS, self.namespace, name, uid=uid)

    async def cancel(self, name: str, uid: str) -> Body:
        """Ask for the end of the job of that UID. Raises ApiError for one of another UID."""
        body: Body = {"metadata": {"uid": uid}, "spec": {"cancel": True}}
        patched = await self.door.patch(
            api.PROFILING_JOBS, self.namespace, name, body, manager=MANAGER
        )
        return _told(patched)

    def changes(self, name: str, version: str) -> Changes:
        """What happens to a job after a version of it, until the server ends the watch."""
        return self.door.watch(
            api.PROFILING_JOBS, self.namespace, name=name, resource_version=version
        )

    async def pods(self, labels: str) -> Listing:
        """The pods with these labels."""
        return await self.door.list(api.PODS, self.namespace, labels=labels)

    def pod_changes(self, labels: str, version: str, seconds: int) -> Changes:
        """What happens to pods after a version of their list, for so many seconds."""
        return self.door.watch(
            api.PODS, self.namespace, labels=labels, resource_version=version, seconds=seconds
        )

    def log(
        self, pod: str, container: str, *, follow: bool = False, since: str = ""
    ) -> AsyncGenerator[bytes, None]:
        """What a container has printed, each line after its time where it is followed."""
        return self.door.log(
            self.namespace, pod, container, follow=follow, timestamps=follow, since_time=since
        )

    async def events(self, uid: str) -> list[Body]:
        """The events about the object of a UID."""
        found = await self.door.list(api.EVENTS, self.namespace, fields=f"{EVENT_FIELD}={uid}")
        return found.items

    async def own(self, *, with_token: bool) -> Own:
        """What the kubeconfig has for the results server."""
        token = await self.door.bearer_token() if with_token else ""
        url = self.door.results_url
        return Own(token, url, self.door.authority() if url else "")


def _told(body: Body) -> Body:
    """An object as people want it: without who wrote which field."""
    metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
    return {**body, "metadata": metadata}
