"""GPUs by device requests. A made-up hook lets an engine believe that it has some."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engines import BUSYBOX, Engine, client, load_busybox, reason_of

from making import bare_plan
from profiling_operator.containers import Terms
from profiling_operator.executors.docker import Docker
from profiling_operator.settings import Settings

pytestmark = pytest.mark.needs("docker", "dockerd")

Run = Callable[..., "subprocess.CompletedProcess[str]"]
Begin = Callable[..., "subprocess.Popen[str]"]


def runtime(folder: Path) -> str:
    """An option that declares NVIDIA's runtime, which runs containers as runc does."""
    config = folder / "daemon.json"
    declared = {"runtimes": {"nvidia": {"path": shutil.which("runc") or "runc"}}}
    config.write_text(json.dumps(declared))
    return f"--config-file={config}"


def hook(folder: Path) -> str:
    """A folder whose hook leaves a word of what it was called for, and of what it would heed.

    It is told the state of the container, with the folder that its configuration is in.
    """
    script = folder / "nvidia-container-runtime-hook"
    script.write_text(
        f"""#!/bin/sh
echo "$@" >> {folder}/called
bundle=$(sed 's/.*"bundle":"\\([^"]*\\)".*/\\1/')
grep -o '"NVIDIA_VISIBLE_DEVICES=[^"]*"' "$bundle/config.json" >> {folder}/heeded
"""
    )
    script.chmod(0o755)
    return str(folder)


def heeded(folder: Path) -> str:
    """Which GPUs the hook would give: the last of several values counts for it."""
    return (folder / "heeded").read_text().splitlines()[-1].strip('"').partition("=")[2]


GREEDY = "tests/greedy:1"
"""An image that asks for all GPUs, as those of CUDA do."""
ALL = "NVIDIA_VISIBLE_DEVICES=all"
WANTS_ALL = {"image": GREEDY, "command": ["sleep", "60"],
             "env": [{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}]}  # fmt: skip


@pytest.fixture
def gpu_engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine of the test's own that believes to have GPUs, with a greedy image."""
    with Engine(tmp_path, runtime(tmp_path), path=hook(tmp_path)) as made:
        load_busybox(made.url, GREEDY, [f"ENV {ALL}"])
        yield made


def test_neither_image_nor_job_widens_what_docker_gives(
    begin: Begin, env: dict[str, str], gpu_engine: Engine, tmp_path: Path
) -> None:
    """`profjob run`: as many as the job says."""
    env["DOCKER_HOST"] = gpu_engine.url
    process = begin(app=WANTS_ALL, gpu={"count": 2})
    process.terminate()
    process.communicate(timeout=60)

    assert heeded(tmp_path) == "0,1"


def test_an_agent_s_job_gets_the_gpus_that_were_handed_out(
    gpu_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By UUID, whatever image and job ask for."""
    monkeypatch.setenv("DOCKER_HOST", gpu_engine.url)
    executor = Docker(Settings(state_dir=str(tmp_path)), Terms("gpu-1", ("GPU-b", "MIG-a")))
    planned = bare_plan(uid="u", app=WANTS_ALL, gpu={"count": 2})

    executor.start(planned)
    try:
        with client(gpu_engine.url) as asked:
            (container,) = asked.containers.list()
            (request,) = container.attrs["HostConfig"]["DeviceRequests"]
            environment = container.attrs["Config"]["Env"]
    finally:
        executor.remove(planned.name)
        executor._engine().close()

    assert (request["DeviceIDs"], request["Capabilities"]) == (["GPU-b", "MIG-a"], [["gpu"]])
    assert heeded(tmp_path) == "GPU-b,MIG-a"
    assert ALL not in environment


def test_an_agent_s_job_without_gpus_sees_none(
    gpu_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nvidia's runtime is the engine's default it would heed the image."""
    monkeypatch.setenv("DOCKER_HOST", gpu_engine.url)
    executor = Docker(Settings(state_dir=str(tmp_path)), Terms("gpu-1", ()))
    planned = bare_plan(uid="u", app=WANTS_ALL)

    executor.start(planned)
    try:
        with client(gpu_engine.url) as asked:
            (container,) = asked.containers.list()
            environment = container.attrs["Config"]["Env"]
    finally:
        executor.remove(planned.name)
        executor._engine().close()

    assert [one for one in environment if "NVIDIA" in one] == ["NVIDIA_VISIBLE_DEVICES=void"]
    assert not (tmp_path / "called").exists()


def test_gpus_are_asked_for(begin: Begin, env: dict[str, str], tmp_path: Path) -> None:
    """As many as the job says; the application sees them, and its playback server none."""
    with Engine(tmp_path, runtime(tmp_path), path=hook(tmp_path)) as engine:
        env["DOCKER_HOST"] = engine.url
        process = begin(app={"image": BUSYBOX, "command": ["sleep", "60"]}, gpu={"count": 2})
        with client(engine.url) as asked:
            (container,) = asked.containers.list()
            requests = container.attrs["HostConfig"]["DeviceRequests"]
            environment = container.attrs["Config"]["Env"]
        process.terminate()
        process.communicate(timeout=60)

    assert [(one["Count"], one["Capabilities"]) for one in requests] == [(2, [["gpu"]])]
    assert "NVIDIA_VISIBLE_DEVICES=void" not in environment
    assert (tmp_path / "called").read_text() == "prestart\n"


def test_without_gpus_none_is_to_be_seen(
    begin: Begin, env: dict[str, str], own_engine: Engine
) -> None:
    """Images of CUDA ask for all of them; where nvidia's runtime is the default they would come."""
    process = begin(app={"image": BUSYBOX, "command": ["sleep", "60"]})
    with client(own_engine.url) as asked:
        (container,) = asked.containers.list()
        environment = container.attrs["Config"]["Env"]
    process.terminate()
    process.communicate(timeout=60)

    assert "NVIDIA_VISIBLE_DEVICES=void" in environment


def test_no_gpu_runtime(run: Run, own_engine: Engine) -> None:
    """Refused by field before anything starts, with what to install."""
    done = run(app={"image": BUSYBOX, "command": ["true"]}, gpu={"count": 1})

    assert done.returncode == 2
    assert "spec.gpu.count" in done.stderr and "nvidia-container-toolkit" in done.stderr


def test_a_runtime_that_does_not_work(run: Run, env: dict[str, str], tmp_path: Path) -> None:
    """The engine's own words, and what they mean: Unschedulable."""
    with Engine(tmp_path, runtime(tmp_path)) as engine:
        env["DOCKER_HOST"] = engine.url
        done = run(app={"image": BUSYBOX, "command": ["true"]}, gpu={"count": 1})

    assert (done.returncode, reason_of(tmp_path / "profiling_output")) == (3, "Unschedulable")
    assert "nvidia-container-toolkit" in done.stdout
