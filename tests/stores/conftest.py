"""Places to store in, and files to store."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import results_serving
from making import free_port
from profiling_operator import readiness
from profiling_operator.stores import StoredFile

Made = Callable[..., StoredFile]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The folder that is sent."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture
def made(source: Path) -> Made:
    """Writes a file into it: `made(path, content or size)`."""

    def make(path: str, content: bytes | int = b"hello\n") -> StoredFile:
        data = os.urandom(content) if isinstance(content, int) else content
        place = source / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        return StoredFile(path, len(data), hashlib.sha256(data).hexdigest())

    return make


@pytest.fixture
def server_url(tmp_path: Path) -> Iterator[str]:
    """A results server."""
    with results_serving.serving(tmp_path / "kept") as url:
        yield url


@dataclass
class Gateway:
    """An S3 server with a bucket, in a process of its own."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """A prefix in the bucket."""
        return "s3://results/profiles"

    @property
    def options(self) -> dict[str, str]:
        """How to reach it."""
        return {
            "endpoint": f"http://127.0.0.1:{self.port}",
            "region": "us-east-1",
            "access_key_id": "tester",
            "secret_access_key": "secret-of-the-tester",
        }

    def start(self) -> None:
        """Start it, and wait until it listens."""
        (self.folder / "data" / "results").mkdir(parents=True, exist_ok=True)
        program = shutil.which("versitygw") or str(gateways()[-1])
        words = ["--access", "tester", "--secret", "secret-of-the-tester", "--port",
                 f"127.0.0.1:{self.port}", "posix", *self._sidecar(),
                 str(self.folder / "data")]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([program, *words], stdout=log, stderr=log)

        def lives(seconds: float) -> bool:
            assert self.process is not None
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                return True
            return False

        readiness.wait_until_ready("127.0.0.1", self.port, None, 30, lives)

    @property
    def lags(self) -> bool:
        """Whether versions are kept apart from the text: where files have no attributes."""
        try:
            os.setxattr(self.folder, "user.probe", b"")
        except OSError:
            return True
        return False

    def _sidecar(self) -> list[str]:
        """Where attributes go then."""
        if not self.lags:
            return []
        (self.folder / "sidecar").mkdir(exist_ok=True)
        return ["--sidecar", str(self.folder / "sidecar")]

    def stop(self) -> None:
        """Kill it."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def gateways() -> list[Path]:
    """Where tools/go_programs.py keeps versitygw."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return sorted(cache.glob("profjob/versitygw/*/versitygw"))


@pytest.fixture
def s3(tmp_path: Path) -> Iterator[Gateway]:
    """An S3 server: versitygw on a folder."""
    folder = tmp_path / "s3"
    folder.mkdir()
    gateway = Gateway(folder, free_port())
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.stop()
