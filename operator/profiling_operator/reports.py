"""Asks a job's store for what an uploader left of an attempt, and for baselines; writes those."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

from profiling_operator import assignment, keeping, reporting, stores
from profiling_operator.api import Api
from profiling_operator.baselines import Snapshot
from profiling_operator.keeping import SUMMARY_FILE, SUMMARY_LIMIT, NotAcceptableError
from profiling_operator.plan import Plan
from profiling_operator.reporting import REPORT_FILE, REPORT_LIMIT, Report
from profiling_operator.settings import Settings
from profiling_operator.status import time_text
from profiling_operator.stores import ResultStore, StoreRefusedError

CHANGE_SECONDS = 10.0  # for a baseline that others change at the same moment


async def _store_of(plan: Plan, api: Api, known: Settings) -> ResultStore | None:
    """The store of a job; None where the settings name none like it. Raises StoreRefusedError."""
    named = known.stores.get(plan.output.store)
    if named is None:
        return None
    is_pod = Path(assignment.RESULTS_TOKEN).exists()
    return stores.open_store(
        named.url,
        token="" if is_pod else await api.bearer_token(),
        token_file=assignment.RESULTS_TOKEN if is_pod else "",
        ca=named.ca,
        options=named.options,
    )


class Reports:
    """The reports of all stores that the settings name."""

    def __init__(self, api: Api, known: Settings) -> None:
        """`api` has the token to show where this is no pod with one for the results server."""
        self._api = api
        self._known = known

    async def __call__(self, plan: Plan) -> Report | None:
        """An attempt's report; None where there is none, or the store shows it to nobody like us.

        Raises StoreError while the store does not answer.
        """
        store = await _store_of(plan, self._api, self._known)
        if store is None:
            return None
        key = assignment.result_key(plan)
        try:
            found = await asyncio.to_thread(store.read, key, REPORT_FILE, REPORT_LIMIT)
        except StoreRefusedError:
            return None
        report = reporting.from_json(found) if found else None
        is_mine = report and report.uid == plan.uid and report.attempt == plan.attempt
        return report if is_mine else None


class Baselines:
    """The baselines of all stores that the settings name."""

    def __init__(self, api: Api, known: Settings) -> None:
        """`api` as for Reports."""
        self._api = api
        self._known = known

    async def snapshots(self, plan: Plan) -> tuple[Snapshot, ...]:
        """What a plan's gates need. Raises StoreError while the store does not answer."""
        try:
            store = await _store_of(plan, self._api, self._known)
        except StoreRefusedError as error:
            return keeping.unknown(plan, str(error))
        if store is None:
            return keeping.unknown(plan, f'no store is named "{plan.output.store}"')
        return await asyncio.to_thread(keeping.snapshots, store, plan)

    async def accept(self, plan: Plan, name: str) -> str:
        """Add an attempt to a baseline of its series, and say what that is then.

        Raises StoreError while the store does not answer, StoreRefusedError, NotAcceptableError.
        """
        store = await _store_of(plan, self._api, self._known)
        if store is None:
            raise StoreRefusedError(f'no store is named "{plan.output.store}"')
        return await asyncio.to_thread(_accept, store, plan, name)


def _accept(store: ResultStore, plan: Plan, name: str) -> str:
    text = store.read(assignment.result_key(plan), SUMMARY_FILE, SUMMARY_LIMIT)
    if text is None:
        raise NotAcceptableError(f"the results hold no {SUMMARY_FILE}")
    summary, now = keeping.read_summary(text), time_text(datetime.now(UTC))
    if failed := keeping.failed_gate(summary):
        raise NotAcceptableError(f"a gate failed: {failed}")
    found = keeping.candidate(summary, plan.uid, plan.attempt, now, plan)
    deadline = time.monotonic() + CHANGE_SECONDS
    window = keeping.accept(store, found, name, deadline, lambda line: None)
    return f"one of {len(window.jobs)} jobs of baseline {name} of {plan.series}, {window.device}"
