"""How a status is kept small enough to be stored."""

from __future__ import annotations

import json
from typing import Any

from profiling_operator.status.resource import Status

SIZE_LIMIT = 16 << 10
SUMMARY_LIMIT = 20
SHORT_MESSAGE = 128  # characters of a condition's message where there is no room for more


def fit(status: Status, limit: int = SIZE_LIMIT) -> dict[str, Any]:
    """The status as JSON of at most `limit` bytes: what does not fit is dropped.

    Dropped from the end of the largest list, while any has more than one element; of runs and
    attempts the first ones go, since the last one tells how it ended. `truncated` says so.
    """
    body = status.model_dump(mode="json", exclude_none=True)
    results = body.get("results", {})
    dropped = len(results.get("summary", [])) > SUMMARY_LIMIT
    if dropped:
        results["summary"] = results["summary"][:SUMMARY_LIMIT]
    if _size(body) > limit:
        dropped = True
        _drop(body, _size(body) - limit + len(b', "results": {"truncated": false}'))
    if dropped:
        body.setdefault("results", {})["truncated"] = True
    if _size(body) > limit:
        for condition in body["conditions"]:
            condition["message"] = condition["message"][:SHORT_MESSAGE]
    return body


def _drop(body: dict[str, Any], excess: int) -> None:
    """Take elements from the lists until so many bytes are saved, or nothing is left."""
    results = body.get("results", {})
    lists: list[tuple[list[Any], int]] = [
        (results.get("files", []), -1),
        (results.get("summary", []), -1),
        (body["gates"], -1),
        (body["runs"], 0),
        (body["attempts"], 0),
    ]
    sizes = [[_size(element) for element in elements] for elements, _ in lists]
    totals = [sum(listed) for listed in sizes]
    while excess > 0 and any(totals):
        several = [which for which, (elements, _) in enumerate(lists) if len(elements) > 1]
        largest = max(several or range(len(lists)), key=lambda which: totals[which])
        elements, end = lists[largest]
        elements.pop(end)
        saved = sizes[largest].pop(end)
        totals[largest] -= saved
        excess -= saved


def _size(body: Any) -> int:
    return len(json.dumps(body, ensure_ascii=False).encode())
