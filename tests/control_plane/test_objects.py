"""What is installed, and who may what by it."""

from __future__ import annotations

from typing import Any

from profiling_operator.control_plane import objects, people

ALL = objects.objects("profiling-system")


def _rules(kind: str, name: str) -> dict[str, set[str]]:
    (found,) = [one for one in ALL if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return {
        f"{group}/{resource}".lstrip("/"): set(rule["verbs"])
        for rule in found["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def test_every_object_can_be_applied() -> None:
    """Kind, version and name, each once."""
    for one in ALL:
        kind = objects.KINDS[one["kind"]]
        assert one["apiVersion"] == objects.version_of(kind)
        assert kind.is_namespaced == bool(one["metadata"].get("namespace"))
    named = [(one["kind"], one["metadata"]["name"]) for one in ALL]
    assert len(set(named)) == len(named)


def test_no_role_has_a_wildcard_or_reads_secrets() -> None:
    """But administrators', which is Kubernetes' own."""
    for one in ALL:
        for rule in one.get("rules") or ():
            assert "*" not in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])
            assert "secrets" not in rule["resources"]


def test_agents_have_what_they_need() -> None:
    """And nothing of Kubernetes' workloads."""
    assert _rules("ClusterRole", "profjob-agent") == {
        "profiling.dev/profilingjobs": {"get", "list", "watch", "patch", "delete"},
        "profiling.dev/profilingjobs/status": {"get", "patch", "update"},
        "profiling.dev/profilingjobs/results": {"update"},
        "profiling.dev/profilingjobs/baseline": {"update", "delete"},
        "events": {"create", "patch"},
        "events.k8s.io/events": {"create", "patch"},
        "scheduling.k8s.io/priorityclasses": {"get", "list"},
    }
    assert _rules("Role", "profjob-agent") == {
        "coordination.k8s.io/leases": {"get", "list", "create", "update", "patch"}
    }


def test_each_group_is_bound_once_where_it_belongs() -> None:
    """Jenkins in its namespace alone."""
    bound: dict[str, list[Any]] = {}
    for one in ALL:
        if one["kind"].endswith("Binding") and "roleRef" in one:
            (subject,) = one["subjects"]
            place = one["metadata"].get("namespace", "")
            bound.setdefault(subject["name"], []).append((one["roleRef"]["name"], place))
    assert bound == {
        people.ADMINS: [("cluster-admin", "")],
        people.AGENTS: [("profjob-agent", ""), ("profjob-agent", "profiling-system")],
        people.RESULTS: [("profjob-results-server", "")],
        people.JENKINS: [("profjob-jenkins", "ci")],
    }
