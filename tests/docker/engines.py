"""Docker engines of tests: what the machine's holds, and ones of a test's own."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
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

    def __init__(
        self, folder: Path, *options: str, path: str = "", within: Sequence[str] = ()
    ) -> None:
        """`path` goes in front of its PATH: where it looks for GPU hooks.

        `within`: words in front of its command, as of nsenter.
        """
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
        self._within = within
        self._process: subprocess.Popen[bytes] | None = None
        self.started_at = ""
        """When it was started last, in seconds since 1970."""

    def __enter__(self) -> Engine:
        """Started, with a busybox image."""
        self._ip("link", "add", self._bridge, "type", "bridge")
        self._ip("addr", "add", self._address, "dev", self._bridge)
        self._ip("link", "set", self._bridge, "up")
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
        self._ip("link", "del", self._bridge)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.started_at = f"{time.time():.3f}"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._within, "dockerd", "-H", self.url, "--data-root", str(self.folder / "d"),
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

    def _ip(self, *words: str) -> None:
        subprocess.run([*self._within, "ip", *words], check=True)

    def crash(self) -> None:
        """End it and all that runs in it as when the power fails: nobody is told, nothing stays
        that is not on a disk."""
        assert self._process is not None
        while found := _processes_of(str(self.folder)):
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.poll()
        self._process.wait(timeout=30)
        for place in _mounted_below(str(self.folder)):
            subprocess.run(["umount", "--lazy", place], check=True)
        shutil.rmtree(self.folder / "e")
        (self.folder / "p").unlink()


def _processes_of(folder: str) -> list[int]:
    """What an engine started that has its files in this folder, and what that started."""
    parents, found = {}, set()
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            pid = int(path.name)
            state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z" and pid != os.getpid():
                parents[pid] = int(parent)
                words = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")
                if any(word.removeprefix("unix://").startswith(folder) for word in words):
                    found.add(pid)
    for _ in parents:  # as deep as it gets
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            break
        found |= more
    return sorted(found)


def _mounted_below(folder: str) -> list[str]:
    """Mount points, the innermost first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return sorted(
        (one for line in lines if (one := line.split()[4]).startswith(folder)), reverse=True
    )


def load_busybox(url: str, name: str = BUSYBOX, changes: Sequence[str] = ()) -> None:
    """An image that holds Debian's static busybox; `changes` are lines of a Dockerfile."""
    stream = io.BytesIO()
    busybox = shutil.which("busybox")
    assert busybox is not None
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(busybox, arcname="bin/busybox")
        for program in ("sh", "sleep", "cat", "echo", "ls", "id", "true", "env"):
            link = tarfile.TarInfo(f"bin/{program}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    repository, _, tag = name.partition(":")
    with client(url) as asked:
        asked.api.import_image_from_data(
            stream.getvalue(), repository=repository, tag=tag, changes=list(changes)
        )


def status_of(folder: Path) -> Any:
    """The status in a result folder."""
    return json.loads((folder / "status.json").read_text())["status"]


def reason_of(folder: Path) -> str:
    """Why the job ended."""
    conditions = {one["type"]: one for one in status_of(folder)["conditions"]}
    return str(conditions["Finished"]["reason"])
