"""`profjob run` with baselines, and `profjob baseline`, on short programs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster_bodies import UID, ended, going, stored_job
from fake_cluster import FakeCluster
from making import BUSY, Run, python
from profiling_operator.reporting import Report, to_json
from profiling_operator.status import Collected, Results

JobFile = Callable[..., str]
GATES = [{"measure": "app/duration", "baseline": "main", "maxIncrease": "5%"}]
SHORT = BUSY.replace("range(40)", "range(25)")


@pytest.fixture
def good(profjob: Run, job_file: JobFile, tmp_path: Path) -> Path:
    """The result folder of a job that ended well."""
    done = profjob("run", job_file(app=python(SHORT)), "-q")
    assert done.returncode == 0, done.stderr
    return tmp_path / "profiling_output"


def change(folder: Path, name: str, **fields: Any) -> None:
    """Change a file of a result folder; None takes a field away."""
    path = folder / name
    body = {**json.loads(path.read_text()), **fields}
    path.write_text(json.dumps({key: one for key, one in body.items() if one is not None}))


def set_status(
    folder: Path, phase: str, conditions: dict[str, tuple[str, str]], **more: Any
) -> None:
    """Write another status."""
    listed = [
        {"type": kind, "status": holds, "reason": reason, "message": "said",
         "lastTransitionTime": "2026-01-31T00:00:00Z"}
        for kind, (holds, reason) in conditions.items()
    ]  # fmt: skip
    change(folder, "status.json", status={"phase": phase, "conditions": listed, **more})


def test_a_window_fills_run_by_run(profjob: Run, job_file: JobFile, tmp_path: Path) -> None:
    """Nothing accepted yet is Skipped; each run that asks for it becomes a part; `show` has all."""
    file = job_file(app=python(SHORT), gates=GATES)

    first = profjob("run", file, "--accept-baseline", "main")
    second = profjob("run", file, "--accept-baseline", "main")
    shown = profjob("baseline", "show", "profiling_output", "-o", "json")

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert "baseline main has 1 job of" in first.stderr
    assert "baseline main has 2 jobs of" in second.stderr
    (window,) = json.loads(shown.stdout)["windows"]
    assert len(window["jobs"]) == 2
    assert window["identity"]["collectors"] == "pyspy"
    assert "app/duration" in window["jobs"][0]["measures"]
    summary = json.loads((tmp_path / "profiling_output/summary.json").read_text())
    assert summary["gates"][0]["verdict"] == "Skipped"


def test_an_annotation_asks_as_the_option_does(profjob: Run, job_file: JobFile) -> None:
    """The same manifest as on a cluster."""
    file = Path(job_file(app=python(SHORT)))
    body = yaml.safe_load(file.read_text())
    body["metadata"]["annotations"] = {"profiling.dev/accept-baseline": "nightly"}
    file.write_text(yaml.safe_dump(body))

    done = profjob("run", str(file))
    listed = profjob("baseline", "list", "--local", "-n", "ci", "-o", "name")

    assert done.returncode == 0, done.stderr
    assert listed.stdout.split() == ["ci/test/nightly"]


def test_a_baseline_is_accepted_shown_listed_and_reset(profjob: Run, good: Path) -> None:
    """By folder, by series; twice is once; what is forgotten is not there."""
    for _ in range(2):
        done = profjob("baseline", "accept", "./profiling_output")
        assert done.returncode == 0, done.stderr
        assert "ci/test: baseline main has 1 job of" in done.stdout

    shown = profjob("baseline", "show", "test", "--local", "-n", "ci")
    listed = profjob("baseline", "list", "--local", "-n", "ci")
    wrong = profjob("baseline", "reset", "test", "--local", "-n", "ci", "--device", "no such")
    reset = profjob("baseline", "reset", "test", "--local", "-n", "ci")
    after = profjob("baseline", "show", "test", "--local", "-n", "ci")

    assert "main of ci/test" in shown.stdout and "app/duration" in shown.stdout
    assert "test" in listed.stdout and "main" in listed.stdout
    assert wrong.returncode == 2 and "must be one of its devices" in wrong.stderr
    assert (reset.returncode, reset.stdout) == (0, "ci/test/main is forgotten\n")
    assert after.returncode == 2 and "nothing is accepted as main yet" in after.stderr


def test_the_jobs_of_one_device_are_forgotten(profjob: Run, good: Path, tmp_path: Path) -> None:
    """The others stay; of the last one nothing but the window is left."""
    kept = ("--baselines", str(tmp_path / "shelf"))
    profjob("baseline", "accept", "./profiling_output", *kept)
    change(good, "summary.json", machine={"cpu": "another"})
    profjob("baseline", "accept", "./profiling_output", *kept)

    done = profjob("baseline", "reset", "test", "-n", "ci", "--device", "another", *kept)
    shown = profjob("baseline", "show", "test", "-n", "ci", "-o", "json", *kept)

    assert done.returncode == 0, done.stderr
    assert [one["device"] != "another" for one in json.loads(shown.stdout)["windows"]] == [True]


FINISHED = ("True", "AppFailed")


@pytest.mark.parametrize(("phase", "conditions", "code", "says"), [
    ("Running", {"Finished": ("False", "Running")}, 2, "is Running, not finished"),
    ("Failed", {"Finished": FINISHED, "Failed": FINISHED}, 3, "AppFailed"),
    ("Failed", {"Finished": ("True", "NothingMeasured"), "Failed": ("True", "NothingMeasured")},
     6, "NothingMeasured"),
    ("Succeeded", {"Finished": ("True", "Completed"), "Complete": ("True", "Completed"),
                   "GatesPassed": ("False", "GateFailed")}, 1, "--anew"),
])  # fmt: skip
def test_what_others_are_not_to_be_compared_with_is_refused(
    profjob: Run, good: Path, phase: str, conditions: Any, code: int, says: str
) -> None:
    """With the exit code that such a job has everywhere, and nothing is written."""
    set_status(good, phase, conditions, gates=[{"measure": "m", "verdict": "Failed"}])

    done = profjob("baseline", "accept", "./profiling_output")

    assert done.returncode == code
    assert says in done.stderr
    assert profjob("baseline", "list", "--local", "-n", "ci").stdout == ""


def test_a_wanted_change_of_speed_begins_anew(profjob: Run, good: Path) -> None:
    """A gate that failed is no hindrance then, and what was before is forgotten."""
    profjob("baseline", "accept", "./profiling_output")
    summary = json.loads((good / "summary.json").read_text())
    change(good, "summary.json", headline=f"{summary['headline']}, but slower")
    passed = {"Finished": ("True", "Completed"), "Complete": ("True", "Completed"),
              "GatesPassed": ("False", "GateFailed")}  # fmt: skip
    set_status(good, "Succeeded", passed)

    done = profjob("baseline", "accept", "./profiling_output", "--anew")

    assert done.returncode == 0, done.stderr
    assert "has 1 job of" in done.stdout


@pytest.mark.parametrize(("spoil", "says"), [
    (lambda folder: (folder / "summary.json").unlink(), "summary.json: No such file"),
    (lambda folder: (folder / "summary.json").write_text("{"), "is no JSON"),
    (lambda folder: change(folder, "summary.json", identity=None), "an older version wrote it"),
    (lambda folder: change(folder, "summary.json", uid="x"), "is of another job"),
    (lambda folder: change(folder, "summary.json", measures=[]), "holds no measures"),
    (lambda folder: (folder / "status.json").unlink(), "status.json: No such file"),
    (shutil.rmtree, "status.json: No such file"),
])  # fmt: skip
def test_a_folder_that_is_no_whole_result_is_refused(
    profjob: Run, good: Path, spoil: Callable[[Path], None], says: str
) -> None:
    """It is said what is missing."""
    spoil(good)

    done = profjob("baseline", "accept", "./profiling_output")

    assert (done.returncode, says in done.stderr) == (2, True), done.stderr


def test_a_baseline_that_cannot_be_read_skips_the_gate_and_is_told(
    profjob: Run, job_file: JobFile, tmp_path: Path
) -> None:
    """One line on stderr; the job itself is as good as it is, but exit code 5 if it was to join."""
    place = tmp_path / "shelf/.profjob/baselines/ci/test"
    place.mkdir(parents=True)
    (place / "main.json").write_text("{")
    file = job_file(app=python(SHORT), gates=GATES)

    done = profjob("run", file, "--baselines", "shelf")
    added = profjob("run", file, "--baselines", "shelf", "--accept-baseline", "main")

    assert done.returncode == 0, done.stderr
    assert "gates on baseline main are skipped: baseline ci/test/main" in done.stderr
    summary = json.loads((tmp_path / "profiling_output/summary.json").read_text())
    assert summary["gates"][0]["verdict"] == "Skipped"
    assert added.returncode == 5
    assert "not added to baseline main" in added.stderr


def test_a_store_that_does_not_answer_is_not_waited_for_long(
    profjob: Run, job_file: JobFile
) -> None:
    """The job runs without."""
    done = profjob(
        "run",
        job_file(app=python(SHORT), gates=GATES),
        "--baselines",
        "http://127.0.0.1:1/v1/results",
    )

    assert done.returncode == 0, done.stderr
    assert "gates on baseline main are skipped" in done.stderr


@pytest.mark.parametrize(("words", "says"), [
    (("--accept-baseline", "Main"), '--accept-baseline: "Main" must be a name'),
    (("--baselines", "ftp://x", "--accept-baseline", "main"), "--baselines: 'ftp://x'"),
])  # fmt: skip
def test_what_no_baseline_can_be_is_told_before_anything_runs(
    profjob: Run, job_file: JobFile, words: tuple[str, ...], says: str
) -> None:
    """Exit code 2."""
    done = profjob("run", job_file(app=python(SHORT)), *words)

    assert (done.returncode, says in done.stderr) == (2, True), done.stderr


def test_a_job_that_fails_is_not_added(profjob: Run, job_file: JobFile) -> None:
    """Its own exit code, and a line that says so."""
    done = profjob(
        "run", job_file(app=python(f"{SHORT}\nraise SystemExit(3)")), "--accept-baseline", "main"
    )

    assert done.returncode == 3
    assert "not added to baseline main" in done.stderr
    assert profjob("baseline", "list", "--local", "-n", "ci", "-o", "name").stdout == ""


def test_a_program_that_got_slower_fails_its_gate(
    profjob: Run, job_file: JobFile, good: Path
) -> None:
    """Exit code 1, and the baseline stays as it is; another command is compared with nothing.

    What was accepted took some milliseconds, so that no noise of a machine can explain the rest.
    """
    for number in range(5):
        values = [4e6 + 1000 * number + step for step in range(4)]
        quick = {"measure": "app/duration", "unit": "ns", "values": values, "median": values[1]}
        change(good, "summary.json", measures=[quick])
        assert profjob("baseline", "accept", "./profiling_output").returncode == 0

    slow = profjob(
        "run", job_file(app=python(SHORT), gates=GATES), "--accept-baseline", "main", "-o", "json"
    )
    other = profjob("run", job_file(app=python(f"{SHORT}#"), gates=GATES), "-o", "json")
    shown = profjob("baseline", "show", "profiling_output", "-o", "json")

    (verdict,) = json.loads(slow.stdout)["status"]["gates"]
    assert slow.returncode == 1, verdict
    assert "not added to baseline main" in slow.stderr
    assert (verdict["verdict"], verdict["value"] > 2 * verdict["baseline"]) == ("Failed", True)
    assert len(json.loads(shown.stdout)["windows"][0]["jobs"]) == 5
    (verdict,) = json.loads(other.stdout)["status"]["gates"]
    assert (other.returncode, verdict["verdict"]) == (0, "Skipped")
    assert "another command" in verdict["message"]


def finish(cluster: FakeCluster, store: Path, name: str = "nbody-1", **status: Any) -> None:
    """A job of the cluster with its results in a store that is a folder."""
    uid = f"{UID}-{name}"
    results = {"url": f"{store.as_uri()}/ci/{name}/{uid}/1"}
    cluster.put(stored_job(name, uid, ended(**{"results": results, **status}), series="nbody"))
    folder = store / "ci" / name / uid / "1"
    folder.mkdir(parents=True)
    measure = {"measure": "app/duration", "unit": "ns", "values": [1.5e9], "median": 1.5e9}
    summary = {
        "job": f"ci/{name}", "series": "nbody", "uid": uid, "image": "app:1", "gates": [],
        "identity": {"collectors": "pyspy", "image": "app", "command": "sha256:1"},
        "machine": {"gpus": ["NVIDIA H200"], "driver": "570.1", "cpu": "EPYC"},
        "measures": [measure],
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(summary))
    report = Report(f"ci/{name}", uid, 1, "pod-uid", Collected((), Results(files=())))
    (folder / "report.json").write_text(to_json(report))


def test_jobs_of_a_cluster_are_kept_in_its_store(
    profjob: Run, cluster: FakeCluster, tmp_path: Path
) -> None:
    """Accepted by name, shown by series and by job, listed, forgotten."""
    store = ("--results-url", (tmp_path / "store").as_uri())
    for name in ("nbody-1", "nbody-2"):
        finish(cluster, tmp_path / "store", name)

    accepted = profjob("baseline", "accept", "nbody-1", "pj/nbody-2", *store)
    by_job = profjob("baseline", "show", "nbody-2", "-o", "name", *store)
    by_series = profjob("baseline", "show", "nbody", *store)
    listed = profjob("baseline", "list", *store)
    reset = profjob("baseline", "reset", "nbody", *store)
    after = profjob("baseline", "list", *store)

    assert accepted.returncode == 0, accepted.stderr
    assert "pj/nbody-2: ci/nbody: baseline main has 2 jobs of NVIDIA H200" in accepted.stdout
    assert by_job.stdout == "ci/nbody/main\n"
    table = [line.split() for line in by_series.stdout.splitlines()]
    assert ["JOB", "ACCEPTED", "DRIVER", "app/duration"] in table
    assert [row[0] for row in table if row and row[0].startswith("nbody-")] == [
        "nbody-2",
        "nbody-1",
    ]
    assert "570.1" in by_series.stdout and "1.5 s" in by_series.stdout
    assert listed.stdout.splitlines()[1].split()[:5] == ["nbody", "main", "NVIDIA", "H200", "2"]
    assert reset.returncode == 0, reset.stderr
    assert (after.returncode, after.stdout) == (0, "")


def test_all_of_them_or_none(profjob: Run, cluster: FakeCluster, tmp_path: Path) -> None:
    """One that is refused leaves the others unaccepted."""
    store = ("--results-url", (tmp_path / "store").as_uri())
    finish(cluster, tmp_path / "store", "nbody-1")
    cluster.put(stored_job("nbody-2", status=going("Running")))
    finish(cluster, tmp_path / "store", "nbody-3", phase="Failed", reason="AppFailed")

    running = profjob("baseline", "accept", "nbody-1", "nbody-2", *store)
    failed = profjob("baseline", "accept", "nbody-1", "nbody-3", *store)
    missing = profjob("baseline", "accept", "nbody-1", "nbody-4", *store)

    assert (running.returncode, failed.returncode, missing.returncode) == (2, 3, 2)
    assert "nbody-2: is Running, not finished" in running.stderr
    assert "nbody-3: is Failed (AppFailed" in failed.stderr
    assert profjob("baseline", "list", *store).stdout == ""


def test_results_without_a_summary_are_told(
    profjob: Run, cluster: FakeCluster, tmp_path: Path
) -> None:
    """By the job's name."""
    finish(cluster, tmp_path / "store")
    next((tmp_path / "store").rglob("summary.json")).unlink()

    done = profjob("baseline", "accept", "nbody-1", "--results-url", (tmp_path / "store").as_uri())

    assert done.returncode == 2
    assert "nbody-1: its results hold no summary.json" in done.stderr
