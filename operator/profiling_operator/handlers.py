"""kopf's half of the operator: watches, authentication, the health endpoint.

No handler does anything but take note: what kopf remembers of a handler's success or failure is
lost or wrong at the worst of times, so nothing is left to it. Nothing is written through kopf.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any, cast

import kopf

from profiling_operator import inventory, names
from profiling_operator.backoff import pauses
from profiling_operator.control import Control
from profiling_operator.pods import JOB_UID

FIRST_BACKOFF, LONGEST_BACKOFF = 0.5, 60.0
WATCH_SECONDS = 600  # the API server takes whole seconds only
CONNECT_SECONDS, REQUEST_SECONDS = 10.0, 60.0

# kopf would make one of the user's name, and fail for a user that /etc/passwd does not know.
IDENTITY = cast(Any, "profiling-operator")
VERSION = names.API_VERSION.rpartition("/")[2]
WATCHED = {
    names.PLURAL: (names.API_GROUP, VERSION, names.PLURAL),
    inventory.JOBS: ("batch", "v1", "jobs"),
    inventory.PODS: ("", "v1", "pods"),
}


class Backoffs:
    """Pauses between tries of a request: endless, since kopf gives up for good at their end."""

    def __iter__(self) -> Iterator[float]:
        """Anew for each request."""
        return pauses(FIRST_BACKOFF, LONGEST_BACKOFF)


def settings() -> kopf.OperatorSettings:
    """How kopf behaves: nothing posted, nothing stored, no stall unnoticed."""
    known = kopf.OperatorSettings()
    known.posting.enabled = False
    known.posting.level = 100  # `kopf.warn` would post all the same
    known.peering.standalone = True
    known.networking.connect_timeout = CONNECT_SECONDS
    known.networking.request_timeout = REQUEST_SECONDS
    known.networking.error_backoffs = Backoffs()
    known.watching.server_timeout = WATCH_SECONDS
    known.scanning.disabled = True  # the CRD is installed before; no right to list CRDs is needed
    for kind in (inventory.JOBS, inventory.PODS):
        known.watching.label_selectors[WATCHED[kind]] = JOB_UID
    prefix = f"operator.{names.API_GROUP}"
    known.persistence.finalizer = f"{prefix}/unused"
    known.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=prefix)
    known.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=prefix)
    return known


def registry(control: Control) -> kopf.OperatorRegistry:
    """Handlers that take note, and the probe that tells whether all is well."""
    handlers = kopf.OperatorRegistry()
    for kind in control.kinds:
        _watch(handlers, control, kind, WATCHED[kind])

    @kopf.on.login(id="login", registry=handlers)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        known = await control.api.credentials()
        return kopf.ConnectionInfo(
            server=control.api.server,
            ca_path=known.ca_path or None,
            insecure=known.is_insecure,
            certificate_path=known.certificate_path or None,
            private_key_path=known.key_path or None,
            token=known.token or None,
        )

    @kopf.on.probe(id="ailment", registry=handlers)
    async def ailment(**_: Any) -> str:
        if said := control.ailment():
            raise kopf.PermanentError(said)
        return "none"

    return handlers


def _watch(
    handlers: kopf.OperatorRegistry, control: Control, kind: str, where: tuple[str, str, str]
) -> None:
    @kopf.on.event(*where, id=kind, registry=handlers)
    async def take_note(type: str | None, body: kopf.Body, **_: Any) -> None:  # noqa: A002 - kopf's
        control.seen(kind, type, _plain(body))


def _plain(body: kopf.Body) -> dict[str, Any]:
    """The object as it came, not kopf's view of it, which changes."""
    return dict(body)


async def watch(
    control: Control, namespaces: Sequence[str], health: str, *beside: Coroutine[Any, Any, None]
) -> None:
    """Run both halves, and what goes on beside them, until one ends or a signal ends them.

    `health` is the endpoint, as in `http://0.0.0.0:8081/healthz`.
    """
    parts = (control.run(), _watch_all(control, namespaces, health), *beside)
    tasks = {asyncio.create_task(one) for one in parts}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for one in done:
            one.result()
    finally:
        for one in tasks:
            one.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _watch_all(control: Control, namespaces: Sequence[str], health: str) -> None:
    """kopf looks once which resources there are: a CRD that came later would not be watched."""
    await control.synced.wait()
    await kopf.operator(
        registry=registry(control),
        settings=settings(),
        standalone=True,
        identity=IDENTITY,
        clusterwide=not namespaces,
        namespaces=list(namespaces),
        liveness_endpoint=health or None,
    )
