"""A plan as a `batch/v1 Job`: what is created for one attempt on Kubernetes. No I/O.

One Job, one pod, one GPU allocation. Every name is computed, so that creating twice is creating
once. The pod ends by itself at its deadline, whatever becomes of the operator.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from profiling_operator import assignment, delivery, names
from profiling_operator.assignment import Assignment
from profiling_operator.launching import (
    Places,
    launcher_words,
    playback_env,
    playback_words,
)
from profiling_operator.plan import Plan, PlannedCollector
from profiling_operator.pod_parts import (
    confined,
    downward,
    literal,
    memory,
    mount,
    token,
    toleration,
    variable,
    volume,
    volume_name,
)
from profiling_operator.settings import KubernetesSettings, Settings, ToolchainSettings

Body = dict[str, Any]

JOB, JOB_UID, ATTEMPT = (f"{names.LABEL}{word}" for word in ("job", "job-uid", "attempt"))
QUEUE = "kueue.x-k8s.io/queue-name"
APP, PLAYBACK, UPLOADER = "app", "playback", "uploader"
COLLECTOR, TOOLCHAIN = "collector-", "toolchain-"
PLAYBACK_WORKSPACE = f"{delivery.ROOT}-playback"
PLAYBACK_HOST = "127.0.0.1"  # the containers of a pod share its network
TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a path
MARGIN_SECONDS = 30
PROBE_SECONDS = 2
NO_GPU = {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"}


def given(known: Settings, collector: str) -> ToolchainSettings:
    """What the settings say of a collector's toolchain."""
    return known.toolchains.get(collector, ToolchainSettings())


def whole_toolchains(plan: Plan, known: Settings) -> list[str]:
    """Collectors whose files go to a path of their own as a whole."""
    return [
        one.name
        for one in plan.collectors
        if not given(known, one.name).in_app
        and (given(known, one.name).image or not one.toolchain.files)
    ]


def labels(plan: Plan) -> dict[str, str]:
    """What Job and pod are found by."""
    return {
        JOB: names.shorten(plan.job),
        JOB_UID: plan.uid,
        ATTEMPT: str(plan.attempt),
        "app.kubernetes.io/managed-by": "profiling-operator",
    }


def job(plan: Plan, known: Settings) -> Body:
    """The Job of an attempt. Raises KeyError for a store nobody knows: see `check`."""
    queue = plan.placement.queue_name
    own = {**labels(plan), **({QUEUE: queue} if queue else {})}
    return {
        "metadata": {
            "name": plan.name,
            "namespace": plan.namespace,
            "labels": own,
            "ownerReferences": [
                {
                    "apiVersion": names.API_VERSION,
                    "kind": names.KIND,
                    "name": plan.job,
                    "uid": plan.uid,
                    "controller": True,
                }
            ],
        },
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "podReplacementPolicy": "Failed",
            **({"suspend": True} if queue else {}),  # Kueue takes it from there
            "template": _Pod(plan, known).template(),
        },
    }


def longest_seconds(plan: Plan) -> int:
    """The longest that a pod may be on a node: to start, all runs, to collect."""
    deadlines = plan.deadlines
    total = deadlines.start_seconds + plan.longest_seconds + deadlines.collect_seconds
    return math.ceil(total) + MARGIN_SECONDS


def grace_seconds(plan: Plan) -> int:
    """The longest that a pod may take to end: the application's profile, then the upload."""
    return math.ceil(plan.stop_seconds) + plan.deadlines.collect_seconds + MARGIN_SECONDS


class _Pod:
    """The pod of one attempt."""

    def __init__(self, plan: Plan, known: Settings) -> None:
        self._plan = plan
        self._all = known
        self._known: KubernetesSettings = known.kubernetes
        self._places = delivery.places(plan, known)
        self._whole = whole_toolchains(plan, known)
        self._assignment: Assignment = self._assigned()
        user = plan.app.security_context.run_as_user
        group = plan.app.security_context.run_as_group
        self._user = self._known.run_as_user if user is None else user
        self._group = self._user if group is None else group

    def _assigned(self) -> Assignment:
        """What the containers are told.

        With something attached they share their processes, and so, being of one user, all that
        each of them may read. The application must not get at a token for the API server: then the
        uploader has none, and its termination message reports. Its token for the results server
        stays: that is good for this attempt alone, whose results are the application's anyway.
        """
        own = [one.system_calls for one in self._plan.collectors]
        calls = sorted({call for some in (self._plan.system_calls, *own) for call in some})
        given = assignment.assign(self._plan, self._all, self._permitted(calls))
        reports = given.reports_to_api and not self._plan.attaches
        return given.model_copy(update={"reports_to_api": reports})

    def template(self) -> Body:
        """As a Job has it."""
        told = {assignment.ANNOTATION: self._assignment.model_dump_json(exclude_defaults=True)}
        return {
            "metadata": {"labels": labels(self._plan), "annotations": told},
            "spec": self._spec(),
        }

    def _spec(self) -> Body:
        plan, placement = self._plan, self._plan.placement
        pull = [*(one.name for one in plan.app.image_pull_secrets), *self._known.pull_secrets]
        optional = {
            "runtimeClassName": placement.runtime_class_name,
            "priorityClassName": placement.priority_class_name,
            "nodeSelector": self._node_selector(),
            "tolerations": list(self._tolerations()),
            "imagePullSecrets": [{"name": name} for name in dict.fromkeys(pull)],
        }
        return {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": longest_seconds(plan),
            "terminationGracePeriodSeconds": grace_seconds(plan),
            "serviceAccountName": self._known.service_account,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            **({"shareProcessNamespace": True} if plan.attaches else {}),
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": self._user,
                "runAsGroup": self._group,
                "fsGroup": self._group,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "initContainers": list(self._init_containers()),
            "containers": [self._app(), self._uploader()],
            "volumes": list(self._volumes()),
            **{key: value for key, value in optional.items() if value},
        }

    def _init_containers(self) -> Iterator[Body]:
        for one in self._plan.collectors:
            if image := given(self._all, one.name).image:
                yield self._toolchain_copier(one.name, image)
            yield self._collector(one)
        if self._plan.playback is not None:
            yield self._playback()

    def _toolchain_copier(self, name: str, image: str) -> Body:
        """Brings a toolchain's folder out of its image: with cp, which such images have."""
        folder = f"{assignment.TOOLCHAINS}/{name}"
        prefix = delivery.whole_prefix(name, given(self._all, name))
        return {
            "name": f"{TOOLCHAIN}{name}",
            "image": image,
            "imagePullPolicy": self._known.pull_policy,
            "command": ["cp", "-RP", f"{prefix}/.", folder],
            "env": [NO_GPU],
            "securityContext": confined(),
            "resources": memory(self._known.collector_memory),
            "volumeMounts": [mount(f"{TOOLCHAIN}{name}", folder)],
        }

    def _collector(self, one: PlannedCollector) -> Body:
        name, own = one.name, f"{assignment.TOOLCHAINS}/{one.name}"
        mounts = [
            mount("toolchain", delivery.ROOT),
            *([mount(f"{TOOLCHAIN}{name}", own)] if name in self._whole else []),
        ]
        return {
            **self._ours(f"{COLLECTOR}{name}", ["collect", name], mounts),
            "securityContext": {**confined(), **self._seccomp(one.system_calls)},
            "restartPolicy": "Always",
            "resources": memory(self._known.collector_memory),
            "startupProbe": {
                "exec": {"command": ["test", "-e", f"{delivery.ROOT}/.delivered-{name}"]},
                "periodSeconds": 1,
                "timeoutSeconds": PROBE_SECONDS,
                "failureThreshold": self._plan.deadlines.start_seconds,
            },
        }

    def _playback(self) -> Body:
        wanted = self._plan.playback
        assert wanted is not None  # noqa: S101 - only called where there is one
        where: Body = {"port": wanted.port}
        probe = {"tcpSocket": where}
        if wanted.readiness.http_get:
            probe = {"httpGet": {**where, "path": wanted.readiness.http_get}}
        words = playback_words(self._plan, delivery.LAUNCHER, PLAYBACK_WORKSPACE, wanted.command)
        return {
            "name": PLAYBACK,
            "image": wanted.image,
            "imagePullPolicy": self._known.pull_policy,
            "restartPolicy": "Always",
            **({"command": literal(words)} if wanted.command else {}),
            "env": [*map(variable, wanted.env), NO_GPU],
            "securityContext": confined(read_only=False),
            "volumeMounts": [
                mount("toolchain", delivery.ROOT, read_only=True),
                mount("playback", PLAYBACK_WORKSPACE),
            ],
            "startupProbe": {
                **probe,
                "periodSeconds": 1,
                "timeoutSeconds": PROBE_SECONDS,
                "failureThreshold": wanted.readiness.timeout_seconds,
            },
        }

    def _app(self) -> Body:
        plan = self._plan
        places = Places(plan.output.path, delivery.LAUNCHER, self._places)
        words = launcher_words(plan, places)
        found = [mount("toolchain", delivery.ROOT, read_only=True)]
        for name in self._whole:
            prefix = delivery.whole_prefix(name, given(self._all, name))
            found.append(mount(f"{TOOLCHAIN}{name}", prefix, read_only=True))
        return {
            "name": APP,
            "image": plan.app.image,
            "imagePullPolicy": self._known.pull_policy,
            "command": literal(words),
            "env": list(self._app_env()),
            "resources": self._app_resources(),
            "securityContext": {
                **confined(read_only=False),
                **self._seccomp(plan.system_calls),
            },
            "volumeMounts": [
                mount("profiling-output", plan.output.path),
                *found,
                *(mount(volume_name(one), one.mount_path) for one in plan.app.volumes),
            ],
        }

    def _app_env(self) -> Iterator[Body]:
        for name, value in playback_env(self._plan, PLAYBACK_HOST).items():
            yield {"name": name, "value": value}
        yield from map(variable, self._plan.app.env)
        if self._plan.gpu is None:  # the last one of a name counts: no GPU that was not asked for
            yield NO_GPU

    def _app_resources(self) -> Body:
        limits = self._plan.app.resources.limits.model_dump(exclude_none=True)
        if self._plan.gpu is not None:
            limits[self._plan.gpu.resource] = str(self._plan.gpu.count)
        return {
            **({"limits": limits} if limits else {}),
            "requests": {"ephemeral-storage": self._plan.output.size_limit},
        }

    def _uploader(self) -> Body:
        store = self._assignment.store
        mounts = [
            mount("scratch", assignment.SCRATCH),
            mount("api-token", TOKEN_FOLDER, read_only=True),
            mount("results-token", assignment.RESULTS_TOKEN.rpartition("/")[0], read_only=True),
        ]
        ours = self._ours(UPLOADER, ["upload"], mounts)
        secret = {"envFrom": [{"secretRef": {"name": store.secret_name}}]}
        return {
            **ours,
            "env": [*ours["env"], {"name": "TMPDIR", "value": assignment.SCRATCH}],
            **(secret if store.secret_name else {}),
            "resources": memory(self._known.uploader_memory),
        }

    def _ours(self, name: str, words: Sequence[str], mounts: Sequence[Body]) -> Body:
        """A container of profjob's own image."""
        return {
            "name": name,
            "image": self._known.image,
            "imagePullPolicy": self._known.pull_policy,
            "args": list(words),
            "env": [*downward(), NO_GPU],
            "securityContext": confined(),
            "volumeMounts": [
                mount("profiling-output", assignment.WORKSPACE),
                mount("assignment", assignment.FOLDER, read_only=True),
                *mounts,
            ],
        }

    def _permitted(self, calls: Sequence[str]) -> tuple[str, ...]:
        """Those that containers may make although they are usually refused."""
        allowed = self._known.seccomp_namespaces
        may = "*" in allowed or self._plan.namespace in allowed
        return tuple(calls) if may and self._known.seccomp_profile else ()

    def _seccomp(self, calls: Sequence[str]) -> Body:
        if not self._permitted(calls):
            return {}
        profile = {"type": "Localhost", "localhostProfile": self._known.seccomp_profile}
        return {"seccompProfile": profile}

    def _node_selector(self) -> dict[str, str]:
        gpu = self._plan.gpu
        product = {self._known.gpu_product_label: gpu.product} if gpu and gpu.product else {}
        return {**self._plan.placement.node_selector, **product}

    def _tolerations(self) -> Iterator[Body]:
        """What the job tolerates, and the taint by which nodes keep others off their GPUs."""
        yield from map(toleration, self._plan.placement.tolerations)
        if self._plan.gpu is not None:
            key = self._plan.gpu.resource
            yield {"key": key, "operator": "Exists", "effect": "NoSchedule"}

    def _volumes(self) -> Iterator[Body]:
        size = {"sizeLimit": self._plan.output.size_limit}
        yield {"name": "profiling-output", "emptyDir": size}
        for name in ("toolchain", "scratch", *(["playback"] if self._plan.playback else [])):
            yield {"name": name, "emptyDir": {}}
        for name in self._whole:
            yield {"name": f"{TOOLCHAIN}{name}", "emptyDir": {}}
        yield from map(volume, self._plan.app.volumes)
        annotation = f"metadata.annotations['{assignment.ANNOTATION}']"
        item = {"path": assignment.FILE, "fieldRef": {"fieldPath": annotation}}
        yield {"name": "assignment", "downwardAPI": {"items": [item]}}
        yield {"name": "results-token", "projected": {"sources": [token(RESULTS)]}}
        yield {"name": "api-token", "projected": {"sources": list(self._api_sources())}}

    def _api_sources(self) -> Iterator[Body]:
        """What a pod is usually given to reach the API server; here for one container only."""
        if self._assignment.reports_to_api:
            yield token("")
        yield {
            "configMap": {
                "name": "kube-root-ca.crt",
                "items": [{"key": "ca.crt", "path": "ca.crt"}],
            }
        }
        item = {"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}
        yield {"downwardAPI": {"items": [item]}}


RESULTS = assignment.RESULTS_AUDIENCE
