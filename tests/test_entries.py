"""Entries: their text, their schema, their files."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiling_operator import entries
from profiling_operator.entries import Entry, Kind, Source, Writer

ROOT = Path(__file__).parent.parent
FIRST_YEAR = -62_135_596_800 * entries.NANOSECONDS
LAST_YEAR = 253_402_300_800 * entries.NANOSECONDS - 1

NUMBERS = st.none() | st.integers(0, 2**53) | st.floats(0, 1e300)
ENTRIES = st.builds(
    Entry,
    time=st.integers(FIRST_YEAR, LAST_YEAR).map(entries.rfc3339),
    job=st.text(),
    run=st.integers(0, 200),
    collector=st.text(),
    kind=st.sampled_from(Kind),
    name=st.text(),
    additive=st.booleans(),
    path=st.none() | st.lists(st.text()).map(tuple),
    source=st.none() | st.builds(Source, file=st.text(), line=st.none() | st.integers(1, 10**6)),
    thread=st.none() | st.integers(),
    value=NUMBERS,
    exclusive=NUMBERS,
    attributes=st.none() | st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53)),
)


def entry(**fields: Any) -> Entry:
    """A small entry, with these fields."""
    given_first = {"time": entries.rfc3339(0), "job": "ci/a", "run": 0, "collector": "tau"}
    return Entry(**{**given_first, "kind": Kind.TIMER, "name": "hot", "additive": True, **fields})


@settings(deadline=None)
@given(nanoseconds=st.integers(FIRST_YEAR, LAST_YEAR))
def test_a_time_reads_back(nanoseconds: int) -> None:
    """To the nanosecond, in all years of four digits."""
    assert entries.epoch_nanoseconds(entries.rfc3339(nanoseconds)) == nanoseconds


@settings(deadline=None)
@given(one=st.integers(FIRST_YEAR, LAST_YEAR), other=st.integers(FIRST_YEAR, LAST_YEAR))
def test_times_sort_as_text(one: int, other: int) -> None:
    """Which `sort` and databases do."""
    assert (one < other) == (entries.rfc3339(one) < entries.rfc3339(other))


def test_a_time_has_nine_decimals() -> None:
    """Always, so that all have one length."""
    assert entries.rfc3339(1_769_860_800_000_000_001) == "2026-01-31T12:00:00.000000001Z"


@pytest.mark.parametrize("nanoseconds", [FIRST_YEAR - 1, LAST_YEAR + 1, 2**70, -(2**70)])
def test_a_time_of_no_such_year_is_refused(nanoseconds: int) -> None:
    """Profiles hold such numbers; the collector makes a note of it."""
    with pytest.raises(ValueError, match=r"year|out of range"):
        entries.rfc3339(nanoseconds)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("1970-01-01T00:00:01Z", 10**9), ("1970-01-01T00:00:00.5Z", 5 * 10**8)],
)
def test_fewer_decimals_will_do(text: str, nanoseconds: int) -> None:
    """Tools write as many as they like."""
    assert entries.epoch_nanoseconds(text) == nanoseconds


@pytest.mark.parametrize(
    "text",
    ["", "now", "1970-01-01", "1970-01-01T00:00:00", "1970-01-01T00:00:00.1_2Z", "\u0661970-01-01T",
     "1970-01-01T00:00:00+01:00", "1970-02-30T00:00:00Z", "1970-01-01T00:00:00.0000000001Z"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    """Never read as something near it."""
    with pytest.raises(ValueError, match=r"is not a time|does not match|day is out of range"):
        entries.epoch_nanoseconds(text)


@settings(deadline=None)
@given(one=ENTRIES)
def test_an_entry_is_what_the_schema_says(one: Entry) -> None:
    """Users check and generate code with it."""
    body = json.loads(msgspec.json.encode(one))

    assert list(jsonschema.Draft202012Validator(entries.schema()).iter_errors(body)) == []


@pytest.mark.parametrize(
    "change",
    [{"unknown": 1}, {"kind": "other"}, {"run": -1}, {"time": "now"}, {"source": {"x": 1}}],
)
def test_the_schema_refuses_what_is_no_entry(change: dict[str, Any]) -> None:
    """Unknown fields included."""
    body = {**json.loads(msgspec.json.encode(entry())), **change}

    assert not jsonschema.Draft202012Validator(entries.schema()).is_valid(body)


def test_the_schema_is_shipped_and_published() -> None:
    """The same in both places, and valid itself."""
    shipped = ROOT / "operator" / "profiling_operator" / "entry.schema.json"
    published = ROOT / "docs" / "entry.schema.json"

    jsonschema.Draft202012Validator.check_schema(entries.schema())
    assert json.loads(shipped.read_text()) == json.loads(published.read_text()) == entries.schema()


def test_every_field_is_described() -> None:
    """The schema is the reference."""
    assert all("description" in field for field in entries.schema()["properties"].values())


@pytest.mark.parametrize("name", ["entries.jsonl", "entries.jsonl.gz"])
@settings(deadline=None)
@given(listed=st.lists(ENTRIES, max_size=20))
def test_what_was_written_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, name: str, listed: list[Entry]
) -> None:
    """In its order, plain and compressed."""
    path = tmp_path_factory.mktemp("entries") / name
    with entries.create(path) as writer:
        for one in listed:
            writer.write(one)

    assert list(entries.load(path)) == listed
    assert writer.count == len(listed)


def test_each_line_is_one_entry(tmp_path: Path) -> None:
    """What is not known is absent, whatever stands in the name."""
    path = tmp_path / "entries.jsonl"
    with entries.create(path) as writer:
        writer.write(entry(name="a\nb"))
        writer.write(entry())

    lines = path.read_text().splitlines()

    assert [json.loads(line)["name"] for line in lines] == ["a\nb", "hot"]
    assert "value" not in json.loads(lines[0])


def test_equal_entries_give_equal_bytes(tmp_path: Path) -> None:
    """The gzip header holds neither name nor time, so checksums can be compared."""
    contents = []
    for name in ("one.jsonl.gz", "another.jsonl.gz"):
        with entries.create(tmp_path / name) as writer:
            writer.write(entry())
        contents.append((tmp_path / name).read_bytes())

    assert contents[0] == contents[1]
    assert contents[0][4:8] == b"\0\0\0\0"
    assert gzip.decompress(contents[0]).endswith(b"\n")


@pytest.mark.parametrize("name", ["entries.jsonl", "entries.jsonl.gz"])
def test_an_error_leaves_no_file(tmp_path: Path, name: str) -> None:
    """Neither half a file nor a temporary one."""

    def fail() -> None:
        with entries.create(tmp_path / name) as writer:
            writer.write(entry())
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        fail()

    assert list(tmp_path.iterdir()) == []


def test_the_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    """Before, there is none or the one of before."""
    path = tmp_path / "entries.jsonl"
    path.write_text("before")
    with entries.create(path) as writer:
        writer.write(entry())
        assert path.read_text() == "before"

    assert path.read_text() != "before"


def test_an_entry_that_cannot_be_encoded_leaves_no_trace() -> None:
    """What came before it stays, what waited with it goes; the lines stay whole."""
    stream = io.BytesIO()
    writer = Writer(stream)
    for _ in range(entries.ENCODED_AT_ONCE):
        writer.write(entry(name="one"))
    writer.write(entry(name="\ud800"))
    with pytest.raises(UnicodeEncodeError):
        writer.finish()
    writer.write(entry(name="two"))
    writer.finish()

    names = [json.loads(line)["name"] for line in stream.getvalue().splitlines()]
    assert names == ["one"] * entries.ENCODED_AT_ONCE + ["two"]
    assert writer.count == entries.ENCODED_AT_ONCE + 1


def test_entries_are_not_kept_in_memory() -> None:
    """What waits goes out at its limit, and counts before."""
    stream = io.BytesIO()
    writer = Writer(stream)
    while not stream.getvalue():
        writer.write(entry(name="x" * 1000))

    assert writer.count == entries.ENCODED_AT_ONCE == len(stream.getvalue().splitlines())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b"{"),
        ("a.jsonl", b'{"time": 1}\n'),
        ("a.jsonl.gz", b"no gzip"),
        ("a.jsonl.gz", gzip.compress(b"x" * 9999)[:-9]),
    ],
)
def test_a_damaged_file_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    """By one of the three errors that `load` names."""
    (tmp_path / name).write_bytes(content)

    with pytest.raises((msgspec.DecodeError, EOFError, OSError)):
        list(entries.load(tmp_path / name))


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_what_other_writers_wrote_is_taken_over(tmp_path: Path, name: str) -> None:
    """In its place among the own entries, as bytes: nothing is read again."""
    part = tmp_path / f"part-{name}"
    with entries.create(part) as writer:
        writer.write(entry(name="two"))
    with entries.create(tmp_path / name) as whole:
        whole.write(entry(name="one"))
        whole.append(part, 1)
        whole.append(part, 1)
        whole.write(entry(name="three"))

    names = [one.name for one in entries.load(tmp_path / name)]
    assert names == ["one", "two", "two", "three"]
    assert whole.count == 4


def test_a_gzip_file_without_entries_is_one(tmp_path: Path) -> None:
    """Not an empty file, at which readers stumble; what is taken over counts, too."""
    path = tmp_path / "a.jsonl.gz"
    with entries.create(path):
        pass

    assert gzip.decompress(path.read_bytes()) == b""
    assert list(entries.load(path)) == []
