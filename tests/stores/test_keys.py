"""Keys and paths: what leads out of a result folder is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiling_operator.stores.keys import (
    BadKeyError,
    DocumentName,
    Key,
    check_path,
    check_series,
    problem,
    read_document_name,
    read_key,
)


def test_a_key_has_four_parts() -> None:
    """And reads as it was written."""
    key = read_key("ci/nbody.v2/0b7b-1/12")

    assert key == Key("ci", "nbody.v2", "0b7b-1", "12")
    assert str(key) == "ci/nbody.v2/0b7b-1/12"


@pytest.mark.parametrize(("key", "named"), [
    ("Ci/a/b/1", "namespace 'Ci'"),
    ("a.b/a/b/1", "namespace 'a.b'"),
    (f"ci/{'a' * 254}/b/1", "job"),
    ("ci/.../b/1", "job '...'"),
    ("ci/a/../1", "uid '..'"),
    ("ci/a/b/01", "attempt '01'"),
    ("ci/a/b/1\n", "attempt"),
    ("ci/a/b/٣", "attempt"),
])  # fmt: skip
def test_a_bad_part_is_named(key: str, named: str) -> None:
    """With what is allowed."""
    with pytest.raises(BadKeyError, match=named.replace(".", r"\.") + ".*must be"):
        read_key(key)


@given(st.text(max_size=60))
def test_a_good_path_stays_below_its_folder(path: str) -> None:
    """Whatever the text: a path that passes has only real names as parts."""
    if not problem(path):
        assert all(part not in {"", ".", ".."} and "\0" not in part for part in path.split("/"))
        assert check_path(path) == path
    else:
        with pytest.raises(BadKeyError, match="path"):
            check_path(path)


@pytest.mark.parametrize("path", ["a/" * 18 + "a", "/".join(["é" * 120] * 5), "é" * 128])
def test_lengths_are_bounded(path: str) -> None:
    """In bytes, as disks and object stores count."""
    assert "at most" in problem(path)


def test_a_document_has_a_series_and_a_name() -> None:
    """A series is what labels take: upper case, dots and underscores as well."""
    name = read_document_name("ci/N_Body.v2/main")

    assert name == DocumentName("ci", "N_Body.v2", "main")
    assert str(name) == "ci/N_Body.v2/main"
    assert [check_series("ci"), check_series("ci", "A.b")] == ["ci", "ci/A.b"]


@pytest.mark.parametrize(("name", "named"), [
    ("ci/main", "a document is NAMESPACE/SERIES/BASELINE"),
    ("ci/a/main/1", "a document is NAMESPACE/SERIES/BASELINE"),
    ("Ci/a/main", "namespace 'Ci'"),
    (".profjob/a/main", "namespace '.profjob'"),
    ("ci/../main", "series '..'"),
    ("ci/.a/main", "series '.a'"),
    ("ci/a*/main", "series 'a[*]'"),
    (f"ci/{'a' * 64}/main", "series"),
    ("ci//main", "series ''"),
    ("ci/a/Main", "baseline 'Main'"),
    ("ci/a/main.json", "baseline 'main.json'"),
    ("ci/a/main\n", "baseline"),
])  # fmt: skip
def test_a_bad_name_of_a_document_is_named(name: str, named: str) -> None:
    """With what is allowed there."""
    with pytest.raises(BadKeyError, match=named):
        read_document_name(name)


@pytest.mark.parametrize("parts", [("CI",), ("",), ("ci", ""), ("ci", "*"), ("ci", "a/b")])
def test_a_bad_series_is_refused(parts: tuple[str, ...]) -> None:
    """It becomes a folder, a prefix, or a part of a URL."""
    with pytest.raises(BadKeyError):
        check_series(*parts)
