"""Pauses between tries: ever longer, and not everybody's at the same moment."""

from __future__ import annotations

import random
from collections.abc import Iterator


def pauses(first: float, longest: float) -> Iterator[float]:
    """Endless, in seconds: each is between half and all of a limit, which doubles up to `longest`.

    So those who failed together do not come back together.
    """
    limit = first
    while True:
        yield random.uniform(limit / 2, limit)  # noqa: S311 - only to spread the load
        limit = min(longest, 2 * limit)
