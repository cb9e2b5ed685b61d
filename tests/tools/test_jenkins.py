"""What runs and lints pipelines, which comes by Maven and npm."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).resolve().parents[2]
JAR = b"a jar"
MVN = """#!/bin/sh
{more}
mkdir jars
printf '{jar}' > jars/a-1.jar
echo "$@" > ../../words
"""
NPM = """#!/bin/sh
test "$1" = ci || exit 1
mkdir node_modules
cp package-lock.json node_modules/lock
"""
PROGRAMS = ("java", "mvn", "node", "npm")


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """tools/jenkins.py as a module, with an empty cache, locks and programs of its own."""
    found = importlib.util.spec_from_file_location("jenkins_tool", ROOT / "tools/jenkins.py")
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "LOCKED", tmp_path / "locked")
    monkeypatch.setattr(
        module, "_which", lambda name: str(one) if (one := tmp_path / name).exists() else ""
    )
    locked = tmp_path / "locked"
    locked.mkdir()
    for name in (*module.JARS, *module.LINTER):
        (locked / name).write_text("{}")
    (locked / "jars.sha256").write_text(f"{hashlib.sha256(JAR).hexdigest()}  a-1.jar\n")
    for name in PROGRAMS:
        program(tmp_path / name, "#!/bin/sh\n")
    program(tmp_path / "mvn", MVN.format(more="", jar=JAR.decode()))
    program(tmp_path / "npm", NPM)
    return module


def program(file: Path, text: str) -> None:
    """A program of the test's own."""
    file.write_text(text)
    file.chmod(0o755)


def test_both_are_installed_once(tool: ModuleType, tmp_path: Path) -> None:
    """The second call finds them, and needs neither Maven nor npm."""
    assert not tool.installed()
    tool.ensure()

    assert tool.installed()
    assert (tool.jars() / "a-1.jar").read_bytes() == JAR
    assert (tool.linter() / "node_modules/lock").is_file()
    for name in ("mvn", "npm"):
        (tmp_path / name).unlink()
    tool.ensure()
    names = [one.name for one in tool.jars().parent.iterdir() if one.is_dir()]
    assert sorted(names) == sorted([tool.jars().name, tool.linter().name])


def test_other_bytes_are_refused(tool: ModuleType, tmp_path: Path) -> None:
    """With the checksums that were found, and nothing is left."""
    program(tmp_path / "mvn", MVN.format(more="", jar="another"))

    with pytest.raises(tool.Missing, match=r"the jars are not those of .*jars\.sha256") as raised:
        tool.ensure()
    assert hashlib.sha256(b"another").hexdigest() in str(raised.value)
    assert not tool.jars().exists()


def test_a_failure_is_told(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the program's own words."""
    program(tmp_path / "mvn", MVN.format(more="echo no network >&2; exit 1", jar=""))
    monkeypatch.setattr(sys, "argv", ["jenkins.py"])

    with pytest.raises(SystemExit, match="mvn --batch-mode failed:\nno network"):
        tool.main()
    assert not tool.installed()


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_missing_program_is_named(tool: ModuleType, tmp_path: Path, name: str) -> None:
    """With the packages that bring it."""
    (tmp_path / name).unlink()

    with pytest.raises(tool.Missing, match=f"there is no {name}: apt-get install default-jre"):
        tool.ensure()


def test_the_list_of_jars_has_what_the_pom_asks_for() -> None:
    """Each with a checksum, in the version that is named."""
    folder = ROOT / "tests/jenkins"
    listed = dict(
        reversed(line.split("  ")) for line in (folder / "jars.sha256").read_text().splitlines()
    )
    space = "{http://maven.apache.org/POM/4.0.0}"
    asked = [
        "-".join(one.findtext(f"{space}{field}", "") for field in ("artifactId", "version"))
        for one in ET.parse(folder / "pom.xml").iter(f"{space}dependency")  # noqa: S314 - our own
    ]

    assert {f"{one}.jar" for one in asked} <= set(listed)
    assert all(len(digest) == 64 for digest in listed.values())


def test_the_lock_of_the_linter_has_checksums() -> None:
    """Of everything, and it runs nothing when it is installed."""
    locked = json.loads((ROOT / "tests/jenkins/package-lock.json").read_text())
    packages = {name: one for name, one in locked["packages"].items() if name}

    assert all(one["integrity"].startswith("sha512-") for one in packages.values())
    assert not any("resolved" in one or "hasInstallScript" in one for one in packages.values())
    assert packages["node_modules/npm-groovy-lint"]["version"] == "16.2.0"
