"""compare.html: what changed between two jobs, as a page under the same policy as report.html."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Any

from profiling_operator import store
from profiling_operator.report import (
    alike,
    differences,
    differential,
    folded,
    outcome,
    page,
    style,
    words,
)
from profiling_operator.report.alike import Fact
from profiling_operator.report.differences import SIGNS, Change, Verdict
from profiling_operator.report.differential import Differential, Profile, Scale
from profiling_operator.report.results import Measured, Results

PAGE_FILE = "compare.html"
STYLE_FILE = "report.css"
TEMPLATE = "compare.html.j2"
KINDS = {
    Verdict.SLOWER: "failed", Verdict.MORE: "failed", Verdict.FASTER: "passed",
    Verdict.LESS: "passed",
}  # fmt: skip
"""How a verdict looks; all others are neutral."""
DETAILS = ((200, 300_000), (100, 200_000), (50, 100_000), (20, 0))
"""Rows of the table and bytes of the picture: the first that fit into the page's limit."""


@dataclass(frozen=True)
class Comparison:
    """Two jobs, side by side."""

    before: Results
    after: Results
    facts: list[Fact]
    changes: list[Change]


def compare(before: Results, after: Results, patterns: Sequence[str] = ("*",)) -> Comparison:
    """Everything there is to tell of two jobs, the baseline first; of these measures alone."""
    return Comparison(
        before,
        after,
        alike.facts(before, after),
        differences.changes(_chosen(before, patterns), _chosen(after, patterns)),
    )


def _chosen(found: Results, patterns: Sequence[str]) -> list[Measured]:
    return [one for one in found.summary.measures if _is_chosen(one.measure, patterns)]


def _is_chosen(measure: str, patterns: Sequence[str]) -> bool:
    return any(measure == one or fnmatchcase(measure, one) for one in patterns)


def write(folder: Path, comparison: Comparison, scale: Scale) -> Path:
    """Write the page into a folder, and say where it is. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    store.write_whole(folder / STYLE_FILE, style())
    store.write_whole(folder / PAGE_FILE, render(comparison, scale))
    return folder / PAGE_FILE


def render(comparison: Comparison, scale: Scale) -> str:
    """The page, within the limit of pages."""
    template = page.environment().get_template(TEMPLATE)
    before, after = _profile(comparison.before), _profile(comparison.after)
    for rows, picture in DETAILS:
        drawn = differential.draw(before, after, scale, picture)
        text = template.render(_content(comparison, drawn, scale, rows))
        if len(text.encode()) <= page.PAGE_LIMIT:
            break
    return text


def _profile(results: Results) -> Profile:
    stacks = folded.read(results.folder / folded.FILE)
    told = partial(words.amount, unit=page.unit_of_stacks(results))
    return Profile(stacks, measured_runs(results), told)


def measured_runs(results: Results) -> int:
    """How many runs are in the numbers: warm-ups are not."""
    told = sum(not one.warmup for one in outcome.runs(results))
    return told or max((len(one.values) for one in results.summary.measures), default=1)


def _content(
    comparison: Comparison, drawn: Differential, scale: Scale, rows: int
) -> dict[str, Any]:
    """What the template is filled with."""
    changes = comparison.changes
    return {
        "before": words.name(comparison.before.job, 120),
        "after": words.name(comparison.after.job, 120),
        "banner": _banner(comparison),
        "facts": comparison.facts,
        "doubts": [str(one) for one in alike.doubts(comparison.facts)],
        "rows": [_row(one) for one in changes[:rows]],
        "more": max(0, len(changes) - rows),
        "picture": drawn.picture,
        "shifts": _shifts(drawn),
        "by_total": scale is Scale.TOTAL,
        "small": page.SMALL * 2,
    }


def _banner(comparison: Comparison) -> dict[str, str]:
    """The answer: what cannot be compared, else what became slower, else that nothing did."""
    counts = ", ".join(
        f"{words.count(count)} {verdict}"
        for verdict, count in differences.counted(comparison.changes)
    )
    if against := alike.obstacles(comparison.facts):
        title = "These jobs are not alike: numbers differ for other reasons, too"
        return {"kind": "bad", "sign": "!", "title": title, "said": "; ".join(map(str, against))}
    kind, sign, title = _answer(comparison.changes)
    return {"kind": kind, "sign": sign, "title": title, "said": counts}


def _answer(changes: Sequence[Change]) -> tuple[str, str, str]:
    """How it looks, its sign and its words."""
    slower = [one for one in changes if one.verdict is Verdict.SLOWER]
    sure = sum(one.is_sure for one in slower)
    judged = [one for one in changes if one.band]
    if sure:
        return "bad", "▲", f"{words.counted(sure, 'measure')} became slower"
    if slower:
        seem = words.counted(len(slower), "measure seems", "measures seem")
        among = words.count(len(judged))
        return "open", "?", f"{seem} slower, as some do by chance among {among}"
    if judged:
        return "good", "✓", "Nothing became slower beyond noise"
    return "open", "?", "Nothing can be told"


def _row(change: Change) -> dict[str, str]:
    return {
        "measure": words.name(change.measure),
        "before": change.before.told if change.before else words.UNKNOWN,
        "after": change.after.told if change.after else words.UNKNOWN,
        "change": change.told,
        "verdict": change.verdict.value,
        "sign": SIGNS[change.verdict],
        "kind": KINDS.get(change.verdict, "skipped"),
        "why": change.why,
    }


def _shifts(drawn: Differential) -> Sequence[dict[str, str]]:
    return [
        {
            "name": words.name(one.name),
            "before": drawn.told(one.before),
            "after": drawn.told(one.after),
            "change": differential.change(one.before, one.after, drawn.told),
        }
        for one in drawn.shifts
    ]
