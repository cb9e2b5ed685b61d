"""TAU in containers: from an image or a folder, in images with and without bash, beside nvprof.

A made-up toolchain shows the wiring everywhere; where a real one is set, it is used, too.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from engines import client, reason_of, status_of

from made_up_tau import ENTRIES, MEASURED, PREFIX, make
from making import SOURCE_ROOT

pytestmark = pytest.mark.needs("docker", "images")

Run = Callable[..., "subprocess.CompletedProcess[str]"]
ROOT = Path(__file__).resolve().parents[2]
TOOLCHAIN = "tests/tau:1"
TAU = [{"name": "tau", "options": {"samplingPeriod": 5000}}]


@pytest.fixture
def image(tmp_path: Path) -> Iterator[str]:
    """An image that holds the toolchain and nothing else."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(make(tmp_path / "tau"), arcname=PREFIX[1:])
    repository, _, tag = TOOLCHAIN.partition(":")
    with client() as asked:
        asked.api.import_image_from_data(stream.getvalue(), repository=repository, tag=tag)
        yield TOOLCHAIN
        asked.images.remove(TOOLCHAIN)


def app(image: str) -> dict[str, Any]:
    """`spec.app` that behaves as a program under TAU."""
    return {"image": f"profiling-operator/{image}:local", "command": ["sh", "-c", MEASURED]}


def use_image(env: dict[str, str], image: str, path: str = PREFIX) -> None:
    """Settings that name the toolchain's image."""
    env["PROFJOB_TOOLCHAINS__TAU__IMAGE"] = image
    env["PROFJOB_TOOLCHAINS__TAU__PATH"] = path


def assert_measured(done: subprocess.CompletedProcess[str], tmp_path: Path) -> None:
    """The profile became entries."""
    folder = tmp_path / "profiling_output"
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = status_of(folder)["runs"]
    assert run["collectors"][0]["entries"] == ENTRIES
    log = (folder / "run-0" / "app.log").read_text()
    assert "measuring -T serial,pthread -ebs" in log and "measured\n" in log


def test_from_an_image(run: Run, env: dict[str, str], image: str, tmp_path: Path) -> None:
    """It stands in the application's container where it stood in its own."""
    use_image(env, image)

    assert_measured(run(app=app("python"), collectors=TAU), tmp_path)


@pytest.mark.needs("shell")
def test_from_an_image_without_bash(
    run: Run, env: dict[str, str], image: str, tmp_path: Path
) -> None:
    """A static bash, and what the script calls, are brought along."""
    use_image(env, image)

    assert_measured(run(app=app("busybox"), collectors=TAU), tmp_path)


def test_from_a_folder(run: Run, env: dict[str, str], tmp_path: Path) -> None:
    """It is brought to the same path, since its files name it."""
    folder = make(tmp_path / "opt" / "tau")
    env["PROFJOB_TOOLCHAINS__TAU__PATH"] = str(folder)
    command = ["sh", "-c", MEASURED.replace(PREFIX, str(folder))]

    done = run(app={**app("python"), "command": command}, collectors=TAU)

    assert_measured(done, tmp_path)


def test_preloaded_in_an_image_without_bash(run: Run, env: dict[str, str], tmp_path: Path) -> None:
    """The launcher becomes the program: no script, so no shell is needed and none is brought."""
    folder = make(tmp_path / "opt" / "tau")
    env |= {"PROFJOB_TOOLCHAINS__TAU__PATH": str(folder), "PATH": f"{Path(sys.executable).parent}"}
    command = ["sh", "-c", f"{MEASURED.replace(PREFIX, str(folder))}; echo $LD_PRELOAD"]
    collectors = [{"name": "tau", "options": {"launch": "preload"}}]

    done = run(app={**app("busybox"), "command": command}, collectors=collectors)

    assert done.returncode == 0, done.stdout + done.stderr
    log = (tmp_path / "profiling_output" / "run-0" / "app.log").read_text()
    assert f"{folder}/lib/shared-pthread/libTAU.so:/.profiling/launch-usr1.so:" in log


@pytest.mark.needs("shell")
def test_from_a_folder_with_a_bash_of_its_own(
    run: Run, env: dict[str, str], tmp_path: Path
) -> None:
    """In an image without one."""
    folder = make(tmp_path / "opt" / "tau")
    shutil.copy(shutil.which("bash-static") or "", folder / "bin" / "bash")
    env |= {"PROFJOB_TOOLCHAINS__TAU__PATH": str(folder), "PATH": f"{Path(sys.executable).parent}"}
    command = ["sh", "-c", MEASURED.replace(PREFIX, str(folder))]

    done = run(app={**app("busybox"), "command": command}, collectors=TAU)

    assert_measured(done, tmp_path)


def test_an_image_that_holds_something_else(
    run: Run, env: dict[str, str], image: str, tmp_path: Path
) -> None:
    """ToolchainMissing names the image, the file, and the setting."""
    use_image(env, image, "/usr/local/tau")

    done = run(app=app("python"), collectors=TAU)

    assert reason_of(tmp_path / "profiling_output") == "ToolchainMissing", done.stderr
    for word in (TOOLCHAIN, "bin/tau_exec", "/usr/local/tau", "toolchains.tau.path"):
        assert word in done.stdout


@pytest.mark.needs("nvprof")
def test_with_an_nvprof_dump_in_one_job(
    run: Run, env: dict[str, str], image: str, tmp_path: Path
) -> None:
    """Both measure: TAU's profile is there, and nvprof says that there was no GPU."""
    use_image(env, image)

    done = run(app=app("python"), collectors=[*TAU, {"name": "nvprof"}])

    folder = tmp_path / "profiling_output"
    assert (done.returncode, reason_of(folder)) == (6, "NoGpuData"), done.stdout + done.stderr
    (ended,) = status_of(folder)["runs"]
    verdicts = {one["name"]: (one["usable"], one["entries"]) for one in ended["collectors"]}
    assert verdicts["tau"] == (True, ENTRIES)
    assert not verdicts["nvprof"][0]
    assert ended["app"]["exitCode"] == 0


@pytest.mark.needs("nvprof")
def test_nvprof_alone(run: Run, tmp_path: Path) -> None:
    """The real one, brought into an image that knows nothing of it, on a machine without a GPU."""
    done = run(
        app={"command": ["python3", "-c", "print('ran'); raise SystemExit(3)"]},
        collectors=[{"name": "nvprof"}],
    )

    folder = tmp_path / "profiling_output"
    assert "ran\n" in (folder / "run-0" / "app.log").read_text(), done.stderr
    (ended,) = status_of(folder)["runs"]
    assert ended["app"]["exitCode"] == 3
    assert ended["collectors"][0]["reason"] == "NoGpuData"


def with_library(folder: Path) -> Path:
    """A toolchain with a library that is loaded into the application: a real one, not TAU's."""
    prefix = make(folder)
    (prefix / "lib" / "shared-pthread").mkdir(parents=True)
    listed = subprocess.run(["ldd", shutil.which("perf") or "perf"], capture_output=True, text=True)
    real = next(line.split()[2] for line in listed.stdout.splitlines() if "libstdc++" in line)
    shutil.copy(real, prefix / "lib" / "shared-pthread" / "libTAU.so")
    return prefix


@pytest.mark.needs("perf")
def test_an_image_without_the_c_library(run: Run, env: dict[str, str], tmp_path: Path) -> None:
    """Nothing can be loaded into its programs: ToolchainIncompatible, before anything runs."""
    env["PROFJOB_TOOLCHAINS__TAU__PATH"] = str(with_library(tmp_path / "tau"))

    done = run(app=app("busybox"), collectors=TAU)

    assert reason_of(tmp_path / "profiling_output") == "ToolchainIncompatible", done.stderr
    assert "busybox" in done.stdout and "no GNU C library" in done.stdout


@pytest.mark.needs("perf")
def test_libraries_of_what_is_loaded_come_along(
    run: Run, env: dict[str, str], tmp_path: Path
) -> None:
    """Beside it, where the application's image does not have them."""
    prefix = with_library(tmp_path / "tau")
    env["PROFJOB_TOOLCHAINS__TAU__PATH"] = str(prefix)
    shutil.copy(shutil.which("perf") or "perf", prefix / "lib" / "shared-pthread" / "libTAU.so")
    listing = f"{MEASURED.replace(PREFIX, str(prefix))}; ls {prefix}/lib/shared-pthread"

    done = run(app={**app("python"), "command": ["sh", "-c", listing]}, collectors=TAU)

    assert_measured(done, tmp_path)
    listed = (tmp_path / "profiling_output" / "run-0" / "app.log").read_text().split()
    assert any(name.startswith("libunwind") for name in listed)
    assert not any(name.startswith(("libc.so", "libz.so")) for name in listed)


@pytest.mark.needs("tau")
@pytest.mark.parametrize("launch", ["tau_exec", "preload"])
def test_a_real_tau(tmp_path: Path, launch: str) -> None:
    """The C example in its own image: samples name `hot`."""
    folder = tmp_path / "c-threads"
    shutil.copytree(ROOT / "examples" / "c-threads", folder)
    body = yaml.safe_load((folder / "job.yaml").read_text())
    body["spec"]["collectors"][0]["options"]["launch"] = launch
    (folder / "job.yaml").write_text(yaml.safe_dump(body))
    done = subprocess.run(
        [sys.executable, "-m", "profiling_operator", "run", str(folder / "job.yaml"),
         "--executor", "docker", "-o", "json", "--results", str(folder / "results")],
        env={**os.environ, "PYTHONPATH": SOURCE_ROOT,
             "PROFJOB_STATE_DIR": str(tmp_path / "state")},
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["status"]["headline"].startswith("hot ")
