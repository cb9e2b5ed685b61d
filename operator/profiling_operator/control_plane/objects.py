"""What is installed in an API server without a cluster: definition, namespaces, roles. No I/O.

There is no controller manager: roles that others aggregate stay empty, so each is bound as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from profiling_operator import api, crd, names
from profiling_operator.api import Kind
from profiling_operator.control_plane import people

Body = dict[str, Any]

_RBAC = "apis/rbac.authorization.k8s.io/v1"
_ADMISSION = "apis/admissionregistration.k8s.io/v1"
KINDS = {
    one.kind: one
    for one in (
        api.NAMESPACES,
        Kind("apis/apiextensions.k8s.io/v1", "customresourcedefinitions",
             "CustomResourceDefinition", is_namespaced=False),
        Kind(_RBAC, "clusterroles", "ClusterRole", is_namespaced=False),
        Kind(_RBAC, "clusterrolebindings", "ClusterRoleBinding", is_namespaced=False),
        Kind(_RBAC, "roles", "Role"),
        api.ROLE_BINDINGS,
        Kind(_ADMISSION, "validatingadmissionpolicies", "ValidatingAdmissionPolicy",
             is_namespaced=False),
        Kind(_ADMISSION, "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding",
             is_namespaced=False),
        Kind("apis/scheduling.k8s.io/v1", "priorityclasses", "PriorityClass", is_namespaced=False),
    )
}  # fmt: skip
DEFINITION = KINDS["CustomResourceDefinition"]
DEFINITION_NAME = f"{names.PLURAL}.{names.API_GROUP}"
LABELS = {"app.kubernetes.io/managed-by": "profjob-control-plane"}
JOBS, STATUS, RESULTS, BASELINES = (
    f"{names.PLURAL}{one}" for one in ("", "/status", "/results", "/baseline")
)
OURS = names.API_GROUP
PRIORITIES = {"profjob-high": 1000, "profjob-low": -1000}

Rule = tuple[str, Sequence[str], Sequence[str]]
"""API group, resources, verbs."""

READ = ("get", "list", "watch")
EVENTS: tuple[Rule, ...] = (
    ("", ["events"], ["create", "patch"]),
    ("events.k8s.io", ["events"], ["create", "patch"]),
)
ROLES: dict[str, tuple[Rule, ...]] = {
    "profjob-agent": (
        # delete: ttlSecondsAfterFinished; patch: annotations by which it takes note.
        (OURS, [JOBS], [*READ, "patch", "delete"]),
        (OURS, [STATUS], ["get", "patch", "update"]),
        # The results server asks for these: to send results, and to accept jobs into baselines.
        (OURS, [RESULTS], ["update"]),
        (OURS, [BASELINES], ["update", "delete"]),
        *EVENTS,
        ("scheduling.k8s.io", ["priorityclasses"], ["get", "list"]),
    ),
    "profjob-results-server": (
        ("authentication.k8s.io", ["tokenreviews"], ["create"]),
        ("authorization.k8s.io", ["subjectaccessreviews"], ["create"]),
        ("", ["pods"], ["get"]),
    ),
    "profjob-edit": (
        (OURS, [JOBS], [*READ, "create", "update", "patch", "delete", "deletecollection"]),
        (OURS, [BASELINES], ["update", "delete"]),
        ("", ["pods", "events"], READ),
    ),
    "profjob-view": (
        (OURS, [JOBS], READ),
        ("", ["pods", "events"], READ),
    ),
}
"""For the whole API server. `profjob-edit` and `profjob-view` are for people, and bound by hand."""
LEASES: tuple[Rule, ...] = (
    ("coordination.k8s.io", ["leases"], ["get", "list", "create", "update", "patch"]),
)
BUILDS: tuple[Rule, ...] = (
    (OURS, [JOBS], [*READ, "create", "patch", "delete"]),
    (OURS, [BASELINES], ["update"]),  # to accept jobs into baselines; not to remove those
    ("", ["pods"], READ),
    ("", ["pods/log"], ["get"]),
    ("", ["events"], READ),
    ("events.k8s.io", ["events"], READ),
)
"""What the chart gives to Jenkins as well."""


def objects(namespace: str) -> list[Body]:
    """All of them, in the order of making. `namespace` is that of the agents' Leases."""
    cluster_wide = {
        "cluster-admin": people.ADMINS,
        "profjob-agent": people.AGENTS,
        "profjob-results-server": people.RESULTS,
    }
    return [
        *(_object("Namespace", one) for one in (namespace, people.NAMESPACE)),
        crd.build(),
        *(_role(name, rules) for name, rules in ROLES.items()),
        *(_binding(role, group) for role, group in cluster_wide.items()),
        _role("profjob-agent", LEASES, namespace),
        _binding("profjob-agent", people.AGENTS, namespace),
        _role("profjob-jenkins", BUILDS, people.NAMESPACE),
        _binding("profjob-jenkins", people.JENKINS, people.NAMESPACE),
        *_policy("profjob-baselines", _BASELINES),
        *(_object("PriorityClass", name, value=value) for name, value in PRIORITIES.items()),
    ]


def version_of(kind: Kind) -> str:
    """As a body has it in `apiVersion`."""
    return kind.group.removeprefix("apis/").removeprefix("api/")


def _object(kind: str, name: str, namespace: str = "", **fields: Any) -> Body:
    metadata: Body = {"name": name, "labels": LABELS}
    if namespace:
        metadata["namespace"] = namespace
    return {"apiVersion": version_of(KINDS[kind]), "kind": kind, "metadata": metadata, **fields}


def _role(name: str, rules: Sequence[Rule], namespace: str = "") -> Body:
    kind = "Role" if namespace else "ClusterRole"
    written = [
        {"apiGroups": [group], "resources": list(resources), "verbs": list(verbs)}
        for group, resources, verbs in rules
    ]
    return _object(kind, name, namespace, rules=written)


def _binding(role: str, group: str, namespace: str = "") -> Body:
    kind = "Role" if namespace else "ClusterRole"
    said = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": group}
    name = "profjob-admin" if role == "cluster-admin" else role
    return _object(f"{kind}Binding", name, namespace, roleRef=said, subjects=[subject])


def _policy(name: str, spec: Mapping[str, Any]) -> list[Body]:
    bound = {"policyName": name, "validationActions": ["Deny"]}
    return [
        _object("ValidatingAdmissionPolicy", name, spec=dict(spec)),
        _object("ValidatingAdmissionPolicyBinding", name, spec=bound),
    ]


def _annotation(of: str) -> str:
    return f"{of}.metadata.?annotations[?'{names.ACCEPT_BASELINE}'].orValue('')"


_BASELINES: Body = {
    "failurePolicy": "Fail",
    "matchConstraints": {
        "resourceRules": [{
            "apiGroups": [OURS],
            "apiVersions": [names.API_VERSION.rpartition("/")[2]],
            "operations": ["CREATE", "UPDATE"],
            "resources": [names.PLURAL],
        }]
    },
    "variables": [
        {"name": "wanted", "expression": _annotation("object")},
        {
            "name": "before",
            "expression": f"oldObject == null ? '' : {_annotation('oldObject')}",
        },
    ],
    "validations": [{
        "expression": (
            "variables.wanted == '' || variables.wanted == variables.before || "
            f"authorizer.group('{OURS}').resource('{names.PLURAL}').subresource('baseline')"
            ".namespace(request.namespace).name(variables.wanted).check('update').allowed()"
        ),
        "messageExpression": (
            f"'{names.ACCEPT_BASELINE}: ' + request.userInfo.username + ' may not update "
            f"{BASELINES} ' + variables.wanted + ' in namespace ' + request.namespace"
        ),
        "reason": "Forbidden",
    }],
}  # fmt: skip
"""Who has an agent add a job to a baseline may change that baseline himself."""
