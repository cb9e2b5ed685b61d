"""Parts of a pod's body that its containers have in common. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from profiling_operator import assignment, names
from profiling_operator.spec.app import EnvVar, Volume
from profiling_operator.spec.job import Toleration

Body = dict[str, Any]

TOKEN_SECONDS = 3600


def confined(*, read_only: bool = True) -> Body:
    """The security context of every container."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": read_only,
        "capabilities": {"drop": ["ALL"]},
    }


def memory(limit: str) -> Body:
    """What our own containers may take; a little is asked for, since GPUs are what is scarce."""
    return {
        "requests": {"cpu": "10m", "memory": "64Mi"},
        "limits": {"memory": limit},
    }


def mount(volume: str, path: str, *, read_only: bool = False) -> Body:
    """A volume in a container."""
    return {"name": volume, "mountPath": path, **({"readOnly": True} if read_only else {})}


def token(audience: str) -> Body:
    """A token of the pod's service account, bound to the pod; by default for the API server."""
    said = {"audience": audience} if audience else {}
    return {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS, **said}}


def downward() -> Iterator[Body]:
    """Variables by which a container knows its pod."""
    for name, path in (
        (assignment.POD_NAME, "metadata.name"),
        (assignment.POD_UID, "metadata.uid"),
        (assignment.NODE_NAME, "spec.nodeName"),
    ):
        yield {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def literal(words: Sequence[str]) -> list[str]:
    """Words that reach the container unchanged: Kubernetes makes one dollar of two, and puts
    variables in for `$(NAME)`."""
    return [word.replace("$", "$$") for word in words]


def variable(one: EnvVar) -> Body:
    """A variable of the job, as a container has it."""
    if one.value_from is None:
        return {"name": one.name, "value": (one.value or "").replace("$", "$$")}
    source = one.value_from.model_dump(mode="json", exclude_none=True)
    return {"name": one.name, "valueFrom": source}


def toleration(one: Toleration) -> Body:
    """A toleration of the job, as a pod has it."""
    said = one.model_dump(mode="json", exclude_none=True)
    return {key: value for key, value in said.items() if value != ""}


def volume(one: Volume) -> Body:
    """A volume of the job, as a pod has it."""
    said = one.model_dump(mode="json", exclude_none=True, exclude={"name", "mount_path"})
    return {"name": volume_name(one), **said}


def volume_name(one: Volume) -> str:
    """Its name there: none of ours begins like that."""
    return names.shorten(f"volume-{one.name}")
