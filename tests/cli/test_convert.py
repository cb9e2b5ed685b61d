"""`profjob convert`."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path

from making import Run

SAMPLES = Path(__file__).parent.parent / "samples"

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


def test_a_folder_that_mixes_tools_junk_and_links(profjob: Run, tmp_path: Path) -> None:
    """Without --collector each file goes to the one that knows it; every one is accounted for."""
    folder = write(tmp_path / "in")
    for sample in ("tau/2.34/sigusr1", "nvprof/11.8/imported-trace", "tau/2.34/trace-mpi"):
        if (SAMPLES / sample).is_dir():
            shutil.copytree(SAMPLES / sample, folder / sample)
    write(folder / "logs", "build.log", "make: nothing to be done\n")
    write(folder, "profile.1.0.0", "5 templated_functions_MULTI_TIME\n")
    (folder / "empty.folded").touch()
    (folder / "link.folded").symlink_to(folder / "profile.folded")
    (folder / "dangling").symlink_to("nowhere")
    os.link(folder / "logs" / "build.log", folder / "twin")

    done = profjob("convert", "in", "-o", "out.jsonl", "--report", "report.json", "--job", "a/b")

    report = json.loads((tmp_path / "report.json").read_text())
    fates = Counter(file["path"] for file in report["files"] if file["fate"])
    bodies = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert done.returncode == 0, done.stderr
    assert fates == Counter(
        str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()
    )
    assert {body["collector"] for body in bodies} == {"nvprof", "pyspy", "tau"}
    assert {body["job"] for body in bodies} == {"a/b"}
    assert {name: one["entries"] for name, one in report["collectors"].items()} == Counter(
        body["collector"] for body in bodies
    )
    reasons = {file["path"]: file["message"] for file in report["files"] if file["fate"]}
    assert reasons["twin"] == "a second hard link to a file"
    assert reasons["link.folded"] == reasons["dangling"] == "a symbolic link"


def test_what_is_not_usable_beside_what_is(profjob: Run, tmp_path: Path) -> None:
    """It is told, and the exit code is that of the others; options need their collector's name."""
    folder = write(tmp_path / "in")
    shutil.copytree(SAMPLES / "nvprof" / "11.8" / "no-gpu", folder / "nvprof")

    done = profjob("convert", "in", "-o", "out.jsonl")
    asked = profjob("convert", "in", "-o", "out.jsonl", "--option", "rate=5")

    assert done.returncode == 0
    assert "nvprof: NoGpuData: " in done.stderr
    assert (asked.returncode, "--option: needs --collector" in asked.stderr) == (2, True)


def test_a_folder_of_nobodys_files(profjob: Run, tmp_path: Path) -> None:
    """Exit code 6, and each is named."""
    write(tmp_path / "in", "notes.txt", "hello")

    done = profjob("convert", "in", "-o", "out.jsonl")

    assert done.returncode == 6
    assert "notes.txt: raw: no collector knows it" in done.stderr
    assert "NothingMeasured: no collector knows any of the files" in done.stderr


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
