"""What the chart makes of its values, without a cluster."""

from __future__ import annotations

import inspect
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from profiling_operator import crd, names
from profiling_operator.cli import operator, results_server
from profiling_operator.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "profiling-operator"
EVERYTHING: dict[str, Any] = {
    "networkPolicy": {
        "enabled": True,
        "apiServerCidrs": ["10.0.0.1/32"],
        "metricsFrom": [{"namespaceSelector": {}}],
        "resultsFrom": [{"namespaceSelector": {}}],
        "extraEgress": [{"ports": [{"port": 9000}]}],
    },
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "jenkins": {"rbac": {"create": True, "namespaces": ["builds"]}},
    "agents": {"enabled": True, "serviceAccount": {"annotations": {"team": "a"}}},
    "image": {"digest": "sha256:" + 64 * "a", "pullSecrets": [{"name": "registry"}]},
    "resultsServer": {
        "service": {"clusterIP": "10.96.7.7"},
        "tls": {"secretName": "results-tls", "ca": "-----BEGIN CERTIFICATE-----\nx\n"},
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "host": "results.example",
            "tlsSecretName": "host-tls",
        },
        "tolerations": [{"operator": "Exists"}],
        "nodeSelector": {"disk": "big"},
        "priorityClassName": "high",
        "extraVolumes": [{"name": "more", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    },
    "operator": {
        "extraEnv": [{"name": "A", "value": "b"}],
        "extraArgs": ["--verbose"],
        "affinity": {"nodeAffinity": {}},
        "podLabels": {"team": "a"},
        "podAnnotations": {"team": "a"},
        "serviceAccount": {"annotations": {"role": "x"}},
    },
}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "namespaced": {"watchNamespaces": ["ci", "dev"]},
    "everything": EVERYTHING,
    "everything-namespaced": EVERYTHING | {"watchNamespaces": ["ci"]},
    "bare": {
        "crds": {"install": False},
        "admission": {"enabled": False},
        "rbac": {"aggregate": False, "nodes": False},
        "resultsServer": {"enabled": False},
        "settings": {"stores": {"default": {"url": "s3://bucket/results"}}},
    },
    "no-disk": {"resultsServer": {"persistence": {"enabled": False}}},
}
# What no role of ours may name.
NEVER = {"secrets", "pods/exec", "pods/attach", "pods/portforward", "pods/ephemeralcontainers"}

Body = dict[str, Any]
Render = Callable[..., list[Body]]

pytestmark = pytest.mark.needs("helm")


@pytest.fixture(params=sorted(VARIANTS))
def objects(request: pytest.FixtureRequest, render: Render) -> list[Body]:
    """What is made of each set of values."""
    return render(VARIANTS[request.param])


def of(objects: list[Body], *kinds: str) -> list[Body]:
    """Those of some kinds."""
    return [one for one in objects if one["kind"] in kinds]


def named(objects: list[Body], kind: str, name: str) -> Body:
    """The one of that kind and name."""
    (one,) = [one for one in of(objects, kind) if one["metadata"]["name"] == name]
    return one


def settings_of(objects: list[Body]) -> Settings:
    """The settings that the operator would read."""
    text = named(objects, "ConfigMap", "profiling-operator-settings")["data"]["settings.yaml"]
    return Settings(**yaml.safe_load(text))


def pods(objects: list[Body]) -> Iterator[Body]:
    """The specs of all pods."""
    for one in of(objects, "Deployment"):
        yield one["spec"]["template"]["spec"]
    for one in of(objects, "Pod"):
        yield one["spec"]


def test_the_chart_is_well_made(helm: Callable[..., str]) -> None:
    """Helm has nothing to warn of."""
    assert "WARNING" not in helm("lint", "--strict", CHART)


def test_roles_name_what_they_give(objects: list[Body]) -> None:
    """No wildcard, no secret, no way into a container."""
    for role in of(objects, "Role", "ClusterRole"):
        for rule in role["rules"]:
            words = [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert not any("*" in word for word in words), role["metadata"]["name"]
            assert not NEVER & set(rule["resources"]), role["metadata"]["name"]
            assert not {"escalate", "impersonate"} & set(rule["verbs"])


def test_whoever_is_bound_to_a_role_is_named(objects: list[Body]) -> None:
    """Bindings are of service accounts, never of groups; what they refer to is in the chart."""
    roles = {
        (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"])
        for one in of(objects, "Role", "ClusterRole")
    }
    for binding in of(objects, "RoleBinding", "ClusterRoleBinding"):
        reference, where = binding["roleRef"], binding["metadata"].get("namespace")
        assert (reference["kind"], where, reference["name"]) in roles
        assert all(subject["kind"] == "ServiceAccount" for subject in binding["subjects"])


def test_a_namespaced_installation_has_no_cluster_wide_rights(render: Render) -> None:
    """But reviews, which have no namespace, and the roles that are given to people."""
    made = render({"watchNamespaces": ["ci", "dev"], "rbac": {"aggregate": False}})
    (role,) = of(made, "ClusterRole")

    assert [rule["resources"] for rule in role["rules"]] == [
        ["tokenreviews"],
        ["subjectaccessreviews"],
    ]
    for name in (
        "profiling-operator-profiling-system",
        "profiling-operator-profiling-system-uploader",
    ):
        found = {
            one["metadata"]["namespace"]
            for one in of(made, "Role")
            if one["metadata"]["name"] == name
        }
        assert found == {"ci", "dev"}
    accounts = [
        one for one in of(made, "ServiceAccount") if one["metadata"]["name"] == "profjob-uploader"
    ]
    assert {one["metadata"]["namespace"] for one in accounts} == {"ci", "dev"}
    assert not any(one["automountServiceAccountToken"] for one in accounts)


def test_the_operator_binds_one_role_only(render: Render) -> None:
    """Cluster-wide, `bind` is of the uploaders' role, which only reports."""
    made = render()
    rules = named(made, "ClusterRole", "profiling-operator")["rules"]
    (bind,) = [rule for rule in rules if "bind" in rule["verbs"]]
    uploader = named(made, "ClusterRole", bind["resourceNames"][0])

    assert bind["resourceNames"] == [settings_of(made).kubernetes.uploader_role]
    assert uploader["rules"] == [
        {"apiGroups": ["profiling.dev"], "resources": ["profilingjobs/status"], "verbs": ["patch"]}
    ]


def test_without_policies_uploaders_have_no_rights(render: Render) -> None:
    """The policy is what keeps an uploader to its own job."""
    for variant in ({}, {"watchNamespaces": ["ci"]}):
        made = render({**variant, "admission": {"enabled": False}})
        uploaders = [
            one for one in of(made, "Role", "ClusterRole") if "uploader" in one["metadata"]["name"]
        ]

        assert all(one["rules"] == [] for one in uploaders)
        assert settings_of(made).kubernetes.reports_to_api is False


def test_every_pod_is_restricted(objects: list[Body]) -> None:
    """As Pod Security's strictest level asks, and with nothing writable but volumes."""
    for pod in pods(objects):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not any("hostPath" in volume for volume in pod.get("volumes", []))
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert {"requests", "limits"} == set(container["resources"])


def test_never_two_of_a_kind(objects: list[Body]) -> None:
    """One replica, ended before the next one starts."""
    for one in of(objects, "Deployment"):
        assert one["spec"]["replicas"] == 1
        assert one["spec"]["strategy"] == {"type": "Recreate"}
        template = one["spec"]["template"]["metadata"]["labels"]
        assert one["spec"]["selector"]["matchLabels"].items() <= template.items()


def test_the_operator_can_read_its_settings(objects: list[Body]) -> None:
    """Each set of values gives settings that it accepts, with a default store and its image."""
    settings = settings_of(objects)

    assert settings.stores["default"].url
    assert settings.kubernetes.image.startswith("profiling-operator")


def test_new_settings_start_a_new_operator(render: Render) -> None:
    """By a checksum on its pod; the results server, which reads none, goes on."""
    before, after = render(), render({"settings": {"metrics": {"results": True}}})

    def deployed(made: list[Body], name: str) -> Body:
        return named(made, "Deployment", name)

    assert deployed(before, "profiling-operator") != deployed(after, "profiling-operator")
    results = "profiling-operator-results"
    assert deployed(before, results) == deployed(after, results)
    assert settings_of(after).metrics.results is True


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_the_programs_know_their_words(variant: str, render: Render) -> None:
    """Every option on a command line of the chart is one of the command's."""
    commands = {"operator": operator.operator, "results-server": results_server.results_server}
    for one in of(render(VARIANTS[variant]), "Deployment"):
        command, *words = one["spec"]["template"]["spec"]["containers"][0]["args"]
        known = inspect.signature(commands[command]).parameters
        given = {word.partition("=")[0].removeprefix("--").replace("-", "_") for word in words}
        assert given <= known.keys()


def test_the_default_store_is_the_results_server(render: Render) -> None:
    """By its Service's name; by its address where that is fixed; as the values say otherwise."""
    assert settings_of(render()).stores["default"].url == (
        "http://profiling-operator-results.profiling-system.svc:8080/v1/results"
    )
    fixed = settings_of(render(EVERYTHING)).stores["default"]
    assert fixed.url == "https://10.96.7.7:8080/v1/results"
    assert fixed.ca.startswith("-----BEGIN")
    outside = {"resultsServer": {"url": "https://results.example/v1/results"}}
    assert (
        settings_of(render(outside)).stores["default"].url == "https://results.example/v1/results"
    )


def test_the_image_is_told_once(render: Render) -> None:
    """Pods and the operator's settings have the same; a digest stands above a tag."""
    made = render(EVERYTHING)
    images = {one["image"] for pod in pods(made) for one in pod["containers"]}

    assert images == {"profiling-operator@sha256:" + 64 * "a"}
    assert settings_of(made).kubernetes.image in images


def test_the_operator_watches_what_it_is_told(render: Render) -> None:
    """All namespaces, or a list."""

    def words(values: Body) -> list[str]:
        made = named(render(values), "Deployment", "profiling-operator")
        listed: list[str] = made["spec"]["template"]["spec"]["containers"][0]["args"]
        return listed

    assert words({}) == ["operator", "--all-namespaces"]
    assert words({"watchNamespaces": ["ci", "dev"]}) == [
        "operator",
        "--namespace=ci",
        "--namespace=dev",
    ]


def test_policies_are_bound_where_jobs_are_run(render: Render) -> None:
    """Each policy denies and has a binding; a namespaced installation's ends at its namespaces."""
    for values in ({}, {"watchNamespaces": ["ci"]}):
        made = render(values)
        policies = {one["metadata"]["name"] for one in of(made, "ValidatingAdmissionPolicy")}
        bindings = of(made, "ValidatingAdmissionPolicyBinding")
        assert {one["spec"]["policyName"] for one in bindings} == policies
        assert all(one["spec"]["validationActions"] == ["Deny"] for one in bindings)
        for one in bindings:
            assert ("matchResources" in one["spec"]) == bool(values)
        for one in of(made, "ValidatingAdmissionPolicy"):
            assert one["spec"]["failurePolicy"] == "Fail"


def test_the_uploader_policy_knows_every_field_of_the_status(render: Render) -> None:
    """A new field must not become one that uploaders may write."""
    version = crd.build()["spec"]["versions"][0]
    fields = set(version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"])
    policy = named(render(), "ValidatingAdmissionPolicy", "profiling-operator-uploader")
    kept = {one["message"].rpartition("status.")[2] for one in policy["spec"]["validations"]}

    assert fields - {"results"} <= kept
    assert policy["spec"]["matchConstraints"]["resourceRules"][0]["apiVersions"] == [
        names.API_VERSION.rpartition("/")[2]
    ]


def test_the_definition_is_as_in_the_repository(render: Render) -> None:
    """The same, kept on uninstall; both are values."""
    there = yaml.safe_load((ROOT / "crds/profilingjobs.profiling.dev.yaml").read_text())
    (kept,) = of(render(), "CustomResourceDefinition")
    (loose,) = of(render({"crds": {"keep": False}}), "CustomResourceDefinition")

    assert kept["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert kept == loose == there
    assert not of(render({"crds": {"install": False}}), "CustomResourceDefinition")


def test_two_releases_stand_side_by_side(render: Render) -> None:
    """Each in a namespace of its own, with namespaces of its own: no name is both's."""

    def names_of(release: str, watched: str) -> set[tuple[str, str, str]]:
        values = {"watchNamespaces": [watched], "crds": {"install": False}}
        made = render(values, release)
        return {
            (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"])
            for one in made
        }

    assert not names_of("profiling-operator", "ci") & names_of("other", "dev")


def test_jenkins_may_do_what_its_jobs_need(render: Render) -> None:
    """Write jobs, read pods and logs, and create pods, which the author of a job must."""
    made = render({"jenkins": {"rbac": {"create": True, "namespaces": ["builds"]}}})
    role = named(made, "Role", "profiling-operator-jenkins")
    given = {
        (name, verb) for one in role["rules"] for name in one["resources"] for verb in one["verbs"]
    }

    assert role["metadata"]["namespace"] == "builds"
    assert {("profilingjobs", "create"), ("pods", "create"), ("pods/log", "get")} <= given
    fewer = render(
        {"jenkins": {"rbac": {"create": True, "namespaces": ["a"], "createPods": False}}}
    )
    rules = named(fewer, "Role", "profiling-operator-jenkins")["rules"]
    assert not any("pods" in one["resources"] and "create" in one["verbs"] for one in rules)


def rights(role: Body) -> set[tuple[str, str]]:
    """Resources and verbs of a role."""
    return {
        (name, verb) for one in role["rules"] for name in one["resources"] for verb in one["verbs"]
    }


def test_baselines_are_written_by_the_operator_and_by_editors(render: Render) -> None:
    """Who may edit removes them as well; viewers, uploaders and the results server do neither."""
    roles = {one["metadata"]["name"]: rights(one) for one in of(render({}), "ClusterRole")}
    update, delete = (("profilingjobs/baseline", verb) for verb in ("update", "delete"))
    name = "profiling-operator"

    assert {role for role, given in roles.items() if update in given} == {name, f"{name}-edit"}
    assert {role for role, given in roles.items() if delete in given} == {f"{name}-edit"}


AGENT = "profiling-operator-agent"


def test_agents_have_no_rights_unless_asked_for(render: Render) -> None:
    """Nor an account."""
    assert not [one for one in render() if "agent" in one["metadata"]["name"]]


def test_agents_may_run_jobs_on_their_hosts(render: Render) -> None:
    """Neither Jobs nor pods: of a cluster they need the API alone."""
    made = render({"agents": {"enabled": True}})
    given = rights(named(made, "ClusterRole", AGENT))

    assert {("profilingjobs", verb) for verb in ("get", "list", "watch", "delete")} <= given
    assert {("profilingjobs/status", "patch"), ("profilingjobs/results", "update")} <= given
    assert {("profilingjobs/baseline", "update"), ("events", "create")} <= given
    assert ("priorityclasses", "list") in given
    assert not {"jobs", "pods", "nodes", "serviceaccounts", "rolebindings"} & {
        name for name, _ in given
    }
    lease = named(made, "Role", f"{AGENT}-leases")
    assert lease["metadata"]["namespace"] == "profiling-system"
    assert rights(lease) == {("leases", verb) for verb in ("get", "create", "update", "patch")}
    account = named(made, "ServiceAccount", "profjob-agent")
    assert not account["automountServiceAccountToken"]
    for binding in of(made, "RoleBinding", "ClusterRoleBinding"):
        if "agent" in binding["metadata"]["name"]:
            assert [one["name"] for one in binding["subjects"]] == ["profjob-agent"]


@pytest.mark.parametrize("values", [
    {"agents": {"enabled": True, "namespaces": ["gpu"]}},
    {"agents": {"enabled": True}, "watchNamespaces": ["gpu"]},
], ids=["own", "watched"])  # fmt: skip
def test_agents_of_some_namespaces_have_rights_there_alone(values: Body, render: Render) -> None:
    """But to read priority classes, which have no namespace."""
    made = render(values)
    (whole,) = [
        one for one in of(made, "ClusterRole") if one["metadata"]["name"].endswith("-agent")
    ]
    (role,) = [
        one for one in of(made, "Role") if one["metadata"]["name"] == whole["metadata"]["name"]
    ]

    assert {name for name, _ in rights(whole)} == {"priorityclasses"}
    assert role["metadata"]["namespace"] == "gpu"
    assert ("profilingjobs/status", "patch") in rights(role)


def test_jenkins_accepts_into_baselines_unless_told_otherwise(render: Render) -> None:
    """But removes none: that is for people."""
    for accepts in (True, False):
        chosen = {"create": True, "namespaces": ["a"], "acceptBaselines": accepts}
        role = named(render({"jenkins": {"rbac": chosen}}), "Role", "profiling-operator-jenkins")
        given = {verb for name, verb in rights(role) if name == "profilingjobs/baseline"}
        assert given == ({"update"} if accepts else set())


def test_the_ingress_leads_to_results_and_baselines(render: Render) -> None:
    """Metrics and health stay inside."""
    (ingress,) = of(render(EVERYTHING), "Ingress")
    (rule,) = ingress["spec"]["rules"]

    assert [one["path"] for one in rule["http"]["paths"]] == ["/v1/results", "/v1/baselines"]


def test_alerts_are_the_file_of_the_chart(render: Render) -> None:
    """A PrometheusRule has the same groups as Prometheus itself would read."""
    there = yaml.safe_load((CHART / "rules" / "profjob.rules.yaml").read_text())
    (rule,) = of(render({"prometheusRule": {"enabled": True}}), "PrometheusRule")

    assert rule["spec"] == there


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"oprator": {}}, "oprator"),
        ({"operator": {"replicas": 2}}, "replicas"),
        (
            {"operator": {"extraVolumes": [{"name": "x", "hostPath": {"path": "/"}}]}},
            "extraVolumes",
        ),
        ({"settings": {"kubernetes": {"imge": "x"}}}, "imge"),
        ({"settings": {"stores": {"default": {}}}}, "url"),
        ({"watchNamespaces": ["Not/AName"]}, "watchNamespaces"),
        ({"image": {"digest": "sha256:short"}}, "digest"),
        ({"resultsServer": {"enabled": False}}, "settings.stores.default is missing"),
        ({"resultsServer": {"ingress": {"enabled": True}}}, "resultsServer.ingress.host"),
        ({"jenkins": {"rbac": {"create": True}}}, "jenkins.rbac.namespaces"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_bad_values_are_refused(values: Body, told: str, render: Render) -> None:
    """With the value's name, before anything is sent to a cluster."""
    with pytest.raises(AssertionError, match=told):
        render(values)


@pytest.mark.needs("kubeconform")
@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_the_objects_are_those_of_kubernetes(
    variant: str, render: Render, schemas: Path, kubeconform: Path, tmp_path: Path
) -> None:
    """Strictly: no field that Kubernetes does not know."""
    file = tmp_path / "objects.yaml"
    file.write_text(yaml.safe_dump_all(render(VARIANTS[variant])))
    done = subprocess.run(
        [
            *(kubeconform, "-strict", "-summary", "-skip", "PodMonitor,PrometheusRule"),
            *("-schema-location", f"{schemas}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", file),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
