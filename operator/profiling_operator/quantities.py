"""Quantities, durations, percentages: the one place that reads `8Gi`, `250m`, `1.2s`, `5m`, `5%`.

Grammar of quantities: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
Durations are those of Go (`time.ParseDuration`) without a sign, and with `d` for days.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Context, Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

SUFFIXES: dict[str, Decimal] = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal("1e3"), "M": Decimal("1e6"), "G": Decimal("1e9"),
    "T": Decimal("1e12"), "P": Decimal("1e15"), "E": Decimal("1e18"),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30),
    "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
SECONDS: dict[str, Decimal] = {
    "ns": Decimal("1e-9"), "us": Decimal("1e-6"), "ms": Decimal("1e-3"),
    "µs": Decimal("1e-6"), "μs": Decimal("1e-6"),  # the micro sign and the Greek letter, as Go
    "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400),
}  # fmt: skip

# [0-9], never \d: that would take the digits of all scripts, which the API server does not.
NUMBER = r"[0-9]{1,18}(?:\.[0-9]{1,9})?|\.[0-9]{1,9}"
EXPONENT = r"[eE][+-]?[0-9]{1,2}"
SUFFIX = r"[numkMGTPE]|[KMGTPE]i"
UNIT = r"ns|us|µs|μs|ms|s|m|h|d"
QUANTITY = rf"(?:{NUMBER})(?:{EXPONENT}|{SUFFIX})?"
DURATION = rf"(?:(?:{NUMBER})(?:{UNIT}))+"
PERCENTAGE = rf"(?:{NUMBER})%"

NANOSECONDS = Decimal(10**9)
LARGEST = Decimal(2**63 - 1)  # of Kubernetes, whose quantities stop there, too
QUANTITY_LENGTH = 32
LIMIT_LENGTH = 64
EXACT = Context(prec=160)  # more digits than any product or sum below has: nothing is rounded


def parse_quantity(text: str | int) -> Decimal:
    """The number that a Kubernetes quantity means: `250m` is 0.25, `8Gi` is 8589934592."""
    match = re.fullmatch(rf"({NUMBER})(?:[eE]([+-]?[0-9]{{1,2}})|({SUFFIX}))?", str(text))
    if not match:
        raise ValueError("must be a quantity: a number with an optional suffix, as in 4, 250m, 8Gi")
    number, exponent, suffix = match.groups()
    scaled = EXACT.scaleb(Decimal(number), int(exponent or 0))
    return _bounded(EXACT.multiply(scaled, SUFFIXES[suffix or ""]))


def parse_duration(text: str) -> Decimal:
    """Seconds that a duration means: `1m30s` is 90, `250ms` is 0.25."""
    if not re.fullmatch(DURATION, text):
        raise ValueError(
            "must be a duration: numbers with ns, us, ms, s, m, h, d, as in 1.2s or 5m"
        )
    seconds = Decimal(0)
    for number, unit in re.findall(rf"({NUMBER})({UNIT})", text):
        seconds = EXACT.add(seconds, EXACT.multiply(Decimal(number), SECONDS[unit]))
    return seconds


def parse_percentage(text: str) -> Decimal:
    """The fraction that a percentage means: `5%` is 0.05."""
    if not re.fullmatch(PERCENTAGE, text):
        raise ValueError("must be a percentage, as in 5%")
    return EXACT.divide(Decimal(text[:-1]), Decimal(100))


def parse_limit(value: str | int | float) -> Decimal:
    """A limit in the unit of its measure: a bare number, a duration (in ns) or a quantity.

    `5m` is five minutes, never 5/1000: a limit of a time is what it is nearly always meant as.
    """
    if isinstance(value, (int, float)):
        return _bounded(Decimal(str(value)))
    if re.fullmatch(DURATION, value):
        return _bounded(EXACT.multiply(parse_duration(value), NANOSECONDS))
    try:
        return parse_quantity(value)
    except ValueError as error:
        message = "must be a number, a duration such as 1.2s, or a quantity such as 8Gi"
        raise ValueError(message) from error


def _bounded(number: Decimal) -> Decimal:
    """The number. Raises ValueError for what no platform takes: negative, endless, not a number."""
    if not (number.is_finite() and 0 <= number <= LARGEST):
        raise ValueError(f"must be between 0 and {LARGEST}")
    return number


def _checked(value: Any, parse: Callable[[Any], Decimal], length: int) -> str | int:
    """The value as it was written. ValueError, unlike TypeError, becomes a message of pydantic."""
    if isinstance(value, float):
        # The API server takes integers and strings here, and the same file must do everywhere.
        raise ValueError(f'must be in quotes, since it is not a whole number: "{value}"')  # noqa: TRY004
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ValueError("must be a whole number or a string")  # noqa: TRY004
    if isinstance(value, str) and len(value) > length:
        raise ValueError(f"must have at most {length} characters")
    parse(value)
    return value


def _quantity(value: Any) -> str:
    return str(_checked(value, parse_quantity, QUANTITY_LENGTH))


def _percentage(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a percentage in quotes, as in 5%")  # noqa: TRY004
    return str(_checked(value, parse_percentage, QUANTITY_LENGTH))


def _limit(value: Any) -> str | int:
    return _checked(value, parse_limit, LIMIT_LENGTH)


INT_OR_STRING: dict[str, Any] = {
    "anyOf": [{"type": "integer"}, {"type": "string"}],
    "x-kubernetes-int-or-string": True,
    "minimum": 0,
}

Quantity = Annotated[
    str,
    BeforeValidator(_quantity),
    WithJsonSchema({**INT_OR_STRING, "pattern": f"^(?:{QUANTITY})$", "maxLength": QUANTITY_LENGTH}),
]
Percentage = Annotated[
    str,
    BeforeValidator(_percentage),
    WithJsonSchema(
        {"type": "string", "pattern": f"^(?:{PERCENTAGE})$", "maxLength": QUANTITY_LENGTH}
    ),
]
Limit = Annotated[
    str | int,
    BeforeValidator(_limit),
    WithJsonSchema(
        {**INT_OR_STRING, "pattern": f"^(?:{DURATION}|{QUANTITY})$", "maxLength": LIMIT_LENGTH},
    ),
]
