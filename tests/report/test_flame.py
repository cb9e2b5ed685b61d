"""Flame graphs as SVG."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import made_up_results as made
from made_up_results import HOSTILE, Page
from profiling_operator.report import flame, words

TOLD = partial(words.amount, unit="ns")
SMALL = {("main",): 1e6, ("main", "hot"): 8e6, ("main", "cold <b>"): 1e6}
GOLDEN = (
    '<svg class="flame" role="img" aria-label="Time" width="100%" height="54">'
    '<svg class="c5" x="0%" y="0" width="100%" height="17"><title>all: 10\xa0ms, 100.0\xa0% of all'
    '</title><rect width="100%" height="100%"/><text x="4" y="13">all</text></svg>'
    '<svg class="c4" x="0%" y="18" width="100%" height="17"><title>main: 10\xa0ms, 100.0\xa0% of '
    'all</title><rect width="100%" height="100%"/><text x="4" y="13">main</text></svg>'
    '<svg class="c7" x="0%" y="36" width="80%" height="17"><title>hot: 8\xa0ms, 80.0\xa0% of all, '
    '80.0\xa0% of its caller</title><rect width="100%" height="100%"/><text x="4" y="13">hot</text>'
    '</svg><svg class="c5" x="80%" y="36" width="10%" height="17"><title>cold &lt;b&gt;: 1\xa0ms, '
    '10.0\xa0% of all, 10.0\xa0% of its caller</title><rect width="100%" height="100%"/>'
    '<text x="4" y="13">cold &lt;b&gt;</text></svg></svg>'
)


def drawn(stacks: dict[tuple[str, ...], float], **more: int) -> flame.Picture:
    """The picture of stacks, in which nothing is that a policy would block."""
    picture = flame.flame_graph(stacks, "Time", TOLD, **more)
    if picture.svg:
        Page(picture.svg).check_policy()
    return picture


def test_a_small_picture_is_as_it_was() -> None:
    """To the letter: classes and attributes alone, a tooltip and a label in each box."""
    assert drawn(SMALL).svg == GOLDEN


def test_the_root_may_be_at_the_bottom() -> None:
    """As flame graphs were drawn at first."""
    from_below = flame.flame_graph(SMALL, "Time", TOLD, from_below=True).svg

    assert '<svg class="c5" x="0%" y="36" width="100%"' in from_below
    assert '<svg class="c7" x="0%" y="0" width="80%"' in from_below


def test_the_heaviest_stacks_are_told_in_words() -> None:
    """For those who do not look at pictures."""
    heaviest = drawn(SMALL).heaviest

    assert (heaviest[0].path, heaviest[0].weight) == (("main", "hot"), 8e6)
    assert heaviest[0].share == pytest.approx(0.8)


def test_nothing_has_no_picture() -> None:
    """And nothing is said of it."""
    assert drawn({}) == flame.Picture("", 0, "", ())


def test_what_is_left_out_is_said() -> None:
    """How many frames there are, and how deep."""
    narrow = {("main", f"f{number}"): 1.0 for number in range(1000)}
    picture = drawn({("main", *["deep"] * 80): 5000.0, **narrow})

    assert re.fullmatch(
        r"[\d\u202f]+ of [\d\u202f]+ frames have a box of their own, the narrowest of a caller "
        r"share one, and what is deeper than \d+ rows is not drawn\.",
        picture.said,
    )
    assert drawn(SMALL).said == ""


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_others_do_nothing(name: str) -> None:
    """They are text, of bounded length, without what steers a page or its reader."""
    picture = drawn({("main", name): 1.0, (name,): 2.0})

    assert len(picture.svg) < 5000
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", picture.svg)


@given(st.dictionaries(st.lists(st.text(), min_size=1, max_size=4).map(tuple), st.floats(0, 1e18)))
def test_any_name_and_weight_can_be_drawn(stacks: dict[tuple[str, ...], float]) -> None:
    """Well nested, and nothing but what we draw."""
    picture = drawn(stacks)

    assert bool(picture.svg) == (sum(stacks.values()) > 0)
    if picture.svg:
        elements = {tag for tag, _ in Page(picture.svg).elements}
        assert elements <= {"svg", "title", "rect", "text"}


@pytest.mark.parametrize("budget", [300_000, 20_000, 1000, 10])
def test_a_picture_keeps_to_its_budget(budget: int) -> None:
    """Fewer boxes where names are long; none where even one is too much."""
    long = {(f"{number}{'&' * 1000}", f"é{number}" * 80): 1.0 + number for number in range(2000)}
    picture = drawn(long, budget=budget)

    assert len(picture.svg.encode()) <= budget
    assert (picture.shown > 0) == (budget > 5000)


def test_the_same_name_has_the_same_colour_everywhere() -> None:
    """In each picture, and in each process."""
    assert flame.colour("hot") == 7
    assert {flame.colour(f"f{number}") for number in range(100)} == set(range(flame.COLOURS))


@pytest.mark.parametrize(
    ("width", "label"),
    [(1000, "function"), (60, "functi…"), (25, ""), (0, "")],
)
def test_a_label_is_what_fits(width: float, label: str) -> None:
    """Too few letters tell nothing."""
    assert flame.fitting("function", width) == label


def luminance(colour: str) -> float:
    """As WCAG defines it."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_labels_can_be_read_on_each_colour(scheme: str) -> None:
    """A contrast of at least 4.5, which no tool tells of texts on SVG shapes."""
    light, _, rest = flame.STYLE.read_text().partition("@media (prefers-color-scheme: dark) {")
    rules = light if scheme == "light" else rest.partition("@media")[0]
    text = luminance(re.findall(r"text \{ fill: (#\w{6})", rules)[0])
    fills = re.findall(r"\.(\w+) \{ fill: (#\w{6})", rules)

    assert {name for name, _ in fills} >= {f"c{number}" for number in range(flame.COLOURS)}
    for name, fill in fills:
        high, low = sorted((text, luminance(fill)), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, name


def test_all_classes_that_are_drawn_have_a_colour(tmp_path: Path) -> None:
    """Those of the page's style are beside them."""
    made.make(tmp_path / "r")
    style = flame.STYLE.read_text()

    for name in re.findall(r'class="([^"]+)"', drawn(SMALL).svg):
        assert f".{name} " in style
