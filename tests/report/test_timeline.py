"""Drawing the time line."""

from __future__ import annotations

from hypothesis import given, settings, strategies

from profiling_operator.report import timeline
from profiling_operator.report.slices import Slice, Trace, Track


def trace(*slices: Slice, **more: object) -> Trace:
    """A trace of one track."""
    return Trace((Track("GPU 0", "Stream 7", 1, list(slices)),), **more)  # type: ignore[arg-type]


def drawn(found: Trace, budget: int = timeline.BYTES) -> timeline.Timeline:
    """The picture, which must be there."""
    picture = timeline.draw(found, budget)
    assert picture is not None
    return picture


def test_slices_are_where_they_were() -> None:
    """Wide ones by themselves, with a label and a tooltip; inner ones below."""
    found = drawn(trace(
        Slice(10, 110, "outer", "range"), Slice(10, 60, "gemm<float>", "kernel"),
        Slice(60, 110, "copy", "memcpy"),
    ))  # fmt: skip

    (line,) = found.lines
    assert "<title>gemm&lt;float&gt;: kernel of 50\u00a0µs at 0\u00a0ns</title>" in line.picture
    assert 'class="k-memcpy" x="50%" y="18" width="50%"' in line.picture
    assert ">outer</text>" in line.picture
    assert (line.busy, line.share) == ("100\u00a0µs", "100.0\u00a0%")
    assert line.longest == "outer, 100\u00a0µs"
    assert dict(found.kinds) == {"kernel": "kernel", "memcpy": "copy", "range": "range"}
    assert found.said == ()


def test_narrow_neighbours_stand_together() -> None:
    """And it is said how many, and how busy they are."""
    many = [Slice(at * 1.0, at + 0.5, "k", "kernel") for at in range(20_000)]
    found = drawn(trace(*many))

    assert found.lines[0].picture.count("<rect") <= timeline.PIECES
    assert "20\u202f000\u00a0slices shorter than" in found.said[-1]
    assert 'fill-opacity="0.5"' in found.lines[0].picture
    assert found.lines[0].slices == "20\u202f000\u00a0kernels"


def test_a_picture_keeps_to_its_bytes() -> None:
    """However long the names, and however many there are."""
    many = [Slice(at * 2.0, at * 2 + 1.9, f"{at}{'<' * 200}", "kernel") for at in range(3000)]

    for budget in (300_000, 60_000, 5_000):
        found = drawn(trace(*many), budget)
        assert sum(len(one.picture.encode()) for one in found.lines) <= budget


def test_neighbours_of_different_kinds_stand_together_too() -> None:
    """Else there would be no end of them."""
    kinds = ("kernel", "memcpy", "memset", "api", "os", "range")
    tracks = tuple(
        Track("GPU 0", f"S{number}", number,
              [Slice(at * 2.0, at * 2 + 1.9, f"k{at}", kinds[at % 6]) for at in range(3000)])
        for number in range(30)
    )  # fmt: skip

    for budget in (timeline.BYTES, 60_000):
        found = drawn(Trace(tracks), budget)
        assert sum(one.picture.count("<rect") for one in found.lines) <= timeline.PIECES
        assert "events in" in found.lines[0].picture
    assert timeline.draw(Trace(tracks), 1000) is None


def test_nothing_is_drawn_of_nothing() -> None:
    """Nor of moments without a duration, nor without any bytes."""
    assert timeline.draw(Trace()) is None
    assert timeline.draw(trace(Slice(5, 5, "a", "kernel"))) is None
    assert timeline.draw(trace(Slice(5, 6, "a", "kernel")), 0) is None


def test_the_busiest_lines_are_drawn_and_the_rest_is_said() -> None:
    """Of threads some, too, where there are many streams."""
    streams = [Track("GPU 0", f"S{at}", at, [Slice(0, at + 1, "k", "kernel")]) for at in range(60)]
    threads = [Track("Process 1", f"T{at}", at, [Slice(0, 1, "r", "range")]) for at in range(20)]
    found = drawn(Trace((*streams, *threads)))

    names = [one.name for one in found.lines]
    assert names[:2] == ["S44", "S45"] and names[-1] == "T7"
    assert len(names) == timeline.TRACKS
    assert "Of 80 lines the busiest are here; 56 are not." in found.said


def test_of_several_runs_the_first_is_drawn() -> None:
    """Side by side each would be a narrow strip."""
    tracks = tuple(
        Track(f"Run {run} GPU 0", "S", run, [Slice(run * 100, run * 100 + 50, f"k{run}", "kernel")])
        for run in (2, 1, 3)
    )
    found = drawn(Trace(tracks))

    assert [one.process for one in found.lines] == ["Run 1 GPU 0"]
    assert "first run" in found.said[0]


@settings(deadline=None)
@given(strategies.lists(
    strategies.tuples(strategies.integers(0, 10_000), strategies.integers(0, 3000)), max_size=300
))  # fmt: skip
def test_every_slice_is_drawn_or_counted(spans: list[tuple[int, int]]) -> None:
    """But those that are deeper than there are rows."""
    slices = sorted(
        (Slice(start, start + length, "n", "range") for start, length in spans),
        key=lambda one: (one.start, -one.end),
    )
    for step in (1.0, 50.0, 1e6):
        pieces = list(timeline._pieces(slices, step))
        assert sum(one.count for one in pieces) <= len(slices)
        assert all(one.depth < timeline.DEPTH and one.start <= one.end for one in pieces)
        deep = len(slices) - sum(one.count for one in pieces)
        assert deep == 0 or any(one.depth == timeline.DEPTH - 1 for one in pieces)
