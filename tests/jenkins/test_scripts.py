"""Pipelines and the step compile as Jenkins compiles them, and the linter has no complaint."""

from __future__ import annotations

import subprocess
from pathlib import Path

import builds
import pytest
from builds import ROOT, Harness

import jenkins

pytestmark = pytest.mark.needs("jenkins")

SCRIPTS = sorted(
    str(path.relative_to(ROOT))
    for path in (
        ROOT / "Jenkinsfile",
        *(ROOT / "vars").glob("*.groovy"),
        *(ROOT / "examples" / "jenkins").rglob("Jenkinsfile"),
    )
)


def test_all_are_found() -> None:
    """The project's own pipeline, the step, and three examples."""
    assert {"Jenkinsfile", "vars/profilingJob.groovy"} < set(SCRIPTS)
    assert len([one for one in SCRIPTS if one.startswith("examples/")]) == len(
        list((ROOT / "examples" / "jenkins").glob("*/Jenkinsfile"))
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_it_compiles(harness: Harness, script: str) -> None:
    """With Groovy 2.4 and the transformation of Jenkins' interpreter."""
    assert harness.ask(compile=str(ROOT / script))["compiled"]


def test_the_linter_has_no_complaint() -> None:
    """No error, no warning, no note."""
    done = subprocess.run(
        jenkins.lint("--failon", "info", *SCRIPTS),
        cwd=ROOT, capture_output=True, text=True, timeout=170, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_step_has_a_help_for_each_parameter(harness: Harness, tmp_path: Path) -> None:
    """Those that the step knows, and no others."""
    help_text = (ROOT / "vars" / "profilingJob.txt").read_text()
    (refusal,) = builds.calls_of(builds.Agent(harness, tmp_path).step(nonsense=1), "error")
    known = refusal.partition("there are ")[2].split(", ")
    told = [
        name
        for line in help_text.splitlines() if line.startswith("<dt>")
        for name in line.removeprefix("<dt>").partition("</dt>")[0].split(", ")
    ]  # fmt: skip

    assert sorted(told) == sorted(known)
