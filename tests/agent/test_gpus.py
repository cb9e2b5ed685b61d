"""Which GPUs a host hands out."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiling_operator.agent import gpus
from profiling_operator.agent.gpus import Gpu
from profiling_operator.errors import SpecError
from profiling_operator.settings import GpuSettings

FIRST, SECOND = (f"GPU-{digit * 8}-2a0e-4d0f-8d3c-8f0f6a1b2c3d" for digit in "ab")
INFORMATION = """Model: \t\t NVIDIA H200
IRQ:   \t\t 200
GPU UUID: \t {uuid}
Video BIOS: \t 96.00.b7.00.01
Bus Type: \t PCIe
Bus Location: \t 0000:19:00.0
Device Minor: \t 0
GPU Firmware: \t 570.86.15
GPU Excluded:\t No
"""


def driver(folder: Path, **told: str | bytes) -> Path:
    """The driver's folder, with what it tells of each GPU by the end of its place on the bus."""
    for place, text in told.items():
        of_gpu = folder / "gpus" / f"0000:{place.removeprefix('at_')}:00.0"
        of_gpu.mkdir(parents=True)
        raw = text if isinstance(text, bytes) else text.encode()
        (of_gpu / "information").write_bytes(raw)
    return folder


def test_the_driver_tells_of_gpus_in_the_order_of_the_bus(tmp_path: Path) -> None:
    """As CUDA_DEVICE_ORDER=PCI_BUS_ID and nvidia-smi count them."""
    told = driver(
        tmp_path, at_c8=INFORMATION.format(uuid=SECOND), at_19=INFORMATION.format(uuid=FIRST)
    )

    assert gpus.here(told) == (Gpu(FIRST, "NVIDIA H200"), Gpu(SECOND, "NVIDIA H200"))


@pytest.mark.parametrize("odd", [
    "", "GPU UUID:\n", "Model: \t\t NVIDIA H200\n",
    INFORMATION.format(uuid="GPU-????????-????-????-????-????????????"),
    INFORMATION.format(uuid=SECOND).replace("Excluded:\t No", "Excluded:\t Yes"),
], ids=["empty", "no UUID", "model only", "not used yet", "excluded"])  # fmt: skip
def test_one_that_nobody_could_ask_for_is_left_out(odd: str, tmp_path: Path) -> None:
    """The others stay."""
    told = driver(tmp_path, at_19=odd, at_c8=INFORMATION.format(uuid=FIRST))

    assert gpus.here(told) == (Gpu(FIRST, "NVIDIA H200"),)


def test_a_product_may_be_unknown(tmp_path: Path) -> None:
    """Lines may be missing, and no text need be text."""
    told = driver(tmp_path, at_19=f"\x00GPU?\nGPU UUID: {FIRST}\n".encode() + b"\xff\xfe\n")
    (tmp_path / "gpus" / "0000:c8:00.0" / "information").mkdir(parents=True)

    assert gpus.here(told) == (Gpu(FIRST),)
    assert gpus.here(tmp_path / "no driver") == ()


def test_what_is_declared_comes_first(tmp_path: Path) -> None:
    """Then this machine's driver, then the engine."""
    told = driver(tmp_path, at_19=INFORMATION.format(uuid=FIRST))
    cdi = ("nvidia.com/gpu=0", "nvidia.com/gpu=1", "nvidia.com/gpu=0")
    declared = (GpuSettings(uuid="MIG-1", product="small"), GpuSettings(uuid="GPU-2"))

    assert gpus.of_host(declared, cdi, True, told) == (Gpu("MIG-1", "small"), Gpu("GPU-2"))
    assert gpus.of_host((), cdi, True, told) == (Gpu(FIRST, "NVIDIA H200"),)


@pytest.mark.parametrize("is_here", [True, False])
def test_the_engine_tells_of_those_that_no_driver_here_tells_of(
    is_here: bool, tmp_path: Path
) -> None:
    """It may be elsewhere, and then this machine's GPUs are not its own; each is named once."""
    folder = tmp_path / "none"
    if not is_here:
        driver(folder, at_19=INFORMATION.format(uuid=FIRST))
    cdi = ("nvidia.com/gpu=0", "nvidia.com/gpu=1", "nvidia.com/gpu=0")

    found = gpus.of_host((), cdi, is_here, folder)

    assert found == (Gpu("nvidia.com/gpu=0"), Gpu("nvidia.com/gpu=1"))


def test_a_gpu_declared_twice_is_refused() -> None:
    """It would be given to two applications at once."""
    declared = [GpuSettings(uuid=one) for one in ("GPU-1", "GPU-2", "GPU-1")]

    with pytest.raises(SpecError) as caught:
        gpus.of_host(declared, (), False)

    assert str(caught.value) == 'settings.agent.gpus[2].uuid: "GPU-1" is declared twice'


@pytest.mark.parametrize(("product", "asked", "is_of"), [
    ("NVIDIA H200", None, True), ("", None, True), ("NVIDIA H200", "NVIDIA-H200", True),
    ("NVIDIA-H200", "NVIDIA-H200", True), ("NVIDIA H100 80GB HBM3", "NVIDIA-H100-80GB-HBM3", True),
    ("NVIDIA H200", "NVIDIA-H100", False), ("", "NVIDIA-H200", False),
])  # fmt: skip
def test_products_compare_as_labels_do(product: str, asked: str | None, is_of: bool) -> None:
    """The driver's name and the label's mean the same; an unknown one is none in particular."""
    assert Gpu("GPU-1", product).is_of(asked) is is_of
