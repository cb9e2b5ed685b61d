"""Installs the chart once on the cluster of $KUBECONFIG; each test has a namespace of its own."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent.parent / "tools"))

import installed
from installed import Namespace


@pytest.fixture(scope="session")
def release() -> Iterator[str]:
    """The chart, installed and tested by itself; uninstalled at the end, with its namespace."""
    installed.install()
    installed.helm("test", installed.RELEASE, "--namespace", installed.SYSTEM)
    yield installed.RELEASE
    installed.helm("uninstall", installed.RELEASE, "--namespace", installed.SYSTEM, "--wait")
    installed.kubectl("delete", "namespace", installed.SYSTEM)


@pytest.fixture
def namespace(release: str) -> Iterator[Namespace]:
    """A namespace that admits restricted pods only; nothing of it stays."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    installed.kubectl("create", "namespace", name)
    installed.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield Namespace(name)
    installed.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def no_operator(release: str) -> Iterator[None]:
    """No operator runs during the test."""
    yield from installed.without_operator()
