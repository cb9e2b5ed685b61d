"""Engines are reached as the `docker` command reaches them, and those that are not are told."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engines import BUSYBOX, Engine, status_of

from making import free_port

pytestmark = pytest.mark.needs("docker", "dockerd")

Run = Callable[..., "subprocess.CompletedProcess[str]"]
HELLO = {"image": BUSYBOX, "command": ["echo", "hello"]}


def ran(run: Run, tmp_path: Path) -> bool:
    """Whether a job ran on the engine that the environment names, to its end."""
    done = run(app=HELLO)
    folder = tmp_path / "profiling_output"
    assert done.returncode == 6, done.stdout + done.stderr  # echo is no Python program
    assert status_of(folder)["runs"][0]["app"]["exitCode"] == 0
    return "hello\n" in (folder / "run-0" / "app.log").read_text()


def certificates(folder: Path) -> None:
    """An authority, and certificates for the engine and its client, as docker looks for them."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", "ca-key.pem",
            "-out", "ca.pem")  # fmt: skip
    for name, use in (("server", "serverAuth"), ("", "clientAuth")):
        key, request, made = (f"{name}-{what}.pem".lstrip("-") for what in ("key", "csr", "cert"))
        (folder / "extensions").write_text(
            f"subjectAltName=IP:127.0.0.1\nextendedKeyUsage={use}\nauthorityKeyIdentifier=keyid\n"
        )
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name or 'client'}",
                "-keyout", key, "-out", request)  # fmt: skip
        openssl("x509", "-req", "-days", "2", "-in", request, "-CA", "ca.pem",
                "-CAkey", "ca-key.pem", "-CAcreateserial", "-extfile", "extensions",
                "-out", made)  # fmt: skip


def test_tcp_with_tls(run: Run, env: dict[str, str], tmp_path: Path) -> None:
    """DOCKER_TLS_VERIFY and DOCKER_CERT_PATH; without the client's certificate it is refused."""
    folder, port = tmp_path / "certificates", free_port()
    folder.mkdir()
    certificates(folder)
    files = {"tlscacert": "ca.pem", "tlscert": "server-cert.pem", "tlskey": "server-key.pem"}
    options = [f"--{name}={folder}/{file}" for name, file in files.items()]
    with Engine(tmp_path, "-H", f"tcp://127.0.0.1:{port}", "--tlsverify", *options):
        env |= {
            "DOCKER_HOST": f"tcp://127.0.0.1:{port}",
            "DOCKER_TLS_VERIFY": "1",
            "DOCKER_CERT_PATH": str(folder),
        }
        assert ran(run, tmp_path)

        (folder / "cert.pem").rename(folder / "other.pem")
        assert run(app=HELLO).returncode == 5


def test_a_context(run: Run, env: dict[str, str], own_engine: Engine, tmp_path: Path) -> None:
    """`docker context use` counts where DOCKER_HOST is not set."""
    env["DOCKER_CONFIG"] = str(tmp_path / "config")
    del env["DOCKER_HOST"]
    words = ["context", "create", "other", "--docker", f"host={own_engine.url}"]
    subprocess.run(["docker", *words], env=env, check=True, capture_output=True)
    subprocess.run(["docker", "context", "use", "other"], env=env, check=True, capture_output=True)

    assert ran(run, tmp_path)


@pytest.fixture
def ssh(own_engine: Engine, env: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """An ssh server on this machine, whose logins find the test's engine; its address."""
    folder, port = tmp_path / "ssh", free_port()
    folder.mkdir(mode=0o700)
    Path("/run/sshd").mkdir(exist_ok=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name],
                       check=True)  # fmt: skip
    shutil.copy(folder / "user.pub", folder / "authorized")
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nPidFile {folder}/pid\n"
        f"AuthorizedKeysFile {folder}/authorized\nStrictModes no\nUsePAM no\n"
        f"PermitRootLogin yes\nSetEnv DOCKER_HOST={own_engine.url}\nMaxStartups 100\n"
    )
    (folder / "config").write_text(
        f"Host *\n IdentityFile {folder}/user\n StrictHostKeyChecking no\n"
        f" UserKnownHostsFile {folder}/known\n LogLevel ERROR\n"
    )
    (folder / "bin").mkdir()
    client = folder / "bin" / "ssh"  # the user's ~/.ssh is not a test's to write
    client.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
    client.chmod(0o755)
    env["PATH"] = f"{folder}/bin:{env['PATH']}"
    with (folder / "log").open("w") as log:
        words = [shutil.which("sshd") or "/usr/sbin/sshd", "-D", "-e"]
        server = subprocess.Popen([*words, "-f", folder / "sshd_config"], stderr=log)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"ssh://root@127.0.0.1:{port}"
    server.terminate()
    server.wait(timeout=30)


@pytest.mark.needs("ssh", "root")
def test_ssh(run: Run, env: dict[str, str], ssh: str, tmp_path: Path) -> None:
    """Through the user's own ssh, with its configuration."""
    env["DOCKER_HOST"] = ssh

    assert ran(run, tmp_path)


@pytest.mark.parametrize(("url", "told"), [
    ("unix:///no/such/socket", "is dockerd running there?"),
    ("tcp://127.0.0.1:1", "is dockerd running there?"),
])  # fmt: skip
def test_no_engine(run: Run, env: dict[str, str], tmp_path: Path, url: str, told: str) -> None:
    """Exit code 5, the address, and what to do."""
    env["DOCKER_HOST"] = url

    done = run(app=HELLO)

    assert done.returncode == 5
    assert url in done.stderr and told in done.stderr


def test_another_architecture(run: Run, env: dict[str, str], own_engine: Engine) -> None:
    """The image is refused before anything starts, with both names."""
    foreign = "aarch64" if subprocess.check_output(["uname", "-m"]) != b"aarch64\n" else "x86_64"
    words = ["docker", "-H", own_engine.url]
    saved = subprocess.run([*words, "save", BUSYBOX], check=True, capture_output=True).stdout
    name = {"aarch64": "arm64", "x86_64": "amd64"}[foreign]
    changed = saved.replace(b'"architecture":"amd64"', b'"architecture":"%s"' % name.encode())
    assert changed != saved
    subprocess.run([*words, "load"], input=_named(changed), check=True, capture_output=True)

    done = run(app={"image": "tests/foreign:1", "command": ["true"]})

    assert done.returncode == 3
    assert f"tests/foreign:1 is for {foreign}" in done.stdout


def _named(saved: bytes) -> bytes:
    """The saved image under another name of the same length in its manifest, with its new digest.

    The configuration is named by its digest only in the file's name, which the engine does not
    compare on loading.
    """
    return saved.replace(BUSYBOX.encode(), b"tests/foreign:1").replace(
        json.dumps("tests/busybox").encode(), json.dumps("tests/foreign").encode()
    )
