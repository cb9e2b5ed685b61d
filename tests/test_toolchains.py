"""Where a collector's files are found."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pytest

from profiling_operator import toolchains
from profiling_operator.collectors import Toolchain
from profiling_operator.errors import ToolchainError
from profiling_operator.settings import Settings, ToolchainSettings

TOOL = Toolchain(file="bin/tool", program="tool", install="Build it.")


def install(prefix: Path) -> Path:
    """A tool below a prefix."""
    (prefix / "bin").mkdir(parents=True)
    (prefix / "bin" / "tool").touch(mode=0o755)
    return prefix


def known(path: Path | str) -> Settings:
    """Settings that name a folder."""
    return Settings(toolchains={"tool": ToolchainSettings(path=str(path))})


def test_settings_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is set is taken, and no other is looked at."""
    install(tmp_path / "b")
    monkeypatch.setenv("PATH", str(tmp_path / "b" / "bin"))

    assert toolchains.find("tool", TOOL, known(install(tmp_path / "a"))) == tmp_path / "a"
    with pytest.raises(ToolchainError, match=str(tmp_path / "c")):
        toolchains.find("tool", TOOL, known(tmp_path / "c"))


def test_the_architecture_s_folder_is_found(tmp_path: Path) -> None:
    """TAU installs below x86_64/ and the like."""
    install(tmp_path / platform.machine())

    assert toolchains.find("tool", TOOL, known(tmp_path)) == tmp_path / platform.machine()


def test_path_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a setting the tool's program in PATH tells the prefix."""
    monkeypatch.setenv("PATH", str(install(tmp_path / "opt") / "bin"))

    assert toolchains.find("tool", TOOL, Settings()) == tmp_path / "opt"


def test_what_comes_with_us_is_beside_us() -> None:
    """py-spy is in this installation."""
    ours = Toolchain(file="bin/py-spy", program="py-spy", bundled=True)

    assert toolchains.find("pyspy", ours, Settings()) == Path(sys.prefix)


def test_a_missing_tool_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """And which setting names it."""
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(ToolchainError) as caught:
        toolchains.find("tool", TOOL, Settings())

    assert "Build it." in str(caught.value)
    assert "PROFJOB_TOOLCHAINS__TOOL__PATH" in str(caught.value)


def test_facts_are_of_this_machine() -> None:
    """They can be told without root."""
    facts = toolchains.facts_here()

    assert facts.machine == platform.machine()
    assert facts.gpus == len(toolchains.gpus_here())


def test_the_driver_tells_the_gpus_models(tmp_path: Path) -> None:
    """Each once, and who may read their counters; a container without a GPU can read that, too."""
    for number, model in enumerate(["NVIDIA H200", "NVIDIA H200", "Tesla T4"]):
        folder = tmp_path / "gpus" / f"0000:{number:02}:00.0"
        folder.mkdir(parents=True)
        (folder / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 12\n")
    (tmp_path / "params").write_text("ResmanDebugLevel: 4294967295\nRmProfilingAdminOnly: 1\n")

    assert toolchains.gpu_models_here(tmp_path) == ("NVIDIA H200", "Tesla T4")
    assert toolchains.gpu_counters_admin_only(tmp_path) is True


@pytest.mark.parametrize(("params", "admin_only"), [
    ("RmProfilingAdminOnly: 0\n", False), ("Mobile: 1\n", None), (None, None),
])  # fmt: skip
def test_a_driver_that_says_less_is_believed(
    params: str | None, admin_only: bool | None, tmp_path: Path
) -> None:
    """Older ones have no such parameter; without a driver there is no folder."""
    if params is not None:
        (tmp_path / "params").write_text(params)

    assert toolchains.gpu_models_here(tmp_path) == ()
    assert toolchains.gpu_counters_admin_only(tmp_path) is admin_only
