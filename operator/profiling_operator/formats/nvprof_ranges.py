"""NVTX's ranges and markers, of which nvprof tells the beginnings and the ends one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from profiling_operator.entries import rfc3339
from profiling_operator.formats import nvprof_rows

MOST_OPEN = 100_000
METRIC = "TIME"
UNNAMED = "<unnamed>"


@dataclass
class Ranges:
    """Takes a trace's lines in their order; what it gives are fields of entries."""

    _begun: dict[tuple[int | None, str, str], list[int]] = field(default_factory=dict)
    _count: int = 0

    def take(self, text: str, time: int, process: int | None) -> Iterator[dict[str, Any]]:
        """A range when it ends, a marker at once; of equal names the last one begun ends first."""
        mark = nvprof_rows.mark(text)
        if mark is None:
            return
        key = (process, mark.name, mark.domain)
        if mark.what == "Marker":
            yield _fields(key, time, None)
        elif mark.what == "Range end":
            begun = self._begun.get(key)
            if begun:
                self._count -= 1
                began = begun.pop()
                if not begun:
                    del self._begun[key]
                yield _fields(key, began, time - began)
        elif self._count < MOST_OPEN:
            self._count += 1
            self._begun.setdefault(key, []).append(time)

    def open(self) -> Iterator[dict[str, Any]]:
        """The ranges whose end was not told."""
        for key, begun in self._begun.items():
            for began in begun:
                yield _fields(key, began, None, open=True)
        self._begun.clear()


def _fields(
    key: tuple[int | None, str, str], began: int, duration: int | None, **more: Any
) -> dict[str, Any]:
    process, name, domain = key
    if domain not in {"", UNNAMED}:
        more["domain"] = domain
    timed = {} if duration is None else {"duration": duration, "unit": "ns", "metric": METRIC}
    return {
        "name": name, "time": rfc3339(began), "process": process, "attributes": more or None,
        **timed,
    }  # fmt: skip
