"""Numbers, names and times as the page writes them."""

from __future__ import annotations

import math
from datetime import datetime

from profiling_operator.gates import words as gates

NAME_LIMIT = 200
"""Characters of a name."""
MESSAGE_LIMIT = 600
COUNTS = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (1, ""))
SCALES = {**gates.SCALES, "1": COUNTS, "": COUNTS}
DIGITS = 3
UNKNOWN = "–"
LEAST_SHARE = 0.0005


def name(text: str, limit: int = NAME_LIMIT) -> str:
    """A name in one line of bounded length, which keeps its end; nothing in it steers a page.

    Control characters, and those that turn the direction of writing, become blanks.
    """
    if len(text) > 4 * limit:  # there is no need to look at all of it
        text = f"{text[: 2 * limit]}…{text[-2 * limit :]}"
    if not text.isprintable():
        text = "".join(one if one.isprintable() else " " for one in text)
    clean = " ".join(text.split())
    return gates.short(clean, limit)


def message(text: str) -> str:
    """What somebody told, in one line."""
    return name(text, MESSAGE_LIMIT)


def amount(value: float | None, unit: str) -> str:
    """A number in a unit that fits its size: `1.31 s`, `8 GiB`, `12 %`."""
    if value is None or not math.isfinite(value):
        return UNKNOWN if value is None else str(value)
    scaled = value * float(gates.NANOSECONDS_IN.get(unit, 1))
    size, word = gates.fitting(scaled, SCALES.get(unit, ((1, name(unit, 20)),)))
    return f"{_rounded(scaled / size)}\u00a0{word}".rstrip("\u00a0")


def _rounded(number: float) -> str:
    """With three digits, and always with those before the point."""
    if abs(number) >= 10**DIGITS:
        return f"{number:,.0f}".replace(",", "\u202f") if abs(number) < 1e15 else f"{number:.3g}"  # noqa: PLR2004
    return f"{number:.{DIGITS}g}" if number == 0 or abs(number) >= 1e-4 else f"{number:.2g}"  # noqa: PLR2004


def between(pair: tuple[float, float], unit: str) -> str:
    """`1.2 s – 1.4 s`; `1.2 s` where both are written alike."""
    return " – ".join(dict.fromkeys(amount(one, unit) for one in pair))


def share(part: float) -> str:
    """`12.3 %`."""
    if not math.isfinite(part):
        return UNKNOWN
    return f"{part * 100:.1f}\u00a0%" if part >= LEAST_SHARE or part == 0 else "<\u00a00.1\u00a0%"


def count(number: int) -> str:
    """A whole number with its thousands apart."""
    return f"{number:,}".replace(",", "\u202f")


def counted(number: int, one: str, many: str = "") -> str:
    """`1 gate`, `2 gates`."""
    return f"{count(number)}\u00a0{one if number == 1 else many or f'{one}s'}"


def moment(text: str) -> str:
    """A time as people read it, in UTC; the text itself where it is none."""
    try:
        when = datetime.fromisoformat(text[:19] + text[-1:].replace("Z", "+00:00"))
    except ValueError:
        return name(text, 40)
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"
