"""The chart's values: values.schema.json, values.yaml and README.md, made of one description.

charts/profiling-operator/values.schema.base.yaml has types, defaults and meanings; the part below
`settings` is the schema of the operator's settings.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from profiling_operator.settings import Settings

CHART = Path(__file__).resolve().parent.parent / "charts" / "profiling-operator"
DESCRIBED = "values.schema.base.yaml"
GENERATED = f"made of {DESCRIBED} by tools/generate.py; do not edit"
TABLE_BEGIN, TABLE_END = f"<!-- values: {GENERATED} -->\n", "<!-- end of values -->\n"
GIVEN_BY_HELM = "global"
COMMENT_WIDTH = 100

Schema = dict[str, Any]


def described() -> Schema:
    """The description of the values."""
    read: Schema = yaml.safe_load((CHART / DESCRIBED).read_text(encoding="utf-8"))
    return read


def schema() -> str:
    """values.schema.json: the chart's own values, and the operator's settings below `settings`."""
    values = described()
    settings = Settings.model_json_schema(by_alias=False)
    values["$defs"] |= settings.pop("$defs", {})
    own = values["properties"]["settings"]
    values["properties"]["settings"] = settings | own | {"additionalProperties": False}
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def defaults(node: Schema | None = None, definitions: Schema | None = None) -> Any:
    """The default of every value, as Helm reads them from values.yaml."""
    node = described() if node is None else node
    definitions = node["$defs"] if definitions is None else definitions
    if "default" in node:
        return node["default"]
    inner = _resolved(node, definitions)["properties"]
    named = {name: one for name, one in inner.items() if name != GIVEN_BY_HELM}
    return {name: defaults(one, definitions) for name, one in named.items()}


def values() -> str:
    """values.yaml: each default below its meaning."""
    whole = described()
    return f"# {GENERATED}\n" + "".join(_lines(whole, whole["$defs"], 0))


def readme() -> str:
    """README.md, with the table of values between its marks."""
    text = (CHART / "README.md").read_text(encoding="utf-8")
    before, _, rest = text.partition(TABLE_BEGIN)
    _, end, after = rest.partition(TABLE_END)
    if not end:
        raise ValueError(f"README.md: no {TABLE_BEGIN!r} followed by {TABLE_END!r}")
    return f"{before}{TABLE_BEGIN}\n{table()}\n{TABLE_END}{after}"


def table() -> str:
    """Every value with its default and meaning, in Markdown."""
    whole = described()
    rows = [
        f"| `{path}` | `{json.dumps(default, ensure_ascii=False)}` | {meaning} |"
        for path, default, meaning in _leaves(whole, whole["$defs"], "")
    ]
    return "\n".join(["| value | default | meaning |", "| --- | --- | --- |", *rows]) + "\n"


def _lines(node: Schema, definitions: Schema, depth: int) -> Iterator[str]:
    margin = "  " * depth
    for name, one in _fields(node, definitions):
        if depth == 0:
            yield "\n"
        comment = _resolved(one, definitions) | one
        yield textwrap.indent(_wrapped(comment["description"], depth), f"{margin}# ")
        if "default" in one:
            yield f"{margin}{name}: {json.dumps(one['default'], ensure_ascii=False)}\n"
        else:
            yield f"{margin}{name}:\n"
            yield from _lines(one, definitions, depth + 1)


def _leaves(node: Schema, definitions: Schema, path: str) -> Iterator[tuple[str, Any, str]]:
    for name, one in _fields(node, definitions):
        if "default" in one:
            yield path + name, one["default"], one["description"]
        else:
            yield from _leaves(one, definitions, f"{path}{name}.")


def _fields(node: Schema, definitions: Schema) -> Iterator[tuple[str, Schema]]:
    properties = _resolved(node, definitions)["properties"]
    yield from ((name, one) for name, one in properties.items() if name != GIVEN_BY_HELM)


def _resolved(node: Schema, definitions: Schema) -> Schema:
    reference: str = node.get("$ref", "")
    return definitions[reference.rpartition("/")[2]] if reference else node


def _wrapped(text: str, depth: int) -> str:
    return textwrap.fill(text, COMMENT_WIDTH - 2 * depth - 2) + "\n"
