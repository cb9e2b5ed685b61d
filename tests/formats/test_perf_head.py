"""What the head of perf's text tells."""

from __future__ import annotations

import pytest

from profiling_operator.formats import perf_head
from profiling_operator.formats.perf_head import Fact


@pytest.mark.parametrize(("line", "fact"), [
    (b"# captured on    : Tue Nov 24 16:29:19 2026\n",
     Fact("captured on", "Tue Nov 24 16:29:19 2026")),
    (b"# hostname : h\xff\n", Fact("hostname", "h\ufffd")),
    (b"# cmdline : perf record -- a : b\n", Fact("cmdline", "perf record -- a : b")),
    (b"# ========\n", None), (b"#\n", None), (b"# CPU_TOPOLOGY info available\n", None),
])  # fmt: skip
def test_a_line_of_the_head_is_a_fact(line: bytes, fact: Fact | None) -> None:
    """If it has a name and a value."""
    assert list(perf_head.facts(line)) == ([fact] if fact else [])


@pytest.mark.parametrize(("value", "pair"), [
    ("2026-11-24 16:29:18.993711 = 1795537758.993711 (TOD) = 1743.630767667 (monotonic)",
     (1_795_537_758_993_711_000, 1_743_630_767_667)),
    ("2026-11-24 16:29:18 = 1795537758.9 (TOD) = 1743.6 (boottime)", None),
    ("", None), ("x = 1.2 (TOD)", None),
])  # fmt: skip
def test_the_reference_time_is_a_pair_of_clocks(value: str, pair: tuple[int, int] | None) -> None:
    """The wall clock and the monotonic one, read together when the recording began."""
    assert perf_head.reference(value) == pair


@pytest.mark.parametrize(("value", "moment"), [
    ("Wed Feb  4 09:30:00 2026", 1_770_197_400_000_000_000),
    ("Wed Feb  4 09:30:00 9999", None), ("yesterday", None), ("", None),
])  # fmt: skip
def test_captured_on_is_a_moment(value: str, moment: int | None) -> None:
    """Or nothing, where it is no date of our times."""
    assert perf_head.captured(value) == moment
