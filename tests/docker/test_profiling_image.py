"""`profjob` from its own image, as a Jenkins agent runs it: with the host's socket, and no path.

The paths of that container mean nothing to the engine, so everything goes through volumes and
archives; what it leaves in /work/profiling_output is what a build takes out of it.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from engines import client

from making import BUSY, job_body

pytestmark = pytest.mark.needs("docker", "image", "images")

IMAGE = "profiling-operator:local"
PYTHON = "profiling-operator/python:local"
STASH_SIZE = 1 << 20


def socket() -> Path:
    """The engine's socket on this machine."""
    return Path(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")[len("unix://") :])


def run_in_container(
    group: int | None, *words: str, **changes: Any
) -> tuple[int, str, dict[str, bytes]]:
    """Run a job from the profiling image: exit code, output, and the files of its results."""
    app = {"image": PYTHON, **changes.pop("app", {})}
    body = yaml.safe_dump(job_body(app=app, **changes)).encode()
    with client() as asked:
        made = asked.containers.create(
            IMAGE, ["run", "--executor", "docker", "/work/job.yaml", *words],
            group_add=[] if group is None else [str(group)],
            volumes={str(socket()): {"bind": "/var/run/docker.sock"}},
        )  # fmt: skip
        try:
            made.put_archive("/work", _tar("job.yaml", body))
            made.start()
            code = made.wait(timeout=150)["StatusCode"]
            return code, made.logs().decode(), _results(made) if code != 5 else {}
        finally:
            made.remove(force=True)


def _tar(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), 0o644
        archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _results(container: Any) -> dict[str, bytes]:
    """What `docker cp CONTAINER:/work/profiling_output` would bring."""
    pieces, _ = container.get_archive("/work/profiling_output")
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
        return {
            one.name.partition("/")[2]: stream.read()
            for one in archive
            if (stream := archive.extractfile(one)) is not None
        }


def test_results_are_in_the_profiling_container() -> None:
    """The application runs in its own image; the folder is whole, and small enough for a stash."""
    app = {"command": ["python3", "-c", f"{BUSY}\nopen('/tmp/large', 'wb').write(bytes(1 << 26))"]}

    code, output, files = run_in_container(socket().stat().st_gid, app=app)

    assert code == 0, output
    status = json.loads(files["status.json"])["status"]
    assert status["phase"] == "Succeeded" and "hot" in status["headline"]
    assert {one["path"] for one in status["results"]["files"]} == set(files) - {"status.json"}
    assert not any(name.startswith("raw/") for name in files)
    assert sum(map(len, files.values())) < STASH_SIZE


def test_raw_files_are_there_when_asked_for() -> None:
    """`--raw` keeps what the tool wrote."""
    app = {"command": ["python3", "-c", BUSY]}

    code, output, files = run_in_container(socket().stat().st_gid, "--raw", app=app)

    assert code == 0, output
    assert "raw/run-0/pyspy/profile.folded" in files


@pytest.mark.needs("root")
def test_without_the_socket_s_group_it_says_which_one() -> None:
    """Exit code 5, and the option of `docker run` that helps."""
    socket().chmod(0o660)

    code, output, _ = run_in_container(None, app={"command": ["true"]})

    assert code == 5
    assert f"--group-add {socket().stat().st_gid}" in output


def test_perf_comes_with_the_profiling_image() -> None:
    """A tool that the application's image lacks is brought from the profiling container."""
    app = {"image": "profiling-operator/examples/c-static", "command": ["/spin", "300"]}

    code, output, files = run_in_container(
        socket().stat().st_gid, app=app, collectors=[{"name": "perf"}]
    )

    assert code == 0, output
    assert json.loads(files["status.json"])["status"]["headline"].startswith("hot ")
