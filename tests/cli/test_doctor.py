"""What `profjob doctor` says of GPUs, from facts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from profiling_operator import settings, toolchains
from profiling_operator.cli import doctor
from profiling_operator.collectors import Facts
from profiling_operator.settings import AgentSettings, GpuSettings, Settings


@pytest.mark.parametrize(("devices", "facts", "told"), [
    ([], Facts(gpu_models=("NVIDIA H200",)), "none: no /dev/nvidia0"),
    (["/dev/nvidia0"], Facts(), "/dev/nvidia0"),
    (["/dev/nvidia0", "/dev/nvidia1"],
     Facts(gpu_models=("NVIDIA H200",), gpu_counters_admin_only=True),
     "/dev/nvidia0, /dev/nvidia1; NVIDIA H200; counters: administrators only"),
    (["/dev/nvidia0"], Facts(gpu_models=("Tesla T4",), gpu_counters_admin_only=False),
     "/dev/nvidia0; Tesla T4; counters: everybody"),
])  # fmt: skip
def test_gpus_are_told_with_models_and_rights(
    devices: list[str], facts: Facts, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As far as the driver says."""
    monkeypatch.setattr(toolchains, "gpus_here", lambda: devices)
    monkeypatch.setattr(toolchains, "facts_here", lambda: facts)

    found = {one.what: one for one in doctor._facts()}

    assert (found["NVIDIA GPUs"].ok, found["NVIDIA GPUs"].detail) == (bool(devices), told)


@pytest.mark.parametrize(("declared", "cdi", "told"), [
    ([], [], "none; the settings may name some: agent.gpus"),
    ([], ["GPU-1", "GPU-2"], "GPU-1, GPU-2"),
    ([GpuSettings(uuid="GPU-3", product="NVIDIA-H200")], ["GPU-1"], "GPU-3 NVIDIA-H200"),
])  # fmt: skip
def test_gpus_that_an_agent_would_hand_out(
    declared: list[GpuSettings], cdi: list[str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the settings, else those that the engine names."""
    known = Settings(agent=AgentSettings(gpus=tuple(declared)))
    monkeypatch.setattr(settings, "load", lambda: known)
    engine: Any = SimpleNamespace(cdi_gpus=tuple(cdi), is_here=False)

    found = doctor._agent_gpus(engine)

    assert (found.ok, found.detail) == (told[:4] != "none", told)
