"""Makes one set of inputs, in a process of its own: python convert_inputs.py SET FOLDER BYTES SEED.

Generators of databases are those of the tests.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from made import nsys, perf, tau

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

BYTES_PER_KERNEL = {"nvprof": 150, "nsys": 250}  # first guesses; then it is measured


def database(tool: str) -> Callable[[Path, int, int], None]:
    """A maker of databases of about so many bytes: a small one tells how large a kernel is."""

    def write(folder: Path, size: int, seed: int) -> None:
        made_up = __import__(f"made_up_{tool}")
        path = folder / {"nvprof": "nvprof-4711.nvprof", "nsys": "nsys.sqlite"}[tool]
        trial = min(20_000, max(100, size // BYTES_PER_KERNEL[tool]))
        made_up.make(path, kernels=trial, seed=seed)
        kernels = trial * size // path.stat().st_size + 1
        path.unlink()
        made_up.make(path, kernels=kernels, seed=seed)

    return write


SETS: dict[str, Callable[[Path, int, int], None]] = {
    "tau, many ranks": lambda folder, size, seed: tau.write(folder, size, seed, tau.RANKS),
    "tau, deep paths": lambda folder, size, seed: tau.write(folder, size, seed, tau.DEEP),
    "perf": lambda folder, size, seed: perf.write(folder / "perf.script", size, seed),
    "nvprof": database("nvprof"),
    "nsys": database("nsys"),
    "nsys, recorded": nsys.record,
}

if __name__ == "__main__":
    SETS[sys.argv[1]](Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
