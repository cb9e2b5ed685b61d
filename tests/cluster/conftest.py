"""Installs the chart once on the cluster of $KUBECONFIG; each test has a namespace of its own."""

from __future__ import annotations

import sys
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
    with installed.released() as name:
        yield name


@pytest.fixture
def namespace(release: str) -> Iterator[Namespace]:
    """A namespace that admits restricted pods only; nothing of it stays."""
    with installed.own_namespace() as found:
        yield found


@pytest.fixture
def no_operator(release: str) -> Iterator[None]:
    """No operator runs during the test."""
    yield from installed.without_operator()
