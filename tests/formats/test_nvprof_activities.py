"""What rows of activities have in common."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from profiling_operator.entries import Kind
from profiling_operator.formats.nvprof_activities import TABLES, Steady
from profiling_operator.formats.nvprof_names import Names

NAMES = cast(
    Names, SimpleNamespace(process=41, devices={0: "GPU"}, function=lambda number: f"f{number}")
)


def described(table: str, **values: Any) -> Steady:
    """What a row says besides its times; columns that are not named are NULL."""
    return TABLES[table].describe(NAMES, tuple(map(values.get, TABLES[table].columns)))


def test_a_kernel_has_its_launch() -> None:
    """Sizes as lists, and whose it is."""
    found = described(
        "CONCURRENT_KERNEL", deviceId=0, contextId=1, name=5, gridX=4, gridY=2, gridZ=1, blockX=32,
        blockY=8, blockZ=1, registersPerThread=24, staticSharedMemory=0,
    )  # fmt: skip

    assert found == Steady("f5", 41, None, 0, {
        "deviceName": "GPU", "context": 1, "grid": [4, 2, 1], "block": [32, 8, 1],
        "registersPerThread": 24, "staticSharedMemory": 0,
    })  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), [
    (1, "HtoD"), (2, "DtoH"), (8, "DtoD"), (10, "PtoP"), (0, "Unknown"), (99, "Unknown"),
    (None, "Unknown"), ("1", "Unknown"),
])  # fmt: skip
def test_copies_have_the_names_that_nvprof_prints(kind: object, name: str) -> None:
    """By the direction."""
    assert described("MEMCPY", copyKind=kind).name == f"[CUDA memcpy {name}]"


def test_a_copy_tells_what_it_moved() -> None:
    """Between GPUs it tells which; what is unknown is absent."""
    found = described(
        "MEMCPY2", deviceId=3, copyKind=10, srcKind=3, dstKind=2, bytes=64, flags=1, srcDeviceId=0,
        dstDeviceId=1,
    )  # fmt: skip

    assert found.attributes == {
        "bytes": 64, "srcMemType": "Device", "dstMemType": "Pinned", "srcDevice": 0, "dstDevice": 1,
        "asynchronous": True,
    }  # fmt: skip
    assert (found.device, described("MEMSET", bytes=8, value=0).attributes) == (
        3, {"bytes": 8, "value": 0},
    )  # fmt: skip


def test_a_call_has_its_thread_and_its_error() -> None:
    """Only one that is not 0 is told."""
    failed = described("RUNTIME", cbid=20, processId=7, threadId=-2, returnValue=2)

    assert failed == Steady("cudaMalloc", 7, 2**32 - 2, None, {"returnValue": 2})
    assert described("DRIVER", cbid=1, returnValue=0) == Steady("cuInit", None, None, None, {})


def test_every_table_takes_anything() -> None:
    """Columns have types in name only."""
    for table in TABLES.values():
        for value in (None, "x", b"x", -1, 1.5, 2**62):
            found = table.describe(NAMES, (value,) * len(table.columns))
            assert found.name
            assert all(type(one) is int or one is None for one in found[1:4])
    assert {table.kind for table in TABLES.values()} == {
        Kind.KERNEL, Kind.MEMCPY, Kind.MEMSET, Kind.API,
    }  # fmt: skip
