"""Pauses grow to a limit and are never quite the same."""

from __future__ import annotations

from itertools import islice

from profiling_operator.backoff import pauses


def test_pauses_double_up_to_the_longest() -> None:
    """Each lies between half and all of its limit."""
    limits = [0.5, 1, 2, 4, 4, 4]

    for pause, limit in zip(pauses(0.5, 4), limits, strict=False):
        assert limit / 2 <= pause <= limit


def test_two_who_failed_together_come_back_apart() -> None:
    """Otherwise a server that was away is asked by all at once, again and again."""
    assert list(islice(pauses(1, 64), 8)) != list(islice(pauses(1, 64), 8))
