"""JSON Schemas of Kubernetes' objects and of ours, as kubeconform reads them.

    python tools/schemas.py

prints the folder, ${XDG_CACHE_HOME:-~/.cache}/profjob/schemas/VERSION, which is made once of the
description of Kubernetes' API in its Go module. Every schema refuses fields that it does not know.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "operator"), str(ROOT / "tools")]  # no install is needed for this

import go_programs  # noqa: E402 - found by the line above

from profiling_operator import crd  # noqa: E402

SPEC = Path("api/openapi-spec/swagger.json")
PATTERN = "{{.ResourceKind}}{{.KindSuffix}}.json"
"""How the files are named, as kubeconform says it."""

Schema = dict[str, Any]


def folder() -> Path:
    """The folder with a schema per kind; it is made where it is missing.

    Raises:
        go_programs.Missing: there is no Go to fetch the description with, or it cannot be fetched.
    """
    made = go_programs.cache() / "schemas" / go_programs.KUBERNETES
    if not made.is_dir():
        made.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".schemas-", dir=made.parent))
        for name, schema in schemas(described()):
            (unfinished / name).write_text(json.dumps(schema), encoding="utf-8")
        unfinished.rename(made)
    # Ours changes with the checkout.
    (made / "profilingjob-profiling-v1alpha1.json").write_text(json.dumps(own()), encoding="utf-8")
    return made


def described() -> Schema:
    """The OpenAPI description of Kubernetes' API."""
    module = f"k8s.io/kubernetes@{go_programs.KUBERNETES}"
    if not shutil.which("go"):
        raise go_programs.Missing(f"{module} is fetched with Go (https://go.dev/dl)")
    done = subprocess.run(
        ["go", "mod", "download", "-json", module],  # noqa: S607 - the user's Go
        cwd=tempfile.gettempdir(),  # in no module of anybody's
        env=os.environ | {"GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "auto"},
        text=True,
        capture_output=True,
    )
    if done.returncode:
        raise go_programs.Missing(f"go mod download {module} failed:\n{done.stdout}{done.stderr}")
    read: Schema = json.loads((Path(json.loads(done.stdout)["Dir"]) / SPEC).read_text())
    return read


def schemas(description: Schema) -> Iterator[tuple[str, Schema]]:
    """Each kind's file name and schema, with all that it refers to."""
    definitions = description["definitions"]
    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            needed = {one: strict(definitions[one]) for one in _reached(name, definitions)}
            group = kind["group"].partition(".")[0]
            words = [kind["kind"].lower(), *([group] if group else []), kind["version"]]
            yield (
                f"{'-'.join(words)}.json",
                {"$ref": f"#/definitions/{name}", "definitions": needed},
            )


def own() -> Schema:
    """ProfilingJob."""
    version = crd.build()["spec"]["versions"][0]
    schema: Schema = strict(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def strict(node: Any) -> Any:
    """A schema that refuses unknown fields, and knows what an integer or string is."""
    if isinstance(node, list):
        return [strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") == "int-or-string":
        return {"type": ["integer", "string"]}
    made = {name: strict(one) for name, one in node.items()}
    free = node.get("x-kubernetes-preserve-unknown-fields")
    # Where a schema stands, `properties` is a mapping of schemas; a field may have that name, too.
    if node.get("type") == "object" and isinstance(node.get("properties"), dict):
        made.setdefault("additionalProperties", bool(free))
    return made


def _reached(name: str, definitions: Schema) -> set[str]:
    """The definition and all that it refers to, over any number of steps."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += _references(definitions[one])
    return found


def _references(node: Any) -> Iterator[str]:
    inner: list[Any] = []
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix("#/definitions/")
        inner = list(node.values())
    elif isinstance(node, list):
        inner = node
    for one in inner:
        yield from _references(one)


if __name__ == "__main__":
    try:
        print(folder())
    except go_programs.Missing as problem:
        sys.exit(str(problem))
