"""A few calls to the API server, as its administrator."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from cluster.place import ClusterError, Place

SERVER = "https://127.0.0.1:6443"
SECONDS = 10
GROUPS = {  # where objects are: plural, and whether they are in a namespace
    "ClusterRole": ("clusterroles", False),
    "ClusterRoleBinding": ("clusterrolebindings", False),
    "EndpointSlice": ("endpointslices", True),
    "PersistentVolume": ("persistentvolumes", False),
    "RuntimeClass": ("runtimeclasses", False),
    "Service": ("services", True),
    "StorageClass": ("storageclasses", False),
}


class Api:
    """The API server of one cluster."""

    def __init__(self, place: Place) -> None:
        """Reads the certificates; nothing is sent."""
        keys = place.credentials
        context = ssl.create_default_context(cafile=str(keys / "ca.crt"))
        context.load_cert_chain(str(keys / "admin.crt"), str(keys / "admin.key"))
        https = urllib.request.HTTPSHandler(context=context)
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), https)

    def ready(self) -> bool:
        """Whether the server answers and all its parts are ready."""
        try:
            with self._opener.open(f"{SERVER}/readyz", timeout=SECONDS):
                return True
        except (OSError, ValueError):
            return False

    def get(self, path: str) -> dict[str, Any] | None:
        """An object or a list; None where there is none. Raises ClusterError otherwise."""
        try:
            return self._send("GET", path)
        except urllib.error.HTTPError as problem:
            if problem.code == 404:  # noqa: PLR2004
                return None
            raise ClusterError(f"GET {path}: {_message(problem)}") from problem

    def merge(self, path: str, change: Mapping[str, object]) -> None:
        """Merge a change into an object. Raises ClusterError."""
        self._patch(path, change, "application/merge-patch+json")

    def apply(self, thing: Mapping[str, Any]) -> None:
        """Make an object what it should be. Raises ClusterError."""
        query = "?fieldManager=profjob-cluster&force=true"
        self._patch(path_of(thing) + query, thing, "application/apply-patch+yaml")

    def _patch(self, path: str, change: Mapping[str, object], kind: str) -> None:
        try:
            self._send("PATCH", path, change, kind)
        except urllib.error.HTTPError as problem:
            raise ClusterError(f"PATCH {path}: {_message(problem)}") from problem

    def _send(
        self, verb: str, path: str, body: Mapping[str, object] | None = None, kind: str = ""
    ) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(SERVER + path, data, method=verb)  # noqa: S310
        if kind:
            request.add_header("Content-Type", kind)
        with self._opener.open(request, timeout=SECONDS) as answer:
            told: dict[str, Any] = json.load(answer)
        return told


def path_of(thing: Mapping[str, Any]) -> str:
    """The path of an object that GROUPS knows."""
    version = thing["apiVersion"]
    plural, namespaced = GROUPS[thing["kind"]]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    namespace = f"/namespaces/{thing['metadata']['namespace']}" if namespaced else ""
    return f"{root}{namespace}/{plural}/{thing['metadata']['name']}"


def _message(problem: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(problem)["message"])
    except (ValueError, KeyError):
        return str(problem)
