"""What a cluster cannot do of a plan, told field by field before anything is created. No I/O."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence

from profiling_operator import delivery, pods
from profiling_operator.errors import Problem
from profiling_operator.plan import Plan
from profiling_operator.settings import Settings

TOLD_LIMIT = 128 << 10

FIELDS: Mapping[str, str] = {
    "spec.app.image": "required",
    "spec.app.command": "required: the image's entrypoint is not known before it is pulled",
    "spec.app.workingDir": "relative to the image's, which is also the default",
    "spec.app.securityContext.runAsUser": "default: the operator's `kubernetes.run_as_user`; 0 is "
    "refused by the kubelet",
    "spec.collectors[].mode": "`attach`: the pod's containers share their processes, and the "
    "application may look into the others; refused where the store's credentials are a secret",
    "spec.gpu.product": "selects nodes by the label `nvidia.com/gpu.product`",
    "spec.playback.image": "required",
    "spec.playback.command": "default: the image's entrypoint, which then ends without a launcher",
    "spec.playback.port": "in the pod's own network, at the host name 127.0.0.1",
    "spec.output.path": "where the volume is mounted; $PROFILING_OUTPUT is the run's own folder",
    "spec.output.sizeLimit": "also the volume's limit, and requested as ephemeral storage",
    "spec.placement.host": "left to the agent of that Docker host: see docs/docker-host.md",
    "spec.deadlines.startSeconds": "from having a node to the application's start",
}


def check(plan: Plan, known: Settings) -> Sequence[Problem]:
    """Why a cluster refuses the plan, field by field; empty: it does not."""
    return [
        Problem(where, f"{message} (on Kubernetes)") for where, message in _objections(plan, known)
    ]


def _objections(plan: Plan, known: Settings) -> Iterator[tuple[str, str]]:
    if not plan.app.image:
        yield "spec.app.image", "is required"
    if not plan.app.command:
        yield "spec.app.command", "is required: the image's entrypoint is not known here"
    if plan.playback is not None and not plan.playback.image:
        yield "spec.playback.image", "is required"
    if plan.output.store not in known.stores:
        allowed = ", ".join(sorted(known.stores)) or "none is set up"
        yield "spec.output.store", f'"{plan.output.store}" must be one of: {allowed}'
    elif plan.attaches and known.stores[plan.output.store].secret_name:
        message = (
            '"attach" must be wrap: the application could read the credentials of the store '
            f'"{plan.output.store}", which are a secret'
        )
        yield plan.attached_field, message
    yield from _collisions(plan, known)
    told = _told_bytes(plan)
    if told > TOLD_LIMIT:
        yield "spec.collectors", f"options of {told} bytes in all; at most {TOLD_LIMIT} are allowed"


def _collisions(plan: Plan, known: Settings) -> Iterator[tuple[str, str]]:
    """Two volumes at one path: the pod would be refused, or could not be started."""
    wanted = [("spec.output.path", plan.output.path)]
    for index, one in enumerate(plan.app.volumes):
        wanted.append((f"spec.app.volumes[{index}].mountPath", one.mount_path))
    ours = {posixpath.normpath(path): holder for path, holder in _ours_in_app(plan, known)}
    taken: dict[str, str] = {}
    for where, path in wanted:
        plain = posixpath.normpath(path)
        inside = next((ours[it] for it in ours if f"{plain}/".startswith(f"{it}/")), "")
        if holder := inside or taken.get(plain):
            yield where, f'"{path}" is taken by {holder}'
        taken[plain] = where


def _ours_in_app(plan: Plan, known: Settings) -> Iterator[tuple[str, str]]:
    """Folders that the application's container gets for reading only, and what they are."""
    yield delivery.ROOT, "the launcher"
    for name in pods.whole_toolchains(plan, known):
        yield delivery.whole_prefix(name, pods.given(known, name)), f"the toolchain of {name}"


def _told_bytes(plan: Plan) -> int:
    """About how many bytes of the assignment are up to the job: an annotation holds 256 KiB."""
    words = [*plan.wrapper, *plan.after, *plan.env.values(), *plan.path]
    options = [str(one.options) for one in plan.collectors]
    return sum(len(word.encode(errors="replace")) for word in (*words, *options))
