"""The table of docs/executors.md: its rows are the behaviours of the suite."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))

import executors_table as table
from executors_table import Part

SUITE = '''"""About endings.

More."""
import pytest

@pytest.mark.needs("root")
@pytest.mark.behaviour("It ends.", "job")
def test_a() -> None: ...

@pytest.mark.behaviour("It | does not.")
def test_b() -> None: ...

def other() -> None: ...
'''
BOTH = {"kubernetes": "yes", "docker": "yes"}


@pytest.fixture
def known(tmp_path: Path) -> list[Part]:
    """A suite of one file with behaviours."""
    (tmp_path / "test_a.py").write_text(SUITE)
    (tmp_path / "test_b.py").write_text('"""Nothing."""\n')
    return table.parts(tmp_path)


def test_behaviours_are_found_in_their_order(known: list[Part]) -> None:
    """With the first line of the module; modules without any are left out."""
    assert known == [Part("About endings", ("It ends.", "It | does not."))]


def test_what_is_written_is_read_again() -> None:
    """A refusal with its message, on one line."""
    refused = table.cell("spec.a: x | y\nz")
    outcomes = {"It ends.": {"kubernetes": "yes", "docker": refused}}
    known = [Part("About endings", ("It ends.",))]

    page = table.filled(f"a\n{table.BEGIN}\nold\n{table.END}\nb\n", table.render(outcomes, known))

    assert table.written(page) == outcomes
    assert page.startswith("a\n") and page.endswith("\nb\n")
    assert "refused: spec.a: x \\| y z" in page


def test_a_table_is_whole(known: list[Part]) -> None:
    """What has no outcome on both platforms is named, and nothing is written."""
    with pytest.raises(KeyError, match="does not"):
        table.render({"It ends.": BOTH, "It | does not.": {"docker": "yes"}}, known)


def test_outcomes_are_kept(tmp_path: Path) -> None:
    """By behaviour and platform, each the last one."""
    path = tmp_path / "cache" / "kept.json"
    table.keep("It ends.", "docker", "", path)
    table.keep("It ends.", "docker", "yes", path)
    table.keep("It ends.", "kubernetes", "yes", path)

    assert table.kept(path) == {"It ends.": BOTH}
    assert table.kept(tmp_path / "none.json") == {}


def test_another_outcome_is_complained_of(tmp_path: Path) -> None:
    """And one that the page does not have."""
    page = tmp_path / "page.md"
    text = table.render({"It ends.": BOTH}, [Part("", ("It ends.",))])
    page.write_text(table.filled(f"{table.BEGIN}{table.END}", text))

    assert table.complaint("It ends.", "docker", "yes", page) == ""
    assert '"yes"' in table.complaint("It ends.", "docker", "refused: no", page)
    assert '"nothing"' in table.complaint("It begins.", "docker", "yes", page)


def test_the_page_has_the_behaviours_that_there_are() -> None:
    """No more, no fewer, in their order. Otherwise: see the end of the page."""
    there = list(table.written(table.PAGE.read_text()))

    assert there == [title for part in table.parts() for title in part.behaviours]
