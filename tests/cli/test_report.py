"""What people see of a finished job: on a terminal, and as a page."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import made_up_results as made
from cluster_bodies import UID, ended, stored_job
from fake_cluster import FakeCluster
from making import Run, job
from profiling_operator.cli import showing
from profiling_operator.cli.printing import print_result
from profiling_operator.status import Status


def test_names_are_printed_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets in a function's name are no markup."""
    top = [{"name": "[unknown] (libfoo.so)", "nanoseconds": 3_000_000, "share": 0.25}]
    (tmp_path / "summary.json").write_text(json.dumps({"top": top}))

    print_result(job(), Status(), "text", tmp_path)

    (row,) = [line for line in capsys.readouterr().out.splitlines() if "libfoo" in line]
    assert row.split() == ["25.0", "%", "3", "ms", "[unknown]", "(libfoo.so)"]


def test_a_folder_without_a_page_gets_one(profjob: Run, tmp_path: Path) -> None:
    """As of an older version; its path is what stdout gets."""
    made.make(tmp_path / "a_folder")

    done = profjob("report", "a_folder")

    assert (done.returncode, done.stdout) == (0, "a_folder/report.html\n")
    assert "ci/nbody" in (tmp_path / "a_folder" / "report.html").read_text()
    assert (tmp_path / "a_folder" / "report.css").is_file()


def test_a_page_that_is_there_is_kept_unless_it_is_wanted_anew(
    profjob: Run, tmp_path: Path
) -> None:
    """The one that the job itself left is what its gates were judged with."""
    folder = made.make(tmp_path / "a_folder")
    for name in ("report.html", "report.css"):
        (folder / name).write_text("as it was")

    assert profjob("report", "a_folder").returncode == 0
    assert (folder / "report.html").read_text() == "as it was"
    assert profjob("report", "./a_folder", "--anew").returncode == 0
    assert "ci/nbody" in (folder / "report.html").read_text()


def test_what_is_no_result_folder_is_refused(profjob: Run, tmp_path: Path) -> None:
    """Nothing is written into it."""
    (tmp_path / "a_folder").mkdir()

    done = profjob("report", "a_folder")

    assert done.returncode == 2
    assert done.stderr == (
        "profjob: a_folder: is no result folder: it has none of summary.json, metadata.json, "
        "status.json\n"
    )
    assert list((tmp_path / "a_folder").iterdir()) == []


def test_a_job_of_a_cluster_is_fetched_without_what_is_large(
    profjob: Run, cluster: FakeCluster, tmp_path: Path
) -> None:
    """And the page is made, where its uploader was older."""
    files = {
        "summary.json": json.dumps(made.summary()).encode(), "entries.jsonl.gz": b"large",
        "metadata.json": json.dumps(made.metadata()).encode(), "raw/a": b"large, too",
    }  # fmt: skip
    listed = []
    for name, text in files.items():
        path = tmp_path / "store" / "ci" / "nbody" / UID / "1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        digest = hashlib.sha256(text).hexdigest()
        listed.append({"path": name, "size": len(text), "sha256": digest})
    url = f"http://store/v1/results/ci/nbody/{UID}/1"
    cluster.put(stored_job(status=ended(results={"url": url, "files": listed})))

    where = (tmp_path / "store").as_uri()
    done = profjob("report", "nbody", "-d", "out", "--results-url", where)

    assert (done.returncode, done.stdout) == (0, "out/report.html\n"), done.stderr
    there = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert there == {"summary.json", "metadata.json", "status.json", "report.html", "report.css"}


def test_open_serves_the_folder_as_jenkins_would(env: dict[str, str], tmp_path: Path) -> None:
    """To the browser that it opens, until Ctrl-C; then the exit code is 0."""
    made.make(tmp_path / "a_folder")
    # The browser of this test writes down what it is asked to open.
    env["BROWSER"] = f"{sys.executable} -c \"open('opened','w').write('%s')\""
    words = [sys.executable, "-m", "profiling_operator", "report", "a_folder", "--open"]
    with subprocess.Popen(
        words, env=env, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as served:
        assert served.stdout is not None and served.stderr is not None
        assert served.stdout.readline() == "a_folder/report.html\n"
        url = served.stderr.readline().split()[0]
        with urllib.request.urlopen(url, timeout=60) as answer:
            page, headers = answer.read().decode(), answer.headers
        served.send_signal(signal.SIGINT)
        assert served.wait(timeout=60) == 0

    assert "ci/nbody" in page
    assert headers["Content-Security-Policy"] == showing.POLICY
