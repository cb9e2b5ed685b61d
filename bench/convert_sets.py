"""The sets of inputs: made once, kept in a folder, read once so that nobody waits for the disk."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "convert_inputs.py"
SETS = {
    "tau": ("tau, many ranks", "tau, deep paths"),
    "nvprof": ("nvprof",),
    "nsys": ("nsys", "nsys, recorded"),
    "perf": ("perf",),
}
RECORDED = "nsys, recorded"
NOT_READ = frozenset({".nsys-rep", ".qdstrm", ""})
MEGA = 1_000_000


@dataclass(frozen=True)
class Input:
    """Files of one collector's."""

    name: str
    collector: str
    folder: Path
    is_small: bool = False
    """Only for readers that would take too long for a large one, and for ours beside them."""

    is_given: bool = False
    """Not made, but named on the command line."""

    @property
    def size(self) -> int:
        """Bytes of what ours reads."""
        return sum(one.stat().st_size for one in self.files())

    def files(self) -> list[Path]:
        """What ours reads, which a recording in nsys's own format is not, nor the program."""
        found = sorted(one for one in self.folder.rglob("*") if one.is_file())
        return [one for one in found if one.suffix not in NOT_READ]


def of_tau(folders: Sequence[Path]) -> Iterator[Input]:
    """Folders that TAU wrote, or a generator before."""
    for folder in folders:
        one = Input(f"tau, {'/'.join(folder.parts[-2:])}", "tau", folder, is_given=True)
        _read(one)
        yield one


def inputs(
    folder: Path, names: Sequence[str], size: int, small: int | None, seed: int
) -> Iterator[Input]:
    """Sets by their names, and smaller ones where slow readers get such."""
    for name in names:
        collector = name.partition(",")[0]
        whole = Input(name, collector, folder / f"{_file_name(name)}-{size / MEGA:g}")
        if _made(whole, size, seed):
            yield whole
            yield from _small(whole, small, seed) if small else ()


def _file_name(name: str) -> str:
    return name.replace(",", "").replace(" ", "-")


def _small(whole: Input, size: int, seed: int) -> Iterator[Input]:
    """The first ranks of a set, or another database."""
    ending = f"{size / MEGA:g} MB"
    if whole.collector == "tau":
        folder = whole.folder.with_name(f"{whole.folder.name}-first-{size / MEGA:g}")
        one = Input(f"{whole.name}, the first {ending}", whole.collector, folder, is_small=True)
        _copy_first(whole, one, size)
        yield one
    elif whole.collector == "nvprof":
        folder = whole.folder.with_name(f"{_file_name(whole.name)}-{size / MEGA:g}")
        one = Input(whole.name, whole.collector, folder, is_small=True)
        if _made(one, size, seed):
            yield replace(one, name=f"{whole.name}, another of {ending}")


def _made(one: Input, size: int, seed: int) -> bool:
    """Whether a set is there, or could be made: in another process, since this one stays small."""
    if not one.folder.exists():
        unfinished = one.folder.with_name(f"{one.folder.name}.unfinished")
        unfinished.mkdir(parents=True)
        words = (sys.executable, str(SCRIPT), one.name, str(unfinished), str(size), str(seed))
        done = subprocess.run(words, check=False, capture_output=True, text=True)
        if done.returncode:
            said = (done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1]
            print(f"left out: {one.name}: {said}", file=sys.stderr)
            return False
        unfinished.rename(one.folder)
    _read(one)
    return True


def _copy_first(whole: Input, one: Input, size: int) -> None:
    """Copy files by their ranks until they have the size."""
    if one.folder.exists():
        return
    one.folder.mkdir()
    for path in sorted(whole.files(), key=lambda path: int(path.name.split(".")[1])):
        if size <= 0:
            break
        size -= (one.folder / path.name).write_bytes(path.read_bytes())


def _read(one: Input) -> None:
    for path in one.files():
        with path.open("rb") as stream:
            while stream.read(1 << 20):
                pass
