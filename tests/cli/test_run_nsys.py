"""`profjob run` with the real nsys, on machines without a GPU: system calls, samples, time limits.

Debian's nsys leaves a raw recording behind; the importer, called after the run, and its export make
the database of it that is read here.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from making import Run
from profiling_operator import entries
from profiling_operator.entries import Entry, Kind

pytestmark = pytest.mark.needs("nsys", "cc")

JobFile = Callable[..., str]
CALLS = 25
SOURCE = """
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static volatile double sum;
static void __attribute__((noinline)) hot(long steps) { while (steps--) sum += 1.0 / (steps + 1); }
static void *naps(void *count) { for (long i = 0; i < (long)count; i++) usleep(2000); return 0; }
int main(int argc, char **argv) {
    pthread_t thread;
    pthread_create(&thread, 0, naps, (void *)atol(argv[1]));
    hot(atol(argv[2]));
    naps((void *)atol(argv[1]));
    pthread_join(thread, 0);
    return atoi(argv[3]);
}
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    """Two threads: each naps so often; `hot` so many steps, then an exit code."""
    (tmp_path / "app.c").write_text(SOURCE)
    path = str(tmp_path / "app")
    options = ["-O1", "-fno-omit-frame-pointer", "-lpthread", "-o", path]
    subprocess.run(["cc", str(tmp_path / "app.c"), *options], check=True)
    return path


def app(program: str, naps: int, steps: int = 0, code: int = 0) -> dict[str, Any]:
    """`spec.app` of the program."""
    return {"command": [program, str(naps), str(steps), str(code)]}


def nsys(**options: Any) -> list[dict[str, Any]]:
    """`spec.collectors`."""
    return [{"name": "nsys", "options": {"trace": ["osrt", "nvtx"], **options}}]


def result(tmp_path: Path) -> tuple[list[Entry], dict[str, Any]]:
    """The entries, and the first run in the status."""
    folder = tmp_path / "profiling_output"
    status = json.loads((folder / "status.json").read_text())["status"]
    return list(entries.load(folder / "entries.jsonl.gz")), status["runs"][0]


@pytest.mark.parametrize("code", [0, 7])
def test_system_calls_are_entries(
    profjob: Run, job_file: JobFile, tmp_path: Path, program: str, code: int
) -> None:
    """Counts and sums are those of the export; the application's exit code is its own."""
    job = job_file(app=app(program, CALLS, code=code), collectors=nsys(), output={"raw": True})

    done = profjob("run", job)
    told, run = result(tmp_path)

    assert done.returncode == (3 if code else 0), done.stderr
    assert run["app"]["exitCode"] == code
    assert run["collectors"][0]["usable"], run
    naps = [one for one in told if one.name == "usleep"]
    assert len(naps) == 2 * CALLS
    assert {one.kind for one in naps} == {Kind.OS}
    assert len({one.thread for one in naps}) == 2
    assert sum(one.duration or 0 for one in naps) >= 2 * CALLS * 2_000_000
    assert {one.clock for one in told} == {None}
    agrees_with_sql(tmp_path, told)


def agrees_with_sql(tmp_path: Path, told: list[Entry]) -> None:
    """As `nsys stats -r osrtsum` adds up: by name, without nsys's own marks."""
    (database,) = (tmp_path / "profiling_output").rglob("nsys.sqlite")
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            'SELECT value, count(*), sum("end" - start) FROM OSRT_API JOIN StringIds ON id = nameId'
            " WHERE eventClass = 27 GROUP BY value"
        ).fetchall()
    mine: Counter[str] = Counter()
    times: Counter[str] = Counter()
    for one in told:
        if one.kind is Kind.OS and one.attributes and "returnValue" in one.attributes:
            mine[one.name] += 1
            times[one.name] += int(one.duration or 0)
    assert {(name, mine[name], times[name]) for name in mine} == set(rows)


def test_nsys_s_own_sums_agree(
    profjob: Run, job_file: JobFile, tmp_path: Path, program: str
) -> None:
    """`nsys stats` prints the same number of calls and the same time for each name."""
    profjob("run", job_file(app=app(program, CALLS), collectors=nsys(), output={"raw": True}))
    told, _ = result(tmp_path)
    (database,) = (tmp_path / "profiling_output").rglob("nsys.sqlite")
    words = ["nsys", "stats", "--report", "osrtsum", "--format", "csv", "--quiet", str(database)]

    done = subprocess.run(words, capture_output=True, text=True, check=True)

    lines = [line.split(",") for line in done.stdout.splitlines() if line.endswith("usleep")]
    naps = [one.duration or 0 for one in told if one.name == "usleep"]
    assert [(int(line[1]), int(line[2])) for line in lines] == [(sum(naps), len(naps))]


def test_at_the_limit_the_report_is_kept(
    profjob: Run, job_file: JobFile, tmp_path: Path, program: str
) -> None:
    """nsys is told first: it ends the application, and writes what it has."""
    job = job_file(app=app(program, 100_000), collectors=nsys(), timeoutSeconds=6, onTimeout="Stop")

    done = profjob("run", job)
    told, run = result(tmp_path)

    assert done.returncode == 0, done.stderr
    assert run["app"]["timedOut"]
    assert sum(one.name == "usleep" for one in told) > 100


def test_a_window_leaves_the_application_alone(
    profjob: Run, job_file: JobFile, tmp_path: Path, program: str
) -> None:
    """It goes on to its own end after the second that was measured."""
    job = job_file(app=app(program, 1500, code=5), collectors=nsys(duration=1))

    profjob("run", job)
    told, run = result(tmp_path)

    assert run["app"]["exitCode"] == 5
    naps = [one for one in told if one.name == "usleep"]
    assert 0 < len(naps) < 2 * 1500


@pytest.mark.needs("perf")
def test_samples_or_the_reason_why_not(
    profjob: Run, job_file: JobFile, tmp_path: Path, program: str
) -> None:
    """On new kernels nsys 2022 hangs at the end of about every second sampled run: then that is
    told, never an empty success."""
    options = nsys(sampling=True)
    job = job_file(
        app=app(program, 5, 60_000_000), collectors=options, timeoutSeconds=12, onTimeout="Stop"
    )

    profjob("run", job)
    told, run = result(tmp_path)
    collector = run["collectors"][0]

    if collector["usable"]:
        hot = [one for one in told if one.kind is Kind.SAMPLE and one.name == "hot"]
        assert hot and {one.path[-1] for one in hot if one.path} == {"hot"}
        assert any(one.kind is Kind.TIMER and one.name == "hot" for one in told)
    else:
        assert collector["reason"] == "CollectorHung", collector
