"""The tables of convert.py: what each tool took, and ours beside the others with the goals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from convert_measure import Outcome

MOST_MEMORY = 150
NOT_TOLD = "–"
COLUMNS = "input | MB | tool | wall s | CPU s | MB/s | entries | entries/s | peak MiB"


@dataclass(frozen=True)
class Measured:
    """One tool on one input of so many bytes."""

    input: str
    size: int
    tool: str
    outcome: Outcome

    @property
    def rate(self) -> float:
        """MB/s of CPU time: what one core does, whoever else is on the machine."""
        return self.size / 1e6 / max(self.outcome.cpu, 0.01)

    def line(self) -> str:
        """The table's line."""
        one = self.outcome
        begin = [self.input, f"{self.size / 1e6:.1f}", self.tool]
        if one.error:
            return _line([*begin, f"fails: {one.error[:80]}", *[NOT_TOLD] * 4, f"{one.mib:.0f}"])
        count = [f"{one.count:,}", f"{one.count / one.wall:,.0f}"] if one.count else [NOT_TOLD] * 2
        speed = f"{self.size / 1e6 / one.wall:.2f}"
        return _line([*begin, f"{one.wall:.2f}", f"{one.cpu:.2f}", speed, *count, f"{one.mib:.0f}"])


@dataclass(frozen=True)
class Goal:
    """How many times the other one's speed per core ours is to have; None: only told."""

    collector: str
    other: str
    least: float | None = None


GOALS = (
    Goal("tau", "hatchet", 30),
    Goal("tau", "tau2's reader", 8),
    Goal("nvprof", "nvprof2json", 10),
    Goal("nsys", "nsys export json"),
    Goal("perf", "stackcollapse-perf.pl"),
)
MOST_OF_LIMIT = {"tau": 3.0}


def taken(measured: Sequence[Measured]) -> Iterator[str]:
    """What each tool took, as a Markdown table."""
    yield f"| {COLUMNS} |"
    yield _line(["---"] * 9)
    yield from (one.line() for one in measured)


def compared(measured: Sequence[Measured]) -> Iterator[str]:
    """Ours beside the others, as a Markdown table."""
    yield "| input | what | measured | goal | met |"
    yield _line(["---"] * 5)
    for name in dict.fromkeys(one.input for one in measured):
        by_tool = {one.tool: one for one in measured if one.input == name and not one.outcome.error}
        if "ours" in by_tool:
            yield from (_line([name, *cells]) for cells in _comparisons(name, by_tool))


def _comparisons(name: str, by_tool: Mapping[str, Measured]) -> Iterator[list[str]]:
    ours = by_tool["ours"]
    for goal in GOALS:
        if name.startswith(goal.collector) and goal.other in by_tool:
            yield _beside(goal, ours.rate / by_tool[goal.other].rate)
    if "nsys export json" in by_tool and "nsys export sqlite" in by_tool:
        yield _with_export(by_tool)
    if "limit" in by_tool:
        yield _of_limit(name, by_tool["limit"].rate / ours.rate)
    yield from _of_cores(by_tool)
    alone = [one for tool, one in by_tool.items() if tool.startswith(("ours", "convert, 1 "))]
    most = max(one.outcome.mib for one in alone)
    yield _judged(
        "memory of one process of ours, MiB", most, f"< {MOST_MEMORY}", most < MOST_MEMORY
    )


def _beside(goal: Goal, ratio: float) -> list[str]:
    wanted = f"at least {goal.least:g}" if goal.least else NOT_TOLD
    met = None if goal.least is None else ratio >= goal.least
    return _judged(f"speed per core of ours / {goal.other}", ratio, wanted, met)


def _with_export(by_tool: Mapping[str, Measured]) -> list[str]:
    """What ours reads must be exported before, in fairness."""
    seconds = by_tool["ours"].outcome.cpu + by_tool["nsys export sqlite"].outcome.cpu
    ratio = by_tool["nsys export json"].outcome.cpu / seconds
    return _judged("the same with the export to SQLite", ratio, NOT_TOLD, None)


def _of_limit(name: str, ratio: float) -> list[str]:
    most = MOST_OF_LIMIT.get(name.partition(",")[0])
    wanted = f"at most {most:g}" if most else NOT_TOLD
    return _judged("CPU time of ours / limit", ratio, wanted, ratio <= most if most else None)


def _of_cores(by_tool: Mapping[str, Measured]) -> Iterator[list[str]]:
    alone = by_tool.get("convert, 1 process")
    for tool, one in by_tool.items():
        if alone and tool.startswith("convert, ") and one is not alone:
            ratio = alone.outcome.wall / one.outcome.wall
            yield _judged(f"wall time of convert, 1 process / {tool}", ratio, "near-linear", None)


def _judged(what: str, number: float, wanted: str, met: bool | None) -> list[str]:
    shown = f"{number:.0f}" if number >= 10 else f"{number:.1f}"
    return [what, shown, wanted, {None: NOT_TOLD, True: "yes", False: "**no**"}[met]]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
