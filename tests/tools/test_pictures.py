"""The pictures of docs/images."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.needs("browser")


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """tools/pictures.py as a module; its pictures go to a folder of the test's own."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    found = importlib.util.spec_from_file_location("pictures", ROOT / "tools/pictures.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    monkeypatch.setattr(module, "IMAGES", tmp_path)
    return module


def test_a_part_of_a_page_is_taken_within_its_limit(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time line of an export that nobody measured; a picture that is too large is refused."""
    page = tool._made_up(tmp_path / "work") / "report.html"
    shot = tool.Shot("line.png", selector=tool.SECTION.format("timeline"))
    tool._take(page, shot)

    assert (tmp_path / "line.png").read_bytes().startswith(b"\x89PNG")
    monkeypatch.setattr(tool, "LARGEST", 100)
    with pytest.raises(SystemExit, match="is larger than 100 bytes"):
        tool._take(page, shot)


def test_all_pictures_are_in_the_documentation() -> None:
    """And none is missing there."""
    taken = {path.name for path in (ROOT / "docs" / "images").iterdir()}
    shown = {
        word.partition(")")[0]
        for path in (ROOT / "docs").glob("*.md")
        for word in path.read_text().split("](images/")[1:]
    }

    assert taken == shown
