"""compare.html: two jobs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import made_up_results as made
from made_up_results import Page
from profiling_operator import report
from profiling_operator.report import compared, results
from profiling_operator.report.differential import Scale

FIVE = (1.0, 1.01, 0.99, 1.005, 0.995)
LIMIT = 1_000_000


def job(folder: Path, factor: float = 1.0, name: str = "ci/nbody-1", **more: Any) -> Path:
    """Results whose time in `hot` is so many times as long."""
    measures = [
        made.measured("app/duration", *(1e9 * one * (0.5 + 0.5 * factor) for one in FIVE)),
        made.measured("timer:hot/exclusive", *(5e8 * one * factor for one in FIVE)),
        made.measured("timer:cold/exclusive", *(5e8 * one for one in FIVE)),
        made.measured("app/peakMemory", *[3 << 20] * 5, unit="By"),
    ]
    said = {"job": name, "measures": measures, **more.pop("said", {})}
    runs = [made.run(index) for index in range(5)]
    text = f"main;hot {2.5e9 * factor}\nmain;cold 2.5e9\n"
    return made.make(
        folder, folded=text, summary=made.summary(**said), metadata=made.metadata(runs=runs), **more
    )


def page(
    tmp_path: Path, before: Path, after: Path, scale: Scale = Scale.RUN, *patterns: str
) -> Page:
    """The page of two folders, with everything checked that holds for all pages."""
    found = compared.compare(results.read(before), results.read(after), patterns or ("*",))
    path = compared.write(tmp_path / "made" / "page", found, scale)
    assert {one.name for one in path.parent.iterdir()} == {"compare.html", "report.css"}
    assert sum(one.stat().st_size for one in path.parent.iterdir()) < LIMIT
    assert (path.parent / "report.css").read_text() == report.style()
    read = Page(path.read_text())
    read.check_policy()
    read.check_usable()
    return read


def test_what_became_slower_is_the_first_that_is_read(tmp_path: Path) -> None:
    """Then the numbers, the picture with its words, and both jobs."""
    after = job(tmp_path / "b", 1.5, "ci/nbody-2")
    text = page(tmp_path, job(tmp_path / "a"), after).text.replace("\xa0", " ")

    assert text.startswith("2 measures became slower: ci/nbody-1 and ci/nbody-2")
    for words in (
        "ci/nbody-1 → ci/nbody-2", "2 slower, 2 within noise",
        "▲ slower", "≈ within noise", "+50.0 %", "+25.0 %", "500 ms ±", "750 ms ±",
        "hot: 500 ms before, 750 ms after, +250 ms (+50.0 %)", "cold: 500 ms before",
        "each divided by its number of runs", "Processor AMD EPYC AMD EPYC yes",
    ):  # fmt: skip
        assert words in text, words


def test_no_change_is_good(tmp_path: Path) -> None:
    """And what became faster is, too."""
    same = page(tmp_path, job(tmp_path / "a"), job(tmp_path / "b")).text
    faster = page(tmp_path, job(tmp_path / "a"), job(tmp_path / "b", 0.5)).text

    assert same.startswith("Nothing became slower beyond noise")
    assert faster.startswith("Nothing became slower beyond noise")
    assert "▼ faster" in faster


def test_jobs_that_are_not_alike_are_never_compared_in_silence(tmp_path: Path) -> None:
    """The first thing that is read is that, and what differs."""
    said = {"machine": {"gpus": ["NVIDIA A100"], "driver": "570.86.15", "cpu": "AMD EPYC"}}
    text = page(tmp_path, job(tmp_path / "a"), job(tmp_path / "b", 1.5, said=said)).text

    assert text.startswith("These jobs are not alike: numbers differ for other reasons, too")
    assert "GPU: NVIDIA H200 and NVIDIA A100" in text and "differs" in text


def test_one_repetition_tells_nothing(tmp_path: Path) -> None:
    """It is said why."""
    one = {"measures": [made.measured("app/duration", 1e9)]}
    text = page(tmp_path, job(tmp_path / "a", said=one), job(tmp_path / "b", said=one)).text

    assert text.startswith("Nothing can be told")
    assert "each job needs 2 at least" in text


def test_only_what_is_asked_for_is_there(tmp_path: Path) -> None:
    """Names and patterns."""
    before, after = job(tmp_path / "a"), job(tmp_path / "b", 1.5)
    text = page(tmp_path, before, after, Scale.TOTAL, "timer:hot/*", "app/peakMemory").text

    assert "timer:hot/exclusive" in text and "app/peakMemory" in text
    assert "app/duration" not in text and "timer:cold" not in text
    assert "each taken as a whole of the same width" in text


def test_folders_with_nothing_in_them_have_a_page(tmp_path: Path) -> None:
    """Without a picture, and without numbers."""
    empty = made.make(tmp_path / "a", folded="", summary={}, metadata=None)
    text = page(tmp_path, empty, empty).text

    assert "Nothing can be told" in text and "Neither of the jobs measured anything." in text
    assert "Differential" not in text


@pytest.mark.parametrize("name", made.HOSTILE)
def test_names_of_others_do_nothing(tmp_path: Path, name: str) -> None:
    """In jobs, measures, frames and circumstances."""
    measures = [made.measured(f"timer:{name}/exclusive", *FIVE)]
    said = {"measures": measures, "job": name, "identity": {"image": name}, "image": name}
    frame = name.encode(errors="replace").decode().replace("\n", " ").replace("\r", " ")
    folder = job(tmp_path / "a", said=said)
    (folder / "folded.txt").write_text(f"main;{frame} 5\n")
    found = page(tmp_path, folder, job(tmp_path / "b"))

    assert {tag for tag, _ in found.elements} & {"script", "img", "style"} == set()


def test_a_large_comparison_keeps_to_the_limit(tmp_path: Path) -> None:
    """Rows and boxes are left out, and that is said."""
    names = [f"{number}::{'<&>' * 60}" for number in range(3000)]
    measures = [made.measured(f"timer:{name}/exclusive", *FIVE) for name in names]
    folder = job(tmp_path / "a", said={"measures": measures})
    lines = (f"main;{name};{name} {number + 1}\n" for number, name in enumerate(names))
    (folder / "folded.txt").write_text("".join(lines))
    text = page(tmp_path, folder, job(tmp_path / "b")).text

    assert "more measures are not shown" in text
    assert "frames have a box of their own" in text
