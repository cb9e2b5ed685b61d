"""The policy of docs/security.md that says who may address which Docker host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.needs("cluster")

ROOT = Path(__file__).resolve().parents[2]
Body = dict[str, Any]
RBAC = {"apiVersion": "rbac.authorization.k8s.io/v1"}
MAY_CREATE = [
    {"apiGroups": ["profiling.dev"], "resources": ["profilingjobs"], "verbs": ["create"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]},  # a release's own policy asks
]
USER, NOBODY = "dockerhosts-user", "dockerhosts-nobody"


def documents() -> list[Body]:
    """What the page gives to `kubectl apply`."""
    text = (ROOT / "docs/security.md").read_text()
    (block,) = [one for one in text.split("```yaml\n")[1:] if "kind: Validating" in one]
    return list(yaml.safe_load_all(block.partition("```")[0]))


def roles(namespace: str, use: Body) -> Iterator[Body]:
    """Two users who may create jobs; one of them has the page's Role."""
    create = {"rules": MAY_CREATE, "metadata": {"name": "create", "namespace": namespace}}
    yield {**RBAC, "kind": "Role", **create}
    use["metadata"]["namespace"] = namespace
    yield use
    for role, users in (("create", [USER, NOBODY]), (use["metadata"]["name"], [USER])):
        group = "rbac.authorization.k8s.io"
        yield {
            **RBAC, "kind": "RoleBinding", "metadata": {"name": role, "namespace": namespace},
            "roleRef": {"apiGroup": group, "kind": "Role", "name": role},
            "subjects": [{"apiGroup": group, "kind": "User", "name": one} for one in users],
        }  # fmt: skip


def job(namespace: str, host: str) -> Body:
    """A job, addressed to a host or to none."""
    return {
        "apiVersion": "profiling.dev/v1alpha1",
        "kind": "ProfilingJob",
        "metadata": {"name": "a", "namespace": namespace},
        "spec": {
            "app": {"image": "example/app:1", "command": ["/app"]},
            "collectors": [{"name": "pyspy"}],
            "placement": {"host": host} if host else {},
        },
    }


@pytest.fixture(scope="module")
def refusal(
    cluster: Any, namespace: Callable[[str], str], wait: Callable[..., Any]
) -> Iterator[Callable[[str, str], str]]:
    """`refusal(user, host)`: why a user may not create a job for a host; empty: he may."""
    where = namespace("dockerhosts")
    definition = ROOT / "crds" / "profilingjobs.profiling.dev.yaml"
    is_there = cluster.tried("get", "crd", "profilingjobs.profiling.dev").returncode == 0
    if not is_there:
        cluster.kubectl("apply", "--server-side", "-f", definition)
    policy, binding, use = documents()
    for one in (policy, binding):  # for this namespace alone: others use the cluster, too
        one["metadata"]["name"] = where
    selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": where}}}
    binding["spec"] |= {"policyName": where, "matchResources": selector}

    def refused(user: str, host: str) -> str:
        done = cluster.tried(
            "create", "-f", "-", "--dry-run=server", given=job(where, host), user=user
        )
        return str(done.stderr) if done.returncode else ""

    try:
        for body in (*roles(where, use), policy, binding):
            cluster.kubectl("create", "-f", "-", given=body)
        # Policies come into force a moment after they were created.
        assert wait(lambda: "spec.placement.host" in refused(NOBODY, "gpu-1"))
        yield refused
    finally:
        cluster.kubectl("delete", "--ignore-not-found", "validatingadmissionpolicybinding", where)
        cluster.kubectl("delete", "--ignore-not-found", "validatingadmissionpolicy", where)
        if not is_there:
            cluster.kubectl("delete", "-f", definition)


def test_who_has_the_role_may_address_the_host(refusal: Callable[[str, str], str]) -> None:
    """That host, and no other one."""
    assert refusal(USER, "gpu-1") == ""
    assert "may not use dockerhosts gpu-2" in refusal(USER, "gpu-2")


def test_nobody_else_may(refusal: Callable[[str, str], str]) -> None:
    """Who may create jobs may still create those that name no host."""
    assert "may not use dockerhosts gpu-1" in refusal(NOBODY, "gpu-1")
    assert refusal(NOBODY, "") == ""
