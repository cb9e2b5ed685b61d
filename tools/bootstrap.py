"""Sets up the virtual environment: `bootstrap.py FOLDER LOCK`. Standard library only.

Installs what the lock file names, by checksum, and then this project itself, which compiles the
launcher. Does nothing when nothing has changed since the last time.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

import build_launcher  # beside this file

ROOT = Path(__file__).resolve().parent.parent
BUILT_FROM = (
    "pyproject.toml",
    "hatch_build.py",
    "tools/build_launcher.py",
    "operator/profiling_operator/launcher/launch.c",
)
STAMP = ".bootstrapped"
NEWEST = (3, 11)


def main() -> None:
    """Make the environment what the lock file says."""
    folder, lock = Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute()
    if sys.version_info < NEWEST:
        sys.exit(f"Python 3.11 or newer is needed; this is {platform.python_version()}")
    wanted = _state(lock)
    stamp = folder / STAMP
    done = stamp.read_text().split() if stamp.exists() else []
    if wanted in done:
        return
    python = folder / "bin" / "python"
    if not python.exists():
        _create(folder)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--require-hashes", "--requirement", str(lock)])
    _run(
        [*pip, "--no-deps", "--editable", str(ROOT)],
        PROFJOB_LAUNCHER_ARCHES=build_launcher.this_architecture(),
    )
    # The larger environment holds the smaller one, so both stay good until a file changes.
    kept = [one for one in done if one.startswith(_built_from())]
    stamp.write_text("\n".join([*kept, wanted]))


def _create(folder: Path) -> None:
    """A virtual environment with pip, also where Python came without ensurepip."""
    print(f"setting up {folder} ...", file=sys.stderr, flush=True)
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode == 0:
        return
    _run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    python = folder / "bin" / "python"
    borrowed = [sys.executable, "-m", "pip", "--python", str(python), "install", "pip"]
    if subprocess.run(borrowed, capture_output=True, check=False).returncode != 0:
        sys.exit(
            f"{made.stdout}{made.stderr}\nThis Python has neither venv's ensurepip nor pip. "
            "On Debian and Ubuntu: apt-get install python3-venv"
        )


def _run(words: list[str], **env: str) -> None:
    result = subprocess.run(words, env={**os.environ, **env}, check=False)
    if result.returncode:
        sys.exit(f"{' '.join(words)}: exit code {result.returncode}")


def _state(lock: Path) -> str:
    return f"{_built_from()}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"


def _built_from() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for name in BUILT_FROM:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    main()
