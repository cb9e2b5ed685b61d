"""The GPUs of a Docker host, and how one is told from another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from profiling_operator import machines
from profiling_operator.errors import Problem, SpecError
from profiling_operator.settings import GpuSettings

# GPU UUID: 	 GPU-0b8d6a52-2a0e-4d0f-8d3c-8f0f6a1b2c3d   (question marks before its first use)
UUID = re.compile(r"^GPU UUID:[ \t]*(GPU-[0-9A-Fa-f-]{8,76})[ \t]*$", re.MULTILINE)
EXCLUDED = re.compile(r"^GPU Excluded:[ \t]*Yes\b", re.MULTILINE)


@dataclass(frozen=True)
class Gpu:
    """One GPU, or one MIG instance: what one application has alone."""

    uuid: str
    """As the driver names it; of one that only the engine knows, its name as a CDI device."""
    product: str = ""
    """As the driver or the settings name it; empty: unknown."""

    def is_of(self, product: str | None) -> bool:
        """Whether a job may have it that asks for a product; None: any will do."""
        return product is None or machines.label(self.product) == machines.label(product)


def here(driver: Path = machines.NVIDIA_DRIVER) -> tuple[Gpu, ...]:
    """What the NVIDIA driver tells of this machine's GPUs, in the order of the bus.

    One without a UUID is left out: nobody could ask for it.
    """
    told = [_told(path) for path in sorted(driver.glob("gpus/*/information"))]
    return tuple(one for one in told if one is not None)


def of_host(
    declared: Sequence[GpuSettings],
    cdi: Sequence[str],
    is_here: bool,
    driver: Path = machines.NVIDIA_DRIVER,
) -> tuple[Gpu, ...]:
    """The GPUs to hand out: of the settings, else of this machine's driver, else of the engine.

    `cdi` names those of the engine; `is_here`: the engine is on this machine. Raises SpecError for
    one that is declared twice.
    """
    if declared:
        _refuse_twice(declared)
        return tuple(Gpu(one.uuid, one.product) for one in declared)
    found = here(driver) if is_here else ()
    return found or tuple(Gpu(name) for name in dict.fromkeys(cdi))


def _told(path: Path) -> Gpu | None:
    with suppress(OSError):
        text = path.read_text(errors="replace")
        uuid, model = UUID.search(text), machines.MODEL.search(text)
        if uuid and not EXCLUDED.search(text):
            return Gpu(uuid[1], " ".join(model[1].split()) if model else "")
    return None


def _refuse_twice(declared: Sequence[GpuSettings]) -> None:
    uuids = [one.uuid for one in declared]
    twice = [
        Problem(f"settings.agent.gpus[{index}].uuid", f'"{uuid}" is declared twice')
        for index, uuid in enumerate(uuids)
        if uuid in uuids[:index]
    ]
    if twice:
        raise SpecError(twice)
