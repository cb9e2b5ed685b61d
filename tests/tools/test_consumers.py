"""Viewers that are installed from npm's registry."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
NODE = "#!/bin/sh\necho {version}\n"
NPM = """#!/bin/sh
test "$1" = ci || exit 1
{more}
mkdir node_modules
cp package-lock.json node_modules/lock
echo "$@" > node_modules/words
"""


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """tools/consumers.py as a module, with an empty cache and no program but a shell's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    found = importlib.util.spec_from_file_location("consumers_tool", ROOT / "tools/consumers.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    program(tmp_path, "node", NODE.format(version="v20.1.0"))
    program(tmp_path, "npm", NPM.format(more=""))
    return module


def program(tmp_path: Path, name: str, text: str) -> None:
    """A program that comes before the machine's own."""
    file = tmp_path / "bin" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    file.chmod(0o755)


def test_they_are_installed_once(tool: ModuleType, tmp_path: Path) -> None:
    """As the lock says, without running anything of theirs; the second call finds them."""
    assert not tool.installed()
    made = tool.ensure()

    assert tool.installed()
    assert (made / "lock").read_bytes() == (tool.LOCKED / "package-lock.json").read_bytes()
    assert "--ignore-scripts" in (made / "words").read_text().split()
    program(tmp_path, "npm", NPM.format(more="exit 3"))
    assert tool.ensure() == made
    assert [one.name for one in made.parent.parent.iterdir()] == [made.parent.name]


def test_another_lock_is_another_folder(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was installed before stays where it is."""
    before = tool.folder()
    for name in tool.FILES:
        (tmp_path / name).write_text("{}")
    monkeypatch.setattr(tool, "LOCKED", tmp_path)

    assert tool.folder() != before


def test_a_failure_is_told_and_leaves_nothing(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With npm's own words."""
    program(tmp_path, "npm", NPM.format(more="echo no network >&2; exit 1"))
    monkeypatch.setattr(sys, "argv", ["consumers.py"])

    with pytest.raises(SystemExit, match="npm ci failed:\nno network"):
        tool.main()
    assert not tool.installed()
    assert list(tool.folder().parent.iterdir()) == []


@pytest.mark.parametrize("version", ["v16.0.0", "", "what?"])
def test_an_old_node_is_none(tool: ModuleType, tmp_path: Path, version: str) -> None:
    """The viewers are written for newer ones."""
    program(tmp_path, "node", NODE.format(version=version))

    with pytest.raises(tool.Missing, match=r"Node\.js >= 18"):
        tool.ensure()


def test_the_lock_has_checksums_and_versions() -> None:
    """Of everything, and names no other place than the registry."""
    locked = json.loads((ROOT / "tests/consumers/package-lock.json").read_text())
    wanted = json.loads((ROOT / "tests/consumers/package.json").read_text())["dependencies"]
    packages = {name: one for name, one in locked["packages"].items() if name}

    assert all(one["integrity"].startswith("sha512-") for one in packages.values())
    assert not any("resolved" in one or "hasInstallScript" in one for one in packages.values())
    assert {name: packages[f"node_modules/{name}"]["version"] for name in wanted} == wanted
