"""Everything that may go wrong, each with its reason; the fixture sees that nothing is left.

`nothing_stays` lists containers, volumes and networks before and after every test.
"""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engines import BUSYBOX, Engine, client, listed, reason_of, status_of

from making import BUSY

pytestmark = pytest.mark.needs("docker", "images")

Run = Callable[..., subprocess.CompletedProcess[str]]
Begin = Callable[..., "subprocess.Popen[str]"]
ENDLESS = BUSY.replace("range(40)", "iter(int, 1)")
EAT = "kept = []\nwhile True: kept.append(bytearray(1 << 20)); kept[-1][:] = b'x' * (1 << 20)"


def python(code: str, **more: Any) -> dict[str, Any]:
    """`spec.app` that runs Python code."""
    return {"command": ["python3", "-c", code], **more}


def test_exit_code_3(run: Run, tmp_path: Path) -> None:
    """AppFailed with the code, and the profile is kept."""
    done = run(app=python(f"{BUSY}\nraise SystemExit(3)"))

    folder = tmp_path / "profiling_output"
    assert (done.returncode, reason_of(folder)) == (3, "AppFailed"), done.stderr
    assert status_of(folder)["runs"][0]["app"]["exitCode"] == 3
    assert status_of(folder)["runs"][0]["collectors"][0]["usable"]


def test_out_of_memory(run: Run, tmp_path: Path) -> None:
    """AppOOMKilled, the message names the limit, and what was measured before stays."""
    done = run(app=python(f"{BUSY}\n{EAT}", resources={"limits": {"memory": "64Mi"}}))

    folder = tmp_path / "profiling_output"
    assert (done.returncode, reason_of(folder)) == (3, "AppOOMKilled"), done.stderr
    assert str(64 << 20) in done.stdout
    assert "hot" in status_of(folder)["headline"]


def test_timeout(run: Run, tmp_path: Path) -> None:
    """AppTimedOut with a usable profile that names the hot function."""
    done = run(app=python(ENDLESS), timeoutSeconds=3)

    folder = tmp_path / "profiling_output"
    assert (done.returncode, reason_of(folder)) == (3, "AppTimedOut"), done.stderr
    assert "hot" in status_of(folder)["headline"]


def test_image_missing(run: Run, tmp_path: Path) -> None:
    """ImagePullFailed names the image and what the registry said; nothing ran."""
    done = run(app={"image": "127.0.0.1:1/no/such:1", "command": ["x"]})

    folder = tmp_path / "profiling_output"
    assert (done.returncode, reason_of(folder)) == (3, "ImagePullFailed"), done.stderr
    assert "127.0.0.1:1/no/such:1" in done.stdout
    assert "runs" not in status_of(folder) or status_of(folder)["runs"] == []


def test_playback_never_ready(run: Run, tmp_path: Path) -> None:
    """PlaybackNotReady says which port and what the server said last; the app was not started."""
    server = {
        "image": "profiling-operator/python:local",
        "command": ["python3", "-uc", "import time; print('warming up'); time.sleep(600)"],
        "port": 8080,
        "readiness": {"httpGet": "/ready", "timeoutSeconds": 3},
    }
    done = run(app=python("print('ran')"), playback=server)

    folder = tmp_path / "profiling_output"
    assert (done.returncode, reason_of(folder)) == (3, "PlaybackNotReady"), done.stderr
    assert "8080" in done.stdout and "warming up" in done.stdout
    assert not (folder / "run-0").exists()


def test_killed_and_gone_on_with(begin: Begin, run: Run, tmp_path: Path) -> None:
    """After SIGKILL of `profjob` the container goes on; the same command collects it, once."""
    app = python(f"print('ran once')\n{BUSY}\nimport time; time.sleep(4)")
    process = begin(app=app)
    process.kill()
    process.communicate(timeout=60)
    with client() as asked:
        (running,) = [one for one in asked.containers.list() if one.name.startswith("test-")]

    done = run(app=app)

    folder = tmp_path / "profiling_output"
    assert done.returncode == 0, done.stderr
    assert "going on with attempt" in done.stderr
    assert [one["jobName"] for one in status_of(folder)["attempts"]] == [running.name]
    assert (folder / "run-0" / "app.log").read_text().count("ran once") == 1


def test_ctrl_c(begin: Begin, tmp_path: Path) -> None:
    """Cancelled, with what was measured until then."""
    process = begin(app=python(ENDLESS))
    time.sleep(2)  # long enough to be sampled
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    folder = tmp_path / "profiling_output"
    assert (process.returncode, reason_of(folder)) == (3, "Cancelled")
    assert status_of(folder)["runs"][0]["collectors"][0]["usable"]


HOSTILE = """
import os, threading
own = os.environ["PROFILING_OUTPUT"]
os.symlink("/etc/passwd", f"{own}/pyspy/users")
os.symlink("/", f"{own}/pyspy/root")
os.mkfifo(f"{own}/pyspy/fifo")
open(f"{own}/pyspy/one", "w").write("x"); os.link(f"{own}/pyspy/one", f"{own}/pyspy/two")
with open(f"{own}/pyspy/sparse", "wb") as sparse: sparse.truncate(3 << 30)
def grow():
    with open(f"{own}/pyspy/growing", "wb") as file:
        while True: file.write(b"x" * 1000); file.flush()
threading.Thread(target=grow, daemon=True).start()
"""


def test_hostile_output(run: Run, tmp_path: Path) -> None:
    """Links, FIFOs, second names and holes are refused by name; a growing file does not hang it."""
    done = run(app=python(f"{HOSTILE}\n{BUSY}"), output={"sizeLimit": "1Gi", "raw": True})

    folder = tmp_path / "profiling_output"
    assert done.returncode == 0, done.stdout + done.stderr
    refused = json.loads((folder / "metadata.json").read_text())["refused"]
    reasons = {Path(one["path"]).name: one["reason"] for one in refused}
    assert reasons["users"] == reasons["root"] == "a symbolic link"
    assert reasons["fifo"] == "a FIFO"
    assert reasons["one"] == reasons["two"] == "a second hard link to a file"
    assert "larger than" in reasons["sparse"]
    raw = {path.name for path in (folder / "raw").rglob("*") if not path.is_dir()}
    assert raw == {"profile.folded", "growing"}


def test_a_file_that_would_never_end(run: Run, tmp_path: Path) -> None:
    """A terabyte of holes is read no longer than deadlines.collectSeconds; what is before stays."""
    code = """
import os
with open(os.environ["PROFILING_OUTPUT"] + "/pyspy/sparse", "wb") as sparse:
    sparse.truncate(1 << 40)
"""
    done = run(app=python(f"{code}\n{BUSY}"), deadlines={"collectSeconds": 3})

    folder = tmp_path / "profiling_output"
    assert done.returncode == 0, done.stdout + done.stderr
    refused = json.loads((folder / "metadata.json").read_text())["refused"]
    assert any("the time for reading is over" in one["reason"] for one in refused)


def test_only_the_output_is_read(run: Run, tmp_path: Path) -> None:
    """Two gigabytes beside the output folder take neither time nor room."""
    code = f"""
with open("/app/big", "wb") as big:
    for _ in range(2048): big.write(b"x" * (1 << 20))
{BUSY}
"""
    app = python(f"import os; os.makedirs('/app', exist_ok=True)\n{code}")
    done = run(app=app, output={"path": "/app/profiling_output"}, timeoutSeconds=120)

    folder = tmp_path / "profiling_output"
    assert done.returncode == 0, done.stderr
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 1 << 20
    assert not list(folder.rglob("big"))


def busybox(*command: str) -> dict[str, Any]:
    """`spec.app` in the image that an engine of a test's own has."""
    return {"image": BUSYBOX, "command": list(command)}


@pytest.mark.needs("dockerd")
def test_an_engine_that_is_restarted(own_engine: Engine, begin: Begin, tmp_path: Path) -> None:
    """The container is gone with it: InfrastructureLost, and a new attempt within the budget."""
    process = begin(app=busybox("sh", "-c", "echo ran; sleep 6"), retries={"infrastructure": 1})
    own_engine.stop()
    own_engine.start()
    process.communicate(timeout=120)

    status = status_of(tmp_path / "profiling_output")
    assert [one["outcome"] for one in status["attempts"]] == [
        "InfrastructureLost", "NothingMeasured",
    ]  # fmt: skip
    assert listed(own_engine.url)["containers"] == set()
    assert listed(own_engine.url)["volumes"] == set()


@pytest.mark.needs("dockerd")
def test_an_engine_that_is_restarted_without_a_budget(
    own_engine: Engine, begin: Begin, tmp_path: Path
) -> None:
    """Exit code 5, the reason is told, and nothing is left on the engine."""
    process = begin(app=busybox("sh", "-c", "sleep 60"), retries={"infrastructure": 0})
    own_engine.stop()
    own_engine.start()
    process.communicate(timeout=120)

    assert process.returncode == 5
    assert reason_of(tmp_path / "profiling_output") == "InfrastructureLost"
    assert listed(own_engine.url)["containers"] == set()


def test_the_application_floods_its_output(run: Run, tmp_path: Path) -> None:
    """app.log is capped, and the engine's own log does not grow without a bound."""
    flood = "import sys\nfor _ in range(40_000): sys.stdout.write('x' * 1023 + '\\n')"
    done = run(app=python(f"{flood}\n{BUSY}"))

    folder = tmp_path / "profiling_output"
    assert done.returncode == 0, done.stderr
    assert (folder / "run-0" / "app.log").stat().st_size <= 8 << 20
    with gzip.open(folder / "entries.jsonl.gz") as lines:
        assert any(json.loads(line)["name"] == "hot" for line in lines)
