"""Alerts and recording rules: they fire where they should, and are documented."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from profiling_operator.errors import Reason

ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts/profiling-operator/rules/profjob.rules.yaml"
CASES = Path(__file__).with_name("rules.test.yaml")
DOCUMENTED = (ROOT / "docs/metrics.md").read_text()
LISTED = [one for group in yaml.safe_load(RULES.read_text())["groups"] for one in group["rules"]]
ALERTS = {one["alert"]: one for one in LISTED if "alert" in one}
RECORDED = {one["record"]: one for one in LISTED if "record" in one}
NAME = re.compile(r"[a-z_:]*profjob_[a-z0-9_:]+")
OF_HISTOGRAMS = re.compile(r"(_seconds)_(?:bucket|sum|count)$")


def promtool(*words: str | Path) -> str:
    """Run promtool; what it says. Fails where it finds fault."""
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.needs("promtool")
def test_the_rules_are_valid() -> None:
    """Expressions, templates, names, and none twice."""
    assert f"{len(LISTED)} rules found" in promtool(
        "check", "rules", "--lint=all", "--lint-fatal", RULES
    )


@pytest.mark.needs("promtool")
def test_alerts_fire_where_they_should_and_nowhere_else() -> None:
    """As rules.test.yaml says."""
    assert "SUCCESS" in promtool("test", "rules", CASES)


@pytest.mark.needs("promtool")
def test_a_case_that_is_not_met_is_found(tmp_path: Path) -> None:
    """So that the test above means something."""
    known = yaml.safe_load(CASES.read_text())
    case = next(one for one in known["tests"] if one["name"] == "trouble of the operator's own")
    known |= {"rule_files": [str(RULES)], "tests": [case]}
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(known, width=1000).replace("waited 30m 0s", "waited 31m 0s"))
    words = ["promtool", "test", "rules", str(wrong)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "An object has waited 30m 0s" in done.stdout + done.stderr


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_has_a_case_where_it_fires_and_one_where_it_does_not(name: str) -> None:
    """In rules.test.yaml."""
    groups: list[dict[str, Any]] = yaml.safe_load(CASES.read_text())["tests"]
    cases = [one for group in groups for one in group["alert_rule_test"]]
    fires = {bool(one["exp_alerts"]) for one in cases if one["alertname"] == name}

    assert fires == {True, False}


@pytest.mark.parametrize("name", ALERTS)
def test_each_alert_says_what_to_do(name: str) -> None:
    """Severity, summary, description, and a place in the documentation."""
    alert = ALERTS[name]

    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert alert["annotations"]["runbook_url"] == f"docs/metrics.md#{name.lower()}"
    assert f"\n### {name}\n" in DOCUMENTED


def test_the_documentation_has_no_other_rules() -> None:
    """Neither alerts nor recorded ones."""
    assert re.findall(r"^### (\w+)$", DOCUMENTED, re.MULTILINE) == list(ALERTS)
    assert re.findall(r"^\| `([\w]+:[\w:]+)` \|", DOCUMENTED, re.MULTILINE) == list(RECORDED)


@pytest.mark.parametrize("rule", LISTED, ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_are_about_metrics_that_exist(rule: dict[str, Any]) -> None:
    """A wrong name would be silence, not an error."""
    used = {OF_HISTOGRAMS.sub(r"\1", name) for name in NAME.findall(rule["expr"])}

    assert used
    assert {name for name in used if f"`{name}`" not in DOCUMENTED} == set()


@pytest.mark.parametrize("rule", LISTED, ids=lambda rule: rule.get("alert") or rule["record"])
def test_rules_are_about_reasons_that_exist(rule: dict[str, Any]) -> None:
    """The words of the closed list."""
    quoted = re.findall(r'reason=~?"([^"]+)"', rule["expr"])

    assert {word for one in quoted for word in one.split("|")} <= set(Reason)
