"""Install the viewers that tests open exported files with, and keep them by what is locked.

    python3 tools/consumers.py

speedscope, the engine of Chrome's Performance panel, a browser's stand-in, and what drives a real
browser and checks its pages (puppeteer-core, axe-core), as tests/consumers/package-lock.json names
them, by checksum: 100 MB on the disk, from npm's registry, once. They
land in ${XDG_CACHE_HOME:-~/.cache}/profjob/consumers/DIGEST/node_modules, and no script of theirs
is run. Needs Node.js >= 18 and npm. Standard library only.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import locked

ROOT = Path(__file__).resolve().parent.parent
LOCKED = ROOT / "tests" / "consumers"
FILES = ("package.json", "package-lock.json")
OLDEST = 18


class Missing(Exception):  # noqa: N818 - it reads as what it says: consumers.Missing
    """They cannot be installed here; the message says what is missing."""


def folder() -> Path:
    """Where they are kept: another lock, another folder."""
    return locked.folder("consumers", _locks())


def modules() -> Path:
    """The folder that holds them, once they are installed."""
    return folder() / "node_modules"


def has_node() -> bool:
    """Whether there is a Node.js that runs them."""
    node = shutil.which("node")
    if not node:
        return False
    done = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    major = done.stdout.strip().removeprefix("v").partition(".")[0]
    return major.isdigit() and int(major) >= OLDEST


def installed() -> bool:
    """Whether they are there, and can be run."""
    return modules().is_dir() and has_node()


def ensure() -> Path:
    """The folder that holds them; what is not there is installed first.

    Raises:
        Missing: there is no Node.js or npm, or the registry could not be reached.
    """
    if not has_node() or not shutil.which("npm"):
        raise Missing(f"they need Node.js >= {OLDEST} and npm: apt-get install nodejs npm")
    if not modules().is_dir():
        locked.install(folder(), _locks(), _bring)
    return modules()


def _bring(work: Path) -> Path:
    command = [shutil.which("npm") or "npm", *locked.NPM]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(f"npm ci failed:\n{(done.stderr or done.stdout)[-4000:]}")
    return work


def _locks() -> list[Path]:
    return [LOCKED / one for one in FILES]


def main() -> None:
    """Install them and print the folder."""
    try:
        print(ensure())
    except Missing as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()
