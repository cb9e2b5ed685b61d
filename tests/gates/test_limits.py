"""Absolute limits."""

from __future__ import annotations

from typing import Any

import pytest

from gating import HOT, verdict

ALONE = "one repetition, so its interval is unknown"


@pytest.mark.parametrize(("fields", "word", "message"), [
    ({"max": "1.2s"}, "Failed", "median 1.31 s > max 1.2 s"),
    ({"max": "1310ms"}, "Passed", "median 1.31 s ≤ max 1.31 s"),
    ({"max": 1_310_000_000}, "Passed", "median 1.31 s ≤ max 1.31 s"),
    ({"max": "1.31e9"}, "Passed", "median 1.31 s ≤ max 1.31 s"),
    ({"max": 1_309_999_999}, "Failed", "median 1.31 s > max 1.309999999 s"),
    ({"min": "1m"}, "Failed", "median 1.31 s < min 60 s"),
    ({"min": "1s"}, "Passed", "median 1.31 s ≥ min 1 s"),
    ({"min": "500us", "max": "2s"}, "Passed", "median 1.31 s ≤ max 2 s and ≥ min 500 µs"),
    ({"min": "1s", "max": "1.1s"}, "Failed", "median 1.31 s > max 1.1 s"),
    ({"min": "1.4s", "max": "1.2s"}, "Failed", "median 1.31 s > max 1.2 s and < min 1.4 s"),
], ids=str)  # fmt: skip
def test_limits_are_met_or_not(fields: dict[str, Any], word: str, message: str) -> None:
    """Both limits count, each may be reached exactly, and the message says what was compared."""
    found = verdict(**fields)

    assert (found.measure, found.verdict, found.value) == (HOT, word, 1.31e9)
    assert found.message == f"{HOT} {message}; {ALONE}"


def test_the_limit_that_was_not_met_is_told() -> None:
    """In the measure's unit; where both were met, the upper one."""
    assert verdict(min="2s", max="3s").limit == 2e9
    assert verdict(min="1s", max="3s").limit == 3e9


@pytest.mark.parametrize(("measure", "limit", "said"), [
    ("app/peakMemory", "2Gi", "3 GiB > max 2 GiB"),
    ("app/peakMemory", 1000, "3 GiB > max 1000 B"),
    ("app/peakMemory", "3M", "3 GiB > max 2.86 MiB"),
    ("counter:flops/value", "1M", "1234567 > max 1000000"),
    ("counter:flops/value", 1_234_566, "1234567 > max 1234566"),
    ("counter:occupancy/value", 80, "81.2 % > max 80 %"),
    ("counter:late/value", "1.2s", "1.5 s > max 1.2 s"),
    ("counter:late/value", 1200, "1.5 s > max 1.2 s"),
    ("counter:read/value", "1Gi", "2 GiB/s > max 1 GiB/s"),
    ("timer:hot/exclusive", 0, "1 ns > max 0 ns"),
], ids=str)  # fmt: skip
def test_limits_are_read_in_the_measures_unit(measure: str, limit: Any, said: str) -> None:
    """A number is in that unit; durations are for times, quantities for the rest."""
    found = verdict(measure, max=limit)

    assert found.verdict == "Failed"
    assert found.message.startswith(f"{measure} median {said}; ")


@pytest.mark.parametrize(("measure", "limit", "why"), [
    ("app/peakMemory", "1.2s", "max 1.2s is a duration, and the measure is in By"),
    ("counter:flops/value", "5m", "max 5m is a duration, and the measure is a plain number"),
    (HOT, "8Gi", "max 8Gi is no duration, and the measure is in ns"),
    (HOT, "500u", "max 500u is no duration, and the measure is in ns"),
], ids=str)  # fmt: skip
def test_a_limit_in_another_unit_is_skipped(measure: str, limit: str, why: str) -> None:
    """The reason names the field and both; what was measured is told all the same."""
    found = verdict(measure, max=limit)

    assert (found.verdict, found.limit) == ("Skipped", None)
    assert found.message == f"{measure}: {why}"
    assert found.value is not None


def test_a_missed_limit_counts_more_than_one_in_another_unit() -> None:
    """Whatever is wrong with the other one, this one was not met; else nothing is claimed."""
    assert verdict(max="1s", min="8Gi").verdict == "Failed"
    assert verdict(max="2s", min="8Gi").verdict == "Skipped"
