"""`profjob convert`."""

from __future__ import annotations

import json
import os
from pathlib import Path

from making import Run

LINE = "main (a.py:1);hot (a.py:2) 20\n"


def write(folder: Path, name: str = "profile.folded", text: str = LINE) -> Path:
    """A file of py-spy's in a folder."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def test_a_folder_becomes_entries(profjob: Run, tmp_path: Path) -> None:
    """One JSON object a line; options are given by name."""
    write(tmp_path / "in")

    done = profjob("convert", "-c", "pyspy", "in", "-o", "out.jsonl", "--option", "rate=20")

    assert done.returncode == 0, done.stderr
    bodies = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {body["name"]: body["exclusive"] for body in bodies if body["additive"]} == {
        "hot": 10**9, "main": 0,
    }  # fmt: skip


def test_every_file_is_named(profjob: Run, tmp_path: Path) -> None:
    """On stderr and in the report: converted, kept raw, refused, and malformed lines."""
    folder = write(write(write(tmp_path / "in"), "junk.bin", "x"), "b.folded", f"{LINE}x\n")
    (folder / "link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "fifo")

    done = profjob("convert", "-c", "pyspy", "in", "-o", "out.jsonl.gz", "--report", "report.json")

    assert done.returncode == 0
    told = done.stderr.splitlines()
    assert "profile.folded: converted" in told
    assert "junk.bin: raw: not a file of py-spy's" in told
    assert "link: refused: a symbolic link" in told
    assert "fifo: refused: a FIFO" in told
    assert "b.folded:2: warning: is not a stack with a number of samples" in told
    assert told[-1].endswith("2 converted, 1 raw, 2 refused")
    report = json.loads((tmp_path / "report.json").read_text())
    assert {file["path"] for file in report["files"]} == {
        "b.folded", "fifo", "junk.bin", "link", "profile.folded",
    }  # fmt: skip


def test_nothing_measured_has_its_exit_code(profjob: Run, tmp_path: Path) -> None:
    """Exit code 6 and the reason."""
    (tmp_path / "in").mkdir()

    done = profjob("convert", "-c", "pyspy", "in", "-o", "out.jsonl")

    assert done.returncode == 6
    assert "NothingMeasured" in done.stderr


def test_bad_usage_is_told(profjob: Run, tmp_path: Path) -> None:
    """A folder, a collector, an option, an output that are none: exit code 2 and the name."""
    write(tmp_path / "in")
    cases = {
        ("-c", "pyspy", "nowhere", "-o", "out"): "nowhere: No such file or directory",
        ("-c", "pispy", "in", "-o", "out"): '"pispy" must be one of',
        ("-c", "pyspy", "in", "-o", "out", "--option", "rat=5"): "did you mean 'rate'?",
        ("-c", "pyspy", "in", "-o", "no/out"): "no/out: No such file or directory",
    }
    for words, told in cases.items():
        done = profjob("convert", *words)
        assert (done.returncode, told in done.stderr) == (2, True), done.stderr


def test_a_linked_folder_is_refused(profjob: Run, tmp_path: Path) -> None:
    """The folder itself may not lead elsewhere."""
    write(tmp_path / "in")
    (tmp_path / "link").symlink_to("in")

    assert profjob("convert", "-c", "pyspy", "link", "-o", "out").returncode == 2
