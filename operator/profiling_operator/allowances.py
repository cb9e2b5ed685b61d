"""What an attempt is given of its engine's machine: GPUs and memory. No I/O.

The engine hands out GPUs, never a variable of the job's or of an image: where NVIDIA's runtime is
the engine's default it heeds NVIDIA_VISIBLE_DEVICES, and images of CUDA ask for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from profiling_operator.quantities import parse_quantity
from profiling_operator.settings import AgentSettings

VISIBLE_DEVICES = "NVIDIA_VISIBLE_DEVICES"
NONE = "void"
CDI = "nvidia.com/gpu="
TENTHS = 9  # of the machine's memory, for what asks for no limit

Way = Literal["runtime", "cdi", "environment"]


class Offer(Protocol):
    """What an engine says that it has."""

    @property
    def has_gpu_runtime(self) -> bool:
        """NVIDIA's runtime, which serves `--gpus`."""

    @property
    def cdi_gpus(self) -> Sequence[str]:
        """GPUs that it has discovered as CDI devices."""

    @property
    def memory(self) -> int:
        """The machine's, in bytes; 0: not known."""


@dataclass(frozen=True)
class Allowance:
    """What an attempt's containers are given."""

    devices: tuple[dict[str, Any], ...] = ()
    """What the application's container requests of the engine."""
    visible: str = NONE
    """Its NVIDIA_VISIBLE_DEVICES; empty: the engine itself sets it."""
    memory: int = 0
    """Limit in bytes where the job asks for none; 0: there is none."""


NOTHING = Allowance()


def by_number(count: int, offer: Offer) -> Allowance:
    """As `docker run --gpus COUNT`, or `--device nvidia.com/gpu=0 …` with CDI alone."""
    if not count:
        return NOTHING
    if offer.cdi_gpus and not offer.has_gpu_runtime:
        return Allowance((_cdi(offer.cdi_gpus[:count]),))
    return Allowance(({"Count": count, "Capabilities": [["gpu"]]},), visible="")


def by_name(gpus: Sequence[str], own: AgentSettings, offer: Offer) -> Allowance:
    """The GPUs that an agent has handed out, and memory below the machine's."""
    memory = int(parse_quantity(own.memory)) if own.memory else offer.memory * TENTHS // 10
    if not gpus:
        return Allowance(memory=memory)
    way = _way(gpus, own.gpu_request, offer)
    if way == "cdi":  # the devices' own edits say `void`, too
        return Allowance((_cdi(gpus),), memory=memory)
    request = {"DeviceIDs": list(gpus), "Capabilities": [["gpu"]]}
    return Allowance((request,) if way == "runtime" else (), ",".join(gpus), memory)


def _way(gpus: Sequence[str], wanted: Literal["auto"] | Way, offer: Offer) -> Way:
    if wanted != "auto":
        return wanted
    if any("=" in one for one in gpus):  # known to the engine alone, by that name alone
        return "cdi"
    if offer.has_gpu_runtime:
        return "runtime"
    return "cdi" if offer.cdi_gpus else "environment"


def _cdi(gpus: Sequence[str]) -> dict[str, Any]:
    return {"Driver": "cdi", "DeviceIDs": [one if "=" in one else CDI + one for one in gpus]}
