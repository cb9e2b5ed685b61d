"""Take the pictures of docs/images: of real runs of an example, and of a made-up one of a GPU.

    python tools/pictures.py

Runs examples/python-threads twice, the second time with more work, and converts an export that
looks like one of Nsight Systems. Needs what tests/browser needs: Chromium, Node.js and what
tools/consumers.py installs.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "operator"), str(ROOT / "tests")]

import made_up_nsys  # noqa: E402 - found by the line above
import making  # noqa: E402
from browsing import Shot, opened  # noqa: E402
from profiling_operator import plan, uploader  # noqa: E402
from profiling_operator.executors import Observation, State  # noqa: E402
from profiling_operator.settings import Settings  # noqa: E402
from profiling_operator.workspace import Origin, RunRecord  # noqa: E402

IMAGES = ROOT / "docs" / "images"
EXAMPLE = ROOT / "examples" / "python-threads"
LARGEST = 300_000
REPETITIONS = 7
KERNELS = 300
STARTED = "2026-06-12T12:38:18.000000000Z"
SECTION = "section[aria-labelledby={}]"
GATES = (
    {"measure": "app/duration", "max": "20s"},
    {"measure": "timer:hot/exclusive", "max": "1s"},
    {"measure": "app/peakMemory", "max": "1Gi"},
)


def main() -> None:
    """Write the pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        before, after = _run(work, "nbody-1"), _run(work, "nbody-2", SLOWER="50")
        page = before / "report.html"
        _take(page, Shot("report-light.png"), Shot("report-dark.png", scheme="dark"))
        _take(page, Shot("report-flame.png", selector=SECTION.format("flame")))
        _profjob("compare", "-d", str(work / "page"), str(before), str(after))
        _take(
            work / "page" / "compare.html",
            Shot("compare.png"),
            Shot("compare-flame.png", selector=SECTION.format("flame")),
        )
        timeline = Shot("report-timeline.png", selector=SECTION.format("timeline"))
        _take(_made_up(work) / "report.html", timeline)


def _run(work: Path, name: str, **environment: str) -> Path:
    """The example, with these variables."""
    job = yaml.safe_load((EXAMPLE / "job.yaml").read_text())
    job["metadata"] = {"name": name, "namespace": "demo"}
    job["spec"] |= {"repetitions": REPETITIONS, "gates": list(GATES), "series": "nbody"}
    job["spec"]["app"] |= {
        "command": ["python3", str(EXAMPLE / "work.py")],
        "args": ["--rounds", "60"],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
    }
    file, folder = work / f"{name}.yaml", work / f"{name}_results"
    file.write_text(yaml.safe_dump(job))
    _profjob("run", str(file), "--results", str(folder), "--quiet")
    return folder


def _made_up(work: Path) -> Path:
    """The results of an export of Nsight Systems that nobody measured."""
    root, folder = work / "workspace", work / "gpu_results"
    (root / "run-0" / "nsys").mkdir(parents=True)
    folder.mkdir()
    made_up_nsys.make(root / "run-0" / "nsys" / "report.sqlite", kernels=KERNELS)
    planned = plan.build_plan(making.job(name="train-7", collectors=[{"name": "nsys"}]))
    run = RunRecord(
        index=0, warmup=False, reason="Completed", origin=Origin.APP, exit_code=0,
        started_at=STARTED, finished_at=STARTED, tool_exit_code=0,
        started_monotonic_ns=0, finished_monotonic_ns=10**9,
    )  # fmt: skip
    seen = Observation(State.ENDED, runs=(run,), node="gpu-node-7")
    uploader.collect(root, planned, seen, folder, Settings())
    return folder


def _profjob(*words: str) -> None:
    """A command; a gate that is not met is none of our errors."""
    command = [sys.executable, "-m", "profiling_operator", *words]
    done = subprocess.run(command, cwd=ROOT / "operator", stdout=subprocess.DEVNULL, check=False)
    if done.returncode > 1:
        sys.exit(f"profjob {words[0]} ended with exit code {done.returncode}")


def _take(page: Path, *shots: Shot) -> None:
    """Pictures of a page, each within its limit."""
    placed = [replace(one, file=str(IMAGES / one.file)) for one in shots]
    opened(page, axe=False, widths=(), shots=placed)
    for one in placed:
        size = Path(one.file).stat().st_size
        print(f"{one.file}  {size} bytes")
        if size > LARGEST:
            sys.exit(f"{one.file}: is larger than {LARGEST} bytes")


if __name__ == "__main__":
    main()
