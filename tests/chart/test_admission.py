"""The admission policies on a real API server, with real tokens."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

Body = dict[str, Any]
RESOURCE = "/apis/profiling.dev/v1alpha1/namespaces/{}/profilingjobs/{}"
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"
CREATED = "profilingjob.profiling.dev/a"
RBAC = "rbac.authorization.k8s.io"
UPLOADER = "profjob-uploader"

pytestmark = pytest.mark.needs("cluster", "helm")


@dataclass(frozen=True)
class Place:
    """A namespace whose jobs are run, and the one where the operator would be."""

    jobs: str
    home: str
    cluster: Any
    policies: str
    """What the names of its policies begin with."""

    @property
    def operator(self) -> str:
        """The user that the operator is."""
        return f"system:serviceaccount:{self.home}:profiling-operator"

    def profiling_job(self, name: str, **spec: Any) -> Body:
        """A job with little in it."""
        app = {"image": "example/app:1", "command": ["/app"], **spec.pop("app", {})}
        return {
            "apiVersion": "profiling.dev/v1alpha1",
            "kind": "ProfilingJob",
            "metadata": {"name": name, "namespace": self.jobs},
            "spec": {"app": app, "collectors": [{"name": "pyspy"}], **spec},
        }

    def author(self, name: str, *rules: Body) -> str:
        """A user who may create ProfilingJobs in the namespace, and what else is given."""
        user = f"author-{name}"
        jobs = {"apiGroups": ["profiling.dev"], "resources": ["profilingjobs"], "verbs": ["create"]}
        self.bind(user, {"apiGroup": RBAC, "kind": "User", "name": user}, [jobs, *rules])
        return user

    def bind(self, name: str, subject: Body, rules: list[Body]) -> None:
        """Give somebody rights in the namespace."""
        reference = {"apiGroup": RBAC, "kind": "Role", "name": name}
        for body in (
            {"kind": "Role", "rules": rules},
            {"kind": "RoleBinding", "roleRef": reference, "subjects": [subject]},
        ):
            metadata = {"name": name, "namespace": self.jobs}
            document = {"apiVersion": f"{RBAC}/v1", "metadata": metadata, **body}
            self.cluster.kubectl("create", "-f", "-", given=document)

    def job(self, name: str, **labels: str) -> Body:
        """A batch/v1 Job as the operator makes them, that no node takes."""
        labelled = {f"profiling.dev/{key.replace('_', '-')}": one for key, one in labels.items()}
        context = {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": True,
            "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        container = {"name": "app", "image": "example/app:1", "securityContext": context}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "namespace": self.jobs, "labels": labelled},
            "spec": {
                "backoffLimit": 0,
                "template": {
                    "metadata": {"labels": labelled},
                    "spec": {
                        "restartPolicy": "Never",
                        "serviceAccountName": UPLOADER,
                        "automountServiceAccountToken": False,
                        "nodeSelector": {"profiling.dev/no-such-node": "x"},
                        "containers": [container],
                    },
                },
            },
        }

    def token(self, *bound: str) -> str:
        """A token of the uploader; bound to a pod where its name and UID are given."""
        words = ["--bound-object-kind=Pod", *bound] if bound else []
        out: str = self.cluster.kubectl("create", "token", UPLOADER, "-n", self.jobs, *words)
        return out.strip()

    def report(self, name: str, token: str, status: Body, content: str = MERGE) -> Any:
        """Change a job's status as an uploader does, by one PATCH."""
        body: Body = {"status": status}
        path = RESOURCE.format(self.jobs, name) + "/status"
        if content == APPLY:
            body |= {"apiVersion": "profiling.dev/v1alpha1", "kind": "ProfilingJob"}
            body["metadata"] = {"name": name, "namespace": self.jobs}
            path += "?fieldManager=profjob-uploader&force=true"
        return self.cluster.request("PATCH", path, token, body, content)


@pytest.fixture(scope="module")
def place(
    cluster: Any,
    namespace: Callable[[str], str],
    crd_there: bool,
    helm: Callable[..., str],
    wait: Callable[..., Any],
) -> Iterator[Place]:
    """A release for one namespace, without pods; its policies are in force when it is given."""
    jobs, home = namespace("admission"), namespace("admission-home")
    given = {
        "watchNamespaces": [jobs],
        "operator": {"replicas": 0},
        "resultsServer": {"replicas": 0, "persistence": {"enabled": False}},
        "crds": {"install": not crd_there, "keep": crd_there},
        "admission": {"enabled": True},
        "agents": {"enabled": True},
    }
    values = [f"--set-json={key}={json.dumps(one)}" for key, one in given.items()]
    chart = __file__.rpartition("/tests/")[0] + "/charts/profiling-operator"
    helm("install", "profiling-operator", chart, "-n", home, "--wait=hookOnly", *values)
    made = Place(jobs, home, cluster, f"profiling-operator-{home}")
    # Policies come into force a moment after they were created.
    stranger = made.author("stranger")
    probe = made.profiling_job("probe")
    assert wait(lambda: "may not create pods" in tried(made, probe, stranger))
    yield made
    helm("uninstall", "profiling-operator", "-n", home)


def tried(place: Place, body: Body, user: str) -> str:
    """Create an object without keeping it; what the API server said."""
    done = place.cluster.tried(
        "create", "-f", "-", "--dry-run=server", "-o", "name", given=body, user=user
    )
    return str(done.stdout + done.stderr)


@dataclass(frozen=True)
class Attempt:
    """A job in the cluster with the pod of its first attempt, and that pod's token."""

    name: str
    pod: str
    uid: str
    token: str


def attempted(place: Place, name: str, wait: Callable[..., Any]) -> Attempt:
    """Create a ProfilingJob and its pod as the operator does, and note the pod in its status."""
    cluster = place.cluster
    cluster.kubectl("create", "-f", "-", given=place.profiling_job(name))
    child = place.job(f"{name}-child", job=name, job_uid="1", attempt="1")
    cluster.kubectl("create", "-f", "-", given=child, user=place.operator)
    chosen = ("pods", "-n", place.jobs, "-l", f"job-name={name}-child")
    (pod,) = wait(lambda: cluster.read(*chosen)["items"])
    metadata = pod["metadata"]
    attempt = {"number": 1, "podName": metadata["name"], "podUID": metadata["uid"]}
    status = {"phase": "Running", "headline": "as it was", "attempts": [attempt], "runs": []}
    words = ("patch", "pj", name, "-n", place.jobs, "--subresource=status", "--type=merge")
    cluster.kubectl(*words, "-p", json.dumps({"status": status}))
    bound = (f"--bound-object-name={metadata['name']}", f"--bound-object-uid={metadata['uid']}")
    return Attempt(name, metadata["name"], metadata["uid"], place.token(*bound))


@pytest.fixture(scope="module")
def mine(place: Place, wait: Callable[..., Any]) -> Attempt:
    """The job whose uploader reports."""
    return attempted(place, "mine", wait)


@pytest.fixture(scope="module")
def theirs(place: Place, wait: Callable[..., Any]) -> Attempt:
    """Another job in the same namespace."""
    return attempted(place, "theirs", wait)


RESULTS = {"url": "http://results/x", "truncated": False}


@pytest.mark.parametrize("content", [MERGE, APPLY], ids=["merge", "apply"])
def test_an_uploader_reports_its_results(content: str, place: Place, mine: Attempt) -> None:
    """By either kind of patch; the rest of the status stays as it was."""
    url = f"http://results/{content}"
    answer = place.report("mine", mine.token, {"results": {"url": url}}, content)

    assert answer.code == 200, answer.message
    assert answer.body["status"]["results"]["url"] == url
    assert answer.body["status"]["headline"] == "as it was"


@pytest.mark.parametrize(
    "change",
    [
        {"phase": "Succeeded"},
        {"headline": "all is well"},
        {"headline": None},
        {"observedGeneration": 7},
        {"startTime": "2026-01-01T00:00:00Z"},
        {"completionTime": "2026-01-01T00:00:00Z"},
        {"duration": "1s"},
        {"attempts": []},
        {"attempts": [{"number": 1, "podUID": "another"}]},
        {"runs": [{"index": 0, "app": {"reason": "x", "startedAt": "x", "finishedAt": "x"}}]},
        {"gates": [{"measure": "x", "verdict": "Passed"}]},
        {
            "conditions": [
                {"type": "Finished", "status": "True", "reason": "x", "lastTransitionTime": "x"}
            ]
        },
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_uploader_changes_nothing_else(change: Body, place: Place, mine: Attempt) -> None:
    """No other field of the status, not even beside its results; the message names the field."""
    answer = place.report("mine", mine.token, {"results": RESULTS, **change})

    assert answer.code in (403, 422)
    assert f"not status.{next(iter(change))}" in answer.message


def test_an_agent_writes_the_status_and_nothing_else(place: Place) -> None:
    """No policy keeps it from that; of the job itself it has the right to read and delete it."""
    name = "addressed"
    body = place.profiling_job(name, placement={"host": "gpu-1"})
    place.cluster.kubectl("create", "-f", "-", given=body)
    token = place.cluster.kubectl("create", "token", "profjob-agent", "-n", place.home).strip()

    answer = place.report(name, token, {"phase": "Running", "headline": "on a Docker host"})

    assert answer.code == 200, answer.message
    assert answer.body["status"]["phase"] == "Running"
    path = RESOURCE.format(place.jobs, name)
    spec = {"spec": {"suspend": True}}
    assert place.cluster.request("PATCH", path, token, spec, MERGE).code == 403


def test_an_uploader_cannot_remove_the_status(place: Place, mine: Attempt) -> None:
    """As a whole."""
    path = RESOURCE.format(place.jobs, "mine") + "/status"
    answer = place.cluster.request("PATCH", path, mine.token, {"status": None}, MERGE)

    assert answer.code in (403, 422)


def test_an_uploader_reports_for_its_own_job_only(
    place: Place, mine: Attempt, theirs: Attempt
) -> None:
    """Another job's status is another pod's."""
    answer = place.report("theirs", mine.token, {"results": RESULTS})

    assert answer.code in (403, 422)
    assert "is of no attempt of this job" in answer.message
    assert place.report("theirs", theirs.token, {"results": RESULTS}).code == 200


def test_a_token_without_a_pod_is_refused(place: Place, mine: Attempt) -> None:
    """It could be anybody's in the namespace."""
    answer = place.report(mine.name, place.token(), {"results": RESULTS})

    assert answer.code in (403, 422)
    assert "not bound to a pod" in answer.message


@pytest.mark.parametrize(
    "change", [{"spec": {"cancel": True}}, {"metadata": {"labels": {"a": "b"}}}]
)
def test_an_uploader_cannot_touch_the_job(change: Body, place: Place, mine: Attempt) -> None:
    """Neither by the resource itself, nor along with its status."""
    path = RESOURCE.format(place.jobs, "mine")
    plain = place.cluster.request("PATCH", path, mine.token, change, MERGE)
    along = {"status": {"results": RESULTS}, **change}
    place.cluster.request("PATCH", f"{path}/status", mine.token, along, MERGE)
    job = place.cluster.read("pj", "mine", "-n", place.jobs)

    assert plain.code == 403
    assert job["spec"]["cancel"] is False
    assert "labels" not in job["metadata"]


def test_even_an_uploader_with_too_many_rights_is_kept_to_its_results(
    place: Place, mine: Attempt
) -> None:
    """The policy holds where somebody gave the account a role of more."""
    everything = {"apiGroups": ["profiling.dev"], "resources": ["profilingjobs"], "verbs": ["*"]}
    subject = {"kind": "ServiceAccount", "name": UPLOADER, "namespace": place.jobs}
    place.bind("too-much", subject, [everything, may("create", "pods")])
    path = RESOURCE.format(place.jobs, "mine")
    answers = [
        place.cluster.request("PATCH", path, mine.token, {"spec": {"cancel": True}}, MERGE),
        place.cluster.request("DELETE", path, mine.token, {}, "application/json"),
        place.cluster.request(
            "POST",
            path.rpartition("/")[0],
            mine.token,
            place.profiling_job("new"),
            "application/json",
        ),
    ]

    assert all(one.code in (403, 422) for one in answers)
    messages = [one.message for one in answers]
    assert all("and nothing else" in one for one in messages), "\n".join(messages)


def secret(name: str) -> Body:
    """An environment variable of a Secret."""
    return {
        "name": f"V{name}".replace("-", "_"),
        "valueFrom": {"secretKeyRef": {"name": name, "key": "k"}},
    }


def may(verb: str, resource: str, *names: str) -> Body:
    """One rule of a role."""
    rule: Body = {"apiGroups": [""], "resources": [resource], "verbs": [verb]}
    return rule | ({"resourceNames": list(names)} if names else {})


def test_an_author_needs_the_right_to_create_pods(place: Place) -> None:
    """Else a ProfilingJob would give it."""
    told = tried(place, place.profiling_job("a"), place.author("podless"))

    assert "author-podless may not create pods in namespace" in told


@pytest.mark.parametrize(
    "spec",
    [
        {"app": {"env": [secret("hidden")]}},
        {"app": {"imagePullSecrets": [{"name": "hidden"}]}},
        {"playback": {"port": 80, "image": "x", "env": [secret("hidden")]}},
        {"app": {"env": [secret("open"), secret("open"), secret("hidden")]}},
    ],
    ids=["env", "imagePullSecrets", "playback", "among-others"],
)
def test_an_author_names_secrets_that_he_may_read(
    spec: Body, place: Place, request: pytest.FixtureRequest
) -> None:
    """Wherever he names them; the message names the Secret."""
    name = request.node.callspec.id
    author = place.author(name.lower(), may("create", "pods"), may("get", "secrets", "open"))
    told = tried(place, place.profiling_job("a", **spec), author)

    assert f"the job names secret hidden: {author} may not get it" in told


def test_an_author_with_the_rights_gets_his_job(place: Place) -> None:
    """By name, sixteen of them, each as often as he likes; or all."""
    many = [f"s{number}" for number in range(16)]
    by_name = place.author("by-name", may("create", "pods"), may("get", "secrets", *many))
    env = [secret(name) for name in many] + [{**secret(name), "name": f"W{name}"} for name in many]

    assert CREATED in tried(place, place.profiling_job("a", app={"env": env}), by_name)
    more = [secret(f"s{number}") for number in range(40)]
    told = tried(place, place.profiling_job("a", app={"env": more}), by_name)
    assert "secret s16: author-by-name may not get it" in told or "more than 16 secrets" in told
    all_of_them = place.author("all", may("create", "pods"), may("get", "secrets"))
    assert CREATED in tried(place, place.profiling_job("a", app={"env": more}), all_of_them)


@pytest.mark.parametrize("where", ["env", "volume"])
def test_an_author_names_configmaps_that_he_may_read(where: str, place: Place) -> None:
    """In variables and volumes."""
    author = place.author(f"maps-{where}", may("create", "pods"), may("get", "configmaps", "open"))

    def spec(name: str) -> Body:
        reference = {"configMapKeyRef": {"name": name, "key": "k"}}
        volume = {"name": "v", "mountPath": "/v", "configMap": {"name": name}}
        app: Body = {"env": [{"name": "A", "valueFrom": reference}]}
        return {"app": app if where == "env" else {"volumes": [volume]}}

    refused = tried(place, place.profiling_job("a", **spec("hidden")), author)
    assert f"the job names configmap hidden: {author} may not get it" in refused
    admitted = tried(place, place.profiling_job("a", **spec("open")), author)
    assert CREATED in admitted


def test_pods_of_uploaders_come_from_jobs_of_the_operator(place: Place) -> None:
    """Not even the administrator makes one: the results server believes their labels."""
    job = place.job("forged", job="mine", job_uid="1", attempt="1")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "forged", "namespace": place.jobs},
        "spec": job["spec"]["template"]["spec"],
    }
    author = place.author("forger", may("create", "pods"))

    assert "only the Job controller makes pods with service account profjob-uploader" in tried(
        place, pod, author
    )
    assert "only the operator makes Jobs with service account profjob-uploader" in tried(
        place, job, ""
    )
    pod["spec"]["serviceAccountName"] = "default"
    assert "pod/forged" in tried(place, pod, author)


def test_labels_of_pods_and_jobs_stay(place: Place, mine: Attempt) -> None:
    """Added, changed or removed: refused. Others' labels are others' business."""
    for kind, name in (("pod", mine.pod), ("job", "mine-child")):
        for change in ("profiling.dev/job=theirs", "profiling.dev/job-", "profiling.dev/new=x"):
            done = place.cluster.tried("label", kind, name, change, "-n", place.jobs, "--overwrite")
            assert "stay as they are" in done.stderr, (kind, change, done.stderr)
        place.cluster.kubectl("label", kind, name, "team=a", "-n", place.jobs)


def test_the_api_server_finds_no_fault_in_the_policies(
    place: Place, render: Callable[..., list[Body]], wait: Callable[..., Any]
) -> None:
    """Types are checked against the definition, which is there by now; a fault would be told."""
    kind = "ValidatingAdmissionPolicy"
    copies = [one for one in render() if one["kind"] == kind]
    wrong = yaml.safe_load(yaml.safe_dump(copies[0]))
    wrong["spec"]["validations"] = [{"expression": "object.spec.nothing == 1"}]
    for number, one in enumerate([*copies, wrong]):
        one["metadata"] = {"name": f"{place.jobs}-types-{number}"}
        place.cluster.kubectl("create", "-f", "-", given=one)  # without a binding it does nothing
    warnings = []
    for number in range(len(copies) + 1):
        name = f"{place.jobs}-types-{number}"

        def checked(name: str = name) -> Any:
            status = place.cluster.read(f"{kind}.v1.admissionregistration.k8s.io", name).get(
                "status"
            )
            return status if status and "typeChecking" in status else None

        status = wait(checked)
        warnings.append(status["typeChecking"].get("expressionWarnings", []))
        place.cluster.kubectl("delete", f"{kind}.v1.admissionregistration.k8s.io", name)

    assert warnings[:-1] == [[] for _ in copies]
    assert warnings[-1], "the API server does not check types"


ACCEPT = "profiling.dev/accept-baseline"
MAY = {
    "apiGroups": ["profiling.dev"], "resources": ["profilingjobs/baseline"], "verbs": ["update"],
    "resourceNames": ["main"],
}  # fmt: skip
PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}


def test_the_operator_writes_no_baseline_that_the_author_may_not(place: Place) -> None:
    """By its name; without the annotation nothing is asked."""
    may, may_not = place.author("accepts", PODS, MAY), place.author("accepts-not", PODS)
    body = place.profiling_job("a")
    asking = {**body, "metadata": {**body["metadata"], "annotations": {ACCEPT: "main"}}}
    other = {**body, "metadata": {**body["metadata"], "annotations": {ACCEPT: "other"}}}

    assert CREATED in tried(place, asking, may)
    assert CREATED in tried(place, body, may_not)
    assert "may not update profilingjobs/baseline main" in tried(place, asking, may_not)
    assert "may not update profilingjobs/baseline other" in tried(place, other, may)


def test_the_annotation_cannot_be_added_later_either(place: Place) -> None:
    """What is there already may stay, whoever changes the rest."""
    change = {"apiGroups": ["profiling.dev"], "resources": ["profilingjobs"],
              "verbs": ["create", "get", "patch"]}  # fmt: skip
    user = place.author("annotates", PODS, change)
    body = place.profiling_job("annotated")
    place.cluster.kubectl("create", "-f", "-", given=body)
    words = ("annotate", "pj", "annotated", "-n", place.jobs)

    said = place.cluster.tried(*words, f"{ACCEPT}=main", user=user)
    assert "may not update profilingjobs/baseline main" in said.stderr
    place.cluster.kubectl(*words, f"{ACCEPT}=main")
    assert place.cluster.tried(*words, "team=a", user=user).returncode == 0
