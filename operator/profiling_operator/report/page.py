"""The page as a whole, within its limit: what does not fit is left out, and that is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import jinja2

from profiling_operator.report import (
    around,
    dots,
    flame,
    folded,
    outcome,
    slices,
    timeline,
    tops,
    words,
)
from profiling_operator.report.flame import Picture
from profiling_operator.report.results import Results

PAGE_LIMIT = 900_000
"""Bytes, so that page and style stay below a megabyte."""
TEMPLATES = Path(__file__).parent / "templates"
TEMPLATE = "report.html.j2"
SMALL = 10
"""Rows of a table that are seen at once; the others are a click away."""

FRAMES, FRAME = 8, 80
"""Frames of a stack that are told, and letters of each."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Detail:
    """How much is shown."""

    rows: int = 50
    """Of each table."""
    picture: int = 300_000
    """Bytes of each picture."""
    is_whole: bool = False


DETAILS = (
    Detail(is_whole=True),
    Detail(25, 200_000),
    Detail(10, 150_000),
    Detail(5, 60_000),
    Detail(3, 0),
)
"""From all to little; what the last of them makes always fits."""


@dataclass(frozen=True)
class Cut:
    """The first of several, and how many more there are."""

    items: Sequence[Any]
    more: int

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.items)


@dataclass(frozen=True)
class Pictures:
    """What the large pictures are drawn from, read once."""

    stacks: dict[tuple[str, ...], float]
    trace: slices.Trace
    unit: str
    """Of what stacks weigh."""


def render(results: Results) -> str:
    """The page. Raises OSError where a file of the folder cannot be read."""
    template = environment().get_template(TEMPLATE)
    pictures = Pictures(
        folded.read(results.folder / folded.FILE),
        slices.read(results.folder / slices.FILE),
        unit_of_stacks(results),
    )
    for detail in DETAILS:
        text = template.render(_content(results, pictures, detail))
        if len(text.encode()) <= PAGE_LIMIT:
            break
    return text


def environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    made.filters["count"] = words.count
    return made


def unit_of_stacks(results: Results) -> str:
    """Stacks weigh times, unless no time was measured at all."""
    kinds = {one.measure.partition(":")[0] for one in results.summary.measures if one.unit == "ns"}
    return "ns" if kinds & tops.TIMED or not results.summary.measures else "1"


def _content(results: Results, pictures: Pictures, detail: Detail) -> dict[str, Any]:
    """What the template is filled with."""
    gates, runs = outcome.gates(results), outcome.runs(results)
    noted, files = around.noted(results), around.files(results)
    many = min(outcome.MANY, 2 * detail.rows)
    failed_run, tail = outcome.last_words(results)
    picture = _flame(pictures, detail)
    return {
        "job": words.name(results.job, 120),
        "banner": outcome.banner(results),
        "headline": outcome.headline(results),
        "application": tops.application(results.summary),
        "glance": _glance(results),
        "verdicts": _cut(list(outcome.verdicts(gates[:many], results)), len(gates)),
        "plots": dots.plots(results.summary)[: detail.rows],
        "tables": tops.tables(results.summary),
        "flame": picture,
        "heaviest": _heaviest(picture)[: detail.rows],
        "stacks_left_out": results.summary.stacks_left_out,
        "timeline": timeline.draw(pictures.trace, detail.picture),
        "timeline_left_out": results.summary.timeline_left_out,
        "runs": _cut(list(outcome.tell_runs(runs[:many], results)), len(runs)),
        "failed_run": failed_run,
        "tail": tail,
        "environment": list(around.environment(results)),
        "tools": list(around.tools(results))[: detail.rows],
        "troubles": _cut(list(around.troubles(noted[:many])), len(noted)),
        "fates": around.fates(results),
        "files": _cut(list(around.listed(files[:many])), len(files)),
        "rows": detail.rows,
        "small": SMALL,
        "is_whole": detail.is_whole,
    }


def _cut(shown: Sequence[Item], there: int) -> Cut:
    return Cut(shown, there - len(shown))


def _glance(results: Results) -> list[tuple[str, str]]:
    """The circumstances that belong beside the headline."""
    machine, metadata = results.machine, results.metadata
    runs = outcome.runs(results)
    started = next((one.started_at for one in runs if one.started_at), "")
    measured = sum(not one.warmup for one in runs)
    told = {
        "Collectors": ", ".join(one.name for one in metadata.collectors),
        "Device": machine.device or metadata.device,
        "Runs": words.count(measured) if measured else "",
        "Started": words.moment(started) if started else "",
    }
    return [(title, words.name(said, 80)) for title, said in told.items() if said]


def _flame(pictures: Pictures, detail: Detail) -> Picture | None:
    if not pictures.stacks or not detail.picture:
        return None
    told = partial(words.amount, unit=pictures.unit)
    title = "Flame graph: the wider a box, the more time was spent in it; callers are above"
    picture = flame.flame_graph(pictures.stacks, title, told, detail.picture)
    return picture if picture.svg else None


def _heaviest(picture: Picture | None) -> list[tuple[str, str]]:
    """Share and path of the heaviest stacks, the innermost frame first."""
    told = picture.heaviest if picture else ()
    return [(words.share(one.share), _path(one.path)) for one in told]


def _path(frames: Sequence[str]) -> str:
    shown = [words.name(one, FRAME) for one in reversed(frames[-FRAMES:])]
    return " ← ".join((*shown, "…") if len(frames) > FRAMES else shown)
