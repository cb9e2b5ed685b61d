"""The same job on both executors, and applications in images of every sort."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engines import BUSYBOX, client, load_busybox, reason_of, status_of

from making import BUSY, SOURCE_ROOT
from profiling_operator import entries

pytestmark = pytest.mark.needs("docker", "images")

Run = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[2]
PYTHON = "profiling-operator/python:local"
NONROOT = "profiling-operator/nonroot:local"
ENTRYPOINT = "profiling-operator/entrypoint:local"
STATIC = "profiling-operator/examples/c-static"


def profjob(folder: Path, executor: str) -> Path:
    """Run the job of an example's copy; its result folder."""
    results = folder / f"by-{executor}"
    done = subprocess.run(
        [sys.executable, "-m", "profiling_operator", "run", str(folder / "job.yaml"),
         "--executor", executor, "--raw", "--results", str(results)],
        env={**os.environ, "PYTHONPATH": SOURCE_ROOT,
             "PROFJOB_STATE_DIR": str(folder.parent / "state")},
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return results


def shape(folder: Path) -> dict[str, Any]:
    """What a result folder consists of, without numbers and names of places."""
    resource = json.loads((folder / "status.json").read_text())
    found = list(entries.load(folder / "entries.jsonl.gz"))
    return {
        "files": sorted(str(path.relative_to(folder)) for path in folder.rglob("*")),
        "status": _keys(resource["status"]),
        "conditions": {one["type"]: one["status"] for one in resource["status"]["conditions"]},
        "summary": _keys(json.loads((folder / "summary.json").read_text())),
        "metadata": _keys(json.loads((folder / "metadata.json").read_text())),
        "runs": [(one["index"], one["warmup"]) for one in resource["status"]["runs"]],
        "kinds": {(one.kind, one.collector, one.unit, one.clock) for one in found},
        "hot": any(one.name == "hot" for one in found),
    }


def _keys(body: Any) -> Any:
    """The keys of a body, deeply; of lists those of the first element."""
    if isinstance(body, dict):
        return {key: _keys(value) for key, value in body.items()}
    return [_keys(body[0])] if isinstance(body, list) and body else None


@pytest.mark.parametrize("example", ["python-threads", "playback"])
def test_the_same_job_gives_the_same_folder(tmp_path: Path, example: str) -> None:
    """One job.yaml, run as processes and in containers: result folders of the same shape."""
    folder = tmp_path / example
    shutil.copytree(ROOT / "examples" / example, folder)

    here, there = profjob(folder, "process"), profjob(folder, "docker")

    assert shape(here) == shape(there)


def test_an_image_without_root(run: Run, tmp_path: Path) -> None:
    """The image's own user runs it, and can write to the output folder."""
    done = run(
        app={
            "image": NONROOT,
            "command": [
                "python3",
                "-c",
                f"import os\n{BUSY}\n"
                "print('uid', os.getuid())\nopen(os.environ['PROFILING_OUTPUT'] + '/x', 'w')",
            ],
        }
    )

    folder = tmp_path / "profiling_output"
    assert done.returncode == 0, done.stdout + done.stderr
    assert "uid 1000\n" in (folder / "run-0" / "app.log").read_text()
    assert "hot" in status_of(folder)["headline"]


def test_another_user_than_the_image_s(run: Run, tmp_path: Path) -> None:
    """securityContext goes before the image."""
    code = f"import os\n{BUSY}\nprint('ids', os.getuid(), os.getgid())"
    app = {"image": NONROOT, "command": ["python3", "-c", code]}
    done = run(app={**app, "securityContext": {"runAsUser": 4711, "runAsGroup": 4712}})

    assert done.returncode == 0, done.stdout + done.stderr
    log = tmp_path / "profiling_output" / "run-0" / "app.log"
    assert "ids 4711 4712\n" in log.read_text()


def test_the_image_s_entrypoint(run: Run, tmp_path: Path) -> None:
    """Without a command the image's entrypoint runs, with its CMD or with the job's arguments."""
    done = run(app={"image": ENTRYPOINT, "args": ["--rounds", "90"]})

    folder = tmp_path / "profiling_output"
    assert done.returncode == 0, done.stdout + done.stderr
    assert status_of(folder)["headline"].startswith("hot ")


def test_an_image_without_an_entrypoint(run: Run, tmp_path: Path) -> None:
    """Then a command is needed, and the message says which field has it."""
    load_busybox("")
    done = run(app={"image": BUSYBOX})
    with client() as asked:
        asked.images.remove(BUSYBOX)

    assert (done.returncode, reason_of(tmp_path / "profiling_output")) == (3, "CannotStart")
    assert "spec.app.command" in done.stdout


def test_an_image_that_holds_one_static_program(run: Run, tmp_path: Path) -> None:
    """No shell, no libc, no /tmp: it runs, and py-spy says that there is no Python in it."""
    done = run(app={"image": STATIC, "command": ["/spin", "5"]})

    folder = tmp_path / "profiling_output"
    assert (done.returncode, reason_of(folder)) == (6, "NothingMeasured"), done.stdout + done.stderr
    assert status_of(folder)["runs"][0]["app"]["exitCode"] == 0


@pytest.mark.needs("perf")
def test_perf_in_an_image_that_holds_one_static_program(tmp_path: Path) -> None:
    """perf comes with its own libraries; symbols are resolved where the program is."""
    folder = tmp_path / "c-static"
    shutil.copytree(ROOT / "examples" / "c-static", folder)

    results = profjob(folder, "docker")

    assert status_of(results)["headline"].startswith("hot ")
    names = {one.name for one in entries.load(results / "entries.jsonl.gz")}
    assert {"hot", "cold"} <= names


def test_read_only_root_and_no_capabilities(run: Run, env: dict[str, str], tmp_path: Path) -> None:
    """What isolation will ask for: nothing but the volumes and /tmp can be written to."""
    env["PROFJOB_DOCKER__READ_ONLY"] = "true"
    code = f"""
{BUSY}
import tempfile
print("tmp", tempfile.gettempdir())
print([line for line in open("/proc/self/status") if line.startswith(("CapEff", "NoNewPrivs"))])
try: open("/etc/x", "w")
except OSError as error: print("refused", error.errno)
"""
    done = run(app={"command": ["python3", "-c", code]})

    log = (tmp_path / "profiling_output" / "run-0" / "app.log").read_text()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tmp /tmp\n" in log and "refused 30\n" in log
    assert "CapEff:\\t0000000000000000" in log and "NoNewPrivs:\\t1" in log


def test_volumes(run: Run, tmp_path: Path) -> None:
    """emptyDir is a volume or a tmpfs that anybody may write to, and goes with the attempt."""
    code = f"""
{BUSY}
import os
for path in ("/scratch", "/dev/shm"):
    open(path + "/x", "w").write("x")
    print(path, os.statvfs(path).f_blocks * os.statvfs(path).f_frsize)
"""
    volumes = [
        {"name": "scratch", "mountPath": "/scratch", "emptyDir": {}},
        {"name": "shm", "mountPath": "/dev/shm",
         "emptyDir": {"medium": "Memory", "sizeLimit": "32Mi"}},
    ]  # fmt: skip
    done = run(app={"image": NONROOT, "command": ["python3", "-c", code], "volumes": volumes})

    log = (tmp_path / "profiling_output" / "run-0" / "app.log").read_text()
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"/dev/shm {32 << 20}\n" in log
