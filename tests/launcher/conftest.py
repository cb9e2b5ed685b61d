"""The launcher, built with sanitizers, and what every test needs to start it."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "operator" / "profiling_operator" / "launcher"
# Compiled in, not in the environment: ASAN_OPTIONS would be passed on to the application.
SANITIZER_OPTIONS = """
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=%d"; }
"""
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]


@pytest.fixture(scope="session")
def source() -> Path:
    """The one source file."""
    return FOLDER / "launch.c"


@pytest.fixture(scope="session")
def launcher(tmp_path_factory: pytest.TempPathFactory, source: Path) -> Path:
    """The launcher: built here with sanitizers, or the project's own binary."""
    if shutil.which("cc") is None:
        built = FOLDER / "bin" / f"launch-{platform.machine()}"
        if not built.exists():
            pytest.skip(f"needs cc: no compiler here, and no {built}")
        return built
    folder = tmp_path_factory.mktemp("launcher")
    binary = folder / "launch"
    for leaks in (1, 0):  # LeakSanitizer needs ptrace, which a container may not have
        (folder / "options.c").write_text(SANITIZER_OPTIONS % leaks)
        words = ["cc", "-std=c11", *SANITIZERS, str(source), str(folder / "options.c")]
        subprocess.run([*words, "-o", str(binary)], check=True)
        if subprocess.run([binary, "--version"], capture_output=True).returncode == 0:
            break
    return binary


@dataclasses.dataclass(frozen=True)
class Attempt:
    """A workspace, and the launcher that works or worked in it."""

    workspace: Path
    process: subprocess.Popen[bytes]
    stdout: bytes = b""
    stderr: bytes = b""

    @property
    def code(self) -> int | None:
        return self.process.returncode

    def read(self, name: str) -> dict[str, Any]:
        content = json.loads((self.workspace / ".run" / name).read_bytes())
        assert isinstance(content, dict)
        return content

    @property
    def exit(self) -> dict[str, Any]:
        return self.read("exit.json")

    def run(self, index: int = 0) -> dict[str, Any]:
        return self.read(f"run-{index}.json")

    def log(self, index: int = 0) -> bytes:
        return (self.workspace / f"run-{index}" / "app.log").read_bytes()

    def write(self, name: str, text: str) -> None:
        """As the protocol asks: under another name first."""
        temporary = self.workspace / ".run" / f".{name}"
        temporary.write_text(text)
        temporary.rename(self.workspace / ".run" / name)

    def wait_for(self, name: str) -> Path:
        """Waits for a file of the workspace."""
        return wait_for((self.workspace / name).exists) and self.workspace / name

    def finish(self, timeout: float = 60) -> Attempt:
        out, err = self.process.communicate(timeout=timeout)
        return dataclasses.replace(self, stdout=out or b"", stderr=err or b"")


def wait_for(condition: Callable[[], object], seconds: float = 30) -> Any:
    """Polls, long enough for a loaded machine."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.01)
    return value


def lives(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


Start = Callable[..., Attempt]


@pytest.fixture
def start(launcher: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts the launcher: start(*options, command=[…], **Popen's own arguments)."""
    started: list[subprocess.Popen[bytes]] = []

    def start(
        *options: str | bytes | Path,
        command: list[Any],
        workspace: Path = tmp_path / "workspace",
        program: Path = launcher,
        **popen: Any,
    ) -> Attempt:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        words = [program, "--workspace", workspace, *options, "--", *command]
        process = subprocess.Popen(words, **(streams | popen))
        started.append(process)
        return Attempt(workspace, process)

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
        for stream in (process.stdout, process.stderr):
            if stream and not stream.closed:
                stream.close()
        process.wait()


@pytest.fixture
def launch(start: Start) -> Start:
    """Starts the launcher and waits for its end."""
    return lambda *options, **words: start(*options, **words).finish()


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], list[str]]:
    """Writes a Python program and returns the command that starts it."""

    def script(text: str) -> list[str]:
        path = tmp_path / f"script{len(list(tmp_path.glob('script*')))}.py"
        path.write_text(text)
        return [sys.executable, "-S", str(path)]

    return script


@pytest.fixture
def public(launcher: Path) -> Iterator[Path]:
    """A folder that any user may enter and write to, with a copy of the launcher."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    shutil.copy(launcher, folder / "launch")
    (folder / "launch").chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def alive() -> Callable[[int], bool]:
    return lives


@pytest.fixture
def until() -> Callable[..., Any]:
    return wait_for


def pytest_report_header() -> str:
    return f"launcher tests as uid {os.geteuid()}"
