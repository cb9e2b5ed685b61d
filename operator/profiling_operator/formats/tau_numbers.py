"""The numbers of TAU's text profiles: `%ld` and `%.16G`, so `4.25146E+11`, `nan` and `-3` occur."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation

from profiling_operator.entries import Number

LARGEST = 2**63 - 1
SHORT = 15  # digits that a float, or a thousand times of which 64 bits hold exactly
THOUSAND = 1000
DECIMALS_OF_THOUSAND = 3
SMALLEST = 1e-30  # below it, exact arithmetic would only cost memory

MICROSECONDS = frozenset(
    {
        "TIME",
        "LINUX_TIMERS",
        "GET_TIME_OF_DAY",
        "CLOCK_GET_TIME",
        "CPU_TIME",
        "P_WALL_CLOCK_TIME",
        "P_VIRTUAL_TIME",
        "PAPI_TIME",
        "PAPI_VIRTUAL_TIME",
        "TAUGPU_TIME",
        "BGL_TIMERS",
        "BGP_TIMERS",
        "BGQ_TIMERS",
    }
)


def unit_of_metric(metric: str) -> tuple[str, int]:
    """The unit of a metric's entries, and by what the file's numbers are multiplied."""
    return ("ns", 1000) if metric in MICROSECONDS else ("1", 1)


def number(text: bytes, scale: int = 1) -> Number | None:
    """A number times `scale`, exactly; whole ones as int. None for nan, inf and what is no number.

    362.75 microseconds become 362750 nanoseconds, not 362750.00000000006.
    """
    if text.isdigit() and len(text) <= SHORT:
        return int(text) * scale
    whole, point, fraction = text.partition(b".")
    if point and len(whole) <= SHORT and whole.isdigit() and fraction.isdigit():
        if scale == 1:
            return _rounded(float(text))
        if scale == THOUSAND and len(fraction) <= DECIMALS_OF_THOUSAND:
            return int(whole + fraction.ljust(DECIMALS_OF_THOUSAND, b"0"))
    try:
        rough = float(text) * scale
    except ValueError:
        return None
    if not math.isfinite(rough):
        return None
    return _exact(text, scale) if SMALLEST < abs(rough) <= LARGEST else rough or 0


def _rounded(value: float) -> Number:
    return int(value) if value.is_integer() else value


def _exact(text: bytes, scale: int) -> Number | None:
    try:
        value = Decimal(text.decode("ascii")) * scale
    except (InvalidOperation, UnicodeDecodeError):
        return None
    whole = int(value)
    return whole if whole == value and abs(whole) <= LARGEST else float(value)


def plus(one: Number | None, other: Number | None) -> Number | None:
    """The sum; what is not known counts as nothing. Beyond 64 bits it is a float, then None."""
    if one is None or other is None:
        return other if one is None else one
    added = one + other
    return within(added) if math.isfinite(added) else None


def total(count: Number, mean: Number) -> Number | None:
    """What `count` values add up to. Means are written with 16 digits: the rest is rounded away.

    None when it is larger than any number.
    """
    product = count * mean
    if not math.isfinite(product):
        return None
    whole = round(product)
    return within(whole if abs(product - whole) <= 1e-12 * abs(product) else product)


def within(value: Number) -> Number:
    """A whole number within 64 bits; beyond them, a float."""
    return value if abs(value) <= LARGEST else float(value)


def deviation(count: Number, mean: Number, squares: Number | None) -> float | None:
    """The standard deviation from the sum of squares; None when it cannot be told."""
    if squares is None or not count:
        return None
    variance = squares / count - float(mean) * mean
    return math.sqrt(max(variance, 0.0)) if math.isfinite(variance) else None
