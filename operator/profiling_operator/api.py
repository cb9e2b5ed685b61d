"""The only module that talks to an API server, but for kopf's watches.

Bodies are plain JSON objects: what we create is built from models of our own, and of what others
made we read a few fields. Every request has a deadline (the client by itself has none).
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import quote, urlencode

import aiohttp
import yaml
from kubernetes.aio import client, config

from profiling_operator import names
from profiling_operator.errors import ApiError as ApiError
from profiling_operator.errors import ConflictError as ConflictError
from profiling_operator.errors import ExpiredError as ExpiredError
from profiling_operator.errors import ForbiddenError as ForbiddenError
from profiling_operator.errors import NotFoundError as NotFoundError
from profiling_operator.errors import UnauthorizedError as UnauthorizedError
from profiling_operator.errors import UnreachableError as UnreachableError

Body = dict[str, Any]
Told = Callable[[str, str, int, float], None]
"""Called after each request: verb, resource, HTTP status (0: no answer), seconds."""

CONNECT_SECONDS, ANSWER_SECONDS = 10.0, 60.0
WATCH_SECONDS = 300  # the server ends a watch then, and a new one is begun
SILENCE_SECONDS = 30.0  # beyond the server's own end of a watch
PAGE = 500
ERROR_LIMIT = 64 << 10
LINE_LIMIT = 8 << 20
NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
PATCHES = {
    "merge": "application/merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
ERRORS: dict[int, type[ApiError]] = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
}


UNANSWERED = (aiohttp.ClientError, OSError, config.ConfigException)
"""No connection, TLS, a timeout; and a token that can no longer be read."""
UNUSABLE = (
    config.ConfigException, yaml.YAMLError, OSError, ValueError,
    TypeError, AttributeError, KeyError,
)  # fmt: skip
"""What a bad kubeconfig raises: the client looks into it before it checks what it is."""


@dataclass(frozen=True)
class Kind:
    """A kind of object: where the API server has it."""

    group: str
    """As in `apis/batch/v1` or `api/v1`."""
    plural: str
    kind: str
    is_namespaced: bool = True

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """The path of all objects, those of a namespace, or one."""
        parts = [self.group]
        if namespace and self.is_namespaced:
            parts += ["namespaces", quote(namespace, safe="")]
        parts += [self.plural, quote(name, safe=""), subresource]
        return "/" + "/".join(part for part in parts if part)


PROFILING_JOBS = Kind(f"apis/{names.API_VERSION}", names.PLURAL, names.KIND)
JOBS = Kind("apis/batch/v1", "jobs", "Job")
PODS = Kind("api/v1", "pods", "Pod")
EVENTS = Kind("api/v1", "events", "Event")
NODES = Kind("api/v1", "nodes", "Node", is_namespaced=False)
NAMESPACES = Kind("api/v1", "namespaces", "Namespace", is_namespaced=False)
SERVICE_ACCOUNTS = Kind("api/v1", "serviceaccounts", "ServiceAccount")
ROLE_BINDINGS = Kind("apis/rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding")
LEASES = Kind("apis/coordination.k8s.io/v1", "leases", "Lease")
PRIORITY_CLASSES = Kind(
    "apis/scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", is_namespaced=False
)
TOKEN_REVIEWS = Kind(
    "apis/authentication.k8s.io/v1", "tokenreviews", "TokenReview", is_namespaced=False
)
ACCESS_REVIEWS = Kind(
    "apis/authorization.k8s.io/v1", "subjectaccessreviews", "SubjectAccessReview",
    is_namespaced=False,
)  # fmt: skip


@dataclass(frozen=True)
class Credentials:
    """How to show an API server who one is; what does not apply is empty."""

    ca_path: str
    certificate_path: str
    key_path: str
    is_insecure: bool
    token: str = field(repr=False)


@dataclass(frozen=True)
class Listing:
    """Objects, and the version of the list, from which a watch goes on."""

    items: list[Body]
    resource_version: str


@dataclass(frozen=True)
class _Ask:
    """One request."""

    verb: str
    kind: Kind
    namespace: str | None
    name: str = ""
    subresource: str = ""
    body: Body | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    how: str = ""
    """Of a patch: see PATCHES."""
    silence: float | None = field(default_factory=lambda: ANSWER_SECONDS)
    """Longest time without a byte."""

    @property
    def path(self) -> str:
        said = urlencode({key: value for key, value in self.query.items() if value})
        path = self.kind.path(self.namespace, self.name, self.subresource)
        return f"{path}?{said}" if said else path

    @property
    def resource(self) -> str:
        plural, sub = self.kind.plural, self.subresource
        return f"{plural}/{sub}" if sub else plural


@dataclass
class Api:
    """One pool of connections to one API server. Every method raises ApiError's kinds."""

    _client: client.ApiClient
    namespace: str
    """Where objects are when nothing else is said."""
    server: str
    _told: Told | None = None
    results_url: str = ""
    """The results server of this cluster, where the kubeconfig tells it."""

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Body:
        """One object. Raises NotFoundError."""
        return await self._json(_Ask("get", kind, namespace, name))

    async def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> Listing:
        """All objects of a kind, page by page."""
        items: list[Body] = []
        token = ""
        while True:
            wanted = {
                "labelSelector": labels,
                "fieldSelector": fields,
                "limit": str(PAGE),
                "continue": token,
            }
            page = await self._json(_Ask("list", kind, namespace, query=wanted))
            items += page.get("items") or []
            token = page["metadata"].get("continue", "")
            if not token:
                return Listing(items, page["metadata"].get("resourceVersion", ""))

    async def list_in(self, kind: Kind, namespaces: Sequence[str], *, labels: str = "") -> Listing:
        """All objects of some namespaces, or of all where none is named.

        The version is that of the first list: what came later is newer.
        """
        listings = [await self.list(kind, one, labels=labels) for one in namespaces or (None,)]
        items = [item for one in listings for item in one.items]
        return Listing(items, listings[0].resource_version)

    async def create(
        self,
        kind: Kind,
        namespace: str | None,
        body: Body,
        manager: str = "",
        *,
        strict: bool = False,
        dry_run: bool = False,
    ) -> Body:
        """Create an object and return it. Raises ConflictError when there is one of its name.

        `strict`: what the server does not know is refused, not dropped. `dry_run`: only checked.
        """
        whole = {"apiVersion": _version(kind), "kind": kind.kind, **body}
        query = {
            "fieldManager": manager,
            "fieldValidation": "Strict" if strict else "",
            "dryRun": "All" if dry_run else "",
        }
        return await self._json(_Ask("create", kind, namespace, body=whole, query=query))

    async def patch(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        body: Body,
        *,
        subresource: str = "",
        how: Literal["merge", "apply"] = "merge",
        manager: str = "",
    ) -> Body:
        """Patch an object; an apply takes fields over from other managers.

        Raises ConflictError when `metadata.resourceVersion` is given and has passed.
        """
        query = {"fieldManager": manager, "force": "true" if how == "apply" else ""}
        return await self._json(_Ask("patch", kind, namespace, name, subresource, body, query, how))

    async def delete(
        self,
        kind: Kind,
        namespace: str | None,
        name: str,
        *,
        uid: str = "",
        propagation: Literal["Background", "Foreground", "Orphan"] = "Background",
        grace: int | None = None,
    ) -> None:
        """Delete an object, only the one of that UID if one is given; gone already is fine."""
        options: Body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
        }
        if uid:
            options["preconditions"] = {"uid": uid}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            await self._json(_Ask("delete", kind, namespace, name, body=options))
        except (NotFoundError, ConflictError):  # conflict: one of another UID has its name now
            return

    async def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        name: str = "",
        labels: str = "",
        resource_version: str = "",
        seconds: int = WATCH_SECONDS,
    ) -> AsyncGenerator[tuple[str, Body], None]:
        """Events (ADDED, MODIFIED, DELETED, BOOKMARK) and their objects, until the server ends it.

        Without a version it begins with what there is. Raises ExpiredError when the version is too
        old: list again.
        """
        query = {
            "watch": "true",
            # With old etcds, bookmarks are refused where no version is given.
            "allowWatchBookmarks": "true" if resource_version else "",
            "timeoutSeconds": str(seconds),
            "fieldSelector": f"metadata.name={name}" if name else "",
            "labelSelector": labels,
            "resourceVersion": resource_version,
        }
        ask = _Ask("watch", kind, namespace, query=query, silence=seconds + SILENCE_SECONDS)
        async with self._answer(ask) as answer:
            async for line in _lines(answer):
                event = _parsed(line)
                found: Body = event["object"]
                if event["type"] == "ERROR":
                    raise _error(int(found.get("code") or 500), json.dumps(found), {})
                yield event["type"], found

    async def log(
        self,
        namespace: str,
        pod: str,
        container: str,
        *,
        follow: bool = False,
        previous: bool = False,
        timestamps: bool = False,
        since_time: str = "",
    ) -> AsyncGenerator[bytes, None]:
        """What a container has printed, in pieces. Raises ApiError 400 before it has started."""
        query = {
            "container": container,
            "follow": "true" if follow else "",
            "previous": "true" if previous else "",
            "timestamps": "true" if timestamps else "",
            "sinceTime": since_time,
        }
        silence = None if follow else ANSWER_SECONDS
        ask = _Ask("get", PODS, namespace, pod, "log", query=query, silence=silence)
        async with self._answer(ask) as answer:
            async for piece in answer.content.iter_any():
                yield piece

    async def bearer_token(self) -> str:
        """The token that this client shows, empty for one with a certificate."""
        known = await self._client.configuration.auth_settings()
        said = str((known.get("BearerToken") or {}).get("value") or "")
        return said.rpartition(" ")[2]  # a pod's begins with `bearer`, a kubeconfig's with `Bearer`

    def authority(self) -> str:
        """The certificate authority of the kubeconfig in PEM; empty for this machine's."""
        path = self._client.configuration.ssl_ca_cert
        return Path(path).read_text(encoding="utf-8") if path else ""

    async def credentials(self) -> Credentials:
        """What another client of the same server needs; a token as it is now."""
        known = self._client.configuration
        return Credentials(
            ca_path=known.ssl_ca_cert or "",
            certificate_path=known.cert_file or "",
            key_path=known.key_file or "",
            is_insecure=not known.verify_ssl,
            token=await self.bearer_token(),
        )

    async def _json(self, ask: _Ask) -> Body:
        async with self._answer(ask) as answer:
            return _parsed(await answer.read())

    @asynccontextmanager
    async def _answer(self, ask: _Ask) -> AsyncIterator[aiohttp.ClientResponse]:
        """A good answer, not read yet. Raises ApiError's kinds, also while it is being read."""
        asked = asyncio.get_running_loop().time()
        code = 0
        try:
            headers = await self._headers(ask)
            timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=ask.silence)
            url, method = f"{self.server}{ask.path}", METHODS[ask.verb]
            answer = await self._client.call_api(
                method, url, headers, ask.body, _request_timeout=timeout
            )
            response = answer.response
            code = response.status
            try:
                await _require_good(response)
                yield response
            finally:
                response.release()
        except UNANSWERED as error:
            raise UnreachableError(
                f"{self.server}: {str(error) or type(error).__name__}"
            ) from error
        finally:
            if self._told is not None:
                spent = asyncio.get_running_loop().time() - asked
                self._told(ask.verb, ask.resource, code, spent)

    async def _headers(self, ask: _Ask) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "profjob"}
        headers["Content-Type"] = PATCHES.get(ask.how, "application/json")
        await self._client.update_params_for_auth(
            headers, [], ["BearerToken"], ask.path, METHODS[ask.verb], ask.body
        )
        return headers


METHODS = {
    "get": "GET",
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "patch": "PATCH",
    "delete": "DELETE",
}


@asynccontextmanager
async def connect(
    *, context: str = "", kubeconfig: str = "", told: Told | None = None
) -> AsyncIterator[Api]:
    """The API server of a kubeconfig ($KUBECONFIG, ~/.kube/config), or the one of this pod.

    Raises UnreachableError when there is no such file, context or pod.
    """
    file = _kubeconfig(kubeconfig)
    try:
        known = await _configuration(file, context)
        namespace, results_url = _namespace(file, context), _results_url(file, context)
        known.connection_pool_maxsize = 100
        opened = client.ApiClient(configuration=known)
    except UNUSABLE as error:
        where = file or "the service account of this pod"
        raise UnreachableError(f"no cluster is known here: {where}: {error}") from error
    try:
        yield Api(opened, namespace, known.host.rstrip("/"), told, results_url)
    finally:
        await opened.close()  # type: ignore[no-untyped-call]


async def _configuration(file: str, context: str) -> client.Configuration:
    known = client.Configuration()
    if not file:
        config.load_incluster_config(client_configuration=known)  # type: ignore[no-untyped-call]
        return known
    if not any(Path(one).expanduser().is_file() for one in file.split(os.pathsep)):
        raise FileNotFoundError("there is no such file")
    await config.load_kube_config(  # type: ignore[no-untyped-call]
        config_file=file,
        context=context or None,
        client_configuration=known,
        persist_config=False,
    )
    return known


def _kubeconfig(given: str) -> str:
    """The kubeconfig's path, or several with colons; empty where this is a pod without one."""
    wanted = given or os.environ.get("KUBECONFIG", "")
    if wanted:
        return wanted
    usual = Path.home() / ".kube" / "config"
    is_pod = "KUBERNETES_SERVICE_HOST" in os.environ and NAMESPACE_FILE.exists()
    return "" if is_pod and not usual.exists() else str(usual)


def _namespace(file: str, context: str) -> str:
    if not file:
        return NAMESPACE_FILE.read_text().strip()
    return str(_chosen(file, context).get("namespace") or "default")


def _chosen(file: str, context: str) -> Body:
    contexts, current = config.list_kube_config_contexts(file)  # type: ignore[no-untyped-call]
    chosen = next((one for one in contexts if one["name"] == context), current)
    return chosen.get("context") or {}


def _results_url(file: str, context: str) -> str:
    """Of the extension `profiling.dev` of a kubeconfig's cluster; kubectl leaves those alone."""
    name = _chosen(file, context).get("cluster") if file else None
    paths = [Path(one).expanduser() for one in file.split(os.pathsep) if one]
    bodies = [yaml.safe_load(one.read_text(encoding="utf-8")) for one in paths if one.is_file()]
    clusters = [one for body in bodies for one in (body or {}).get("clusters") or ()]
    (found, *_) = [one["cluster"] for one in clusters if one.get("name") == name] or [{}]
    told = {one.get("name"): one.get("extension") for one in found.get("extensions") or ()}
    return str((told.get(names.API_GROUP) or {}).get("resultsUrl") or "")


def _version(kind: Kind) -> str:
    return kind.group.removeprefix("apis/").removeprefix("api/")


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Whole lines; an object is one line, and may be longer than aiohttp's own limit of lines."""
    rest = b""
    async for piece in answer.content.iter_any():
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            if line:
                yield line
        if len(rest) > LINE_LIMIT:
            raise UnreachableError(f"an event of more than {LINE_LIMIT} bytes")


def _parsed(text: bytes) -> Body:
    """An object. Something else than an API server may stand there and answer."""
    try:
        return cast(Body, json.loads(text))
    except ValueError as error:
        raise UnreachableError(f"not JSON: {text[:80]!r}") from error


async def _require_good(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:  # noqa: PLR2004 - HTTP
        return
    text = (await response.content.read(ERROR_LIMIT)).decode("utf-8", "replace")
    raise _error(response.status, text, response.headers)


def _error(code: int, text: str, headers: Mapping[str, str]) -> ApiError:
    """An answer's Status object (meta/v1) as an error of ours."""
    try:
        status = json.loads(text)
        message, reason = str(status.get("message") or text), str(status.get("reason") or "")
    except (ValueError, AttributeError):
        message, reason = text.strip() or f"HTTP {code}", ""
    wait = headers.get("Retry-After", "")
    kind = ERRORS.get(code, ApiError)
    return kind(code, reason, message, float(wait) if wait.isdigit() else None)
