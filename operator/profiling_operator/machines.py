"""The machine that a measurement was made on, as far as it changes numbers: processors, driver."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from profiling_operator.frozen import Frozen

NVIDIA_DRIVER = Path("/proc/driver/nvidia")
CPU_INFO = Path("/proc/cpuinfo")
# Model: 		 NVIDIA H100 80GB HBM3
MODEL = re.compile(r"^Model:[ \t]*(\S.{0,199})$", re.MULTILINE)
# NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Thu Jan 23 02:50:38 UTC 2025
DRIVER = re.compile(r"^NVRM version:.{0,200}?[ \t](\d+(?:\.\d+)+)[ \t]", re.MULTILINE)
# model name	: AMD EPYC 9654 96-Core Processor
PROCESSOR = re.compile(
    r"^(?:model name|Processor|cpu model)[ \t]*:[ \t]*(\S.{0,199})$", re.MULTILINE
)


class Machine(Frozen):
    """What numbers of one job are told apart by; empty is unknown."""

    gpus: tuple[str, ...] = ()
    """Products of the GPUs that the application may have had, each once, in order of name."""
    driver: str = ""
    """Version of the GPUs' driver."""
    cpu: str = ""
    """Model of the processor."""

    @property
    def device(self) -> str:
        """What did the work: the GPUs where the job had some, else the processor."""
        return " + ".join(self.gpus) or self.cpu

    def narrowed(self, has_gpus: bool, product: str | None) -> Machine:
        """As a job sees it that has GPUs or none, perhaps of one product.

        `product` may be the label by which GPUs are chosen, `NVIDIA-H200` of `NVIDIA H200`.
        """
        if not has_gpus:
            return self.model_copy(update={"gpus": (), "driver": ""})
        if product is None:
            return self
        named = [one for one in self.gpus if label(one) == label(product)]
        return self.model_copy(update={"gpus": tuple(named) or (product,)})


def here(driver: Path = NVIDIA_DRIVER, cpu_info: Path = CPU_INFO) -> Machine:
    """This machine. A container may read it all without having a GPU itself."""
    return Machine(
        gpus=gpu_models_here(driver),
        driver=_found(DRIVER, driver / "version"),
        cpu=_found(PROCESSOR, cpu_info),
    )


def gpu_models_here(driver: Path = NVIDIA_DRIVER) -> tuple[str, ...]:
    """What the NVIDIA driver calls this machine's GPUs; each name once.

    A container may read that without having a GPU itself.
    """
    models = {_found(MODEL, path) for path in driver.glob("gpus/*/information")}
    return tuple(sorted(models - {""}))


def label(product: str) -> str:
    """A product as labels of nodes name it: `NVIDIA-H200` of `NVIDIA H200`."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", product)


def _found(pattern: re.Pattern[str], path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        match = pattern.search(path.read_text())
        return " ".join(match[1].split()) if match else ""
    return ""
