"""The chart installed, upgraded and removed on a real cluster, for all namespaces."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "profiling-operator"
RELEASE = "profiling-operator"
CRD = "profilingjobs.profiling.dev"

Body = dict[str, Any]

pytestmark = pytest.mark.needs("cluster", "helm")


@dataclass(frozen=True)
class Release:
    """The release and where it is."""

    home: str
    jobs: str
    cluster: Any
    helm: Callable[..., str]

    @property
    def operator(self) -> str:
        """The user that the operator is."""
        return f"system:serviceaccount:{self.home}:{RELEASE}"

    def upgrade(self, chart: Path = CHART, **values: Any) -> str:
        """Install or upgrade; no pod is waited for, since no image is there for certain."""
        given = [f"--set-json={key}={json.dumps(one)}" for key, one in values.items()]
        words = ("upgrade", RELEASE, chart, "-n", self.home, "--install", "--wait=hookOnly")
        # The definition may be there already, by `kubectl apply` or of a release that is gone.
        return self.helm(*words, "--take-ownership", "--force-conflicts", "--reset-values", *given)

    def may(self, user: str, *words: str) -> bool:
        """Whether a user has a right in the jobs' namespace."""
        done = self.cluster.tried("auth", "can-i", *words, "-n", self.jobs, user=user)
        return bool(done.stdout.strip() == "yes")


@pytest.fixture(scope="module")
def release(
    cluster: Any, namespace: Callable[[str], str], crd_there: bool, helm: Callable[..., str]
) -> Iterator[Release]:
    """Installed for all namespaces, in one that admits restricted pods alone."""
    made = Release(namespace("release"), namespace("release-jobs"), cluster, helm)
    made.upgrade(**PODLESS)
    yield made
    helm("uninstall", RELEASE, "-n", made.home, "--ignore-not-found")
    if not crd_there:
        cluster.kubectl("delete", "crd", CRD, "--ignore-not-found")


PODLESS: Body = {
    "operator": {"replicas": 0},
    "resultsServer": {"replicas": 0},
    "agents": {"enabled": True},
}


def test_what_is_installed_answers(release: Release, wait: Callable[..., Any]) -> None:
    """The definition is served, with its short name and its fields explained."""
    listed = ("get", "pj", "-n", release.jobs)
    assert wait(lambda: "No resources found" in release.cluster.tried(*listed).stderr)
    explained = ("explain", "profilingjob.spec.collectors")
    meaning = "One or more collectors that can work together"
    assert wait(lambda: meaning in release.cluster.tried(*explained).stdout)


def test_the_operator_has_the_rights_that_it_needs(release: Release) -> None:
    """And none to read secrets, to enter containers or to give itself more."""
    for words in (
        ("create", "jobs.batch"),
        ("delete", "pods"),
        ("patch", "profilingjobs.profiling.dev"),
        ("patch", "profilingjobs.profiling.dev", "--subresource=status"),
        ("update", "profilingjobs.profiling.dev", "--subresource=baseline"),
        ("create", "events"),
        ("create", "serviceaccounts"),
        ("create", "rolebindings.rbac.authorization.k8s.io"),
    ):
        assert release.may(release.operator, *words), words
    for words in (
        ("get", "secrets"),
        ("create", "pods", "--subresource=exec"),
        ("create", "pods"),
        ("create", "roles.rbac.authorization.k8s.io"),
        ("escalate", "clusterroles.rbac.authorization.k8s.io"),
        ("create", "profilingjobs.profiling.dev"),
        ("delete", "profilingjobs.profiling.dev", "--subresource=baseline"),
    ):
        assert not release.may(release.operator, *words), words


def test_agents_have_the_rights_that_they_need(release: Release) -> None:
    """And none in the cluster itself; their Lease is in the release's namespace."""
    agent = f"system:serviceaccount:{release.home}:profjob-agent"
    for words in (
        ("watch", "profilingjobs.profiling.dev"),
        ("delete", "profilingjobs.profiling.dev"),
        ("patch", "profilingjobs.profiling.dev", "--subresource=status"),
        ("update", "profilingjobs.profiling.dev", "--subresource=results"),
        ("create", "events"),
        ("list", "priorityclasses.scheduling.k8s.io"),
    ):
        assert release.may(agent, *words), words
    for words in (
        ("patch", "profilingjobs.profiling.dev"),
        ("create", "jobs.batch"),
        ("get", "pods"),
        ("get", "secrets"),
        ("get", "leases.coordination.k8s.io"),
        ("create", "serviceaccounts"),
    ):
        assert not release.may(agent, *words), words


def test_the_results_server_asks_and_reads_pods(release: Release) -> None:
    """And nothing else."""
    user = f"system:serviceaccount:{release.home}:{RELEASE}-results"

    assert release.may(user, "create", "tokenreviews.authentication.k8s.io")
    assert release.may(user, "create", "subjectaccessreviews.authorization.k8s.io")
    assert release.may(user, "get", "pods")
    assert not release.may(user, "list", "pods")
    assert not release.may(user, "get", "profilingjobs.profiling.dev")


def test_editors_and_viewers_of_a_namespace_get_profiling_jobs(
    release: Release, wait: Callable[..., Any]
) -> None:
    """By aggregation into Kubernetes' own roles."""
    for role in ("edit", "view"):
        words = ("create", "rolebinding", role, f"--clusterrole={role}", f"--user=a-{role}or")
        release.cluster.kubectl(*words, "-n", release.jobs)

    assert wait(lambda: release.may("a-editor", "create", "profilingjobs.profiling.dev"))
    assert wait(lambda: release.may("a-viewor", "get", "profilingjobs.profiling.dev"))
    assert not release.may("a-viewor", "create", "profilingjobs.profiling.dev")
    assert not release.may(
        "a-editor", "patch", "profilingjobs.profiling.dev", "--subresource=status"
    )
    baseline = ("profilingjobs.profiling.dev", "--subresource=baseline")
    for verb in ("update", "delete"):
        assert release.may("a-editor", verb, *baseline)
        assert not release.may("a-viewor", verb, *baseline)


def test_the_operator_binds_uploaders_and_nobody_else(
    release: Release, wait: Callable[..., Any]
) -> None:
    """In a namespace with its first job."""
    group = "rbac.authorization.k8s.io"

    def binding(name: str, account: str, role: str) -> Body:
        return {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": release.jobs},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": release.jobs}],
        }

    def tried(body: Body) -> str:
        done = release.cluster.tried(
            "create", "-f", "-", "--dry-run=server", given=body, user=release.operator
        )
        return str(done.stdout + done.stderr)

    role = f"{RELEASE}-uploader"
    assert "created" in tried(binding("a", "profjob-uploader", role))
    assert wait(lambda: "and nothing else" in tried(binding("b", "default", role)))
    assert "is forbidden" in tried(binding("c", "profjob-uploader", "cluster-admin"))
    assert "is forbidden" in tried(binding("d", "profjob-uploader", f"{RELEASE}-view"))


def test_both_pods_are_admitted_where_only_restricted_ones_are(
    release: Release, wait: Callable[..., Any]
) -> None:
    """Whether they start is the image's business."""
    release.upgrade(
        image={"pullPolicy": "Never", "tag": "no-such-tag"},
        resultsServer={"persistence": {"enabled": False}},
        networkPolicy={"enabled": True},
    )

    def components() -> bool:
        pods = release.cluster.read("pods", "-n", release.home)["items"]
        found = {one["metadata"]["labels"]["app.kubernetes.io/component"] for one in pods}
        return {"operator", "results-server"} <= found

    assert wait(components)
    policies = release.cluster.read("networkpolicies", "-n", release.home)["items"]
    assert len(policies) == 2


def test_an_upgrade_changes_the_definition(release: Release, tmp_path: Path) -> None:
    """From that of an older chart, which has fewer columns."""
    older = tmp_path / "older"
    shutil.copytree(CHART, older)
    template = older / "templates" / "crd.yaml"
    column = "    - name: Phase\n      type: string\n      jsonPath: .status.phase\n"
    assert column in template.read_text()
    template.write_text(template.read_text().replace(column, ""))

    def columns() -> list[str]:
        version = release.cluster.read("crd", CRD)["spec"]["versions"][0]
        return [one["name"] for one in version["additionalPrinterColumns"]]

    release.upgrade(older, **PODLESS)
    assert "Phase" not in columns()
    release.upgrade(**PODLESS)
    assert "Phase" in columns()


def test_removal_keeps_what_was_measured(release: Release) -> None:
    """The definition with its jobs and the volume stay; all the rest is gone."""
    job = {
        "apiVersion": "profiling.dev/v1alpha1",
        "kind": "ProfilingJob",
        "metadata": {"name": "kept", "namespace": release.jobs},
        "spec": {"app": {"image": "x", "command": ["/x"]}, "collectors": [{"name": "pyspy"}]},
    }
    release.upgrade(**PODLESS)
    release.cluster.kubectl("create", "-f", "-", given=job)
    release.helm("uninstall", RELEASE, "-n", release.home)

    assert release.cluster.read("pj", "kept", "-n", release.jobs)
    assert release.cluster.read("pvc", f"{RELEASE}-results", "-n", release.home)
    for kind in (
        "clusterroles",
        "clusterrolebindings",
        "validatingadmissionpolicies.v1.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.v1.admissionregistration.k8s.io",
        "deployments,services,configmaps,serviceaccounts",
    ):
        words = (kind, "-A", "-l", f"app.kubernetes.io/instance={RELEASE}")
        left = [one["metadata"]["name"] for one in release.cluster.read(*words)["items"]]
        assert left == [], kind
    # As it was found: the release can be installed again, and takes over what it left.
    release.upgrade(**PODLESS)
    release.helm("uninstall", RELEASE, "-n", release.home)
