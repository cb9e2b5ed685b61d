"""Building the launcher and its library, with whatever compiler there is."""

from __future__ import annotations

import importlib.util
import os
import struct
import subprocess
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


PT_DYNAMIC, PT_INTERP = 2, 3  # the latter names a dynamic linker, which a static program lacks
DT_NEEDED, DT_VERNEED = 1, 0x6FFFFFFE  # libraries that it is linked with; versions of their symbols


def segments(elf: bytes) -> dict[int, bytes]:
    """What the program headers of a 64-bit ELF file name, by their types (elf(5))."""
    (offset,) = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    found = {}
    for at in range(offset, offset + size * count, size):
        kind, _, begin, _, _, length = struct.unpack_from("<IIQQQQ", elf, at)
        found[kind] = elf[begin : begin + length]
    return found


def dynamic_tags(elf: bytes) -> set[int]:
    """Which tags the dynamic section of a 64-bit ELF file has."""
    return {tag for tag, _ in struct.iter_unpack("<qQ", segments(elf)[PT_DYNAMIC])}


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    """tools/build_launcher.py as a module."""
    path = ROOT / "tools" / "build_launcher.py"
    found = importlib.util.spec_from_file_location("build_launcher", path)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.mark.needs("cc")
def test_it_is_built_for_this_machine(tool: ModuleType, tmp_path: Path) -> None:
    """One static file that says its version, and a library; nothing else is left in the folder."""
    program, library = tool.build(tool.this_architecture(), tmp_path)

    assert {one.name for one in tmp_path.iterdir()} == {program.name, library.name}
    assert subprocess.run([str(program), "--version"], check=False).returncode == 0
    assert PT_INTERP not in segments(program.read_bytes())


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
@pytest.mark.needs("cc", "cross")
def test_the_library_asks_for_nothing(tool: ModuleType, tmp_path: Path, architecture: str) -> None:
    """No other library, no version of a symbol: so a C library of any age loads it."""
    _, library = tool.build(architecture, tmp_path)

    assert not {DT_NEEDED, DT_VERNEED} & dynamic_tags(library.read_bytes())


@pytest.mark.needs("cc")
def test_the_machine_s_compiler_needs_no_zig(tool: ModuleType) -> None:
    """Nothing is downloaded where a compiler is there."""
    assert not tool.needs_zig((tool.this_architecture(),))


def test_without_any_compiler_it_says_what_to_install(
    tool: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And leaves nothing half-made."""
    monkeypatch.setattr(tool, "compilers", lambda architecture: [["false"]])

    assert tool.needs_zig(("x86_64",))
    with pytest.raises(SystemExit, match="ziglang from PyPI"):
        tool.build("x86_64", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.needs("wheel")
def test_the_wheel_brings_launchers_and_schema(tmp_path: Path) -> None:
    """For both architectures, executable, and importable without the checkout."""
    words = ["python3", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path)]
    env = {name: value for name, value in os.environ.items() if name != "PROFJOB_LAUNCHER_ARCHES"}
    done = subprocess.run([*words, str(ROOT)], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")

    with zipfile.ZipFile(wheel) as archive:
        modes = {one.filename: one.external_attr >> 16 for one in archive.infolist()}

    launchers = {name: mode for name, mode in modes.items() if "/launcher/bin/" in name}
    assert sorted(Path(name).name for name in launchers) == [
        "launch-aarch64", "launch-aarch64-usr1.so", "launch-x86_64", "launch-x86_64-usr1.so",
    ]  # fmt: skip
    assert all(mode & 0o111 for mode in launchers.values())
    assert "profiling_operator/entry.schema.json" in modes
