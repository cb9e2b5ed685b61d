"""The page as a whole: what a person reads on it, under which policy, of which size."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import made_up_results as made
from made_up_results import Page
from making import SOURCE_ROOT
from profiling_operator import report
from profiling_operator.report import page, results

LIMIT = 1_000_000


def written(folder: Path) -> Page:
    """The page of a folder, with everything checked that holds for all pages."""
    report.write(folder)
    size = sum((folder / name).stat().st_size for name in (report.PAGE_FILE, report.STYLE_FILE))
    assert size < LIMIT
    found = Page((folder / report.PAGE_FILE).read_text())
    found.check_policy()
    found.check_usable()
    return found


def test_what_a_person_looks_for_is_there(tmp_path: Path) -> None:
    """Job, outcome, headline, verdicts, numbers, pictures, runs, environment, files."""
    gates = [
        made.gate("timer:hot/exclusive", "Failed", value=500, limit=400, message="500 ns > 400 ns"),
        made.gate("app/duration", "Passed", value=1.1e9),
    ]
    folder = made.make(tmp_path / "r", summary=made.summary(gates=gates))
    made.trace(folder / "trace.json", made.slice_line("gemm", "kernel", 0, 100))
    (folder / "run-1").mkdir()
    (folder / "run-1" / "app.log").write_text("step\n")

    text = written(folder).text

    for words in (
        "ci/nbody", "1 gate was not met", "500 ns > 400 ns", "hot 80 % of 1 s", "Passed",
        "GPU NVIDIA H200", "Driver 570.86.15", "Node gpu-7", "Digest sha256:abc", "version 0.4.1",
        "rate 200", "idle no", "80.0 %", "Flame graph", "GPU 0", "Stream 7", "warm-up 0",
        "Completed, exit code 0", "pyspy: 40 entries", "1 converted", "summary.json",
        "run-1/app.log", "what the application printed", "profjob baseline accept",
    ):  # fmt: skip
        assert words in text, words


def test_a_page_is_made_again_as_it_was(tmp_path: Path) -> None:
    """So that making it changes nothing where nothing has changed."""
    folder = made.make(tmp_path / "r")
    report.write(folder)
    first = (folder / report.PAGE_FILE).read_bytes()

    report.write(folder)

    assert (folder / report.PAGE_FILE).read_bytes() == first


def test_the_smallest_page(tmp_path: Path) -> None:
    """What is there of a folder that says nearly nothing, word by word."""
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "summary.json").write_text(json.dumps({"job": "ci/a", "headline": "f 1 % of 2 s"}))

    assert written(folder).text == (
        "How it ended is not known: ci/a Skip to the results Profile ci/a ? How it ended is not "
        "known f 1 % of 2 s Files Files What lies beside this page File Size What it is for "
        "summary.json 43 B the numbers of this page, for programs Made by profjob; profjob compare "
        "tells what changed between two such folders."
    )


def test_a_folder_of_an_older_version_has_a_page(tmp_path: Path) -> None:
    """Without machine, totals, outcome and runs; gates as the status told them."""
    old = {
        key: value
        for key, value in made.summary().items()
        if key not in {"machine", "totals", "gates", "image"}
    }
    status = {
        "metadata": {"name": "nbody", "namespace": "ci"},
        "status": {
            "phase": "Failed",
            "conditions": [{
                "type": "Finished", "status": "True", "reason": "AppFailed",
                "message": "run 0: exit code 3", "lastTransitionTime": "2026-11-23T10:00:00Z",
            }],
            "gates": [{"measure": "app/duration", "verdict": "Skipped", "message": "no numbers"}],
            "runs": [{
                "index": 0,
                "app": {"exitCode": 3, "reason": "AppFailed", "startedAt": made.STARTED,
                        "finishedAt": made.STARTED},
                "collectors": [{"name": "pyspy", "usable": False, "reason": "NothingMeasured",
                                "message": "ran too short"}],
            }],
        },
    }  # fmt: skip
    folder = made.make(tmp_path / "r", summary=old, metadata=None, status=status)

    text = written(folder).text

    assert "Failed AppFailed" in text and "run 0: exit code 3" in text
    assert "no numbers" in text and "NothingMeasured" in text and "ran too short" in text


def test_a_job_that_never_ran_has_a_page(tmp_path: Path) -> None:
    """It says why, and what to do."""
    condition = {
        "type": "Finished", "status": "True", "reason": "ImagePullFailed",
        "message": "registry.example/a:1: not found", "lastTransitionTime": "",
    }  # fmt: skip
    status = {
        "metadata": {"name": "a", "namespace": "ci"},
        "status": {"phase": "Failed", "conditions": [condition]},
    }
    folder = made.make(tmp_path / "r", summary=None, metadata=None, status=status, folded="")

    text = written(folder).text

    assert "Failed ImagePullFailed registry.example/a:1: not found" in text
    assert "What to do: Check the image's name" in text


def test_a_failed_application_shows_its_last_words(tmp_path: Path) -> None:
    """Without what would colour a terminal."""
    outcome = {"phase": "Failed", "reason": "AppFailed", "message": "run 0: exit code 2"}
    told = made.metadata(outcome=outcome, runs=[made.run(0, reason="AppFailed", exitCode=2)])
    folder = made.make(tmp_path / "r", metadata=told)
    (folder / "run-0").mkdir()
    (folder / "run-0" / "app.log").write_text("fine\n" * 5000 + "\x1b[31mno such file <x>\x1b[0m\n")

    text = written(folder).text

    assert "fine no such file <x>" in text
    assert "Failed AppFailed run 0: exit code 2" in text


@pytest.mark.parametrize("hostile", made.HOSTILE, ids=range(len(made.HOSTILE)))
def test_hostile_names_are_words_and_nothing_else(hostile: str, tmp_path: Path) -> None:
    """Wherever they stand."""
    body = made.summary(
        job=hostile, headline=hostile, image=hostile,
        machine={"gpus": [hostile], "driver": hostile, "cpu": hostile},
        gates=[made.gate(hostile, "Failed", message=hostile, value=1.0, values=[1.0, 2.0])],
        measures=[made.measured(f"{kind}:{hostile}/{hostile}", 1, 2)
                  for kind in ("kernel", "timer", "metric", hostile)],
    )  # fmt: skip
    told = made.metadata(
        node=hostile, device=hostile,
        collectors=[{"name": hostile, "options": {hostile: [hostile, {hostile: hostile}]}}],
        tools=[{"run": 0, "collector": hostile, hostile: hostile}],
        refused=[{"path": hostile, "reason": hostile}], fates={hostile: 1},
        outcome={"phase": hostile, "reason": hostile, "message": hostile},
        runs=[made.run(0, reason=hostile, message=hostile, startedAt=hostile, collectors=[
            {"name": hostile, "usable": False, "reason": hostile, "message": hostile}])],
    )  # fmt: skip
    folder = made.make(tmp_path / "r", summary=body, metadata=told, folded="")
    (folder / "folded.txt").write_text(f"{hostile.splitlines()[0]};b 5\n", errors="replace")
    made.trace(folder / "trace.json", made.slice_line(hostile, "kernel", 0, 5))

    found = written(folder)

    raw = (folder / report.PAGE_FILE).read_text()
    assert not {one for one in raw if not one.isprintable()} - set("\n\u00a0\u202f")
    assert found.all("script") == []
    assert "{{ 7" not in hostile or "{{ 7 * 7 }}" in found.text  # no template of theirs


def test_hostile_files_are_told_and_the_page_is_made(tmp_path: Path) -> None:
    """Whatever is in the files: no JSON, other types, endless nesting, numbers that are none."""
    for number, body in enumerate((
        "{", "[1, 2]", "null", '"x"', "[" * 100_000, '{"measures": 7, "gates": {"a": 1}}',
        '{"measures": [{"measure": "app/duration", "unit": "ns", "values": [NaN, Infinity, 1]}]}',
        '{"measures": [{"measure": "kernel:a/duration", "unit": "ns", "values": [1e308, 1e308]}],'
        '"gates": [{"measure": "a", "value": Infinity, "limit": NaN, "values": [1, NaN, 3]}]}',
        '{"machine": {"gpus": 3}, "headline": "' + "x" * 100_000 + '"}',
        '{"job": 3, "headline": "still told"}', "\ufeff{}", '{"totals": {"timer": NaN}}',
    )):  # fmt: skip
        folder = made.make(
            tmp_path / str(number), summary=body, metadata=body, status=body, folded=body
        )
        made.trace(folder / "trace.json", body, '{"ph": "X", "ts": NaN}', '{"ph": "M", "args": 3}')
        text = written(folder).text
        assert "still told" in text or "still told" not in body


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    """Which file, and why."""
    folder = made.make(tmp_path / "r", summary="{")

    text = written(folder).text

    assert "unreadable summary.json: Expecting property name" in text


def test_a_page_that_cannot_be_made_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that says so stands in its place."""
    folder = made.make(tmp_path / "r")

    def fails(found: Any) -> str:
        raise ValueError("<odd>")

    monkeypatch.setattr(page, "render", fails)
    report.write_anyhow(folder)

    text = Page((folder / report.PAGE_FILE).read_text()).text
    assert "could not be made: ValueError: <odd>." in text
    assert "profjob report --anew" in text


def large(folder: Path) -> Path:
    """As large as the files of a job can be, with long names that need escaping."""

    def name(number: int) -> str:
        return f"<λ&\"'>::function_{number}<{'T, ' * 400}>"

    measures = [
        made.measured(f"{kind}:{name(number)}/{what}", *range(1, 101))
        for kind, what in (("kernel", "duration"), ("memcpy", "duration"), ("timer", "exclusive"),
                           ("timer", "inclusive"), ("sample", "exclusive"), ("range", "duration"),
                           ("api", "duration"), ("os", "duration"), ("counter", "value"),
                           ("metric", "mean"), ("metric", "max"))
        for number in range(100)
    ]  # fmt: skip
    gates = [
        made.gate(f"timer:{name(number)}/exclusive", "Failed", value=5.0, limit=4.0,
                  values=list(range(200)), message=name(number) * 3)
        for number in range(300)
    ]  # fmt: skip
    noted = [{"path": name(number), "reason": name(number)} for number in range(10_000)]
    told = made.metadata(
        refused=noted, runs=[made.run(number, message=name(number)) for number in range(1000)],
        collectors=[{"name": name(number), "options": {name(one): name(one) for one in range(50)}}
                    for number in range(20)],
    )  # fmt: skip
    stacks = "\n".join(
        ";".join(f"{name(number % 40 + depth)}" for depth in range(number % 20 + 1))
        + f";f{number} {number % 1000 + 1}"
        for number in range(3000)
    )
    made.make(folder, summary=made.summary(gates=gates, measures=measures), metadata=told,
              folded=stacks)  # fmt: skip
    lines = (
        made.slice_line(name(number % 50)[:250], kind, number * 10.0, 9.0, tid=number % 60)
        for number in range(20_000)
        for kind in ("kernel", "range")
    )
    made.trace(folder / "trace.json", *lines)
    return folder


def test_a_page_stays_below_a_megabyte(tmp_path: Path) -> None:
    """It shows the largest parts, and says that it does."""
    folder = large(tmp_path / "r")

    found = written(folder)

    assert "The profile is too large for one page" in found.text
    assert "more verdicts are not shown" in found.text
    assert found.all("svg") != []


def test_the_last_detail_always_fits(tmp_path: Path) -> None:
    """Of the largest folder, without any picture."""
    found = results.read(large(tmp_path / "r"))
    pictures = page.Pictures({}, page.slices.Trace(), "ns")
    text = (
        page.environment()
        .get_template(page.TEMPLATE)
        .render(page._content(found, pictures, page.DETAILS[-1]))
    )

    assert len(text.encode()) < page.PAGE_LIMIT


# How much memory this process had at most; not by getrusage: there its parent counts, too.
WRITE = r"""
import re, sys
from pathlib import Path
from profiling_operator import report
report.write(Path(sys.argv[1]))
print(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
"""


def test_memory_is_bounded(tmp_path: Path) -> None:
    """Fifty thousand stacks, two hundred thousand slices, of which those past the limit go."""
    stacks = "".join(f"main;s{number % 100};f{number} {number + 1}\n" for number in range(50_000))
    folder = made.make(tmp_path / "r", folded=stacks)
    made.trace(
        folder / "trace.json",
        *(made.slice_line(f"k{number % 300}", "kernel", number * 2.0, 1.0)
          for number in range(page.slices.SLICES_LIMIT + 10)),
    )  # fmt: skip

    done = subprocess.run(
        [sys.executable, "-c", WRITE, str(folder)],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": SOURCE_ROOT},
    )  # fmt: skip

    assert int(done.stdout) < 250_000
    text = Page((folder / report.PAGE_FILE).read_text()).text
    assert "200 000 kernels" in text and "Only the first 200 000 slices" in text
