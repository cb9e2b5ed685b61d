"""report.html and compare.html in a real browser, under the policy that Jenkins sends with them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

import made_up_results as made
from browsing import WIDTHS, Opened, opened
from profiling_operator import report
from profiling_operator.cli import showing
from profiling_operator.report import compared, results
from profiling_operator.report.differential import Scale

pytestmark = pytest.mark.needs("browser")

JENKINS = "sandbox allow-same-origin; default-src 'none'; img-src 'self'; style-src 'self';"
FIVE = (1.0, 1.01, 0.99, 1.005, 0.995)
MEGABYTE = 1_000_000


def rich(folder: Path, factor: float = 1.0) -> Path:
    """Results with everything that a page can have."""
    gates = [
        made.gate("timer:hot/exclusive", "Failed", value=5e8 * factor, limit=4e8,
                  values=[5e8 * factor * one for one in FIVE], interval=[4.9e8, 5.1e8],
                  band=[4e8, 6e8], baseline=4.5e8, compared=9,
                  message="500 ms > max 400 ms"),
        made.gate("app/duration", "Passed", value=1e9, values=[1e9 * one for one in FIVE]),
        made.gate("app/peakMemory", "Skipped", message="nothing accepted yet"),
    ]  # fmt: skip
    names = [f"step_{number}(int, std::vector<double> const&)" for number in range(60)]
    measures = [
        made.measured("app/duration", *(1e9 * one for one in FIVE)),
        made.measured("app/peakMemory", *[3 << 20] * 5, unit="By"),
        made.measured("timer:hot/exclusive", *(5e8 * one * factor for one in FIVE)),
        made.measured("timer:hot/inclusive", *(7e8 * one * factor for one in FIVE)),
        made.measured("kernel:gemm<float>/duration", *(2e8 * one for one in FIVE)),
        *(made.measured(f"timer:{name}/exclusive", *(1e6 * one for one in FIVE)) for name in names),
    ]
    text = "".join(f"main;solve;{name};hot {1e6 * (at + 1)}\n" for at, name in enumerate(names))
    log = {"path": "run-0/pyspy/b", "fate": "truncated", "run": 0, "message": "ends in a line"}
    metadata = made.metadata(
        runs=[made.run(index, warmup=not index) for index in range(6)],
        refused=[{"path": "run-0/link", "reason": "is a symbolic link"}], files=[log],
    )  # fmt: skip
    made.make(
        folder, folded=f"{text}main;hot {3e8 * factor}\n",
        summary=made.summary(gates=gates, measures=measures), metadata=metadata,
    )  # fmt: skip
    lines = [
        made.slice_line(f"gemm<{at % 3}>", kind, at * 10.0, 8.0)
        for kind in ("kernel", "memcpy", "range") for at in range(100)
    ]  # fmt: skip
    made.trace(folder / "trace.json", *lines)
    for index in range(6):
        (folder / f"run-{index}").mkdir()
        (folder / f"run-{index}/app.log").write_text("step 1\n")
    return folder


def failed(folder: Path) -> Path:
    """Results of a job that did not go well."""
    outcome = {"phase": "Failed", "reason": "AppFailed", "message": "exit code 3"}
    bad = made.run(1, exitCode=3, reason="AppFailed", message="exit code 3")
    made.make(
        folder, folded="", metadata=made.metadata(outcome=outcome, runs=[bad]),
        summary=made.summary(measures=[], totals={}, headline=""),
    )  # fmt: skip
    (folder / "run-1").mkdir()
    (folder / "run-1/app.log").write_text("Segmentation fault\n" * 50)
    return folder


def hostile(folder: Path) -> Path:
    """Results with names that nobody should trust."""
    measures = [made.measured(f"timer:{name}/exclusive", *FIVE) for name in made.HOSTILE]
    names = [name.encode(errors="replace").decode() for name in made.HOSTILE]
    frames = (" ".join(name.split()).replace(";", ":") for name in names)
    text = "".join(f"main;{name} {at + 1}\n" for at, name in enumerate(frames))
    gates = [made.gate(name, "Failed", message=name) for name in made.HOSTILE]
    said = made.summary(measures=measures, gates=gates, job="ci/<b>", headline=made.HOSTILE[0])
    return made.make(folder, folded=text, summary=said)


def million(folder: Path) -> Path:
    """Results of a profile of a million entries: as large as its files become."""
    names = [f"void ns{at % 97}::solve_{at}<double, {at}>(int const*)" for at in range(50_000)]
    measures = [made.measured(f"timer:{name}/exclusive", *FIVE) for name in names[:1000]]
    lines = (
        f"main;{names[at % 50]};{names[at % 5000]};{name} {at % 977 + 1}\n"
        for at, name in enumerate(names)
    )
    made.make(folder, folded="".join(lines), summary=made.summary(measures=measures))
    slices = (made.slice_line(names[at % 1000], "kernel", at * 3.0, 2.5) for at in range(200_000))
    made.trace(folder / "trace.json", *slices)
    return folder


def require_fine(found: Opened) -> None:
    """Nothing is blocked, missing, too wide, or against what WCAG asks for."""
    assert found.policy == JENKINS
    assert found.console == [] and found.blocked == []
    assert all(status in {200, 204} for status, _ in found.requests)
    assert {url.rpartition("/")[2] for _, url in found.requests} >= {"report.css"}
    assert "system-ui" in found.styled
    assert found.overflow == []
    assert found.violations == [], json.dumps(found.violations, indent=1)


def test_it_is_served_as_jenkins_does() -> None:
    """With the header of Jenkins' documentation, to the letter."""
    assert showing.POLICY == JENKINS


@pytest.mark.parametrize("make", [rich, failed, hostile])
def test_a_report_opens(tmp_path: Path, make: Any) -> None:
    """Light and dark, narrow and wide, on paper; without a word on the console."""
    folder, pdf = make(tmp_path / "r"), tmp_path / "page.pdf"
    report.write(folder)
    found = opened(folder / report.PAGE_FILE, pdf=pdf)

    require_fine(found)
    assert pdf.read_bytes().startswith(b"%PDF-")


def test_a_comparison_opens(tmp_path: Path) -> None:
    """Just so."""
    before, after = rich(tmp_path / "a"), rich(tmp_path / "b", 1.5)
    found = compared.compare(results.read(before), results.read(after))
    page, pdf = compared.write(tmp_path / "page", found, Scale.RUN), tmp_path / "page.pdf"

    require_fine(opened(page, pdf=pdf))
    assert pdf.read_bytes().startswith(b"%PDF-")


def test_the_largest_profile_opens(tmp_path: Path) -> None:
    """Fifty thousand stacks, two hundred thousand slices: under a megabyte, and it is drawn."""
    folder = million(tmp_path / "r")
    begun = time.process_time()
    report.write(folder)

    assert time.process_time() - begun < 60  # it takes a few seconds
    size = sum((folder / one).stat().st_size for one in (report.PAGE_FILE, report.STYLE_FILE))
    assert size < MEGABYTE
    require_fine(opened(folder / report.PAGE_FILE, widths=(360, 1280)))


def test_what_the_policy_blocks_is_noticed(tmp_path: Path) -> None:
    """These tests would see a page that breaks it: a script, a style, a font from elsewhere."""
    page = tmp_path / "bad.html"
    page.write_text(
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Bad</title>'
        '<link rel="stylesheet" href="report.css"><style>p { color: red }</style></head>'
        '<body><p style="width: 3000px">x</p><script>1</script>'
        '<img src="http://127.0.0.1:1/x.png"></body></html>'
    )
    (tmp_path / "report.css").write_text("p { color: #999 }")
    found = opened(page)

    assert len(found.console) >= 3 and found.blocked != []
    assert {one["id"] for one in found.violations} >= {"image-alt", "color-contrast"}


def test_what_is_too_wide_is_noticed(tmp_path: Path) -> None:
    """Even where it is a text that sticks out of its element."""
    page = tmp_path / "wide.html"
    page.write_text(
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Wide</title>'
        '<meta name="viewport" content="width=device-width"></head>'
        f"<body><main><h1>{'x' * 1000}</h1></main></body></html>"
    )
    assert {width for _, width, _ in opened(page, axe=False).overflow} == set(WIDTHS)
