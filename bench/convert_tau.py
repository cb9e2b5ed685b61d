"""How fast TAU profiles become entries, beside llnl-hatchet on the same folders in the same run.

    PYTHONPATH=operator python bench/convert_tau.py --hatchet-python /tmp/hv/bin/python FOLDER...

Ours reads text profiles, makes entries and writes them as gzipped JSON lines. Hatchet reads
them into a GraphFrame, and writes nothing. Besides the folders given, sets are generated: ranks
with flat timers, call paths and user events of varied names, values and depths. The call paths
make a tree under a root of whole microseconds, and events have no context: hatchet cannot read
other sets.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from profiling_operator import artifacts, entries
from profiling_operator.captures import Capture, FileNote
from profiling_operator.collectors import tau

HATCHET = """
import json, resource, sys, time, warnings
warnings.filterwarnings("ignore")
try:
    import hatchet
    begin = time.perf_counter()
    frame = hatchet.GraphFrame.from_tau(sys.argv[1]).dataframe
    result = {"seconds": time.perf_counter() - begin, "count": len(frame)}
except Exception as error:
    result = {"error": f"{type(error).__name__}: {error}"}
result["mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(json.dumps(result))
"""
OURS = "import sys; from convert_tau import convert_alone; convert_alone(sys.argv[1])"
GROUPS = ("MPI", "TAU_USER", "TAU_DEFAULT", "IO", "TAU_OPENMP")
WORDS = (
    "solve",
    "exchange",
    "halo",
    "update",
    "pack",
    "reduce",
    "assemble",
    "flux",
    "read",
    "mesh",
)


@dataclass(frozen=True)
class Result:
    """One tool on one folder; `error` where it could not read it."""

    seconds: float = 0.0
    count: int = 0
    mib: int = 0
    error: str = ""

    def cells(self, size: int) -> tuple[str, ...]:
        """The table's cells: MB/s, entries, entries/s, peak memory."""
        if self.error:
            return (f"fails: {self.error[:60]}", "–", "–", str(self.mib))
        rate = f"{size / self.seconds / 1e6:.2f}"
        return (rate, f"{self.count}", f"{self.count / self.seconds:,.0f}", str(self.mib))


def make_names(random_: random.Random, count: int) -> list[str]:
    """Timer names as real ones are: C++ signatures, source regions, MPI functions."""
    made = []
    for index in range(count):
        words = "_".join(random_.sample(WORDS, 2))
        line = random_.randrange(1, 4000)
        made.append(
            random_.choice(
                (
                    f"MPI_{words.title()}{index}()  ",
                    f"{words}_{index} C "
                    f"[{{/home/me/app/src/{words}.c}} {{{line},1}}-{{{line + 40},1}}]",
                    f"void app::{words}{index}(double*, int, std::vector<int> const&) "
                    f"[{{/home/me/app/src/{words}.cpp}} {{{line},0}}]",
                )
            )
        )
    return made


def make_paths(random_: random.Random, names: list[str], depth: int) -> list[str]:
    """As many call paths as names, up to `depth` deep: the callers of each are there, too."""
    made = [(".TAU application",)]
    known = set(made)
    while len(made) <= len(names):
        path = (*random_.choice(made)[: depth - 1], random_.choice(names))
        if path not in known and len(path) > 1:
            known.add(path)
            made.append(path)
    return [" => ".join(path) for path in made[1:]]


def timer_line(random_: random.Random, name: str, groups: str) -> str:
    """One line with numbers of varied length; one in fifty has decimals, as GPU times have."""
    exclusive = int(random_.lognormvariate(8, 3))
    inclusive = exclusive + int(random_.lognormvariate(6, 3))
    calls, subrs = int(random_.lognormvariate(3, 2)) + 1, random_.choice((0, 0, 0, 7, 120))
    fraction = random_.choice((".25", ".5", ".75")) if random_.random() < 0.02 else ""
    numbers = f"{calls} {subrs} {exclusive}{fraction} {inclusive}{fraction} 0"
    return f'"{name}" {numbers} GROUP="{groups}" \n'


def profile(random_: random.Random, names: list[str], paths: list[str], header: str) -> str:
    """The text of one rank's file."""
    lines = ['".TAU application" 1 7 1000 90000000 0 GROUP="TAU_DEFAULT" \n']
    lines += [timer_line(random_, name, random_.choice(GROUPS)) for name in names]
    lines += [timer_line(random_, path, "TAU_CALLPATH|TAU_USER") for path in paths]
    events = [f"Message size for {word}" for word in WORDS]
    values = [random_.randrange(1, 1 << 20) for _ in events]
    told = [f'"{a}" {b} 4096 4 {b / 3:.16G} {b * b}\n' for a, b in zip(events, values, strict=True)]
    count = f"{len(lines)} templated_functions_MULTI_TIME\n"
    columns = "# Name Calls Subrs Excl Incl ProfileCalls # "
    heading = f"{len(told)} userevents\n# eventname numevents max min mean sumsqr\n"
    return "".join([count, columns, header, "\n", *lines, "0 aggregates\n", heading, *told])


def generate(folder: Path, ranks: int, timers: int, depth: int, seed: int) -> None:
    """Write a set of profiles: half flat timers, half call paths up to `depth` deep."""
    random_ = random.Random(seed)  # noqa: S311 - not for secrets
    names = make_names(random_, timers)
    paths = make_paths(random_, names, depth)
    settings = "".join(
        f"<attribute><name>TAU_SETTING_{index}</name><value>off</value></attribute>"
        for index in range(80)
    )
    for rank in range(ranks):
        header = (
            "<metadata><attribute><name>Metric Name</name><value>TIME</value></attribute>"
            f"{settings}<attribute><name>Starting Timestamp</name><value>{1795436464427427 + rank}"
            "</value></attribute></metadata>"
        )
        text = profile(random_, names, paths, header)
        (folder / f"profile.{rank}.0.0").write_text(text)


def convert(folder: Path, target: Path) -> int:
    """Read a folder and write its entries; returns how many there are."""
    found = artifacts.scan(folder).artifacts
    capture = Capture(found, tau.Options(), started=0, job="bench/tau")
    with entries.create(target) as writer:
        for item in tau.COLLECTOR.read(capture):
            if isinstance(item, entries.Entry):
                writer.write(item)
            elif isinstance(item, FileNote) and item.fate is None:
                print(f"  {item.path}:{item.line}: {item.message}", file=sys.stderr)
    return writer.count


def convert_alone(folder: str) -> None:
    """What the measured process does: convert, and print the time and the peak memory."""
    import resource

    with tempfile.TemporaryDirectory() as temporary:
        begin = time.perf_counter()
        count = convert(Path(folder), Path(temporary) / "entries.jsonl.gz")
        seconds = time.perf_counter() - begin
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": seconds, "count": count, "mib": mib}))


def measure(command: list[str], repeat: int) -> Result:
    """The fastest of some runs, each in a process of its own."""
    here = str(Path(__file__).parent)
    path = os.pathsep.join([here, str(Path(here).parent / "operator")])
    results = []
    for _ in range(repeat):
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": path},
        )
        try:
            results.append(Result(**json.loads(done.stdout.splitlines()[-1])))
        except (IndexError, ValueError):
            return Result(error=(done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1])
    return min(results, key=lambda one: one.seconds)


def rows(folders: dict[str, Path], hatchet: str | None, repeat: int) -> Iterator[tuple[str, ...]]:
    """One row per folder and tool."""
    for name, folder in folders.items():
        size = sum(file.stat().st_size for file in folder.rglob("*.*.*.*") if file.is_file())
        ours = measure([sys.executable, "-c", OURS, str(folder)], repeat)
        theirs = Result(error="not asked for")
        if hatchet:
            theirs = measure([hatchet, "-c", HATCHET, str(folder)], 1)
        both = not (ours.error or theirs.error)
        times = f"{theirs.seconds / ours.seconds:.0f}" if both else "–"
        yield (name, f"{size / 1e6:.2f}", "ours", *ours.cells(size), times)
        yield (name, f"{size / 1e6:.2f}", "hatchet", *theirs.cells(size), "1" if both else "–")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, help="folders of text profiles")
    parser.add_argument("--hatchet-python", help="a Python that has llnl-hatchet")
    parser.add_argument(
        "--sets",
        nargs="*",
        default=["1000x20x4", "128x200x8"],
        help="sets to generate: ranks x timers (and call paths) per rank x depth",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=3, help="runs of ours; the fastest counts")
    return parser.parse_args()


def main() -> None:
    """Measure, and print a Markdown table."""
    chosen = arguments()
    folders = {"/".join(folder.parts[-2:]): folder for folder in chosen.folders}
    made = Path(tempfile.mkdtemp(prefix="convert-tau-"))
    try:
        for name in chosen.sets:
            folders[f"generated {name}"] = made / name
            (made / name).mkdir()
            generate(made / name, *map(int, name.split("x")), chosen.seed)
        print("| folder | MB | tool | MB/s | entries | entries/s | peak MiB | times hatchet |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for row in rows(folders, chosen.hatchet_python, chosen.repeat):
            print(f"| {' | '.join(row)} |", flush=True)
    finally:
        shutil.rmtree(made)


if __name__ == "__main__":
    main()
