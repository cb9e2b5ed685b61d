"""GPUs by device requests. A made-up hook lets an engine believe that it has some."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from engines import BUSYBOX, Engine, client, reason_of

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
    """A folder whose hook leaves a word of what it was called for."""
    script = folder / "nvidia-container-runtime-hook"
    script.write_text(f'#!/bin/sh\necho "$@" >> {folder}/called\nexec cat > /dev/null\n')
    script.chmod(0o755)
    return str(folder)


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
