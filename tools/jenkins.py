"""Bring what pipelines are checked with where no Jenkins is: a test framework and a linter.

    python tools/jenkins.py

The jars come by Maven as tests/jenkins/pom.xml says, and are what jars.sha256 says; the linter
comes by npm as its package-lock.json says. They land in a folder of
${XDG_CACHE_HOME:-~/.cache}/profjob/jenkins/, where the second call finds them. Standard library
only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import locked

ROOT = Path(__file__).resolve().parent.parent
LOCKED = ROOT / "tests" / "jenkins"
JARS, LINTER = ("pom.xml", "jars.sha256"), ("package.json", "package-lock.json")
COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
MVN = ("--batch-mode", "--quiet", "--strict-checksums", COPY, "-DoutputDirectory=jars")
# What Groovy 2.4 looks into, and Java 17 would not show.
OPENED = ("java.lang", "java.lang.reflect", "java.util", "java.io", "java.net", "java.text")
QUICK = ("-XX:TieredStopAtLevel=1", "-Xshare:auto")  # programs that end soon


class Missing(Exception):  # noqa: N818 - it reads as what it says: jenkins.Missing
    """They cannot be had here; the message says what is missing."""


def jars() -> Path:
    """Where the jars are kept: another list, another folder."""
    return _folder("jars", JARS)


def linter() -> Path:
    """Where the linter is kept."""
    return _folder("linter", LINTER)


def installed() -> bool:
    """Whether both are there, and can be run."""
    return jars().is_dir() and linter().is_dir() and bool(_which("java") and _which("node"))


def ensure() -> None:
    """See to it that both are there.

    Raises:
        Missing: Java, Maven, Node.js or npm is not installed, or a registry could not be reached.
    """
    lacking = [name for name in ("java", "mvn", "node", "npm") if not _which(name)]
    if lacking and not installed():
        packages = "default-jre-headless maven nodejs npm"
        raise Missing(f"there is no {', '.join(lacking)}: apt-get install {packages}")
    locked.install(jars(), _locks(JARS), _copy_jars)
    locked.install(linter(), _locks(LINTER), _install_linter)


def groovy(script: Path) -> list[str]:
    """The command line that runs a script of Groovy with all jars and what lies beside it."""
    opened = [f"--add-opens=java.base/{name}=ALL-UNNAMED" for name in OPENED]
    classes = f"{jars()}/*{os.pathsep}{script.parent}"
    return ["java", *QUICK, *opened, "-cp", classes, "groovy.ui.GroovyMain", str(script)]


def lint(*words: str) -> list[str]:
    """The command line of the linter, which leaves no server behind."""
    program = linter() / "node_modules/npm-groovy-lint/lib/index.js"
    return ["node", str(program), "--noserver", f"--javaoptions={','.join(QUICK)}", *words]


def _folder(name: str, files: tuple[str, ...]) -> Path:
    return locked.folder("jenkins", _locks(files), f"{name}-")


def _locks(files: tuple[str, ...]) -> list[Path]:
    return [LOCKED / one for one in files]


def _which(program: str) -> str:
    return shutil.which(program) or ""


def _copy_jars(work: Path) -> Path:
    _run(work, "mvn", *MVN)
    found = "".join(
        f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {one.name}\n"
        for one in sorted((work / "jars").iterdir())
    )
    if found != (work / "jars.sha256").read_text():
        raise Missing(f"the jars are not those of {LOCKED / 'jars.sha256'}:\n{found}")
    return work / "jars"


def _install_linter(work: Path) -> Path:
    _run(work, "npm", *locked.NPM)
    return work


def _run(work: Path, program: str, *words: str) -> None:
    command = [_which(program), *words]
    done = subprocess.run(command, cwd=work, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr + done.stdout)[-4000:]
        raise Missing(f"{program} {words[0]} failed:\n{said}")


def main() -> None:
    """Bring them and print the folders."""
    try:
        ensure()
    except Missing as problem:
        sys.exit(str(problem))
    print(jars(), linter(), sep="\n")


if __name__ == "__main__":
    main()
