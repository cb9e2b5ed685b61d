"""What a machine is told apart by."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiling_operator import machines
from profiling_operator.machines import Machine

VERSION = (
    "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Thu Jan 23 02:50:38 UTC 2025\n"
    "GCC version:  gcc version 12.2.0\n"
)
OPEN_VERSION = (
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs)\n"
)
BOTH = Machine(gpus=("NVIDIA H200", "Tesla T4"), driver="570.86.15", cpu="AMD EPYC 9654")


@pytest.mark.parametrize(("said", "version"), [
    (VERSION, "570.86.15"), (OPEN_VERSION, "580.65.06"), ("no driver\n", ""),
])  # fmt: skip
def test_driver_and_processor_are_read(said: str, version: str, tmp_path: Path) -> None:
    """From what the kernel says of them, blanks collapsed."""
    (tmp_path / "version").write_text(said)
    cpu = tmp_path / "cpuinfo"
    cpu.write_text("processor\t: 0\nmodel name\t: AMD EPYC 9654  96-Core Processor\n")

    found = machines.here(tmp_path, cpu)

    assert (found.driver, found.cpu) == (version, "AMD EPYC 9654 96-Core Processor")
    assert found.device == "AMD EPYC 9654 96-Core Processor"


def test_what_is_not_there_is_unknown(tmp_path: Path) -> None:
    """No driver, no list of processors."""
    assert machines.here(tmp_path, tmp_path / "cpuinfo") == Machine()


@pytest.mark.parametrize(("has_gpus", "product", "gpus", "driver"), [
    (False, None, (), ""),
    (True, None, ("NVIDIA H200", "Tesla T4"), "570.86.15"),
    (True, "NVIDIA-H200", ("NVIDIA H200",), "570.86.15"),
    (True, "NVIDIA-L4", ("NVIDIA-L4",), "570.86.15"),
])  # fmt: skip
def test_a_job_sees_its_own_gpus(
    has_gpus: bool, product: str | None, gpus: tuple[str, ...], driver: str
) -> None:
    """Those of the product that it asked for, by the label's name or the driver's."""
    seen = BOTH.narrowed(has_gpus, product)

    assert (seen.gpus, seen.driver) == (gpus, driver)
    assert seen.device == (" + ".join(gpus) or "AMD EPYC 9654")
