"""Settings: environment before file."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiling_operator import settings
from profiling_operator.errors import SpecError


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings file of the test's own; it need not exist."""
    path = tmp_path / "settings.yaml"
    monkeypatch.setenv("PROFJOB_SETTINGS", str(path))
    return path


def test_there_need_be_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting has a default."""
    monkeypatch.delenv("PROFJOB_STATE_DIR", raising=False)
    monkeypatch.delenv("PROFJOB_TOOLCHAINS__TAU__PATH", raising=False)

    assert settings.load() == settings.Settings.model_construct()


def test_the_environment_goes_before_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are read; where both say something, the environment's word counts."""
    file.write_text("toolchains: {tau: {path: /file}, nsys: {path: /nsys}}\nkeep_personal: true\n")
    monkeypatch.setenv("PROFJOB_TOOLCHAINS__TAU__PATH", "/env")

    loaded = settings.load()

    assert loaded.toolchains["tau"].path == "/env"
    assert loaded.toolchains["nsys"].path == "/nsys"
    assert loaded.keep_personal


def test_a_bad_setting_is_named(file: Path) -> None:
    """All of them are told at once."""
    file.write_text("keep_personal: perhaps\ntoolchain: {}\n")

    with pytest.raises(SpecError) as caught:
        settings.load()

    assert [one.where for one in caught.value.problems] == [
        "settings.keep_personal", "settings.toolchain",
    ]  # fmt: skip


def test_files_of_the_user_s_have_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the XDG base directories say; and a store may be named instead."""
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert settings.data_folder() == Path("/data/profjob")
    monkeypatch.delenv("XDG_DATA_HOME")
    assert settings.data_folder() == Path.home() / ".local/share/profjob"
    monkeypatch.setenv("PROFJOB_BASELINES", "s3://bucket/baselines")
    assert settings.load().baselines == "s3://bucket/baselines"
