"""What runs builds of pipelines, and an agent for them with a profjob that is none."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import builds
import faking
from builds import Harness
from faking import Faked


@pytest.fixture(scope="session")
def harness() -> Iterator[Harness]:
    """What runs builds."""
    with builds.harness() as started:
        yield started


@pytest.fixture
def faked(harness: Harness, tmp_path: Path) -> Faked:
    """An agent whose profjob says what the test tells it to, and notes what it is asked."""
    return faking.agent(harness, tmp_path)
