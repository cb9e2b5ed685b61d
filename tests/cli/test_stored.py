"""Which store is shown a token."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from profiling_operator import stores
from profiling_operator.cli import stored
from profiling_operator.cli.conversation import Own
from profiling_operator.cli.stored import Access
from profiling_operator.stores import StoreRefusedError

ELSEWHERE = "https://elsewhere/v1/results"
OWN = Own("token", "https://here:8443/v1/results", "PEM")


@pytest.fixture(autouse=True)
def no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings' file of the test, which is not there yet."""
    path = tmp_path / "settings.yaml"
    monkeypatch.setenv("PROFJOB_SETTINGS", str(path))
    return path


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """The stores that were opened, and how."""
    found: list[tuple[str, dict[str, Any]]] = []

    def open_store(url: str, **how: Any) -> None:
        found.append((url, how))

    monkeypatch.setattr(stores, "open_store", open_store)
    return found


def _body(store: str = "default") -> dict[str, Any]:
    return {"spec": {"output": {"store": store}}, "metadata": {"namespace": "ci", "name": "a"}}


def test_the_kubeconfig_may_name_the_results_server(
    opened: list[tuple[str, dict[str, Any]]],
) -> None:
    """It is shown the kubeconfig's token, and must be signed by the kubeconfig's authority."""
    stored.open_named(Access(), "default", OWN)

    ((url, how),) = opened
    assert url == OWN.results_url
    assert (how["token"], how["ca"]) == ("token", "PEM")


def test_wherever_the_status_says_that_the_results_are() -> None:
    """It is written by who is not to decide where a token goes."""
    known = stored._trusted(_body(), f"{ELSEWHERE}/ci/a/uid/1", Access(), OWN)

    assert (known.url, known.ca) == (OWN.results_url, "PEM")


def test_it_stands_for_the_default_store_alone() -> None:
    """Others are elsewhere."""
    with pytest.raises(StoreRefusedError, match="the settings do not name"):
        stored._trusted(_body("other"), f"{ELSEWHERE}/ci/a/uid/1", Access(), OWN)


def test_what_is_typed_and_the_settings_come_first(
    no_settings: Path, opened: list[tuple[str, dict[str, Any]]]
) -> None:
    """As before there was such a kubeconfig."""
    no_settings.write_text(f"stores: {{default: {{url: '{ELSEWHERE}'}}}}")

    known = stored._trusted(_body(), f"{ELSEWHERE}/ci/a/uid/1", Access(), OWN)
    typed = stored._trusted(_body(), "", Access("https://typed/v1/results"), OWN)
    stored.open_named(Access(), "default", OWN)

    assert (known.url, known.ca) == (ELSEWHERE, "")
    assert typed.url == "https://typed/v1/results"
    assert opened[0][0] == ELSEWHERE


def test_a_kubeconfig_that_says_nothing_changes_nothing() -> None:
    """The chart's server is believed, any other one is not."""
    chart = stored._trusted(_body(), f"{stored.CHART_URL}/ci/a/uid/1", Access(), Own("token"))

    assert chart.url == stored.CHART_URL
    with pytest.raises(StoreRefusedError, match="a store that the settings do not name"):
        stored._trusted(_body(), f"{ELSEWHERE}/ci/a/uid/1", Access(), Own("token"))
