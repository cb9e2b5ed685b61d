"""A toolchain that comes out of an image of its own, as TAU's does."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import installed
import pytest
from installed import PYTHON, Namespace, condition, ended

import cluster
from made_up_tau import MEASURED, PREFIX, make

pytestmark = [
    pytest.mark.needs("cluster", "docker", "image", "images", "helm"),
    pytest.mark.timeout(400),
]

IMAGE = "profiling-operator/made-up-tau:local"


@pytest.fixture
def image(tmp_path: Path) -> Iterator[str]:
    """An image with the toolchain, and with cp, on the cluster's node."""
    make(tmp_path / "tau")
    (tmp_path / "Dockerfile").write_text(f"FROM {PYTHON}\nCOPY tau {PREFIX}\n")
    subprocess.run(["docker", "build", "-q", "-t", IMAGE, str(tmp_path)], check=True)
    if cluster.kubeconfig() is not None:
        cluster.load([IMAGE])
    yield IMAGE
    subprocess.run(["docker", "image", "rm", "-f", IMAGE], check=True, capture_output=True)


def test_a_toolchain_from_an_image(namespace: Namespace, image: str) -> None:
    """Copied by an init container to the same path in the application's container."""
    settings = (f"settings.toolchains.tau.image={image}", f"settings.toolchains.tau.path={PREFIX}")
    with installed.upgraded(*settings):
        namespace.apply(
            app={"command": ["sh", "-c", MEASURED]},
            collectors=[{"name": "tau", "options": {"samplingPeriod": 5000}}],
        )
        status = namespace.wait()

    assert ended(status) == ("Succeeded", "Completed")
    assert status["runs"][0]["collectors"][0]["name"] == "tau"
    assert status["runs"][0]["collectors"][0]["entries"] > 0


def test_an_image_without_the_toolchain(namespace: Namespace) -> None:
    """What is not where the settings say is told as missing, before the application starts."""
    settings = (f"settings.toolchains.tau.image={PYTHON}", "settings.toolchains.tau.path=/nowhere")
    with installed.upgraded(*settings):
        namespace.apply(
            app={"command": ["sh", "-c", "true"]},
            collectors=[{"name": "tau"}],
        )
        status = namespace.wait()

    assert ended(status) == ("Failed", "ToolchainMissing")
    assert "tau" in condition(status, "Finished")["message"]
