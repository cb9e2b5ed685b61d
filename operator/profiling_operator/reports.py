"""Asks a store for what an uploader left of an attempt."""

from __future__ import annotations

import asyncio
from pathlib import Path

from profiling_operator import assignment, reporting, stores
from profiling_operator.api import Api
from profiling_operator.plan import Plan
from profiling_operator.reporting import REPORT_FILE, REPORT_LIMIT, Report
from profiling_operator.settings import Settings
from profiling_operator.stores import StoreRefusedError


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
        known = self._known.stores.get(plan.output.store)
        if known is None:
            return None
        is_pod = Path(assignment.RESULTS_TOKEN).exists()
        store = stores.open_store(
            known.url,
            token="" if is_pod else await self._api.bearer_token(),
            token_file=assignment.RESULTS_TOKEN if is_pod else "",
            ca=known.ca,
            options=known.options,
        )
        key = assignment.result_key(plan)
        try:
            found = await asyncio.to_thread(store.read, key, REPORT_FILE, REPORT_LIMIT)
        except StoreRefusedError:
            return None
        report = reporting.from_json(found) if found else None
        is_mine = report and report.uid == plan.uid and report.attempt == plan.attempt
        return report if is_mine else None
