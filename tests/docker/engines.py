"""Docker engines of tests: what the machine's holds, and ones of a test's own."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import docker

BUSYBOX = "tests/busybox:1"
START_SECONDS = 60
ANONYMOUS = 64  # characters of a name that the engine made up


@contextmanager
def client(url: str = "") -> Iterator[docker.DockerClient]:
    """A client of an engine; of the machine's by default."""
    asked = docker.from_env(environment={**os.environ, "DOCKER_HOST": url} if url else None)
    try:
        yield asked
    finally:
        asked.close()


def listed(url: str = "") -> dict[str, set[str]]:
    """What an engine has of ours: by label, by name, and volumes that got no name.

    Others may use the machine's engine at the same time.
    """
    with client(url) as asked:
        return {
            "containers": {one.name for one in asked.containers.list(all=True) if _is_ours(one)},
            "volumes": {one.name for one in asked.volumes.list() if _is_ours(one)},
            "networks": {one.name for one in asked.networks.list() if _is_ours(one)},
        }


def _is_ours(one: Any) -> bool:
    labels = one.labels if hasattr(one, "labels") else one.attrs.get("Labels")
    marked = any(label.startswith("profiling.dev/") for label in labels or {})
    return marked or one.name.startswith("test-") or len(one.name) == ANONYMOUS


class Engine:
    """A dockerd with folders of its own; ended by its own process id."""

    def __init__(self, folder: Path, *options: str, path: str = "") -> None:
        """`path` goes in front of its PATH: where it looks for GPU hooks."""
        # Sockets have short names, and their folders short paths.
        self.folder = Path(tempfile.mkdtemp(prefix="pj-", dir="/tmp"))
        self.log = folder / "dockerd.log"
        self.socket = self.folder / "s"
        self.url = f"unix://{self.socket}"
        # A bridge of its own: the default one is the machine's engine's, and `none` removes that.
        number = os.getpid() % 200
        self._bridge, self._address = f"pj{os.getpid()}", f"10.213.{number}.1/24"
        self._options = options
        self._path = path
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Engine:
        """Started, with a busybox image."""
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", self._address, "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        self.start()
        load_busybox(self.url)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ended, and gone."""
        with client(self.url) as asked:
            for one in asked.containers.list(all=True):
                one.remove(force=True)
        self.stop()
        _ip("link", "del", self._bridge)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                ["dockerd", "-H", self.url, "--data-root", str(self.folder / "d"),
                 "--exec-root", str(self.folder / "e"), "-p", str(self.folder / "p"),
                 "--bridge", self._bridge, "--iptables=false", *self._options],
                stdout=log, stderr=log,
                env={**os.environ, "PATH": f"{self._path}:{os.environ['PATH']}"},
            )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if subprocess.run(
                ["docker", "-H", self.url, "version"], capture_output=True
            ).returncode:
                time.sleep(0.1)
            else:
                return
        raise AssertionError(self.log.read_text()[-2000:])

    def stop(self) -> None:
        """End it; what runs in it ends, too."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=90)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def load_busybox(url: str) -> None:
    """An image that holds Debian's static busybox and nothing else."""
    stream = io.BytesIO()
    busybox = shutil.which("busybox")
    assert busybox is not None
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(busybox, arcname="bin/busybox")
        for name in ("sh", "sleep", "cat", "echo", "ls", "id", "true", "env"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    repository, _, tag = BUSYBOX.partition(":")
    with client(url) as asked:
        asked.api.import_image_from_data(stream.getvalue(), repository=repository, tag=tag)


def status_of(folder: Path) -> Any:
    """The status in a result folder."""
    return json.loads((folder / "status.json").read_text())["status"]


def reason_of(folder: Path) -> str:
    """Why the job ended."""
    conditions = {one["type"]: one for one in status_of(folder)["conditions"]}
    return str(conditions["Finished"]["reason"])
