"""CUDA's functions by their numbers."""

from __future__ import annotations

import csv
import io
import subprocess
from pathlib import Path

import pytest

import made_up_nvprof
from profiling_operator.formats import nvprof_calls


@pytest.mark.parametrize(("number", "name"), [
    (0, "INVALID"), (1, "cudaDriverGetVersion"), (20, "cudaMalloc"), (31, "cudaMemcpy"),
    (211, "cudaLaunchKernel"), (433, "cudaOccupancyMaxActiveClusters"),
    (100_000, "cudaRuntime cbid 100000"),
    (-1, "cudaRuntime cbid -1"), (None, "cudaRuntime cbid None"),
])  # fmt: skip
def test_a_call_of_the_runtime_has_a_name(number: object, name: str) -> None:
    """One that is not known is named by its number."""
    assert nvprof_calls.runtime_call(number) == name


@pytest.mark.parametrize(("number", "name"), [
    (1, "cuInit"), (307, "cuLaunchKernel"), (9999, "cudaDriver cbid 9999"),
])  # fmt: skip
def test_a_call_of_the_driver_has_a_name(number: object, name: str) -> None:
    """Without the version that the function has from."""
    assert nvprof_calls.driver_call(number) == name


@pytest.mark.needs("nvprof")
@pytest.mark.parametrize(("table", "names", "known"), [
    ("RUNTIME", nvprof_calls.RUNTIME, 434), ("DRIVER", nvprof_calls.DRIVER, 677),
])  # fmt: skip
def test_names_are_those_that_nvprof_prints(
    table: str, names: tuple[str, ...], known: int, tmp_path: Path
) -> None:
    """All that nvprof 11.8 knows, from a database with a call of each."""
    path = tmp_path / "calls.nvprof"
    with made_up_nvprof.create(path) as connection:
        lines = (
            {"cbid": at, "start": made_up_nvprof.STARTED + at, "end": made_up_nvprof.STARTED + at,
             "processId": 1, "correlationId": at + 1}
            for at in range(known)
        )  # fmt: skip
        made_up_nvprof.insert(connection, table, lines, made_up_nvprof.VERSION)

    said = subprocess.run(
        ["nvprof", "-i", path, "--print-api-trace", "--csv"], capture_output=True, text=True
    )

    cells = [row for row in csv.reader(io.StringIO(said.stderr)) if row[-1:] and row[-1].isdigit()]
    assert {int(row[-1]) - 1: row[-2] for row in cells} == dict(enumerate(names[:known]))
