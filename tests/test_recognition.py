"""Whose files are these."""

from __future__ import annotations

import shutil
from pathlib import Path

from profiling_operator import artifacts, recognition
from profiling_operator.captures import Fate

SAMPLES = Path(__file__).parent / "samples"


def test_a_mixed_folder_is_sorted(tmp_path: Path) -> None:
    """Each collector gets what it knows, in order; what nobody knows is kept as it is."""
    shutil.copytree(SAMPLES / "tau" / "2.34" / "sigusr1", tmp_path / "a")
    shutil.copytree(SAMPLES / "nvprof" / "11.8" / "no-gpu", tmp_path / "b")
    (tmp_path / "profile.folded").write_text("main (a.py:1) 3\n")
    (tmp_path / "core").write_bytes(b"\x7fELF")

    found = recognition.sort(artifacts.scan(tmp_path).artifacts)

    assert list(found.by_collector) == ["nvprof", "pyspy", "tau"]
    assert "a/profile.0.0.0" in [one.path for one in found.by_collector["tau"]]
    assert ("core", Fate.RAW) in [(note.path, note.fate) for note in found.others]
    sorted_ = [one.path for files in found.by_collector.values() for one in files]
    assert sorted(sorted_ + [note.path for note in found.others]) == sorted(
        one.path for one in artifacts.scan(tmp_path).artifacts
    )


def test_what_changed_meanwhile_is_refused(tmp_path: Path) -> None:
    """A file that is another one than was listed is nobody's."""
    (tmp_path / "profile.folded").write_text("main (a.py:1) 3\n")
    scan = artifacts.scan(tmp_path)
    (tmp_path / "profile.folded").write_text("main (a.py:1) 30\n")

    found = recognition.sort(scan.artifacts)

    assert not found.by_collector
    assert [(note.path, note.fate) for note in found.others] == [("profile.folded", Fate.REFUSED)]
