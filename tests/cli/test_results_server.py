"""`profjob results-server`, as a user or a pod starts it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import urllib3
import yaml

from making import Run


def kubeconfig(folder: Path) -> str:
    """Of an API server that does not answer."""
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "a", "user": {}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
    }))  # fmt: skip
    return str(path)


def test_it_serves_until_term(env: dict[str, str], tmp_path: Path) -> None:
    """It says where; TERM is a good end. Who asks is not known while the API server is down."""
    words = [sys.executable, "-m", "profiling_operator", "results-server",
             "--root", str(tmp_path / "kept"), "--host", "127.0.0.1", "--port", "0",
             "--kubeconfig", kubeconfig(tmp_path), "--grace", "1s"]  # fmt: skip
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=env) as process:
        try:
            assert process.stderr is not None
            url = process.stderr.readline().removeprefix("serving at ").strip()
            with urllib3.PoolManager(retries=False) as pool:
                health = pool.request("GET", f"{url}/healthz").status
                token = {"Authorization": "Bearer x"}
                given = pool.request("GET", f"{url}/v1/results/ci/a/b/1", headers=token)
            process.send_signal(signal.SIGTERM)
            said = process.stderr.read()
            code = process.wait(60)
        finally:
            process.kill()

    assert (health, given.status, code) == (200, 503, 0)
    assert "Traceback" not in said


@pytest.mark.parametrize(("option", "value", "named"), [
    ("--keep", "30", "--keep '30': must be a duration"),
    ("--keep-bytes", "5GB", "--keep-bytes '5GB': must be a quantity"),
    ("--port", "70000", "Invalid value for '--port'"),
    ("--attempt-files", "0", "Invalid value for '--attempt-files'"),
    ("--kubeconfig", "no-such", "no-such"),
    ("--tls-cert", "no-such.crt", "no-such.crt: No such file"),
    ("--root", "/proc/1/results", "/proc/1/results"),
])  # fmt: skip
def test_bad_options_are_named(
    option: str, value: str, named: str, profjob: Run, tmp_path: Path
) -> None:
    """With what is allowed, and at once."""
    given = {
        "--root": str(tmp_path / "kept"), "--kubeconfig": kubeconfig(tmp_path), "--port": "0",
        option: value,
    }  # fmt: skip

    done = profjob("results-server", *(word for pair in given.items() for word in pair))

    assert done.returncode in {2, 5}
    assert named in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr
