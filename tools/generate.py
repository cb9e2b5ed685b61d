"""Writes what is made from the code: the CRD, the chart's copy of it, reference pages, schemas.

python tools/generate.py            write
python tools/generate.py --check    compare only; names the stale files and exits with 1
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "operator"), str(ROOT / "tools")]  # no install is needed for this

import chart_values  # noqa: E402 - found by the line above
import pages  # noqa: E402

from profiling_operator import crd, entries, seccomp  # noqa: E402

CHART = Path("charts/profiling-operator")
NAME_LINE = "  name: profilingjobs.profiling.dev\n"
KEEP = """\
  {{- if .Values.crds.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
"""


def chart_template() -> str:
    """The CRD as a template: `crds/` of a chart would be installed once and never upgraded."""
    text = crd.render()
    if "{{" in text or text.count(NAME_LINE) != 1:
        raise ValueError("the CRD cannot stand in a Helm template as it is")
    guarded = text.replace(NAME_LINE, NAME_LINE + KEEP)
    return f"{{{{- if .Values.crds.install }}}}\n{guarded}{{{{- end }}}}\n"


def entry_schema() -> str:
    """The JSON Schema of one entry."""
    return json.dumps(entries.schema(), indent=2, ensure_ascii=False) + "\n"


def perf_profile() -> str:
    """The seccomp profile for perf, as a kubelet takes it as a Localhost profile."""
    return json.dumps(seccomp.profile(["perf_event_open"]), indent=2) + "\n"


OUTPUTS: dict[Path, Callable[[], str]] = {
    Path("crds/profilingjobs.profiling.dev.yaml"): crd.render,
    CHART / "templates/crd.yaml": chart_template,
    CHART / "values.schema.json": chart_values.schema,
    CHART / "values.yaml": chart_values.values,
    CHART / "README.md": chart_values.readme,
    Path("docs/reference.md"): pages.reference,
    Path("docs/reasons.md"): pages.reasons,
    Path("docs/collectors.md"): pages.collectors,
    Path("docs/seccomp/perf.json"): perf_profile,
    Path("docs/entry.schema.json"): entry_schema,
    Path("operator/profiling_operator/entry.schema.json"): entry_schema,
}


def stale() -> list[Path]:
    """The files that differ from what the code says, or are missing."""
    return [path for path, make in OUTPUTS.items() if _content(path) != make()]


def _content(path: Path) -> str | None:
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def main() -> int:
    """Write or check; the exit code."""
    parser = argparse.ArgumentParser(description="Writes what is made from the code.")
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args().check
    paths = stale()
    for path in paths:
        print(f"{path}: {'stale; run: python tools/generate.py' if check else 'written'}")
        if not check:
            (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / path).write_text(OUTPUTS[path](), encoding="utf-8")
    return int(check and bool(paths))


if __name__ == "__main__":
    sys.exit(main())
