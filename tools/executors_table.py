"""Writes the table of docs/executors.md from what the suite tests/behaviour found.

python -m pytest tests/behaviour     keeps the outcome of each behaviour
python tools/executors_table.py      writes the table, once all have an outcome
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITE = ROOT / "tests/behaviour"
PAGE = ROOT / "docs/executors.md"
KEPT = ROOT / ".pytest_cache/behaviours.json"
PLATFORMS = ("kubernetes", "docker")
HEAD = ("Kubernetes", "Docker host")
HEADS = ("| behaviour |", "| --- |")
BEGIN = "<!-- Written by tools/executors_table.py; do not edit. -->"
END = "<!-- End of what is written. -->"
YES = "yes"

Outcomes = dict[str, dict[str, str]]
"""Cells by behaviour and platform."""


@dataclass(frozen=True)
class Part:
    """What a module of the suite is about, and the behaviours that it tests."""

    about: str
    behaviours: tuple[str, ...]


def parts(folder: Path = SUITE) -> list[Part]:
    """The behaviours that there are, as the suite's files mark them."""
    found = (_part(path) for path in sorted(folder.glob("test_*.py")))
    return [part for part in found if part.behaviours]


def _part(path: Path) -> Part:
    module = ast.parse(path.read_text(encoding="utf-8"))
    head = (ast.get_docstring(module) or path.stem).splitlines()[0].rstrip(".")
    titles = (
        title
        for node in module.body
        if isinstance(node, ast.FunctionDef)
        for title in _titles(node)
    )
    return Part(head, tuple(titles))


def _titles(function: ast.FunctionDef) -> Iterator[str]:
    for one in function.decorator_list:
        if (
            isinstance(one, ast.Call)
            and isinstance(one.func, ast.Attribute)
            and one.func.attr == "behaviour"
            and isinstance(one.args[0], ast.Constant)
        ):
            yield str(one.args[0].value)


def cell(refusal: str) -> str:
    """What the table says of a behaviour that holds, or that was refused with a message."""
    said = " ".join(refusal.replace("|", "\\|").split())
    return f"refused: {said}" if said else YES


def kept(path: Path = KEPT) -> Outcomes:
    """The outcomes of the last run of each behaviour."""
    try:
        found: Outcomes = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return found


def keep(title: str, platform: str, outcome: str, path: Path = KEPT) -> None:
    """Keep an outcome; an empty one is none."""
    outcomes = kept(path)
    outcomes.setdefault(title, {})[platform] = outcome
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(outcomes, indent=1, ensure_ascii=False), encoding="utf-8")


def written(text: str) -> Outcomes:
    """The outcomes in a page."""
    _, _, rest = text.partition(BEGIN)
    lines = rest.partition(END)[0].splitlines()
    lines = [line for line in lines if line.startswith("| ") and not line.startswith(HEADS)]
    rows = (line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines)
    return {row[0]: dict(zip(PLATFORMS, row[1:], strict=True)) for row in rows}


def complaint(title: str, platform: str, outcome: str, page: Path = PAGE) -> str:
    """What is wrong with the page about a behaviour; empty when it is right."""
    there = written(page.read_text(encoding="utf-8")).get(title, {}).get(platform, "nothing")
    if there == outcome:
        return ""
    return (
        f'docs/executors.md says "{there}" of "{title}" for {platform}, and it is "{outcome}"; '
        "run the whole suite, then: python tools/executors_table.py"
    )


def render(outcomes: Outcomes, known: list[Part]) -> str:
    """The tables. Raises KeyError with the first behaviour that has no outcome for a platform."""
    return "\n".join(line for part in known for line in _table(part, outcomes))


def _table(part: Part, outcomes: Outcomes) -> Iterator[str]:
    yield from ("", f"### {part.about}", "")
    yield f"{HEADS[0]} {' | '.join(HEAD)} |"
    yield f"{HEADS[1]}{' --- |' * len(HEAD)}"
    for title in part.behaviours:
        cells = [outcomes.get(title, {}).get(platform, "") for platform in PLATFORMS]
        if not all(cells):
            raise KeyError(title)
        yield f"| {title} | {' | '.join(cells)} |"


def filled(page: str, tables: str) -> str:
    """The page with these tables in it."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{tables}\n\n{END}{after}"


def main() -> int:
    """Write; the exit code."""
    try:
        tables = render(kept(), parts())
    except KeyError as error:
        print(f"{error} has no outcome yet on every platform: run tests/behaviour there first")
        return 1
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(filled(page, tables), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
