"""Result folders made up for tests of the page: a good one, and whatever is changed of it."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

STARTED = "2026-11-23T10:00:00.000000000Z"
VOID = {"meta", "link", "br"}
FORBIDDEN = {"script", "style", "iframe", "object", "embed", "base", "form", "img"}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a\u202eevil\u2066b\u200bc\x00\x1b[31m\x07\r\nd",
    "&amp;lt;&#x3c;style&gt;{{ 7 * 7 }}{% include 'x' %}",
    "\ud800 alone",
    "العربية mixed with latin",
    "x" * 1_000_000,
)
"""Names that a profile may hold."""


def gate(measure: str, verdict: str, **more: Any) -> dict[str, Any]:
    """A verdict, as summary.json has it."""
    told = {
        "measure": measure, "verdict": verdict, "message": f"{measure} is {verdict.lower()}",
        "statistic": "median", "unit": "ns", "values": [], "interval": None, "band": None,
        "compared": 0,
    }  # fmt: skip
    return {**told, **more}


def measured(measure: str, *values: float, unit: str = "ns") -> dict[str, Any]:
    """A measure, as summary.json has it."""
    return {"measure": measure, "unit": unit, "values": list(values)}


def run(index: int, **more: Any) -> dict[str, Any]:
    """A run of a second, as metadata.json has it."""
    collector = {"name": "pyspy", "usable": True, "entries": 40, "reason": "", "message": ""}
    told = {
        "index": index, "warmup": False, "reason": "Completed", "origin": "app",
        "startedAt": STARTED, "finishedAt": STARTED, "startedMonotonicNs": 0,
        "finishedMonotonicNs": 10**9, "message": "", "exitCode": 0, "signal": None,
        "timedOut": False, "userSeconds": 0.5, "systemSeconds": 0.25,
        "peakMemoryBytes": 3 << 20, "collectors": [collector],
    }  # fmt: skip
    return {**told, **more}


def summary(**more: Any) -> dict[str, Any]:
    """summary.json of a job that went well."""
    told: dict[str, Any] = {
        "job": "ci/nbody", "series": "nbody", "uid": "u-1", "headline": "hot 80 % of 1 s",
        "image": "registry.example/nbody:7@sha256:abc",
        "machine": {"gpus": ["NVIDIA H200"], "driver": "570.86.15", "cpu": "AMD EPYC"},
        "gates": [], "totals": {"timer": 2000.0},
        "measures": [
            measured("app/duration", 1e9, 1.1e9, 1.2e9),
            measured("app/peakMemory", 3 << 20, 3 << 20, 4 << 20, unit="By"),
            measured("timer:hot/exclusive", 600, 500, 500),
            measured("timer:hot/inclusive", 800, 700, 700),
            measured("timer:cold/exclusive", 100, 100, 200),
        ],
        "stacksLeftOut": 0, "timelineLeftOut": 0,
    }  # fmt: skip
    return {**told, **more}


def metadata(**more: Any) -> dict[str, Any]:
    """metadata.json of a job that went well."""
    told: dict[str, Any] = {
        "job": "ci/nbody", "series": "nbody", "uid": "u-1", "attempt": 1, "node": "gpu-7",
        "device": "0", "collectors": [{"name": "pyspy", "options": {"rate": 200, "idle": False}}],
        "tools": [{"run": 0, "collector": "pyspy", "version": "0.4.1"}],
        "files": [{"run": 0, "path": "run-0/pyspy/a.folded", "fate": "converted"}],
        "refused": [], "fates": {"converted": 1},
        "outcome": {"phase": "Succeeded", "reason": "Completed", "message": "hot 80 % of 1 s"},
        "runs": [run(0, warmup=True), run(1), run(2), run(3)],
    }  # fmt: skip
    return {**told, **more}


def make(folder: Path, *, folded: str = "main;hot 800\nmain;cold 200\n", **files: Any) -> Path:
    """A result folder; `summary`, `metadata` and `status` replace what these files hold."""
    folder.mkdir(parents=True, exist_ok=True)
    bodies = {"summary": summary(), "metadata": metadata(), **files}
    for name, body in bodies.items():
        if body is not None:
            text = body if isinstance(body, str) else json.dumps(body)
            (folder / f"{name}.json").write_text(text)
    if folded:
        (folder / "folded.txt").write_text(folded)
    return folder


def slice_line(name: str, kind: str, start: float, duration: float, **more: Any) -> str:
    """A line of trace.json: microseconds."""
    event = {
        "name": name, "cat": f"nsys,{kind}", "ph": "X", "ts": start, "dur": duration,
        "pid": 1, "tid": 2,
    }  # fmt: skip
    return json.dumps({**event, **more})


def trace(path: Path, *lines: str, names: bool = True) -> Path:
    """A trace.json with these events."""
    named = [
        json.dumps({"name": name, "cat": "__metadata", "ph": "M", "pid": 1, "tid": thread,
                    "args": args})
        for name, thread, args in (
            ("process_name", 1, {"name": "GPU 0"}),
            ("thread_name", 2, {"name": "Stream 7"}),
            ("thread_sort_index", 2, {"sort_index": 2}),
        )
    ]  # fmt: skip
    events = ",\n".join([*lines, *(named if names else [])])
    path.write_text(f'{{"displayTimeUnit":"ns","traceEvents":[\n{events}\n],"otherData":{{}}}}\n')
    return path


class Page(HTMLParser):
    """A page as its elements, texts and attributes; refuses what is not well nested."""

    def __init__(self, text: str) -> None:
        """Read it."""
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember it."""
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """It must be the one that is open."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Remember what people read."""
        self.texts.append(data)

    @property
    def text(self) -> str:
        """All of it, in a line."""
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def check_policy(self) -> None:
        """Nothing of what Jenkins' policy would block, and nothing from elsewhere."""
        for tag, attributes in self.elements:
            assert tag not in {
                "script",
                "style",
                "iframe",
                "object",
                "embed",
                "base",
                "form",
                "img",
            }
            for key, value in attributes.items():
                assert not key.startswith("on") and key != "style", (tag, key)
                if key in {"href", "src", "xlink:href", "action", "data"}:
                    assert "//" not in value and ":" not in value, (tag, value)

    def check_usable(self) -> None:
        """What a screen reader and a keyboard need."""
        levels = [int(tag[1]) for tag, _ in self.elements if tag in {"h1", "h2", "h3", "h4"}]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        ids = [one["id"] for _, one in self.elements if "id" in one]
        assert len(ids) == len(set(ids))
        for _, one in self.elements:
            for key in ("href", "aria-labelledby"):
                if one.get(key, "").startswith("#") or (key == "aria-labelledby" and key in one):
                    assert one[key].removeprefix("#") in ids, one
        assert len(self.all("caption")) == len(self.all("table"))
        assert all("scope" in one for one in self.all("th"))
        for one in self.all("svg"):
            assert one.get("role") != "img" or one.get("aria-label")
        assert self.all("html") == [{"lang": "en"}]
        assert len(self.all("main")) == 1
        regions = [one["aria-label"] for _, one in self.elements if one.get("role") == "region"]
        assert len(regions) == len(set(regions))
