"""How fast profiles become entries, beside other readers of the same files in the same run.

    python bench/convert.py --peers /tmp/peers                  # 100 MB of each
    python bench/convert.py --megabytes 1 --repeat 1            # as in CI, without peers
    python bench/convert.py --only tau --profile                # where the time of ours goes
    python bench/convert.py --peers /tmp/peers FOLDER...        # profiles of TAU's instead

Inputs are made first, then read once, so that they are in the page cache. Each tool runs in a
process of its own. Two Markdown tables are printed: what each took, and ours beside the others.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import convert_peers
from convert_measure import ENVIRONMENT, Tool, best
from convert_sets import MEGA, RECORDED, SETS, Input, inputs, of_tau
from convert_tables import Measured, compared, taken

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Given:
    """What the command line asks for."""

    peers: Path | None
    megabytes: float
    small: float
    only: tuple[str, ...]
    folder: Path
    seed: int
    repeat: int
    processes: int
    profile: bool
    profiles: tuple[Path, ...]

    @property
    def is_split(self) -> bool:
        """Whether slow peers get smaller sets."""
        return self.peers is not None and self.small < self.megabytes

    def inputs(self) -> Iterator[Input]:
        """The sets. A recording is only made for the sake of a peer."""
        if self.profiles:
            return of_tau(self.profiles)
        names = [name for collector in self.only for name in SETS[collector]]
        wanted = [name for name in names if name != RECORDED or self.peers]
        small = int(self.small * MEGA) if self.is_split else None
        return inputs(self.folder, wanted, int(self.megabytes * MEGA), small, self.seed)


def main() -> None:
    """Measure, and print."""
    given = arguments()
    measured: list[Measured] = []
    for one in given.inputs():
        if given.profile:
            profile(one, given)
            continue
        for outcome in outcomes(one, given):
            measured.append(outcome)
            print(outcome.line(), file=sys.stderr, flush=True)
    if measured:
        print("\n".join([*taken(measured), "", *compared(measured)]))


def arguments() -> Given:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("profiles", nargs="*", type=Path, metavar="FOLDER", help="profiles of TAU's")
    add("--peers", type=Path, help="where the other readers are, see bench/README.md")
    add("--megabytes", type=float, default=100, help="size of each set of inputs")
    add("--small", type=float, default=30, help="size of the sets of slow peers, in MB, too")
    add("--only", default=",".join(SETS), help="collectors, parted by commas")
    add("--folder", type=Path, help="where inputs are kept, and taken from if they are there")
    add("--seed", type=int, default=1)
    add("--repeat", type=int, default=3, help="runs of each tool, the fastest counts")
    add("--processes", type=int, default=os.cpu_count(), help="of ours, beside one")
    add("--profile", action="store_true", help="print where the time of ours goes instead")
    given = vars(parser.parse_args())
    given["only"] = tuple(given["only"].split(","))
    given["profiles"] = tuple(given["profiles"])
    given["folder"] = given["folder"] or Path(tempfile.mkdtemp(prefix="convert-"))
    return Given(**given)


def outcomes(one: Input, given: Given) -> Iterator[Measured]:
    """Ours, the limit and the peers, each alone."""
    with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
        for tool in tools(one, given, Path(temporary) / "written"):
            if isinstance(tool, convert_peers.MissingError):
                print(f"left out: {one.name}: {tool}", file=sys.stderr)
            else:
                yield Measured(one.name, one.size, tool.name, best(tool, given.repeat))


def tools(one: Input, given: Given, target: Path) -> Iterator[Tool | convert_peers.MissingError]:
    """What reads an input: of a small one only ours and the peers that it was made for."""
    packed = target.with_suffix(".jsonl.gz")
    yield script("ours", "convert_ours.py", one, target.with_suffix(".jsonl"))
    if not one.is_small and not one.is_given:
        yield script("ours, gzipped", "convert_ours.py", one, packed)
        several = given.processes if len(one.files()) > 1 else 1  # files are what is shared out
        for count in dict.fromkeys((1, several)):
            name = f"convert, {count} process{'es' if count > 1 else ''}"
            yield script(name, "convert_ours.py", one, packed, "--whole", str(count))
        yield script("limit", "convert_limits.py", one, target.with_suffix(".limit"))
    if given.peers:
        for tool in convert_peers.tools(one.collector, one.folder, given.peers, target):
            if isinstance(tool, convert_peers.MissingError) or is_for(tool, one, given):
                yield tool


def is_for(tool: Tool, one: Input, given: Given) -> bool:
    """Where there are small sets, they are for slow peers, and the others for the others."""
    return one.is_given or not given.is_split or tool.is_slow == one.is_small


def script(name: str, file: str, one: Input, target: Path, *more: str) -> Tool:
    """One of the scripts here, on an input."""
    words = (sys.executable, str(HERE / file), one.collector, str(one.folder), str(target))
    return Tool(name, (*words, *more))


def profile(one: Input, given: Given) -> None:
    """Print where the time of ours goes."""
    print(f"\n## {one.name}\n", flush=True)
    with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
        target = Path(temporary) / "written.jsonl"
        tool = script("ours", "convert_ours.py", one, target, "--profile")
        subprocess.run(tool.words, check=False, env=ENVIRONMENT)


if __name__ == "__main__":
    main()
