"""How honest gates are: false alarms where nothing changed, and what changes they find.

    python bench/gates.py simulate                     # 200 made series without a change
    python bench/gates.py power --csv FILE --svg FILE  # what is found, by repetitions and jobs
    python bench/gates.py draw FILE.csv FILE.svg       # the picture of that table
    python bench/gates.py collect FILE.jsonl           # run the examples again and again: hours
    python bench/gates.py real [FILE...]               # the runs that are kept in gates/
    python bench/gates.py speed                        # what 640 verdicts take

Prints Markdown tables: the gate of this project beside the usual rules, on the same series.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from random import Random

import gates_chart
import gates_collect
import gates_made
import gates_rules
from gates_rules import RULES, Job

from profiling_operator.spec.job import Statistic

DATA = Path(__file__).resolve().parent / "gates"
JOBS, REPETITIONS = 25, 5
CHANGES = (0, 2.5, 5, 7.5, 10, 12.5, 15, 17.5, 20, 25, 30)
SPREAD = 0.05
FEWEST_REPETITIONS = 20
"""Of all jobs of the window: the gate does not judge by fewer."""
POWER_RULES = ("last value × 1.05", "z 0.95 and 5 %")


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    tasks = parser.add_subparsers(required=True)
    _add_power(tasks.add_parser("power"))
    task = tasks.add_parser("simulate")
    task.add_argument("--series", type=int, default=200)
    task.set_defaults(run=lambda given: simulate(given.series))
    task = tasks.add_parser("draw")
    task.add_argument("csv", type=Path)
    task.add_argument("svg", type=Path)
    task.set_defaults(run=lambda given: draw(given.csv, given.svg))
    task = tasks.add_parser("collect")
    task.add_argument("file", type=Path)
    task.add_argument("--jobs", type=int, default=JOBS)
    task.set_defaults(run=lambda given: gates_collect.collect(given.file, given.jobs))
    task = tasks.add_parser("real")
    task.add_argument("files", type=Path, nargs="*", default=sorted(DATA.glob("*.jsonl.gz")))
    task.add_argument("--series", type=int, help="only so many, as in CI")
    task.set_defaults(run=lambda given: [real(one, given.series) for one in given.files])
    task = tasks.add_parser("speed")
    task.add_argument("--verdicts", type=int, default=640)
    task.set_defaults(run=lambda given: speed(given.verdicts))
    given = parser.parse_args()
    given.run(given)


def _add_power(task: argparse.ArgumentParser) -> None:
    task.add_argument("--trials", type=int, default=300)
    task.add_argument("--jobs", type=int, nargs="+", default=[5, 10, 20])
    task.add_argument("--repetitions", type=int, nargs="+", default=[3, 5, 10, 20])
    task.add_argument("--changes", type=float, nargs="+", default=CHANGES, help="in percent")
    task.add_argument("--csv", type=Path)
    task.add_argument("--svg", type=Path)
    task.set_defaults(run=power)


def simulate(count: int) -> None:
    """Made series without a change: as many of each shape."""
    each = count // len(gates_made.SHAPES)
    series = {
        name: [
            gates_made.series(shape, f"{name} {number}", JOBS, REPETITIONS)
            for number in range(each)
        ]
        for name, shape in gates_made.SHAPES.items()
    }
    _print_alarms("shape of the noise", series)


def real(file: Path, count: int | None = None) -> None:
    """The runs of examples that were kept, by measure."""
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt") as lines:
        told = [json.loads(line) for line in lines]
    names = list(dict.fromkeys(one["series"] for one in told))[:count]
    series: dict[str, dict[str, list[Job]]] = defaultdict(lambda: defaultdict(list))
    for one in told:
        for measure, values in one.get("measures", {}).items() if one["series"] in names else ():
            kind = measure if measure.startswith("app/") else "a function's time"
            series[kind][one["series"]].append(values)
    lengths = [len(jobs) for found in series.values() for jobs in found.values()]
    failed = sum("failed" in one for one in told)
    load = statistics.quantiles([one["load"] for one in told], n=10)
    counts = f"{len(names)} series of {min(lengths)} to {max(lengths)} jobs"
    print(f"\n{file.name}: {counts}; {failed} of all jobs failed")
    print(f"load of the machine: {load[0]:.1f} to {load[-1]:.1f} in most jobs\n")
    _print_alarms("measure", {kind: list(found.values()) for kind, found in series.items()})


def _print_alarms(what: str, groups: Mapping[str, Sequence[Sequence[Job]]]) -> None:
    """False alarms of each rule, in percent of verdicts."""
    print(f"| {what} | series | verdicts | {' | '.join(RULES)} |")
    print(f"| --- | --- | --- |{' --- |' * len(RULES)}")
    total: Counter[str] = Counter()
    for name, group in groups.items():
        found: Counter[str] = Counter(series=len(group))
        for rule_name, rule in RULES.items():
            verdicts = [fails for jobs in group for fails in gates_rules.rolling(jobs, rule)]
            found[rule_name], found["verdicts"] = sum(verdicts), len(verdicts)
        total.update(found)
        _print_row(name, found)
    _print_row("**all**", total)


def _print_row(name: str, found: Counter[str]) -> None:
    shares = (f"{found[rule] / max(found['verdicts'], 1):.1%}".replace("%", " %") for rule in RULES)
    print(
        f"| {name} | {found['series']} | {found['verdicts']} | {' | '.join(shares)} |", flush=True
    )


def power(given: argparse.Namespace) -> None:
    """What share of changes is found where repetitions vary by 5 %, normally, and jobs do not."""
    rules = ("ours, maxIncrease 5%", *POWER_RULES)
    points: dict[tuple[int, int, float], float] = {}
    rows: list[list[object]] = []
    for window, repetitions in product(given.jobs, given.repetitions):
        if window * repetitions < FEWEST_REPETITIONS:
            continue
        made = [_made(window, repetitions, f"{trial}") for trial in range(given.trials)]
        for change in given.changes:
            shares = [_found(RULES[rule], made, change) for rule in rules]
            points[window, repetitions, change] = shares[0]
            rows.append([window, repetitions, change, *shares])
    if given.svg:
        given.svg.write_text(gates_chart.draw(points))
    if given.csv:
        _write_table(given.csv, rows)
    _print_power(points, given.changes)


def _made(window: int, repetitions: int, seed: str) -> tuple[list[Job], Job]:
    shape, random = gates_made.SHAPES["normal"], Random(seed)  # noqa: S311 - no secret
    jobs = [shape.job(random, SPREAD, repetitions) for _ in range(window + 1)]
    return jobs[1:], jobs[0]


def _found(
    rule: gates_rules.Rule, made: Iterable[tuple[Sequence[Job], Job]], change: float
) -> float:
    verdicts = [rule(window, [value * (1 + change / 100) for value in new]) for window, new in made]
    return sum(verdicts) / len(verdicts)


def _write_table(file: Path, rows: Iterable[Sequence[object]]) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["jobs", "repetitions", "change %", "ours", *POWER_RULES])
        writer.writerows(rows)


def draw(table: Path, picture: Path) -> None:
    """The picture of a table that `power` has written."""
    with table.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    points = {
        (int(row["jobs"]), int(row["repetitions"]), float(row["change %"])): float(row["ours"])
        for row in rows
    }
    picture.write_text(gates_chart.draw(points))


def _print_power(points: gates_chart.Points, changes: Sequence[float]) -> None:
    """A row for each window and number of repetitions."""
    print(f"| jobs | repetitions | {' | '.join(f'+{change:g} %' for change in changes)} |")
    print(f"| --- | --- |{' --- |' * len(changes)}")
    for window, repetitions in dict.fromkeys((w, r) for w, r, _ in points):
        shares = (f"{points[window, repetitions, change]:.1%}" for change in changes)
        row = " | ".join(shares).replace("%", " %")
        print(f"| {window} | {repetitions} | {row} |")


def speed(count: int) -> None:
    """The most verdicts that a job can have, each by 20 repetitions and 20 jobs."""
    for statistic in Statistic:
        window, new = _made(20, 20, "speed")
        rule = gates_rules.ours_by(statistic)
        began = time.process_time()
        for _ in range(count):
            rule(window, new)
        taken = time.process_time() - began
        print(f"{statistic}: {count} verdicts in {taken:.2f} s of one core")


if __name__ == "__main__":
    sys.exit(main())
