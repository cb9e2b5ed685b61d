"""Real series for `gates.py`: the examples, run again and again by `profjob run`, nothing changed.

Each series is an example with arguments and a collector of its own, and each of its jobs is a
`profjob run` of its own, process executor. The series take turns, a job each, so that what else
the machine does falls on all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
REPETITIONS = 5
PORT = 18993
JOB_SECONDS = 120
TIMES = ("app/duration", "app/cpu")
FUNCTIONS = {
    "c-static": "hot", "c-threads": "hot", "python-threads": "hot", "playback": "count_words",
}  # fmt: skip
"""The function that each example is about."""
OPTIONS = {"perf": "frequency", "pyspy": "rate"}


@dataclass(frozen=True)
class Series:
    """An example, what it is given, and how it is measured."""

    example: str
    args: tuple[str, ...]
    collector: str
    rate: int
    """Samples a second."""

    @property
    def name(self) -> str:
        """As in `c-static 20 perf 499`."""
        return " ".join((self.example, *self.args, self.collector, str(self.rate)))

    @property
    def function(self) -> str:
        """What the example spends its time in; perf sees Python's own function."""
        in_python = self.collector == "perf" and not self.example.startswith("c-")
        return "_PyEval_EvalFrameDefault" if in_python else FUNCTIONS[self.example]

    def job(self, built: Path) -> dict[str, Any]:
        """The resource."""
        words = {
            "c-static": [str(built / "spin")],
            "c-threads": [str(built / "app")],
            "python-threads": [sys.executable, str(EXAMPLES / "python-threads/work.py")],
            "playback": [sys.executable, str(EXAMPLES / "playback/client.py")],
        }[self.example]
        spec: dict[str, Any] = {
            "app": {"command": words, "args": list(self.args)},
            "collectors": [
                {"name": self.collector, "options": {OPTIONS[self.collector]: self.rate}}
            ],
            "repetitions": REPETITIONS,
            "timeoutSeconds": 60,
        }
        if self.example == "playback":
            spec["playback"] = {
                "command": [sys.executable, str(EXAMPLES / "playback/server.py")],
                "env": [{"name": "PORT", "value": str(PORT)}],
                "port": PORT,
                "readiness": {"httpGet": "/ready", "timeoutSeconds": 30},
            }
        return {
            "apiVersion": "profiling.dev/v1alpha1",
            "kind": "ProfilingJob",
            "metadata": {"name": self.example},
            "spec": spec,
        }


def every_series() -> list[Series]:
    """Thirty of them."""
    return [
        *_perf("c-static", "10", "16", "24", "32", "40"),
        *_perf("c-threads", "1", "2", "3", "4", "5"),
        *_perf("python-threads", "--rounds 4", "--rounds 8"),
        *_perf("playback", "15"),
        *(Series("python-threads", ("--rounds", "30"), "pyspy", rate) for rate in (100, 200)),
        *(Series("playback", ("80",), "pyspy", rate) for rate in (100, 200)),
    ]


def _perf(example: str, *args: str) -> Iterator[Series]:
    for words in args:
        for frequency in (499, 1999):
            yield Series(example, tuple(words.split()), "perf", frequency)


def collect(file: Path, jobs: int) -> None:
    """Run so many jobs of each series, and append a line for each; go on with a file begun."""
    begun = file.read_text().splitlines() if file.exists() else []
    done = Counter(json.loads(line)["series"] for line in begun)
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder)
        _build(built)
        for number in range(jobs):
            for series in every_series():
                if done[series.name] <= number:
                    told = {"series": series.name, "job": number, **_run(series, built)}
                    with file.open("a") as lines:
                        lines.write(f"{json.dumps(told)}\n")
            print(f"{number + 1} of {jobs} jobs of each series", file=sys.stderr, flush=True)


def _build(built: Path) -> None:
    """The programs in C, as their Makefiles build them."""
    flags = ["-O1", "-g", "-fno-omit-frame-pointer", "-fno-inline"]
    static = [*flags, "-static", str(EXAMPLES / "c-static/spin.c"), "-o", str(built / "spin")]
    threads = ["-O1", "-g", "-no-pie", "-pthread", str(EXAMPLES / "c-threads/app.c")]
    subprocess.run(["cc", *static], check=True)
    subprocess.run(["cc", *threads, "-o", str(built / "app"), "-lm"], check=True)


def _run(series: Series, built: Path) -> dict[str, Any]:
    """What one job measured, or why it did not."""
    job, results = built / "job.json", built / "results"
    job.write_text(json.dumps(series.job(built)))
    words = [sys.executable, "-m", "profiling_operator", "run", str(job)]
    load = os.getloadavg()[0]
    done = subprocess.run(
        [*words, "--results", str(results)],
        check=False, capture_output=True, text=True, timeout=JOB_SECONDS,
        env={**os.environ, "PROFJOB_STATE_DIR": str(built / "state")},
    )  # fmt: skip
    told = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "load": round(load, 2)}
    if done.returncode:
        return {**told, "failed": done.stderr[-300:]}
    summary = json.loads((results / "summary.json").read_text())
    return {**told, "measures": _picked(summary["measures"], series.function)}


def _picked(measures: list[dict[str, Any]], function: str) -> dict[str, Any]:
    """The times of the application, and the function's own."""
    found = {
        one["measure"]: one["values"]
        for one in measures
        if one["measure"] in TIMES or _names(one["measure"], function)
    }
    return dict(list(found.items())[: len(TIMES) + 1])


def _names(measure: str, function: str) -> bool:
    name = measure.partition(":")[2]
    return name.startswith(function) and measure.endswith("/exclusive")
