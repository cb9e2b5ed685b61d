"""What a Docker host has, and what it can never serve. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from profiling_operator import machines
from profiling_operator.agent.gpus import Gpu
from profiling_operator.errors import Problem
from profiling_operator.plan import Plan
from profiling_operator.quantities import parse_quantity
from profiling_operator.settings import Settings

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
"""What Kubernetes calls machines."""
GIB = 2**30


@dataclass(frozen=True)
class Capacity:
    """All that a host has, whoever has it now."""

    gpus: tuple[Gpu, ...]
    cpus: float
    """0: unknown."""
    memory: int
    """Bytes; 0: unknown."""
    labels: Mapping[str, str]
    """What `spec.placement.nodeSelector` selects by."""
    jobs_without_gpu: int
    """How many may run at once."""


def of_engine(
    info: Mapping[str, Any], gpus: Sequence[Gpu], known: Settings, host: str = ""
) -> Capacity:
    """What `docker info` tells of a host, with the GPUs to hand out and the agent's name."""
    told = (str(one).partition("=") for one in info.get("Labels") or ())
    own = {key: value for key, _, value in told}
    return Capacity(
        gpus=tuple(gpus),
        cpus=float(info.get("NCPU") or 0),
        memory=int(info.get("MemTotal") or 0),
        labels={**dict(_of_nodes(info, gpus, known, host)), **own},
        jobs_without_gpu=known.agent.jobs_without_gpu,
    )


def lacks(plan: Plan, there: Capacity) -> str:
    """Why a host with nothing else to do could not serve a plan; empty: it could."""
    return "; ".join(_lacking(plan, there))


def refuse(plan: Plan) -> Sequence[Problem]:
    """What a plan says of its place that means nothing here, and must not be passed over."""
    queue = plan.placement.queue_name
    if not queue:
        return ()
    message = f'"{queue}": there is no Kueue on a Docker host; leave it out (executor docker)'
    return (Problem("spec.placement.queueName", message),)


def _of_nodes(
    info: Mapping[str, Any], gpus: Sequence[Gpu], known: Settings, host: str
) -> Iterator[tuple[str, str]]:
    """The labels that each node of a cluster has, as far as they mean something here."""
    machine = str(info.get("Architecture") or "")
    products = {machines.label(one.product) for one in gpus}
    yield "kubernetes.io/hostname", host or str(info.get("Name") or "")
    yield "kubernetes.io/os", str(info.get("OSType") or "linux")
    yield "kubernetes.io/arch", ARCHITECTURES.get(machine, machine)
    if len(products) == 1 and products != {""}:
        yield known.kubernetes.gpu_product_label, products.pop()


def _lacking(plan: Plan, there: Capacity) -> Iterator[str]:
    limits = plan.app.resources.limits
    yield from _lacking_gpus(plan, there)
    if limits.cpu and 0 < there.cpus < parse_quantity(limits.cpu):
        yield f"{limits.cpu} CPUs asked for, the host has {there.cpus:g}"
    if limits.memory and 0 < there.memory < parse_quantity(limits.memory):
        has = f"{there.memory / GIB:.1f}".removesuffix(".0")
        yield f"memory of {limits.memory} asked for, the host has {has}Gi"
    for key, value in plan.placement.node_selector.items():
        if there.labels.get(key) != value:
            has = f"{key}={there.labels[key]}" if key in there.labels else "no label of that name"
            yield f"a host with {key}={value} asked for, this one has {has}"


def _lacking_gpus(plan: Plan, there: Capacity) -> Iterator[str]:
    if plan.gpu is None:
        if there.jobs_without_gpu == 0:
            yield "no GPU asked for, the host takes no jobs without one (agent.jobs_without_gpu)"
        return
    product = plan.gpu.product
    has = sum(one.is_of(product) for one in there.gpus)
    if has >= plan.gpu.count:
        return
    asked = f"{plan.gpu.count} GPU{'s' if plan.gpu.count > 1 else ''}"
    unknown = sum(not one.product for one in there.gpus) if product else 0
    more = f" and {unknown} of an unknown product (agent.gpus may name it)" if unknown else ""
    yield f"{asked}{f' of {product}' if product else ''} asked for, the host has {has}{more}"
