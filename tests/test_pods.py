"""The Job that is made of a plan."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from making import job
from pod_security import containers, expanded, violations
from profiling_operator import assignment, plan, pod_refusals, pods
from profiling_operator.assignment import Assignment
from profiling_operator.plan import Plan
from profiling_operator.settings import (
    KubernetesSettings,
    Settings,
    StoreSettings,
    ToolchainSettings,
)

Body = dict[str, Any]

UID = "0b8d6a52-5c1e-4b6e-9f0a-2f1d3c4b5a69"
APP: Body = {"image": "app:1", "command": ["/a"]}
STORES = {
    "default": StoreSettings(url="http://results.example/v1/results"),
    "bucket": StoreSettings(url="s3://bucket/prefix", secret_name="bucket-keys"),  # noqa: S106
}
PLAIN = Settings(stores=STORES, kubernetes=KubernetesSettings(image="profjob:1"))
RICH = Settings(
    stores=STORES,
    toolchains={"tau": ToolchainSettings(image="tau:2", path="/tools/tau")},
    kubernetes=KubernetesSettings(
        image="profjob:1",
        pull_secrets=("ours", "both"),
        seccomp_profile="profiles/profjob-perf.json",
        gpu_product_label="gpu.example/product",
    ),
)
EVERYTHING: Body = {
    "app": {
        "image": "app:1",
        "command": ["/a", "$(HOME)", "$$"],
        "args": ["--cost", "5$", "$(X)"],
        "workingDir": "/work/$(X)",
        "env": [
            {"name": "PASSWORD", "value": "pa$$word$(X)"},
            {"name": "EMPTY"},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "MAP", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}},
        ],
        "resources": {"limits": {"cpu": "4", "memory": "8Gi"}},
        "volumes": [
            {
                "name": "claim",
                "mountPath": "/data",
                "persistentVolumeClaim": {"claimName": "c", "readOnly": True},
            },
            {"name": "map", "mountPath": "/etc/map", "configMap": {"name": "m"}},
            {
                "name": "shm",
                "mountPath": "/dev/shm",
                "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"},
            },
        ],
        "securityContext": {"runAsUser": 1000, "runAsGroup": 2000},
        "imagePullSecrets": [{"name": "theirs"}, {"name": "both"}],
    },
    "gpu": {"count": 2, "product": "NVIDIA-H200"},
    "collectors": [{"name": "tau"}, {"name": "perf"}],
    "timeoutSeconds": 600,
    "gracePeriodSeconds": 20,
    "repetitions": 3,
    "warmups": 1,
    "playback": {
        "image": "playback:1",
        "command": ["/serve", "$$"],
        "env": [{"name": "MODE", "value": "$(HOME)"}],
        "port": 8080,
        "readiness": {"httpGet": "/ready", "timeoutSeconds": 40},
    },
    "output": {"path": "/app/out", "sizeLimit": "512Mi", "store": "bucket"},
    "placement": {
        "nodeSelector": {"disk": "fast"},
        "tolerations": [
            {"key": "dedicated", "value": "ci", "effect": "NoSchedule"},
            {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5},
        ],
        "runtimeClassName": "nvidia",
        "priorityClassName": "low",
        "queueName": "team",
    },
    "deadlines": {"startSeconds": 100, "collectSeconds": 200},
}


def planned(**changes: Any) -> Plan:
    """A plan of a job that a cluster takes."""
    return plan.build_plan(job(**{"uid": UID, "app": APP, **changes}))


def spec_of(made: Plan, known: Settings = PLAIN) -> Body:
    """The spec of its pod."""
    spec: Body = pods.job(made, known)["spec"]["template"]["spec"]
    return spec


def named(spec: Body, name: str) -> Body:
    """One container of a pod."""
    return next(dict(one) for one in containers(spec) if one["name"] == name)


DOWNWARD = [
    {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    {"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
    {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
]
NO_GPU = {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}
OUR_CONTEXT = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
OUTPUT = {"name": "profiling-output", "mountPath": "/workspace"}
TOLD = {"name": "assignment", "mountPath": "/etc/profjob", "readOnly": True}
LABELS = {
    "profiling.dev/job": "test",
    "profiling.dev/job-uid": UID,
    "profiling.dev/attempt": "1",
    "app.kubernetes.io/managed-by": "profiling-operator",
}


def test_the_smallest_job_as_a_whole() -> None:
    """Job and pod, word by word; the launcher's command line has tests of its own."""
    made = pods.job(planned(), PLAIN)
    template = made["spec"]["template"]
    told = template["metadata"].pop("annotations")
    command = named(template["spec"], "app")["command"]
    template["spec"]["containers"][0].pop("command")

    assert list(told) == ["profiling.dev/assignment"]
    assert command[:3] == ["/.profiling/launch", "--workspace", "/profiling_output"]
    assert command[-1] == "/a"
    assert made == {
        "metadata": {
            "name": planned().name,
            "namespace": "ci",
            "labels": LABELS,
            "ownerReferences": [
                {
                    "apiVersion": "profiling.dev/v1alpha1",
                    "kind": "ProfilingJob",
                    "name": "test",
                    "uid": UID,
                    "controller": True,
                }
            ],
        },
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "podReplacementPolicy": "Failed",
            "template": {
                "metadata": {"labels": LABELS},
                "spec": {
                    "restartPolicy": "Never",
                    "activeDeadlineSeconds": 600 + 60 + 5 + 5 + 15 + 600 + 30,
                    "terminationGracePeriodSeconds": 5 + 5 + 15 + 600 + 30,
                    "serviceAccountName": "profjob-uploader",
                    "automountServiceAccountToken": False,
                    "enableServiceLinks": False,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": 65532,
                        "runAsGroup": 65532,
                        "fsGroup": 65532,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "initContainers": [PYSPY],
                    "containers": [PLAIN_APP, UPLOADER],
                    "volumes": PLAIN_VOLUMES,
                },
            },
        },
    }


PYSPY = {
    "name": "collector-pyspy",
    "image": "profjob:1",
    "imagePullPolicy": "IfNotPresent",
    "args": ["collect", "pyspy"],
    "env": [*DOWNWARD, NO_GPU],
    "securityContext": OUR_CONTEXT,
    "volumeMounts": [OUTPUT, TOLD, {"name": "toolchain", "mountPath": "/.profiling"}],
    "restartPolicy": "Always",
    "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
    "startupProbe": {
        "exec": {"command": ["test", "-e", "/.profiling/.delivered-pyspy"]},
        "periodSeconds": 1,
        "timeoutSeconds": 2,
        "failureThreshold": 600,
    },
}
PLAIN_APP = {
    "name": "app",
    "image": "app:1",
    "imagePullPolicy": "IfNotPresent",
    "env": [NO_GPU],
    "resources": {"requests": {"ephemeral-storage": "2Gi"}},
    "securityContext": {**OUR_CONTEXT, "readOnlyRootFilesystem": False},
    "volumeMounts": [
        {"name": "profiling-output", "mountPath": "/profiling_output"},
        {"name": "toolchain", "mountPath": "/.profiling", "readOnly": True},
    ],
}
TOKEN_MOUNTS = [
    {
        "name": "api-token",
        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
        "readOnly": True,
    },
    {"name": "results-token", "mountPath": "/var/run/secrets/profiling.dev", "readOnly": True},
]
UPLOADER = {
    "name": "uploader",
    "image": "profjob:1",
    "imagePullPolicy": "IfNotPresent",
    "args": ["upload"],
    "env": [*DOWNWARD, NO_GPU, {"name": "TMPDIR", "value": "/scratch"}],
    "securityContext": OUR_CONTEXT,
    "volumeMounts": [OUTPUT, TOLD, {"name": "scratch", "mountPath": "/scratch"}, *TOKEN_MOUNTS],
    "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}},
}
ASSIGNMENT_VOLUME = {
    "name": "assignment",
    "downwardAPI": {
        "items": [
            {
                "path": "assignment.json",
                "fieldRef": {"fieldPath": "metadata.annotations['profiling.dev/assignment']"},
            }
        ]
    },
}
RESULTS_TOKEN = {
    "serviceAccountToken": {
        "path": "token",
        "expirationSeconds": 3600,
        "audience": "profjob-results",
    }
}
API_FILES = [
    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    {
        "downwardAPI": {
            "items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]
        }
    },
]
API_TOKEN = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
TOKENS = [
    {"name": "results-token", "projected": {"sources": [RESULTS_TOKEN]}},
    {"name": "api-token", "projected": {"sources": [API_TOKEN, *API_FILES]}},
]
PLAIN_VOLUMES = [
    {"name": "profiling-output", "emptyDir": {"sizeLimit": "2Gi"}},
    {"name": "toolchain", "emptyDir": {}},
    {"name": "scratch", "emptyDir": {}},
    ASSIGNMENT_VOLUME,
    *TOKENS,
]


def test_the_job_that_asks_for_everything() -> None:
    """What is not of one container."""
    made = pods.job(planned(**EVERYTHING), RICH)
    template = made["spec"]["template"]
    spec = template["spec"]

    assert made["metadata"]["labels"] == {**LABELS, "kueue.x-k8s.io/queue-name": "team"}
    assert template["metadata"]["labels"] == LABELS
    assert made["spec"]["suspend"] is True
    assert [one["name"] for one in spec["initContainers"]] == [
        "toolchain-tau", "collector-tau", "collector-perf", "playback",
    ]  # fmt: skip
    assert [one["name"] for one in spec["containers"]] == ["app", "uploader"]
    assert {key: spec[key] for key in spec if key not in PLAIN_SPEC} == {
        "runtimeClassName": "nvidia",
        "priorityClassName": "low",
        "nodeSelector": {"disk": "fast", "gpu.example/product": "NVIDIA-H200"},
        "tolerations": [
            {"key": "dedicated", "operator": "Equal", "value": "ci", "effect": "NoSchedule"},
            {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5},
            {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        ],
        "imagePullSecrets": [{"name": "theirs"}, {"name": "both"}, {"name": "ours"}],
    }
    assert spec["volumes"] == [
        {"name": "profiling-output", "emptyDir": {"sizeLimit": "512Mi"}},
        {"name": "toolchain", "emptyDir": {}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "playback", "emptyDir": {}},
        {"name": "toolchain-tau", "emptyDir": {}},
        {"name": "volume-claim", "persistentVolumeClaim": {"claimName": "c", "readOnly": True}},
        {"name": "volume-map", "configMap": {"name": "m"}},
        {"name": "volume-shm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
        ASSIGNMENT_VOLUME,
        *TOKENS,
    ]


PLAIN_SPEC = {
    "restartPolicy", "activeDeadlineSeconds", "terminationGracePeriodSeconds",
    "serviceAccountName", "automountServiceAccountToken", "enableServiceLinks", "securityContext",
    "initContainers", "containers", "volumes",
}  # fmt: skip


def test_the_application_gets_what_it_asked_for() -> None:
    """GPUs, limits, volumes, variables; the system call of perf; nothing of ours to write to."""
    app = named(spec_of(planned(**EVERYTHING), RICH), "app")
    app.pop("command")

    assert app == {
        "name": "app",
        "image": "app:1",
        "imagePullPolicy": "IfNotPresent",
        "env": [
            {"name": "PLAYBACK_HOST", "value": "127.0.0.1"},
            {"name": "PLAYBACK_PORT", "value": "8080"},
            {"name": "PLAYBACK_URL", "value": "http://127.0.0.1:8080"},
            {"name": "PASSWORD", "value": "pa$$$$word$$(X)"},
            {"name": "EMPTY", "value": ""},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "MAP", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "k"}}},
        ],
        "resources": {
            "limits": {"cpu": "4", "memory": "8Gi", "nvidia.com/gpu": "2"},
            "requests": {"ephemeral-storage": "512Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {
                "type": "Localhost",
                "localhostProfile": "profiles/profjob-perf.json",
            },
        },
        "volumeMounts": [
            {"name": "profiling-output", "mountPath": "/app/out"},
            {"name": "toolchain", "mountPath": "/.profiling", "readOnly": True},
            {"name": "toolchain-tau", "mountPath": "/tools/tau", "readOnly": True},
            {"name": "volume-claim", "mountPath": "/data"},
            {"name": "volume-map", "mountPath": "/etc/map"},
            {"name": "volume-shm", "mountPath": "/dev/shm"},
        ],
    }


def test_all_run_as_one_user() -> None:
    """The application's files are for it alone: profilers make folders of mode 0750."""
    context = spec_of(planned(**EVERYTHING))["securityContext"]

    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (1000, 2000, 2000)
    alone = spec_of(planned(app={**APP, "securityContext": {"runAsUser": 7}}))["securityContext"]
    assert (alone["runAsUser"], alone["runAsGroup"]) == (7, 7)


def test_a_toolchain_is_copied_out_of_its_image_first() -> None:
    """Before the collector's sidecar, which then finds it at a path of its own."""
    spec = spec_of(planned(**EVERYTHING), RICH)

    assert named(spec, "toolchain-tau") == {
        "name": "toolchain-tau",
        "image": "tau:2",
        "imagePullPolicy": "IfNotPresent",
        "command": ["cp", "-RP", "/tools/tau/.", "/toolchains/tau"],
        "env": [NO_GPU],
        "securityContext": OUR_CONTEXT,
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "volumeMounts": [{"name": "toolchain-tau", "mountPath": "/toolchains/tau"}],
    }
    mounts = named(spec, "collector-tau")["volumeMounts"]
    assert {"name": "toolchain-tau", "mountPath": "/toolchains/tau"} in mounts
    others = named(spec, "collector-perf")["volumeMounts"]
    assert [one["name"] for one in others] == ["profiling-output", "assignment", "toolchain"]


def test_a_toolchain_in_the_applications_image_stays_there() -> None:
    """Nothing is mounted over it."""
    known = RICH.model_copy(
        update={"toolchains": {"tau": ToolchainSettings(in_app=True, path="/opt/tau")}}
    )
    spec = spec_of(planned(collectors=[{"name": "tau"}]), known)

    assert [one["name"] for one in containers(spec)] == ["collector-tau", "app", "uploader"]
    assert not [one for one in spec["volumes"] if one["name"] == "toolchain-tau"]
    assert "/opt/tau/bin/tau_exec" in named(spec, "app")["command"]


def test_the_playback_server_is_a_sidecar_that_is_waited_for() -> None:
    """Under a launcher of its own, without a GPU; the application starts once it is ready."""
    playback = named(spec_of(planned(**EVERYTHING), RICH), "playback")
    command = playback.pop("command")

    assert command[:3] == ["/.profiling/launch", "--workspace", "/.profiling-playback"]
    assert command[-3:] == ["--", "/serve", "$$$$"]
    assert playback == {
        "name": "playback",
        "image": "playback:1",
        "imagePullPolicy": "IfNotPresent",
        "restartPolicy": "Always",
        "env": [{"name": "MODE", "value": "$$(HOME)"}, NO_GPU],
        "securityContext": {**OUR_CONTEXT, "readOnlyRootFilesystem": False},
        "volumeMounts": [
            {"name": "toolchain", "mountPath": "/.profiling", "readOnly": True},
            {"name": "playback", "mountPath": "/.profiling-playback"},
        ],
        "startupProbe": {
            "httpGet": {"port": 8080, "path": "/ready"},
            "periodSeconds": 1,
            "timeoutSeconds": 2,
            "failureThreshold": 40,
        },
    }


def test_a_playback_server_without_a_command_is_its_images() -> None:
    """Its entrypoint is not known, so no launcher can start it; its port is what is probed."""
    playback = named(spec_of(planned(playback={"image": "p:1", "port": 80})), "playback")

    assert "command" not in playback
    assert playback["startupProbe"]["tcpSocket"] == {"port": 80}


@pytest.mark.parametrize(
    "word", ["$", "$$", "$$$", "$(X)", "$$(X)", "a$(X", "$(", "$x", "5$", "$()", "$(X)$(X)"]
)  # fmt: skip
def test_words_reach_the_application_as_they_are(word: str) -> None:
    """Kubernetes puts variables in, and makes one dollar of two (tried): not with ours."""
    app = {
        **APP, "command": [word], "args": [word, f"a{word}"], "workingDir": f"/{word}",
        "env": [{"name": "X", "value": word}],
    }  # fmt: skip
    playback = {
        "image": "p:1",
        "port": 80,
        "command": [word],
        "env": [{"name": "X", "value": word}],
    }
    spec = spec_of(planned(app=app, playback=playback))
    ours = [expanded(one, {"X": "no"}) for one in named(spec, "app")["command"]]

    assert ours[-3:] == [word, word, f"a{word}"]
    assert ours[ours.index("--chdir") + 1] == f"/{word}"
    server = named(spec, "playback")
    assert expanded(server["command"][-1], {"X": "no"}) == word
    for one in (named(spec, "app"), server):
        assert expanded(one["env"][-2]["value"], {"X": "no"}) == word


def test_a_word_of_a_collectors_options_is_no_variable_either() -> None:
    """They are the user's words as well."""
    spec = spec_of(planned(collectors=[{"name": "perf", "options": {"args": ["--x=$(HOME)$$"]}}]))

    assert "--x=$$(HOME)$$$$" in named(spec, "app")["command"]


def test_no_gpu_is_to_be_had_that_was_not_asked_for() -> None:
    """Some container engines hand them out by a variable alone: ours comes last, and counts."""
    env = [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]
    playback = {"image": "p:1", "port": 80, "env": env}
    spec = spec_of(planned(app={**APP, "env": env}, playback=playback))

    for one in containers(spec):
        given = [it for it in one["env"] if it["name"] == "NVIDIA_VISIBLE_DEVICES"]
        assert given[-1]["value"] == "void"
    with_gpu = spec_of(planned(gpu={"count": 1}))
    holders = [one["name"] for one in containers(with_gpu) if NO_GPU not in one["env"]]
    limited = [
        one["name"]
        for one in containers(with_gpu)
        if "nvidia.com/gpu" in one["resources"].get("limits", {})
    ]
    assert (holders, limited) == (["app"], ["app"])


def test_a_pod_ends_by_itself() -> None:
    """Start, runs with their stops, collecting: no less than each may take, whoever is gone."""
    made = planned(**EVERYTHING)
    longest, grace = pods.longest_seconds(made), pods.grace_seconds(made)

    run = 600 + 20 + 15 + 20 + 120  # limit, grace, sweep, tau's and perf's steps, perf's script
    assert made.longest_seconds == 4 * run
    assert longest == 100 + 4 * run + 200 + 30
    assert grace == (run - 600) + 200 + 30
    assert longest >= grace
    spec = spec_of(made)
    assert spec["activeDeadlineSeconds"] == longest
    assert spec["terminationGracePeriodSeconds"] == grace


def test_limits_that_a_pod_may_have_are_not_exceeded() -> None:
    """The longest job there can be: the API server takes at most 2^31 - 1."""
    longest = planned(
        timeoutSeconds=30 * 86400, gracePeriodSeconds=3600, repetitions=100, warmups=100,
        deadlines={"startSeconds": 30 * 86400, "collectSeconds": 30 * 86400},
    )  # fmt: skip

    assert pods.longest_seconds(longest) < 2**31


def test_only_the_uploader_has_tokens() -> None:
    """Nothing that runs foreign code sees one, whatever the service account may do."""
    spec = spec_of(planned(**EVERYTHING), RICH)
    holders = {
        one["name"]
        for one in containers(spec)
        for mount in one["volumeMounts"]
        if mount["name"] in {"api-token", "results-token"}
    }

    assert holders == {"uploader"}
    assert spec["automountServiceAccountToken"] is False


def test_an_uploader_that_does_not_report_has_no_token_of_the_api() -> None:
    """Where no admission policy keeps it to its own job, it has no right to use one either."""
    known = PLAIN.model_copy(
        update={"kubernetes": PLAIN.kubernetes.model_copy(update={"reports_to_api": False})}
    )
    volumes = {one["name"]: one for one in spec_of(planned(), known)["volumes"]}

    assert volumes["api-token"]["projected"]["sources"] == API_FILES
    assert volumes["results-token"]["projected"]["sources"] == [RESULTS_TOKEN]


def test_processes_are_shared_only_where_something_is_attached() -> None:
    """And then no container has a token for the API server, since others may read its files."""
    attached = spec_of(planned(collectors=[{"name": "pyspy", "mode": "attach"}]))
    volumes = {one["name"]: one for one in attached["volumes"]}

    assert "shareProcessNamespace" not in spec_of(planned())
    assert attached["shareProcessNamespace"] is True
    assert volumes["api-token"]["projected"]["sources"] == API_FILES
    assert volumes["results-token"]["projected"]["sources"] == [RESULTS_TOKEN]


@pytest.mark.parametrize(("mode", "reports"), [("wrap", True), ("attach", False)])
def test_an_uploader_without_a_token_is_told_not_to_report(mode: str, reports: bool) -> None:
    """It leaves its termination message, and the operator completes the status."""
    made = pods.job(planned(collectors=[{"name": "pyspy", "mode": mode}]), PLAIN)
    annotations = made["spec"]["template"]["metadata"]["annotations"]

    told = Assignment.model_validate_json(annotations[assignment.ANNOTATION])

    assert told.reports_to_api is reports
    assert [one.mode for one in told.plan.collectors] == [mode]


def test_an_attached_tool_makes_its_system_calls_itself() -> None:
    """The application's container gets no profile for them; the sidecar is told, as ever."""
    made = planned(collectors=[{"name": "perf", "mode": "attach"}, {"name": "pyspy"}])
    template = pods.job(made, RICH)["spec"]["template"]
    profile = {"type": "Localhost", "localhostProfile": "profiles/profjob-perf.json"}
    contexts = {one["name"]: one["securityContext"] for one in containers(template["spec"])}

    assert contexts["collector-perf"]["seccompProfile"] == profile
    assert all("seccompProfile" not in it for name, it in contexts.items() if "-perf" not in name)
    told = template["metadata"]["annotations"][assignment.ANNOTATION]
    assert Assignment.model_validate_json(told).system_calls == ("perf_event_open",)


def test_a_stores_secret_is_for_the_uploader_alone() -> None:
    """Its keys become variables of that container."""
    spec = spec_of(planned(**EVERYTHING))
    holders = {one["name"]: one["envFrom"] for one in containers(spec) if "envFrom" in one}

    assert holders == {"uploader": [{"secretRef": {"name": "bucket-keys"}}]}


@pytest.mark.parametrize(
    ("namespaces", "is_granted"),
    [(("*",), True), (("ci", "x"), True), (("x",), False), ((), False)],
)
def test_system_calls_are_granted_by_namespace(
    namespaces: tuple[str, ...], is_granted: bool
) -> None:
    """By the settings, never by the job; the collector is told, so that it can say so."""
    given = KubernetesSettings(seccomp_profile="p.json", seccomp_namespaces=namespaces)
    known = Settings(stores=STORES, kubernetes=given)
    made = pods.job(planned(collectors=[{"name": "perf"}]), known)
    template = made["spec"]["template"]

    context = named(template["spec"], "app")["securityContext"]
    assert ("seccompProfile" in context) is is_granted
    told = Assignment.model_validate_json(
        template["metadata"]["annotations"][assignment.ANNOTATION]
    )
    assert told.system_calls == (("perf_event_open",) if is_granted else ())


def test_no_system_call_is_granted_where_none_is_needed() -> None:
    """pyspy needs none; and without a profile there is none to be had."""
    plain = named(spec_of(planned(), RICH), "app")["securityContext"]
    without = named(spec_of(planned(collectors=[{"name": "perf"}]), PLAIN), "app")

    assert "seccompProfile" not in plain
    assert "seccompProfile" not in without["securityContext"]


def test_the_containers_are_told_all_they_need_and_no_secret() -> None:
    """The annotation is read by whoever may read pods: no variable, none of the user's words."""
    made = planned(**EVERYTHING)
    text = pods.job(made, RICH)["spec"]["template"]["metadata"]["annotations"][
        "profiling.dev/assignment"
    ]
    told = Assignment.model_validate_json(text)

    assert told == assignment.assign(made, RICH, ("perf_event_open",))
    assert not [one for one in ("pa$", "--cost", "5$", "/serve", "MODE", "/work") if one in text]


def test_names_fit_into_labels() -> None:
    """However long the user's names are: 63 characters, and unmistakable."""
    volumes = [
        {"name": f"{'v' * 62}{index}", "mountPath": f"/v{index}", "emptyDir": {}}
        for index in range(2)
    ]
    made = planned(name=f"{'n' * 240}.{'m' * 12}", app={**APP, "volumes": volumes})
    body = pods.job(made, PLAIN)
    spec = body["spec"]["template"]["spec"]

    found = [one["name"] for one in (*spec["volumes"], *containers(spec))]
    found += [body["metadata"]["name"], *body["metadata"]["labels"].values()]
    assert max(map(len, found)) == 63
    assert len(found) == len(set(found))
    mounted = {it["name"] for one in containers(spec) for it in one["volumeMounts"]}
    assert mounted == {one["name"] for one in spec["volumes"]}


def test_the_same_plan_makes_the_same_job() -> None:
    """So that creating it twice is creating it once."""
    assert pods.job(planned(**EVERYTHING), RICH) == pods.job(planned(**EVERYTHING), RICH)
    second = plan.build_plan(job(uid=UID, app=APP), 2)
    assert pods.job(second, PLAIN)["metadata"]["name"] == f"{planned().name[:-1]}2"


NAMES = some.from_regex(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", fullmatch=True)
WORDS = some.lists(some.text(some.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
ENVS = some.lists(
    some.builds(lambda name, value: {"name": name, "value": value},
                some.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True),
                some.text("ab$(){}", max_size=9)),
    max_size=3,
)  # fmt: skip
SOURCES = some.sampled_from([
    {"emptyDir": {}}, {"emptyDir": {"medium": "Memory"}}, {"configMap": {"name": "m"}},
    {"persistentVolumeClaim": {"claimName": "c"}},
])  # fmt: skip
VOLUMES = some.lists(some.tuples(NAMES, SOURCES), max_size=3, unique_by=lambda one: one[0]).map(
    lambda drawn: [
        {"name": name, "mountPath": f"/mnt/{index}", **source}
        for index, (name, source) in enumerate(drawn)
    ]
)
APPS = some.builds(
    lambda words, env, volumes, user: {
        "image": "app:1", "command": ["/a", *words], "env": env, "volumes": volumes,
        "securityContext": {"runAsUser": user} if user else {},
    },
    WORDS, ENVS, VOLUMES, some.none() | some.integers(1, 2**31 - 1),
)  # fmt: skip
SPECS = some.fixed_dictionaries(
    {
        "app": APPS,
        "collectors": some.sampled_from(
            [[{"name": "pyspy"}], [{"name": "perf"}], [{"name": "tau"}, {"name": "perf"}],
             [{"name": "nvprof"}], [{"name": "pyspy"}, {"name": "perf", "mode": "attach"}]]
        ),
    },
    optional={
        "gpu": some.fixed_dictionaries({"count": some.integers(1, 64)}),
        "playback": some.builds(
            lambda env, words: {"image": "p:1", "port": 80, "env": env, "command": words},
            ENVS, WORDS,
        ),
        "repetitions": some.integers(1, 100),
        "placement": some.fixed_dictionaries(
            {}, optional={"queueName": NAMES, "runtimeClassName": NAMES}
        ),
    },
)  # fmt: skip


@given(SPECS, some.sampled_from([PLAIN, RICH]))
def test_a_restricted_namespace_takes_every_pod(changes: Body, known: Settings) -> None:
    """Whatever a user may write: nothing of the restricted standard is up to the job."""
    made = planned(**changes)
    spec = spec_of(made, known)

    assert list(violations(spec)) == []
    assert not pod_refusals.check(made, known)
    names = [one["name"] for one in spec["volumes"]]
    assert len(names) == len(set(names))
    for one in containers(spec):
        paths = [it["mountPath"] for it in one["volumeMounts"]]
        assert len(paths) == len(set(paths))
        assert {it["name"] for it in one["volumeMounts"]} <= set(names)


def test_the_check_of_the_restricted_standard_finds_what_it_should() -> None:
    """Or the test above would hold for anything."""
    spec = spec_of(planned())
    bad = {
        "hostPID": True,
        "volumes": [{"name": "v", "hostPath": {"path": "/"}}],
        "containers": [{"name": "c", "ports": [{"hostPort": 1}]}],
    }

    assert list(violations(bad)) == [
        "hostPID", "volume v is of ['hostPath']", "c: allowPrivilegeEscalation",
        "c: capabilities {}", "c: runAsNonRoot", "c: seccompProfile", "c: hostPort",
    ]  # fmt: skip
    spec["containers"][0]["securityContext"] |= {"privileged": True, "runAsUser": 0}
    assert list(violations(spec)) == ["app: privileged", "app: runAsUser 0"]


ACCOUNT = "pods-test"  # an installation keeps the real one's for its own operator


def kubectl(*words: str, given: Body | None = None) -> str:
    """What kubectl says. Raises CalledProcessError."""
    text = json.dumps(given) if given else ""
    done = subprocess.run(
        ["kubectl", *words], input=text, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """A namespace that enforces the restricted standard, with the service account of our pods."""
    name = f"pods-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    kubectl("create", "serviceaccount", ACCOUNT, "--namespace", name)
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


ATTACHED = [{"name": "perf", "mode": "attach"}]
LONG: Body = {
    "name": f"{'n' * 240}.m",
    "app": {**APP, "volumes": [{"name": "v" * 63, "mountPath": "/v", "emptyDir": {}}]},
}


@pytest.mark.needs("cluster")
@pytest.mark.parametrize(
    "changes", [{}, LONG, EVERYTHING, {"collectors": ATTACHED}],
    ids=["plain", "long", "everything", "attached"],
)  # fmt: skip
def test_a_real_api_server_takes_job_and_pod(changes: Body, namespace: str) -> None:
    """Its schema, its validation, and the admission of a restricted namespace; no field unknown."""
    given = RICH.kubernetes.model_copy(update={"service_account": ACCOUNT})
    made = pods.job(planned(**changes), RICH.model_copy(update={"kubernetes": given}))
    words = ("create", "--dry-run=server", "--validate=strict", "--namespace", namespace)
    body = {"apiVersion": "batch/v1", "kind": "Job", **made}
    body["metadata"] = {**made["metadata"], "namespace": namespace}
    template = made["spec"]["template"]
    for name in ("runtimeClassName", "priorityClassName"):  # this cluster has none
        template["spec"].pop(name, None)
    about = {**template["metadata"], "name": "pod", "namespace": namespace}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": template["spec"]}

    assert "created" in kubectl(*words, "-f", "-", given=body)
    assert "created" in kubectl(*words, "-f", "-", given=pod)
