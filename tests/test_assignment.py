"""What a pod's own containers are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydantic
import pytest

from making import job
from profiling_operator import assignment, plan
from profiling_operator.settings import (
    KubernetesSettings,
    Settings,
    StoreSettings,
    ToolchainSettings,
)

STORE = StoreSettings(url="https://there/results", secret_name="keys", options={"region": "x"})  # noqa: S106 - a name
KNOWN = Settings(
    toolchains={
        "pyspy": ToolchainSettings(path="/opt/pyspy"),
        "tau": ToolchainSettings(image="tau:1"),
    },
    stores={"default": STORE, "other": StoreSettings(url="file:///other")},
    kubernetes=KubernetesSettings(reports_to_api=False),
    keep_personal=True,
)


def planned(**changes: Any) -> plan.Plan:
    """A plan whose application has words and variables that are nobody's business."""
    app = {
        "image": "app:1",
        "command": ["secret-command"],
        "args": ["secret-argument"],
        "env": [{"name": "TOKEN", "value": "secret-value"}],
        "workingDir": "/secret-folder",
        "securityContext": {"runAsUser": 7},
    }
    playback = {"image": "p:1", "command": ["secret-server"], "port": 80}
    return plan.build_plan(job(uid="uid-1", **{"app": app, "playback": playback, **changes}))


def test_it_survives_being_a_file(tmp_path: Path) -> None:
    """As the annotation has it: what is as usual is left out."""
    given = assignment.assign(planned(), KNOWN, ("perf_event_open",))
    (tmp_path / assignment.FILE).write_text(given.model_dump_json(exclude_defaults=True))

    assert assignment.read(tmp_path) == given


def test_nothing_in_it_is_secret() -> None:
    """Whoever may read pods reads it, and the application's variables may hold anything."""
    text = assignment.assign(planned(), KNOWN, ()).model_dump_json()

    assert "secret-" not in text
    assert "app:1" in text


def test_it_has_what_sidecars_and_uploader_need() -> None:
    """The settings of the plan's own collectors, the job's store, the rest of the plan."""
    wanted = planned()
    given = assignment.assign(wanted, KNOWN, ("perf_event_open",))

    assert given.toolchains == {"pyspy": KNOWN.toolchains["pyspy"]}
    assert (given.store, given.system_calls) == (STORE, ("perf_event_open",))
    assert not given.reports_to_api
    assert given.plan.app.security_context == wanted.app.security_context
    kept = {"app", "playback"}
    assert given.plan.model_dump(exclude=kept) == wanted.model_dump(exclude=kept)


def test_its_settings_are_those_that_matter_in_a_pod() -> None:
    """Toolchains, and what may stand in the results."""
    settings = assignment.assign(planned(), KNOWN, ()).settings()

    assert settings.toolchains == {"pyspy": KNOWN.toolchains["pyspy"]}
    assert settings.keep_personal


def test_nothing_of_the_place_adds_to_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither variables nor a file, which may not even be readable there."""
    (tmp_path / "settings.yaml").write_text("bad: [")
    monkeypatch.setenv("PROFJOB_SETTINGS", str(tmp_path / "settings.yaml"))
    monkeypatch.setenv("PROFJOB_TOOLCHAINS__PYSPY__PATH", "/elsewhere")
    monkeypatch.setenv("PROFJOB_KEEP_PERSONAL", "false")

    settings = assignment.assign(planned(), KNOWN, ()).settings()

    assert settings.toolchains == {"pyspy": KNOWN.toolchains["pyspy"]}
    assert settings.keep_personal


def test_a_store_that_nobody_knows_is_an_error() -> None:
    """Whoever plans has to look first."""
    with pytest.raises(KeyError, match="elsewhere"):
        assignment.assign(planned(output={"store": "elsewhere"}), KNOWN, ())


def test_results_are_keyed_by_job_and_attempt() -> None:
    """A new job of an old name has another key, and so has a retry."""
    assert assignment.result_key(planned()) == "ci/test/uid-1/1"


def test_a_bad_file_is_told(tmp_path: Path) -> None:
    """Which field is wrong, or that it is not there."""
    with pytest.raises(OSError, match=r"assignment\.json"):
        assignment.read(tmp_path)
    (tmp_path / assignment.FILE).write_text('{"plan": 1}')
    with pytest.raises(pydantic.ValidationError, match="store"):
        assignment.read(tmp_path)
