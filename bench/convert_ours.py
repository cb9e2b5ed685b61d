"""The measured process of ours: python convert_ours.py COLLECTOR FOLDER TARGET [--whole N].

Without `--whole` it reads the files and writes entries; with it, it does all that `profjob convert`
does, in so many processes: sums, stacks and the verdict, too. `--profile` tells where time went.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import sys
import time
from pathlib import Path

from profiling_operator import artifacts, entries, plan
from profiling_operator.captures import Capture, FileNote
from profiling_operator.collectors import Collector
from profiling_operator.convert import Conversion

LINES = 25


def capture_of(collector: Collector, folder: Path) -> Capture:
    """What lies in a folder."""
    return Capture(
        artifacts.scan(folder).artifacts,
        plan.checked_options(collector, {}, "options"),
        started=1_795_436_464 * 10**9,
        job="bench/convert",
    )


def plain(collector: Collector, folder: Path, target: Path) -> int:
    """Read and write; returns how many entries there are."""
    with entries.create(target) as writer:
        for item in collector.read(capture_of(collector, folder)):
            if isinstance(item, entries.Entry):
                writer.write(item)
            elif isinstance(item, FileNote) and item.fate is None:
                print(f"{item.path}:{item.line}: {item.message}", file=sys.stderr)
    return writer.count


def whole(collector: Collector, folder: Path, target: Path, processes: int) -> int:
    """Convert as `profjob convert` does."""
    with entries.create(target) as writer:
        conversion = Conversion(writer, target.parent, processes)
        return conversion.take(collector, capture_of(collector, folder)).entries


def cpu_seconds() -> float:
    """What this process used so far, and all that it started and that have ended."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """Convert, and print what it took; or where the time went."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("collector")
    parser.add_argument("folder", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--whole", type=int, metavar="N")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    collector: Collector = plan.named("collectors", given.collector, "collector")
    profile = cProfile.Profile()
    if given.profile:
        profile.enable()
    begin, cpu = time.perf_counter(), cpu_seconds()
    if given.whole:
        count = whole(collector, given.folder, given.target, given.whole)
    else:
        count = plain(collector, given.folder, given.target)
    wall, cpu = time.perf_counter() - begin, cpu_seconds() - cpu
    profile.disable()
    if given.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(LINES)
    print(json.dumps({"wall": wall, "cpu": cpu, "count": count}))


if __name__ == "__main__":
    main()
