"""Applies `status.results` of the uploader's own job, with the token that only its container has.

An admission policy keeps it to that: only the job whose attempt has the token's pod, only results.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from profiling_operator import api, names
from profiling_operator.backoff import pauses
from profiling_operator.errors import ApiError
from profiling_operator.plan import Plan
from profiling_operator.status import Results, Status, fit

MANAGER = "profjob-uploader"
LONGEST_SECONDS = 60.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
MAY_PASS = {0, 403, 409, 429}
"""No answer; the operator has not written our pod down yet; somebody else wrote; too many ask."""
SERVER_ERROR = 500


def apply_results(plan: Plan, results: Results, seconds: float) -> str:
    """Apply them, trying for so many seconds; why it did not work, or nothing."""
    try:
        return asyncio.run(_apply(plan, results, time.monotonic() + seconds))
    except ApiError as error:
        return str(error)


async def _apply(plan: Plan, results: Results, deadline: float) -> str:
    waits = pauses(FIRST_PAUSE, LONGEST_PAUSE)
    async with api.connect() as server:
        while True:
            try:
                await server.patch(
                    api.PROFILING_JOBS, plan.namespace, plan.job, _body(plan, results),
                    subresource="status", how="apply", manager=MANAGER,
                )  # fmt: skip
            except ApiError as error:
                pause = error.retry_after or next(waits)
                if not _may_pass(error) or time.monotonic() + pause > deadline:
                    raise
            else:
                return ""
            await asyncio.sleep(pause)


def _may_pass(error: ApiError) -> bool:
    return error.code in MAY_PASS or error.code >= SERVER_ERROR


def _body(plan: Plan, results: Results) -> dict[str, Any]:
    """As much of the results as a status has room for."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": plan.job, "namespace": plan.namespace, "uid": plan.uid},
        "status": {"results": fit(Status(results=results))["results"]},
    }
