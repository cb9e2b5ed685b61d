"""Names that platforms accept."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_operator import names

LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
ANY_TEXT = st.text(st.characters(), max_size=300)  # lone surrogates included


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("nbody-1234", "nbody"),
        ("nbody-x7k2p", "nbody"),
        ("nbody", "nbody"),
        ("nbody-hot", "nbody-hot"),
        ("nbody-hello", "nbody-hello"),  # vowels are in no generated suffix
        ("nbody-2-17", "nbody-2"),
        ("1234", "1234"),
    ],
)
def test_the_series_is_the_name_without_number_or_generated_suffix(name: str, series: str) -> None:
    """Builds of one job are of one series."""
    assert names.default_series(name) == series


@given(text=ANY_TEXT, limit=st.integers(names.DIGEST_LENGTH, names.LABEL_LIMIT))
def test_a_shortened_name_is_a_label_within_its_limit(text: str, limit: int) -> None:
    """Whatever the text, and however narrow the limit."""
    name = names.shorten(text, limit)

    assert len(name) <= limit
    assert LABEL.fullmatch(name)
    assert names.shorten(text, limit) == name


@given(text=st.from_regex(LABEL, fullmatch=True))
def test_a_label_that_fits_stays_as_it_is(text: str) -> None:
    """Nothing is changed without need."""
    assert names.shorten(text) == text


@given(one=ANY_TEXT, other=ANY_TEXT)
def test_different_texts_have_different_names(one: str, other: str) -> None:
    """A text that had to be changed carries a digest of the whole."""
    assert (names.shorten(one) == names.shorten(other)) == (one == other)


def test_a_limit_without_room_for_the_digest_is_refused() -> None:
    """A name that could be anybody's is no name."""
    with pytest.raises(ValueError, match="cannot be told from others"):
        names.shorten("abc", names.DIGEST_LENGTH - 1)


@given(
    job=st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", fullmatch=True),
    number=st.integers(1, 10_000),
)
def test_an_attempt_has_a_label_for_a_name(job: str, number: int) -> None:
    """Also for job names of 253 characters."""
    assert LABEL.fullmatch(names.attempt_name("ci", job, "uid", number))


def test_an_attempt_is_named_after_namespace_job_uid_and_number() -> None:
    """The same attempt has the same name; anything else differs."""
    listed = [
        names.attempt_name("ci", "nbody", "u1", 1),
        names.attempt_name("ci", "nbody", "u1", 2),
        names.attempt_name("ci", "nbody", "u2", 1),
        names.attempt_name("dev", "nbody", "u1", 1),
    ]

    assert names.attempt_name("ci", "nbody", "u1", 1) == listed[0]
    assert len(set(listed)) == len(listed)
    assert all(name.startswith("nbody-") for name in listed)


@pytest.mark.parametrize(("name", "tag", "made"), [
    ("nbody", "jenkins-team-main-12", "nbody-team-main-12"),
    ("nbody", "pipeline-7", "nbody-pipeline-7"),
    ("nbody", "jenkins-team-PR-12", r"nbody-team-pr-12-[0-9a-f]{8}"),
    ("nbody", "jenkins-team-feature%2Fx-3", r"nbody-team-feature-2fx-3-[0-9a-f]{8}"),
    ("nbody", f"jenkins-{'a' * 80}-3", r"nbody-a{48}-[0-9a-f]{8}"),
    ("my.nbody", "jenkins-a-1", r"my-nbody-a-1-[0-9a-f]{8}"),
])  # fmt: skip
def test_a_build_makes_a_name_that_people_can_read(name: str, tag: str, made: str) -> None:
    """With a digest only where something had to be changed."""
    assert re.fullmatch(made, names.build_name(name, tag))


@given(one=ANY_TEXT, other=ANY_TEXT)
def test_two_builds_never_share_a_name(one: str, other: str) -> None:
    """Whatever Jenkins calls them; each name is a label."""
    first, second = (names.build_name("nbody", f"jenkins-{tag}") for tag in (one, other))

    assert (first == second) == (one == other)
    assert LABEL.fullmatch(first)
