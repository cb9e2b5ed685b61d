"""Builds the launcher: one static program per architecture, with whatever compiler there is.

Beside it the library that is preloaded with TAU: linked with nothing, so the same compilers do.
`cc -static` for this machine where a C compiler is installed, a cross compiler for another one,
otherwise Zig's (`ziglang` from PyPI), which needs nothing else on the machine. Used by the wheel's
build hook and by `make launcher`; standard library only, since nothing is installed before it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "operator" / "profiling_operator" / "launcher"
ARCHITECTURES = ("x86_64", "aarch64")
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
WARNINGS = [
    *("-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Wformat=2"),
    *("-Wsign-conversion", "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wundef", "-Werror"),
]
OPTIONS = ["-static", "-Os", "-s"]
OBJECT_OPTIONS = ["-fPIC", "-Os", "-fno-stack-protector", "-c"]
LIBRARY_OPTIONS = ["-shared", "-nostdlib", "-s"]  # with Zig, -nostdlib hides headers, too: a step
BUILD_SECONDS = 600  # Zig builds its libc first; a minute on two cores


def this_architecture() -> str:
    """The machine's architecture in the launcher's words."""
    machine = platform.machine().lower()
    return MACHINES.get(machine, machine)


def compilers(architecture: str) -> list[list[str]]:
    """Command lines of compilers that may build for an architecture, the quickest first."""
    native = architecture == this_architecture()
    named = [os.environ.get("CC", "cc")] if native else [f"{architecture}-linux-gnu-gcc"]
    found = [name.split() for name in named if shutil.which(name.split()[0])]
    if importlib.util.find_spec("ziglang"):
        target = f"{architecture}-linux-musl"
        found.append([sys.executable, "-m", "ziglang", "cc", "-target", target])
    return found


def needs_zig(architectures: tuple[str, ...]) -> bool:
    """Whether an architecture has no compiler here that can link statically."""
    return not all(any(map(_links_statically, compilers(one))) for one in architectures)


def build(architecture: str, folder: Path = FOLDER / "bin") -> tuple[Path, Path]:
    """Build `launch-ARCHITECTURE` and `launch-ARCHITECTURE-usr1.so` in a folder.

    Each file is replaced as a whole or not at all. Raises SystemExit with every compiler's words
    when none can do it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / f"launch-{architecture}"
    library = folder / f"{program.name}-usr1.so"
    _build(architecture, program, _program_steps)
    _build(architecture, library, _library_steps)
    return program, library


def _build(architecture: str, target: Path, steps: Callable[[Path], list[list[str]]]) -> None:
    said = []
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch) / target.name
        for compiler in compilers(architecture):
            for step in steps(made):
                result = _run([*compiler, *step])
                if result.returncode != 0:
                    said.append(f"{' '.join([*compiler, *step])}\n{result.stderr}")
                    break
            else:
                made.chmod(0o755)
                made.rename(target)
                return
    raise SystemExit(
        f"cannot build {target.name}: install a C compiler with a static libc, "
        f"or ziglang from PyPI\n{''.join(said)}"
    )


def _program_steps(made: Path) -> list[list[str]]:
    return [[*WARNINGS, *OPTIONS, str(FOLDER / "launch.c"), "-o", str(made)]]


def _library_steps(made: Path) -> list[list[str]]:
    compiled = str(made.with_suffix(".o"))
    return [
        [*WARNINGS, *OBJECT_OPTIONS, str(FOLDER / "usr1.c"), "-o", compiled],
        [*LIBRARY_OPTIONS, compiled, "-o", str(made)],
    ]


def _links_statically(compiler: list[str]) -> bool:
    """Whether a compiler makes a static program: some systems lack the static libc."""
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "probe.c"
        source.write_text("int main(void) { return 0; }\n")
        return _run([*compiler, "-static", str(source), "-o", f"{scratch}/probe"]).returncode == 0


def _run(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
        env={**os.environ, "ZIG_GLOBAL_CACHE_DIR": _zig_cache()},
    )


def _zig_cache() -> str:
    """Where Zig keeps the libc that it built: kept between builds if the home folder allows."""
    given = os.environ.get("ZIG_GLOBAL_CACHE_DIR")
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = Path(given) if given else home / "profjob" / "zig"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return str(Path(tempfile.gettempdir()) / f"profjob-zig-{os.getuid()}")
    return str(folder)


def main() -> None:
    """Build for the architectures named, or for this machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("architectures", nargs="*", default=[this_architecture()])
    parser.add_argument("--output", type=Path, default=FOLDER / "bin")
    given = parser.parse_args()
    for architecture in given.architectures:
        print(*build(architecture, given.output), sep="\n")


if __name__ == "__main__":
    main()
