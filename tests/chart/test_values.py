"""The chart's values: their description, and what is made of it."""

from __future__ import annotations

import sys
from pathlib import Path

import jsonschema
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "profiling-operator"
sys.path.insert(0, str(ROOT / "tools"))

import chart_values  # noqa: E402 - found by the line above


def test_what_is_made_of_the_description_is_fresh() -> None:
    """Otherwise: python tools/generate.py."""
    assert (CHART / "values.schema.json").read_text() == chart_values.schema()
    assert (CHART / "values.yaml").read_text() == chart_values.values()
    assert (CHART / "README.md").read_text() == chart_values.readme()


def test_values_are_the_defaults_of_the_description() -> None:
    """Written out as YAML and read again, and accepted by their own schema."""
    values = yaml.safe_load(chart_values.values())
    schema = yaml.safe_load(chart_values.schema())

    assert values == chart_values.defaults()
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator(schema).validate(values)


def test_every_value_is_told() -> None:
    """In the table, by its path, with its meaning."""
    table = chart_values.table()

    for path in ("crds.keep", "resultsServer.serviceAccount.name", "jenkins.rbac.createPods"):
        assert f"| `{path}` |" in table
    assert "| |" not in table


def test_settings_have_the_names_that_the_operator_reads() -> None:
    """In snake_case, as in its file; others are refused."""
    settings = yaml.safe_load(chart_values.schema())["properties"]["settings"]

    assert settings["additionalProperties"] is False
    assert {"kubernetes", "stores", "toolchains"} <= settings["properties"].keys()
    definitions = yaml.safe_load(chart_values.schema())["$defs"]
    assert "pull_policy" in definitions["KubernetesSettings"]["properties"]
