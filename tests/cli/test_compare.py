"""`profjob compare`: two jobs, in numbers, as a page, and as a gate."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import made_up_results as made
from cluster_bodies import UID, ended, stored_job
from fake_cluster import FakeCluster
from making import Run
from profiling_operator.reporting import Report, to_json
from profiling_operator.status import Collected, ResultFile, Results

FIVE = (1.0, 1.01, 0.99, 1.005, 0.995)
IDENTITY = {"collectors": "pyspy", "image": "registry.example/nbody", "command": "sha256:1"}
MACHINE = {"gpus": ["NVIDIA H200"], "driver": "570.86.15", "cpu": "AMD EPYC"}


def job(folder: Path, factor: float = 1.0, repetitions: int = 5, **said: Any) -> Path:
    """Results whose time in `hot` is so many times as long."""
    values = (FIVE * 4)[:repetitions]
    measures = [
        made.measured("app/duration", *(1e9 * one * (0.5 + 0.5 * factor) for one in values)),
        made.measured("timer:hot/exclusive", *(5e8 * one * factor for one in values)),
        made.measured("app/peakMemory", *(1e6 * one for one in values), unit="By"),
    ]
    told = {"measures": measures, "identity": IDENTITY, "machine": MACHINE, **said}
    return made.make(folder, summary=made.summary(**told))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """A job, and one that is half as slow again."""
    return job(tmp_path / "job_a"), job(tmp_path / "job_b", 1.5)


@pytest.mark.usefixtures("folders")
def test_a_table_tells_what_changed(profjob: Run) -> None:
    """The largest change first; counts are on stderr."""
    done = profjob("compare", "job_a", "job_b")

    assert done.returncode == 0, done.stderr
    head, *rows = (line.replace("\xa0", " ") for line in done.stdout.splitlines())
    assert head.split() == ["MEASURE", "BEFORE", "AFTER", "CHANGE", "VERDICT"]
    assert [row.split()[0] for row in rows] == [
        "app/duration", "timer:hot/exclusive", "app/peakMemory",
    ]  # fmt: skip
    assert "+25.0 %" in rows[0] and rows[0].endswith("▲ slower")
    assert rows[1].split("   ")[1].startswith("500 ms ±") and rows[2].endswith("≈ within noise")
    assert done.stderr == "3 measures: 2 slower, 1 within noise\n"


@pytest.mark.usefixtures("folders")
def test_more_columns_and_fewer_lines(profjob: Run) -> None:
    """What is not shown is counted."""
    done = profjob("compare", "job_a", "job_b", "-o", "wide", "--limit", "1")

    assert len(done.stdout.splitlines()) == 2
    assert "BAND" in done.stdout and " … " in done.stdout and "5/5" in done.stdout
    assert "2 more are not shown: --limit 0 shows all" in done.stderr


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize("form", ["json", "yaml"])
def test_programs_get_all_of_it(profjob: Run, form: str) -> None:
    """Numbers as they are."""
    done = profjob("compare", "job_a", "job_b", "-o", form, "--measure", "timer:*", "--limit", "1")

    told = yaml.safe_load(done.stdout) if form == "yaml" else json.loads(done.stdout)
    assert (told["before"], told["after"], told["alike"]) == ("ci/nbody", "ci/nbody", True)
    assert {one["what"]: one["differs"] for one in told["facts"]}["GPU"] is False
    (change,) = told["changes"]
    assert (change["measure"], change["verdict"]) == ("timer:hot/exclusive", "slower")
    assert change["relative"] == pytest.approx(0.5)


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize(
    ("limit", "measure", "code"),
    [("20%", "*", 1), ("60%", "*", 0), ("5%", "app/peakMemory", 0), ("30%", "app/*", 0)],
)
def test_it_is_a_gate(profjob: Run, limit: str, measure: str, code: int) -> None:
    """Exit code 1 where a time grew by more than that, and by more than noise."""
    done = profjob("compare", "job_a", "job_b", "--fail-above", limit, "--measure", measure)

    assert done.returncode == code, done.stderr
    assert ("profjob: timer:hot/exclusive: +50.0 %, above +20 % and noise" in done.stderr) == (
        code == 1
    )


def test_what_became_faster_fails_nothing(profjob: Run, folders: tuple[Path, Path]) -> None:
    """The baseline comes first."""
    before, after = folders
    done = profjob("compare", str(after), str(before), "--fail-above", "1%")

    assert done.returncode == 0 and "▼ faster" in done.stdout


def test_too_few_repetitions_fail_nothing_and_say_so(profjob: Run, tmp_path: Path) -> None:
    """Nobody can tell."""
    job(tmp_path / "job_a", repetitions=1), job(tmp_path / "job_b", 2.0, repetitions=1)
    done = profjob("compare", "job_a", "job_b", "--fail-above", "5%")

    assert done.returncode == 0
    assert "too few repetitions to tell whether 2 times grew by more than that" in done.stderr
    assert "? cannot tell: 1 repetition and 1 repetition" in done.stdout


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ({"machine": {**MACHINE, "gpus": ["NVIDIA A100"]}}, "GPU: NVIDIA H200 and NVIDIA A100"),
        ({"identity": {**IDENTITY, "command": "sha256:2"}}, "Command: sha256:1 and sha256:2"),
    ],
)
def test_jobs_that_are_not_alike_are_refused(
    profjob: Run, tmp_path: Path, said: dict[str, Any], title: str
) -> None:
    """Unless that is what somebody wants; even then it is said."""
    job(tmp_path / "job_a"), job(tmp_path / "job_b", **said)
    refused = profjob("compare", "job_a", "job_b", "-d", "page")
    done = profjob("compare", "job_a", "job_b", "--across")

    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"profjob: not alike: {title}\n" in refused.stderr and "--across" in refused.stderr
    assert not (tmp_path / "page").exists()
    assert done.returncode == 0 and f"WARNING: not alike: {title}\n" in done.stderr


def test_what_is_not_known_is_said(profjob: Run, tmp_path: Path) -> None:
    """A folder of an older version tells less."""
    job(tmp_path / "job_a"), job(tmp_path / "job_b", machine={})
    done = profjob("compare", "job_a", "job_b")

    assert done.returncode == 0
    assert "to be known: GPU driver: 570.86.15 and not known\n" in done.stderr


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize("scale", ["run", "total"])
def test_a_page_is_written_where_it_is_asked_for(profjob: Run, tmp_path: Path, scale: str) -> None:
    """With its style; its path is the last line of stdout."""
    done = profjob("compare", "job_a", "job_b", "-d", "new/page", "--scale", scale, "--quiet")

    assert done.stdout.splitlines()[-1] == "new/page/compare.html" and done.stderr == ""
    made.Page((tmp_path / "new/page/compare.html").read_text()).check_policy()
    assert (tmp_path / "new/page/report.css").is_file()


@pytest.mark.usefixtures("folders")
@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["job_a", "./none"], 2, "./none: has no summary.json: is no result folder"),
        (["job_a", "job_b", "--measure", "x"], 2, "no measure is x"),
        (["job_a", "job_b", "--fail-above", "5"], 2, "'5': must be a percentage, as in 5%"),
        (["job_a", "job_b", "-o", "name"], 2, "must be one of text, wide, json, yaml"),
        (["job_a", "job_b", "--open"], 2, "--open needs --directory"),
        (["job_a", "job_b", "-d", "job_a/summary.json"], 2, "summary.json: File exists"),
        (["job_a"], 2, "Missing argument 'B'"),
    ],
)
def test_what_is_wrong_is_named(profjob: Run, words: list[str], code: int, message: str) -> None:
    """With what is allowed."""
    done = profjob("compare", *words)

    assert done.returncode == code and done.stdout == ""
    assert message in " ".join(done.stderr.replace("│", " ").split())


def test_a_damaged_folder_is_not_compared(profjob: Run, tmp_path: Path) -> None:
    """Half of it would mislead."""
    job(tmp_path / "job_a"), job(tmp_path / "job_b")
    (tmp_path / "job_b/summary.json").write_text("{")
    done = profjob("compare", "job_a", "job_b")

    assert done.returncode == 2 and "job_b: summary.json: " in done.stderr


def test_without_any_measure_the_profile_is_not_usable(profjob: Run, tmp_path: Path) -> None:
    """Exit code 6."""
    job(tmp_path / "job_a", measures=[]), job(tmp_path / "job_b", measures=[])
    done = profjob("compare", "job_a", "job_b")

    assert done.returncode == 6 and "nothing was measured" in done.stderr


def test_a_job_of_a_cluster_is_fetched(profjob: Run, cluster: FakeCluster, tmp_path: Path) -> None:
    """What is compared with it may be a folder; nothing of it stays here."""
    results, shelf = job(tmp_path / "job_a"), tmp_path / "store/ci/nbody" / UID / "1"
    shelf.mkdir(parents=True)
    listed = []
    for path in sorted(results.iterdir()):
        text = path.read_bytes()
        (shelf / path.name).write_bytes(text)
        digest = hashlib.sha256(text).hexdigest()
        listed.append(ResultFile(path=path.name, size=len(text), sha256=digest))
    report = Report("ci/nbody", UID, 1, "pod-uid", Collected((), Results(files=tuple(listed))))
    (shelf / "report.json").write_text(to_json(report))
    files = [one.model_dump(mode="json", exclude_none=True) for one in listed]
    where = f"http://store/v1/results/ci/nbody/{UID}/1"
    cluster.put(stored_job(uid=UID, status=ended(results={"url": where, "files": files})))
    job(tmp_path / "job_b", 1.5)
    before = set(tmp_path.iterdir())

    url = (tmp_path / "store").as_uri()
    done = profjob("compare", "pj/nbody", "./job_b", "--results-url", url, "--fail-above", "5%")

    assert done.returncode == 1, done.stderr
    assert "timer:hot/exclusive" in done.stdout
    assert set(tmp_path.iterdir()) == before
