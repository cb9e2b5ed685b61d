"""A control plane for the tests of a session, and one whose engine may be restarted."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from planes import Plane


@pytest.fixture(scope="session")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """A control plane that is up, with the kubeconfigs of an administrator and of Jenkins."""
    one = Plane(f"pjtest{os.getpid()}", tmp_path_factory.mktemp("plane"))
    try:
        one.up()
        one.access("admin")
        one.access("jenkins")
        yield one
    finally:
        one.compose("down", "--volumes", "--timeout", "10")
    assert one.left() == []
