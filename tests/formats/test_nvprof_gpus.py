"""GPUs by their names."""

from __future__ import annotations

import pytest

from profiling_operator.formats import nvprof_gpus
from profiling_operator.formats.nvprof_gpus import NO_COUNTERS, NO_TRACE


@pytest.mark.parametrize("model", [
    "NVIDIA H100 80GB HBM3", "NVIDIA-H200", "NVIDIA GH200 480GB", "NVIDIA B200", "NVIDIA GB200",
    "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "NVIDIA A30", "NVIDIA A10", "NVIDIA A10G", "NVIDIA A40",
    "NVIDIA A2",
    "NVIDIA L4", "NVIDIA L40S", "NVIDIA RTX A6000", "NVIDIA RTX 6000 Ada Generation",
    "NVIDIA GeForce RTX 3090 Ti", "NVIDIA-GeForce-RTX-4090", "NVIDIA GeForce RTX 5080",
    "NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "Orin",
])  # fmt: skip
def test_gpus_from_ampere_on_are_too_new(model: str) -> None:
    """As the driver or the label of a node names them."""
    found = nvprof_gpus.capability(model)

    assert found is not None and found >= NO_TRACE


@pytest.mark.parametrize(("model", "capability"), [
    ("Tesla V100-SXM2-16GB", (7, 0)), ("Tesla-V100-PCIE-32GB", (7, 0)), ("NVIDIA TITAN V", (7, 0)),
    ("Tesla P100-PCIE-16GB", (6, 0)), ("Tesla P4", (6, 1)), ("GeForce GTX 1080 Ti", (6, 1)),
    ("Tesla K80", (3, 5)), ("Tesla M60", (5, 2)), ("Tesla T4", NO_COUNTERS),
    ("Quadro RTX 6000", NO_COUNTERS), ("NVIDIA GeForce RTX 2080 SUPER", NO_COUNTERS),
])  # fmt: skip
def test_older_ones_are_known(model: str, capability: tuple[int, int]) -> None:
    """From Turing on there are no events and metrics."""
    assert nvprof_gpus.capability(model) == capability


@pytest.mark.parametrize("model", ["", "Radeon", "NVIDIA Graphics Device", "V100A", "x" * 10_000])
def test_other_names_mean_nothing(model: str) -> None:
    """A new one may do."""
    assert nvprof_gpus.capability(model) is None
