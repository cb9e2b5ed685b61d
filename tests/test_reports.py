"""Reports are asked for where they are, and nobody else's is taken for one's own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import reconciling
from profiling_operator import assignment, reporting
from profiling_operator.api import Api
from profiling_operator.errors import StoreError
from profiling_operator.keeping import NotAcceptableError
from profiling_operator.plan import Plan
from profiling_operator.reporting import Report
from profiling_operator.reports import Baselines, Reports
from profiling_operator.settings import Settings, StoreSettings
from profiling_operator.status import Collected
from profiling_operator.stores import StoreRefusedError
from test_keeping import GATES, summary


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


def kept(url: str, **stores: Any) -> Baselines:
    """The baselines of one store."""
    cluster = cast(Api, SimpleNamespace(bearer_token=no_token))
    return Baselines(cluster, Settings(stores=stores or {"default": StoreSettings(url=url)}))


def leave_summary(folder: Path, plan: Plan, **changes: Any) -> None:
    """What an uploader leaves in a store that is a folder."""
    place = folder / assignment.result_key(plan)
    place.mkdir(parents=True, exist_ok=True)
    (place / "summary.json").write_text(json.dumps(summary(**changes)))


def test_an_attempt_is_added_and_then_known_to_the_next_plan(tmp_path: Path) -> None:
    """From its summary in the store; a second time changes nothing."""
    plan = reconciling.planned(body=reconciling.owner(gates=GATES))
    leave_summary(tmp_path, plan)
    mine = kept(tmp_path.as_uri())

    said = [asyncio.run(mine.accept(plan, "main")) for _ in range(2)]
    main, nightly = asyncio.run(mine.snapshots(plan))

    assert said == ["one of 1 jobs of baseline main of test, EPYC"] * 2
    assert [one.uid for one in main.windows[0].jobs] == [plan.uid]
    assert nightly.windows == ()


@pytest.mark.parametrize(("changes", "says"), [
    ({"gates": [{"measure": "m", "verdict": "Failed"}]}, "a gate failed: m"),
    ({"uid": "another"}, "another job"),
])  # fmt: skip
def test_a_summary_that_tells_otherwise_is_not_added(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    """The file has all verdicts, the status may have lost some."""
    plan = reconciling.planned()
    leave_summary(tmp_path, plan, **changes)

    with pytest.raises(NotAcceptableError, match=says):
        asyncio.run(kept(tmp_path.as_uri()).accept(plan, "main"))


def test_there_is_nothing_to_add(tmp_path: Path) -> None:
    """Neither a summary, nor a store of that name; plans then start with that as a problem."""
    plan = reconciling.planned(body=reconciling.owner(gates=GATES))
    nowhere = kept("", other=StoreSettings(url=tmp_path.as_uri()))

    with pytest.raises(NotAcceptableError, match=r"no summary\.json"):
        asyncio.run(kept(tmp_path.as_uri()).accept(plan, "main"))
    with pytest.raises(StoreRefusedError, match='no store is named "default"'):
        asyncio.run(nowhere.accept(plan, "main"))
    assert "no store" in asyncio.run(nowhere.snapshots(plan))[0].problem
    assert "begins with" in asyncio.run(kept("ftp://x").snapshots(plan))[0].problem
