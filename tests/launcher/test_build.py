"""The launcher compiles anywhere, stays small, and runs on the other architecture."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

WARNINGS = [
    *("-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wsign-conversion"),
    *("-Wformat=2", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wundef", "-Werror"),
]


def cross_compiler() -> list[str]:
    """A compiler for aarch64, from PyPI or from the distribution."""
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl"]
    return ["aarch64-linux-gnu-gcc"]


@pytest.mark.needs("cc")
def test_compiles_static_without_a_warning(tmp_path: Path, source: Path) -> None:
    """Every warning is an error, and the program is static."""
    words = ["cc", "-static", "-std=c11", "-Os", *WARNINGS, str(source)]

    done = subprocess.run([*words, "-o", tmp_path / "launch"], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


@pytest.mark.needs("cc")
def test_its_library_compiles_without_a_warning(tmp_path: Path, source: Path) -> None:
    """Every warning is an error there, too."""
    words = ["cc", "-shared", "-fPIC", "-nostdlib", "-std=c11", "-Os", "-fno-stack-protector"]

    done = subprocess.run(
        [*words, *WARNINGS, str(source.with_name("usr1.c")), "-o", tmp_path / "usr1.so"],
        capture_output=True, text=True,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")


def test_source_stays_readable(source: Path) -> None:
    """Under 510 lines, none longer than 110 columns, no function longer than 60 lines."""
    lines = source.read_text().splitlines()
    head = re.compile(r"(static|int) .*\) \{( /\*.*)?$")
    starts = [i for i, line in enumerate(lines) if head.match(line)]
    ends = [next(i for i in range(at, len(lines)) if lines[i] == "}") for at in starts]

    assert len(lines) < 510
    assert max(map(len, lines)) <= 110
    assert max(end - at + 1 for at, end in zip(starts, ends, strict=True)) <= 60


@pytest.mark.needs("cross", "qemu")
def test_runs_on_aarch64(tmp_path: Path, source: Path) -> None:
    """The cross-built binary repeats, records and returns the exit code (under qemu-user)."""
    qemu = "qemu-aarch64-static"
    words = [*cross_compiler(), "-static", "-Os", "-s", *WARNINGS, str(source)]
    subprocess.run([*words, "-o", tmp_path / "launch"], check=True)
    options = ["--workspace", tmp_path / "w", "--warmups", "1", "--repetitions", "2"]
    app = ["sh", "-c", 'echo "$PWD"; test ! -e run-1 || exit 5']

    done = subprocess.run(
        [qemu, tmp_path / "launch", *options, "--chdir", tmp_path / "w", "--", *app]
    )

    assert done.returncode == 5
    outcome = json.loads((tmp_path / "w/.run/exit.json").read_text())
    assert (outcome["reason"], outcome["exitCode"], outcome["runs"]) == ("AppFailed", 5, 2)
    assert json.loads((tmp_path / "w/.run/run-0.json").read_text())["reason"] == "Completed"
