"""The call tree of a trace."""

from __future__ import annotations

import pytest

from profiling_operator.entries import Kind
from profiling_operator.formats import tau_names, tau_ranges
from profiling_operator.formats.tau_definitions import Definition, Use
from profiling_operator.formats.tau_entries import Place
from profiling_operator.formats.tau_ranges import CallTree

PLACE = Place(time="", metric="TIME", job="n/j", context=0, folder="a")
SHAPE = tau_names.timer(b"f() C [{a.c} {1,2}-{3,4}]", b"MPI")


def test_paths() -> None:
    """Root first; a range without a caller has none."""
    tree = CallTree(PLACE, additive=True)
    outer = tree.below(tree.root, 1, SHAPE)
    inner = tree.below(outer, 2, tau_names.timer(b"g", b""))

    assert (outer.told, inner.told) == (None, ("f()", "g"))
    assert outer.template.kind is Kind.RANGE
    assert outer.template.source is not None
    assert outer.template.attributes == {"group": ["MPI"], "folder": "a"}
    assert outer.inner == {2: inner}


def test_deep_recursion_keeps_the_innermost() -> None:
    """A path is never longer than its limit."""
    tree = CallTree(PLACE, additive=True)
    place = tree.root
    for number in range(200):
        place = tree.below(place, 1, tau_names.timer(b"f%d" % number, b""))

    assert len(place.path) == tau_ranges.LONGEST_PATH
    assert place.path[-1] == "f199"


def test_places_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the limit they are made anew each time."""
    monkeypatch.setattr(tau_ranges, "MOST_PLACES", 1)
    tree = CallTree(PLACE, additive=True)
    tree.below(tree.root, 1, SHAPE)
    more = tree.below(tree.root, 2, SHAPE)

    assert more.path == ("f()",)
    assert list(tree.root.inner) == [1]


@pytest.mark.parametrize(
    ("use", "name", "additive", "expected"),
    [
        (Use.VALUE, b"Heap (KB)", True, (True, "KiBy", None)),
        (Use.VALUE, b"Heap (KB)", False, (False, "KiBy", None)),
        (Use.VALUE, b"Size : f => g", True, (False, "1", ("f", "g", "Size"))),
        (Use.MESSAGE, b"MESSAGE_SEND", True, (False, "By", None)),
    ],
)
def test_counters(
    use: Use, name: bytes, additive: bool, expected: tuple[bool, str, tuple[str, ...] | None]
) -> None:
    """What repeats other counters, or a profile, is not additive."""
    tree = CallTree(PLACE, additive)
    made = tree.counter(1, Definition(use, tau_names.event(name)))

    assert (made.additive, made.unit, made.path) == expected
    assert tree.counter(1, Definition(use, tau_names.event(name))) is made
