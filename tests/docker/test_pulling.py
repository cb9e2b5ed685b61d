"""Images are pulled with docker's own credentials, and the progress is told."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from engines import BUSYBOX, Engine, client, reason_of

from making import free_port

pytestmark = pytest.mark.needs("docker", "dockerd", "registry")

Run = Callable[..., "subprocess.CompletedProcess[str]"]
USER, PASSWORD = "AWS", "a-token-that-lives-for-twelve-hours"
LAYER = 8 << 20


@dataclass(frozen=True)
class Registry:
    """A registry that wants a password."""

    address: str
    image: str


@pytest.fixture
def registry(tmp_path: Path, own_engine: Engine) -> Iterator[Registry]:
    """Debian's registry on this machine, with an image that the engine does not have."""
    address = f"127.0.0.1:{free_port()}"
    folder = tmp_path / "registry"
    folder.mkdir()
    words = ["htpasswd", "-Bbn", USER, PASSWORD]
    (folder / "htpasswd").write_bytes(subprocess.check_output(words))
    (folder / "config.yml").write_text(json.dumps({
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": address},
        "auth": {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}},
    }))  # fmt: skip
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log
        )
    try:
        _await(address)
        yield Registry(address, _push(own_engine, address))
    finally:
        server.terminate()
        server.wait(timeout=30)


def _await(address: str) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the registry does not answer")


def _push(engine: Engine, address: str) -> str:
    """An image with a layer that takes a moment."""
    with client(engine.url) as asked:
        made = asked.containers.create(BUSYBOX, ["true"])
        made.put_archive("/", _large())
        image = made.commit(repository=f"{address}/team/app", tag="1")
        made.remove()
        login = {"username": USER, "password": PASSWORD}
        for line in asked.images.push(
            f"{address}/team/app", tag="1", auth_config=login, stream=True, decode=True
        ):
            assert "error" not in line, line
        asked.images.remove(image.id, force=True)
    return f"{address}/team/app:1"


def _large() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo("large")
        member.size = LAYER
        archive.addfile(member, io.BytesIO(os.urandom(LAYER)))
    return stream.getvalue()


def helper(folder: Path, address: str, env: dict[str, str]) -> Path:
    """A credential helper, as docker-credential-ecr-login is one; the file of its calls."""
    folder.mkdir()
    calls = folder / "calls"
    answer = json.dumps({"ServerURL": address, "Username": USER, "Secret": PASSWORD})
    script = folder / "docker-credential-tests"
    script.write_text(f"#!/bin/sh\necho \"$1 $(cat)\" >> {calls}\necho '{answer}'\n")
    script.chmod(0o755)
    (folder / "config.json").write_text(json.dumps({"credHelpers": {address: "tests"}}))
    env |= {"DOCKER_CONFIG": str(folder), "PATH": f"{folder}:{env['PATH']}"}
    return calls


def test_a_credential_helper_is_asked(
    run: Run, env: dict[str, str], registry: Registry, tmp_path: Path
) -> None:
    """For each pull, so that short-lived tokens work; what is there already is not pulled."""
    calls = helper(tmp_path / "config", registry.address, env)
    app = {"image": registry.image, "command": ["echo", "hello"]}

    first, second = run(app=app), run(app=app)

    assert (first.returncode, second.returncode) == (6, 6), first.stdout + first.stderr
    assert f"pulling {registry.image}" in first.stderr
    assert "pulling" not in second.stderr
    assert calls.read_text() == f"get {registry.address}\n"
    env["PROFJOB_DOCKER__PULL"] = "always"
    assert run(app=app).returncode == 6
    assert calls.read_text() == f"get {registry.address}\n" * 2


def test_a_login_in_the_configuration(
    run: Run, env: dict[str, str], registry: Registry, tmp_path: Path
) -> None:
    """What `docker login` writes."""
    env["DOCKER_CONFIG"] = str(tmp_path / "config")
    subprocess.run(
        ["docker", "login", "--username", USER, "--password-stdin", registry.address],
        input=PASSWORD.encode(), env=env, check=True, capture_output=True,
    )  # fmt: skip

    assert run(app={"image": registry.image, "command": ["true"]}).returncode == 6


def test_without_credentials(
    run: Run, env: dict[str, str], registry: Registry, tmp_path: Path
) -> None:
    """ImagePullFailed says what the registry said."""
    env["DOCKER_CONFIG"] = str(tmp_path)

    done = run(app={"image": registry.image, "command": ["true"]})

    assert (done.returncode, reason_of(tmp_path / "profiling_output")) == (3, "ImagePullFailed")
    assert "no basic auth credentials" in done.stdout


def test_never_pulling(run: Run, env: dict[str, str], registry: Registry, tmp_path: Path) -> None:
    """The setting is named."""
    env["PROFJOB_DOCKER__PULL"] = "never"

    done = run(app={"image": registry.image, "command": ["true"]})

    assert (done.returncode, reason_of(tmp_path / "profiling_output")) == (3, "ImagePullFailed")
    assert "pull: never" in done.stdout
