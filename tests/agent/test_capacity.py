"""What a host has, and what it can never serve."""

from __future__ import annotations

from typing import Any

import pytest

from making import job
from profiling_operator import plan
from profiling_operator.agent import capacity
from profiling_operator.agent.capacity import Capacity
from profiling_operator.agent.gpus import Gpu
from profiling_operator.errors import Problem
from profiling_operator.plan import Plan
from profiling_operator.settings import AgentSettings, Settings

INFO = {
    "NCPU": 16, "MemTotal": 128 << 30, "Architecture": "x86_64", "OSType": "linux",
    "Name": "box", "Labels": ["disk=ssd", "spare", "rack=a=b"],
}  # fmt: skip
H200 = tuple(Gpu(f"GPU-{n}", "NVIDIA H200") for n in range(2))
APP = {"image": "app:1", "command": ["/a"]}


def planned(limits: dict[str, str] | None = None, **changes: Any) -> Plan:
    """A plan."""
    app = {**APP, "resources": {"limits": limits or {}}}
    return plan.build_plan(job(**{"app": app, **changes}))


def host(*gpus: Gpu, without: int = 1, **info: Any) -> Capacity:
    """A host."""
    known = Settings(agent=AgentSettings(jobs_without_gpu=without))
    return capacity.of_engine({**INFO, **info}, gpus, known, "gpu-1")


def test_what_the_engine_tells_is_the_host() -> None:
    """Its labels, and those that each node of a cluster has."""
    there = host(*H200, without=3)

    assert (there.gpus, there.cpus, there.memory) == (H200, 16.0, 128 << 30)
    assert there.jobs_without_gpu == 3
    assert there.labels == {
        "disk": "ssd", "spare": "", "rack": "a=b",
        "kubernetes.io/hostname": "gpu-1", "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64", "nvidia.com/gpu.product": "NVIDIA-H200",
    }  # fmt: skip


@pytest.mark.parametrize(("gpus", "info", "label", "value"), [
    ((), {}, "nvidia.com/gpu.product", None),
    ((*H200, Gpu("GPU-2", "Tesla T4")), {}, "nvidia.com/gpu.product", None),
    ((*H200, Gpu("GPU-2")), {}, "nvidia.com/gpu.product", None),
    ((Gpu("GPU-2"),), {}, "nvidia.com/gpu.product", None),
    (H200, {"Labels": ["nvidia.com/gpu.product=ours"]}, "nvidia.com/gpu.product", "ours"),
    ((), {"Architecture": "aarch64", "Labels": None}, "kubernetes.io/arch", "arm64"),
    ((), {"Architecture": "riscv64"}, "kubernetes.io/arch", "riscv64"),
])  # fmt: skip
def test_labels_say_what_is_so(
    gpus: tuple[Gpu, ...], info: dict[str, Any], label: str, value: str | None
) -> None:
    """The product where there is one; whoever set up the engine knows better."""
    assert host(*gpus, **info).labels.get(label) == value


@pytest.mark.parametrize("wanted", [
    {}, {"gpu": {"count": 2}}, {"gpu": {"count": 2, "product": "NVIDIA-H200"}},
    {"limits": {"cpu": "16", "memory": "128Gi"}},
    {"placement": {"nodeSelector": {"disk": "ssd", "kubernetes.io/arch": "amd64",
                                    "kubernetes.io/hostname": "gpu-1"}}},
    {"placement": {"runtimeClassName": "nvidia", "tolerations": [{"key": "a"}]}},
])  # fmt: skip
def test_a_host_serves_what_it_has(wanted: dict[str, Any]) -> None:
    """All of it, if need be."""
    assert capacity.lacks(planned(**wanted), host(*H200)) == ""


@pytest.mark.parametrize(("wanted", "told"), [
    ({"gpu": {"count": 3}}, "3 GPUs asked for, the host has 2"),
    ({"gpu": {"count": 1, "product": "NVIDIA-L4"}}, "1 GPU of NVIDIA-L4 asked for, the host has 0"),
    ({"limits": {"cpu": "16500m"}}, "16500m CPUs asked for, the host has 16"),
    ({"limits": {"memory": "129Gi"}}, "memory of 129Gi asked for, the host has 128Gi"),
    ({"placement": {"nodeSelector": {"disk": "hdd"}}},
     "a host with disk=hdd asked for, this one has disk=ssd"),
    ({"placement": {"nodeSelector": {"zone": "b"}}},
     "a host with zone=b asked for, this one has no label of that name"),
    ({"gpu": {"count": 3}, "limits": {"cpu": "64"}},
     "3 GPUs asked for, the host has 2; 64 CPUs asked for, the host has 16"),
])  # fmt: skip
def test_what_a_host_lacks_is_told_in_numbers(wanted: dict[str, Any], told: str) -> None:
    """All that it lacks."""
    assert capacity.lacks(planned(**wanted), host(*H200)) == told


def test_a_gpu_whose_product_nobody_told_is_none_of_a_product() -> None:
    """And the message says who could tell it."""
    wanted = planned(gpu={"count": 2, "product": "NVIDIA-H200"})

    assert capacity.lacks(wanted, host(H200[0], Gpu("nvidia.com/gpu=1"))) == (
        "2 GPUs of NVIDIA-H200 asked for, the host has 1 and 1 of an unknown product (agent.gpus "
        "may name it)"
    )


def test_a_host_may_be_for_jobs_with_gpus_only() -> None:
    """By its settings."""
    told = "no GPU asked for, the host takes no jobs without one (agent.jobs_without_gpu)"

    assert capacity.lacks(planned(), host(*H200, without=0)) == told
    assert capacity.lacks(planned(gpu={"count": 1}), host(*H200, without=0)) == ""


def test_what_the_engine_does_not_tell_refuses_nobody() -> None:
    """It is the engine's own affair then."""
    there = host(NCPU=None, MemTotal=0)

    assert capacity.lacks(planned({"cpu": "1000", "memory": "64Ti"}), there) == ""


def test_a_queue_of_a_cluster_is_refused_by_name() -> None:
    """The rest of the placement means something here, or nothing anywhere but on a cluster."""
    queued = planned(placement={"queueName": "team-a"})

    assert capacity.refuse(queued) == (
        Problem(
            "spec.placement.queueName",
            '"team-a": there is no Kueue on a Docker host; leave it out (executor docker)',
        ),
    )
    assert capacity.refuse(planned(placement={"priorityClassName": "urgent"})) == ()
