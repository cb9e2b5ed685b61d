"""Other readers of the same files, and how each is run. None of them is part of this repository."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from convert_measure import Tool

HATCHET = """
import json, sys, time, warnings
warnings.filterwarnings("ignore")
import hatchet
begin, cpu = time.perf_counter(), time.process_time()
frame = hatchet.GraphFrame.from_tau(sys.argv[1]).dataframe
wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
print(json.dumps({"wall": wall, "cpu": cpu, "count": len(frame)}))
"""
TAU2 = """
import json, sys, time
sys.path.insert(0, sys.argv[2])
from tau_profile_parser import TauProfileParser
begin, cpu = time.perf_counter(), time.process_time()
data = TauProfileParser.parse(sys.argv[1])
wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
count = len(data.interval_data()) + len(data.atomic_data())
print(json.dumps({"wall": wall, "cpu": cpu, "count": count}))
"""


EXPORT = """
for report in "$2"/*.nsys-rep
do "$0" export --type "$1" --force-overwrite true -o "$3" "$report" || exit
done
"""


class MissingError(Exception):
    """A peer that is not where it was said to be."""


def tools(collector: str, folder: Path, peers: Path, target: Path) -> Iterator[Tool | MissingError]:
    """The peers for one collector's files; `target` is a file for what a tool writes."""
    for make in {
        "tau": (hatchet, tau2),
        "perf": (stackcollapse,),
        "nvprof": (nvprof2json,),
        "nsys": (nsys_json, nsys_sqlite) if any(folder.glob("*.nsys-rep")) else (),
    }[collector]:
        try:
            yield make(folder, peers, target)
        except MissingError as missing:
            yield missing


def hatchet(folder: Path, peers: Path, target: Path) -> Tool:
    """Reads the lines that hold `=>` into a data frame, without events, metadata and time."""
    python = _there(peers / "venv" / "bin" / "python")
    return Tool("hatchet", (python, "-c", HATCHET, str(folder)), is_slow=True)


def tau2(folder: Path, peers: Path, target: Path) -> Tool:
    """Reads timers and events into data frames, with the C code of pandas."""
    python = _there(peers / "venv" / "bin" / "python")
    module = _there(peers / "tau2" / "src" / "python" / "tau_profile_parser.py")
    return Tool("tau2's reader", (python, "-c", TAU2, str(folder), str(Path(module).parent)))


def stackcollapse(folder: Path, peers: Path, target: Path) -> Tool:
    """Adds up equal stacks; what is left of a sample is one more of its stack."""
    script = _there(peers / "FlameGraph" / "stackcollapse-perf.pl")
    words = (_program("perl"), script, str(folder / "perf.script"))
    return Tool("stackcollapse-perf.pl", words, leaves=target, tells=False)


def nvprof2json(folder: Path, peers: Path, target: Path) -> Tool:
    """Kernels, copies, runtime calls and ranges as a Chrome trace, in memory before it is written.

    It starts c++filt for each name.
    """
    _program("c++filt")
    script = _there(peers / "nvprof2json" / "nvprof2json.py")
    database = str(next(folder.glob("*.nvprof")))
    words = (sys.executable, script, database)
    return Tool("nvprof2json", words, leaves=target, tells=False, is_slow=True)


def nsys_json(folder: Path, peers: Path, target: Path) -> Tool:
    """nsys's own JSON, from its own format: it does not read its SQLite exports."""
    return _nsys("json", folder, target)


def nsys_sqlite(folder: Path, peers: Path, target: Path) -> Tool:
    """The export that ours reads."""
    return _nsys("sqlite", folder, target)


def _nsys(kind: str, folder: Path, target: Path) -> Tool:
    words = ("sh", "-c", EXPORT, _program("nsys"), kind, str(folder), str(target))
    return Tool(f"nsys export {kind}", words, tells=False)


def _there(path: Path) -> str:
    if not path.exists():
        raise MissingError(f"not found: {path}")
    return str(path)


def _program(name: str) -> str:
    found = shutil.which(name)
    if not found:
        raise MissingError(f"not found: {name}")
    return found
