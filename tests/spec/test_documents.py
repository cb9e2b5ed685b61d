"""From YAML or JSON text to plain values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from profiling_operator.errors import SpecError
from profiling_operator.spec import documents


def refusal(text: str) -> str:
    """What is said about a text."""
    with pytest.raises(SpecError) as caught:
        documents.load(text, "job.yaml")
    return str(caught.value)


def test_a_key_that_stands_twice_is_told_with_its_line() -> None:
    """YAML's own rule; PyYAML would keep the last one in silence."""
    assert refusal("a: 1\nb:\n  c: 1\n  c: 2\n") == "line 4: the key 'c' is there twice"


def test_a_key_that_stands_twice_in_json_is_told() -> None:
    """At any depth."""
    assert refusal('{"a": {"b": 1, "b": 2}}') == "the key 'b' is there twice"


def test_a_number_and_its_text_are_the_same_key() -> None:
    """JSON's keys are strings."""
    assert refusal("1: a\n'1': b\n") == "line 2: the key '1' is there twice"


def test_what_is_merged_in_may_be_overridden() -> None:
    """That is what `<<` is for."""
    text = "base: &base {a: 1, b: 2}\nhere:\n  <<: *base\n  b: 3\n"

    assert documents.load(text)[0]["here"] == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z"),
        ("!!timestamp 2026-01-31", "2026-01-31"),
        ("!!binary aGVsbG8=", "aGVsbG8="),
        ("1:30", "1:30"),
        ("22:22:22", "22:22:22"),
        ("1:30.5", "1:30.5"),
        ("12", 12),
        ("0x10", 16),
        ("1.5", 1.5),
        ("'12'", "12"),
        ("yes", True),
        ("~", None),
    ],
)
def test_scalars_are_what_kubernetes_makes_of_them(text: str, value: Any) -> None:
    """Dates and `1:30` stay strings; numbers in quotes, too."""
    assert documents.load(f"a: {text}\n") == [{"a": value}]


def test_keys_are_strings() -> None:
    """As in JSON."""
    assert documents.load("1: a\ntrue: b\n~: c\n") == [{"1": "a", "true": "b", "null": "c"}]


def test_json_is_read_as_json() -> None:
    """Tabs and pairs of surrogates, on which a YAML parser stumbles."""
    assert documents.load('{\n\t"a": "\\ud83d\\ude00"\n}\n') == [{"a": "😀"}]


def test_yaml_that_begins_as_json_does_is_yaml() -> None:
    """A mapping in braces."""
    assert documents.load("{a: 1, b: [x]}") == [{"a": 1, "b": ["x"]}]


def test_all_documents_that_hold_something_are_given() -> None:
    """In their order."""
    assert documents.load("---\na: 1\n---\n---\nb: 2\n") == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    "text",
    ["a: [", "a: b: c", "\x00", "!!int x", "!!bool maybe", "!!float x", "? [a]\n: b",
     "? {a: b}\n: c", "!!python/object/apply:os.system [ls]", "a: *nowhere",
     "[" * 100_000, "{" * 100_000, "a: " + "9" * 5000],
)  # fmt: skip
def test_what_is_not_yaml_is_refused(text: str) -> None:
    """With a SpecError, whatever PyYAML's constructors raise; nothing of Python is built."""
    assert refusal(text)


@settings(deadline=None)
@given(text=st.text(st.characters(), max_size=60))
@example(text="!!omap x")
@example(text="!!pairs [x]")
@example(text="!!set {a, b}")
@example(text="<<: 1")
def test_any_text_is_read_or_refused_with_a_spec_error(text: str) -> None:
    """No text makes reading fail in another way."""
    try:
        documents.load(text)
    except SpecError as error:
        assert error.problems
