"""Numbers and names in the messages of verdicts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from profiling_operator import quantities

Scale = tuple[int, str]
"""How much of the smallest one a unit is, and its sign."""

NAME_SHOWN = 200  # characters of a measure's name in a message
FEW = 3  # significant digits
DIGITS = range(FEW, 18)  # 17 tell any two floats apart
PLAIN = re.compile(rf"(?:{quantities.NUMBER})(?:{quantities.EXPONENT})?")
DURATION = re.compile(quantities.DURATION)
NANOSECONDS_IN = {"ns": Decimal(1), "us": Decimal(10**3), "ms": Decimal(10**6), "s": Decimal(10**9)}
TIMES = ((10**9, "s"), (10**6, "ms"), (10**3, "µs"), (1, "ns"))
BYTES = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))
RATES = tuple((factor, f"{word}/s") for factor, word in BYTES)
SCALES = {**dict.fromkeys(NANOSECONDS_IN, TIMES), "By": BYTES, "By/s": RATES, "1": ((1, ""),)}


def in_unit(written: str | int, unit: str) -> Decimal:
    """A limit as a number in the unit of a measure.

    Raises ValueError for what cannot be compared: a duration with what is no time, and a quantity
    with a suffix, such as `8Gi` or `500u`, with a time.
    """
    text, factor = str(written), NANOSECONDS_IN.get(unit)
    number = quantities.parse_limit(written)
    if PLAIN.fullmatch(text):
        return number
    if (factor is not None) == (DURATION.fullmatch(text) is not None):
        return number if factor is None else quantities.EXACT.divide(number, factor)
    measured = "a plain number" if unit == "1" else f"in {unit}"
    kind = "a duration" if factor is None else "no duration"
    raise ValueError(f"{text} is {kind}, and the measure is {measured}")


def shown(number: float | Decimal, unit: str, digits: int = FEW) -> str:
    """A number for people, in a unit that fits its size: `1.31 s`, `8 GiB`, `12 %`."""
    scaled = float(Decimal(number) * NANOSECONDS_IN.get(unit, 1))
    factor, word = fitting(scaled, SCALES.get(unit, ((1, unit),)))
    return f"{_rounded(scaled / factor, digits)} {word}".rstrip()


def fitting(number: float, scales: Sequence[Scale]) -> Scale:
    """The largest of these units, the largest first, of which a number has one at least."""
    return next((one for one in scales if one[0] <= abs(number)), scales[-1])


def telling_digits(numbers: Iterable[Decimal], unit: str) -> int:
    """How many digits make different numbers look different."""
    different = set(numbers)
    return next(
        (one for one in DIGITS if len({shown(n, unit, one) for n in different}) == len(different)),
        DIGITS[-1],
    )


def percent(share: float) -> str:
    """A share of one: `12 %` of 0.12, `2.6 %` of 0.0257."""
    return f"{_rounded(100 * share, 2)} %"


def short(name: str, limit: int = NAME_SHOWN) -> str:
    """A name of bounded length that keeps its end, which says what is measured."""
    half = limit // 2
    return name if len(name) <= limit else f"{name[:half]}…{name[1 - half :]}"


def counted(count: int, word: str) -> str:
    """`1 job`, `2 jobs`."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _rounded(number: float, digits: int) -> str:
    """With so many significant digits, but always those before the point."""
    whole = len(str(int(abs(number))))
    text = f"{number:.{max(digits, min(whole, DIGITS[-1]))}g}"
    return f"{Decimal(text):f}" if whole <= DIGITS[-1] else text
