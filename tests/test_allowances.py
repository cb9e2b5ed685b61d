"""GPUs and memory: what is requested of an engine that has this or that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from profiling_operator import allowances
from profiling_operator.allowances import Allowance
from profiling_operator.settings import AgentSettings

GIB = 1 << 30
CDI = tuple(f"nvidia.com/gpu={one}" for one in range(4))


@dataclass(frozen=True)
class Offered:
    """An engine, as far as allowances go."""

    has_gpu_runtime: bool = False
    cdi_gpus: tuple[str, ...] = ()
    memory: int = 0


RUNTIME, DEVICES, NEITHER = Offered(has_gpu_runtime=True), Offered(cdi_gpus=CDI), Offered()
BOTH = Offered(has_gpu_runtime=True, cdi_gpus=CDI)


def by_uuid(*ids: str) -> dict[str, Any]:
    """What `docker run --gpus device=…` asks for."""
    return {"DeviceIDs": list(ids), "Capabilities": [["gpu"]]}


def cdi(*names: str) -> dict[str, Any]:
    """What `docker run --device nvidia.com/gpu=…` asks for."""
    return {"Driver": "cdi", "DeviceIDs": list(names)}


@pytest.mark.parametrize("offer", [RUNTIME, BOTH, NEITHER])
def test_by_number_is_as_docker_run_has_it(offer: Offered) -> None:
    """The engine chooses, and sets the variable itself; without a runtime it says what it lacks."""
    allowed = allowances.by_number(3, offer)

    assert allowed == Allowance(({"Count": 3, "Capabilities": [["gpu"]]},), visible="")


def test_by_number_the_first_cdi_devices_are_taken_where_there_is_nothing_else() -> None:
    """An image's NVIDIA_VISIBLE_DEVICES adds none: their own edits say `void`, too."""
    assert allowances.by_number(2, DEVICES) == Allowance((cdi(*CDI[:2]),), visible="void")


@pytest.mark.parametrize("offer", [RUNTIME, DEVICES, BOTH, NEITHER])
def test_without_gpus_nothing_is_requested_and_nothing_is_to_be_seen(offer: Offered) -> None:
    """Whatever there is, and whatever the image asks for."""
    nothing = Allowance((), "void", 0)

    assert allowances.by_number(0, offer) == nothing == allowances.NOTHING
    assert allowances.by_name((), AgentSettings(), offer) == nothing


@pytest.mark.parametrize(
    ("wanted", "offer", "expected"),
    [
        ("auto", RUNTIME, Allowance((by_uuid("GPU-a", "MIG-b"),), "GPU-a,MIG-b")),
        ("auto", BOTH, Allowance((by_uuid("GPU-a", "MIG-b"),), "GPU-a,MIG-b")),
        ("auto", DEVICES, Allowance((cdi("nvidia.com/gpu=GPU-a", "nvidia.com/gpu=MIG-b"),))),
        ("auto", NEITHER, Allowance((), "GPU-a,MIG-b")),
        ("runtime", DEVICES, Allowance((by_uuid("GPU-a", "MIG-b"),), "GPU-a,MIG-b")),
        ("cdi", RUNTIME, Allowance((cdi("nvidia.com/gpu=GPU-a", "nvidia.com/gpu=MIG-b"),))),
        ("environment", BOTH, Allowance((), "GPU-a,MIG-b")),
    ],
)
def test_gpus_that_were_handed_out_are_named(
    wanted: Literal["auto", "runtime", "cdi", "environment"], offer: Offered, expected: Allowance
) -> None:
    """In the way of the settings, or in the first one that the engine has."""
    own = AgentSettings(gpu_request=wanted)

    assert allowances.by_name(("GPU-a", "MIG-b"), own, offer) == expected


@pytest.mark.parametrize("offer", [DEVICES, BOTH])
def test_what_only_the_engine_knows_keeps_its_name(offer: Offered) -> None:
    """A CDI device is no UUID that a runtime would understand."""
    assert allowances.by_name(CDI[1:2], AgentSettings(), offer) == Allowance((cdi(CDI[1]),))


def test_an_agent_s_memory_is_nine_tenths_of_the_machine_s() -> None:
    """The rest is the engine's, the agent's and the conversions'; a setting says otherwise."""
    machine = Offered(memory=100 * GIB)

    assert allowances.by_name((), AgentSettings(), machine).memory == 90 * GIB
    assert allowances.by_name(("GPU-a",), AgentSettings(), machine).memory == 90 * GIB
    assert allowances.by_name((), AgentSettings(memory="2Gi"), machine).memory == 2 * GIB
    assert allowances.by_name((), AgentSettings(), NEITHER).memory == 0


def test_who_runs_a_job_himself_is_not_limited() -> None:
    """`profjob run` is a command of somebody who holds the machine."""
    assert allowances.by_number(1, Offered(memory=100 * GIB)).memory == 0
