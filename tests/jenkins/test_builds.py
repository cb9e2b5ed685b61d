"""Whole builds on an agent without a cluster: by processes, and by a Docker engine."""

from __future__ import annotations

from collections.abc import Callable

import builds
import pytest
import scenarios
from builds import Answer, Harness
from scenarios import Platform

pytestmark = [pytest.mark.needs("jenkins"), pytest.mark.timeout(600)]


@pytest.fixture(
    scope="module",
    params=["process", pytest.param("docker", marks=pytest.mark.needs("docker", "images"))],
)
def filled(
    request: pytest.FixtureRequest, harness: Harness, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Platform, list[Answer]]:
    """A platform with a baseline, and the builds that it is from."""
    agent = builds.real_agent(harness, tmp_path_factory.mktemp(request.param))
    platform = Platform(agent, {"mode": request.param})
    platform.prepare()
    return platform, scenarios.accept_some(platform)


def test_the_first_builds_fill_the_baseline(filled: tuple[Platform, list[Answer]]) -> None:
    """They have nothing to be compared with."""
    scenarios.check_first(*filled)


@pytest.mark.parametrize("check", scenarios.CHECKS, ids=lambda check: check.__name__)
def test_builds(filled: tuple[Platform, list[Answer]], check: Callable[[Platform], None]) -> None:
    """Each with its result, its test results, its message, and what it leaves."""
    check(filled[0])
