"""Reports are asked for where they are, and nobody else's is taken for one's own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import reconciling
from profiling_operator import assignment, reporting
from profiling_operator.api import Api
from profiling_operator.errors import StoreError
from profiling_operator.plan import Plan
from profiling_operator.reporting import Report
from profiling_operator.reports import Reports
from profiling_operator.settings import Settings, StoreSettings
from profiling_operator.status import Collected


async def no_token() -> str:
    """Of a client with a certificate."""
    return ""


def reports(url: str) -> Reports:
    """Those of one store."""
    cluster = cast(Api, SimpleNamespace(bearer_token=no_token))
    return Reports(cluster, Settings(stores={"default": StoreSettings(url=url)}))


def leave(folder: Path, plan: Plan, **changes: Any) -> None:
    """What an uploader leaves in a store that is a folder."""
    report = Report(
        plan.key, changes.get("uid", plan.uid), plan.attempt, "pod", Collected((), None)
    )
    place = folder / assignment.result_key(plan)
    place.mkdir(parents=True)
    (place / reporting.REPORT_FILE).write_text(changes.get("text", reporting.to_json(report)))


def test_a_report_is_found_by_job_uid_and_attempt(tmp_path: Path) -> None:
    """Where `assignment.result_key` says."""
    plan = reconciling.planned()
    leave(tmp_path, plan)

    found = asyncio.run(reports(tmp_path.as_uri())(plan))

    assert found is not None
    assert (found.uid, found.attempt) == (plan.uid, 1)


@pytest.mark.parametrize("changes", [{"uid": "another"}, {"text": "{}"}, {"text": "no JSON"}])
def test_what_is_no_report_of_this_attempt_is_none(tmp_path: Path, changes: dict[str, str]) -> None:
    """Whatever lies there."""
    plan = reconciling.planned()
    leave(tmp_path, plan, **changes)

    assert asyncio.run(reports(tmp_path.as_uri())(plan)) is None


def test_none_is_there(tmp_path: Path) -> None:
    """Neither the file, nor a store of that name."""
    plan = reconciling.planned()
    cluster = cast(Api, SimpleNamespace(bearer_token=no_token))

    assert asyncio.run(reports(tmp_path.as_uri())(plan)) is None
    assert asyncio.run(Reports(cluster, Settings(stores={}))(plan)) is None


def test_a_store_that_does_not_answer_is_told() -> None:
    """Asking again may help, which the caller decides."""
    with pytest.raises(StoreError):
        asyncio.run(reports("http://127.0.0.1:1/v1/results")(reconciling.planned()))
