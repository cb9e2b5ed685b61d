"""TAU's XML is none, and is read all the same, within bounds."""

from __future__ import annotations

import gzip
import io

import pytest

from profiling_operator.formats import tau_xml
from profiling_operator.formats.tau_xml import BrokenXmlError, Parser


class Seen:
    """Follows the elements."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []
        self.attributes: list[dict[str, str]] = []
        self.rows: list[str] = []

    def start(self, path: list[str], attributes: dict[str, str]) -> None:
        """Keep attributes."""
        if attributes:
            self.attributes.append(attributes)

    def end(self, path: list[str], text: str) -> None:
        """Keep texts."""
        if text:
            self.texts.append(("/".join(path[1:]), text))

    def wants_lines(self, name: str) -> bool:
        """Of one element."""
        return name == "data"

    def lines(self, name: str, lines: list[str]) -> None:
        """Keep lines."""
        self.rows += lines


def parse(text: bytes, size: int | None = None) -> Seen:
    """Parse all of a text."""
    seen = Seen()
    for _ in Parser(seen).parse(io.BytesIO(text), len(text) if size is None else size):
        pass
    return seen


def test_many_roots_with_bytes_that_no_xml_may_hold() -> None:
    """NUL between ranks, control bytes and wrong UTF-8 in values, sections without escapes."""
    seen = parse(
        b"<a><name>x\x01y</name></a>\n\0<a><name>\xff</name></a>"
        b"<b k='v'><name><![CDATA[<&>]]></name><value>1 &lt; 2&#xa;3</value></b>\n"
    )

    assert seen.texts == [
        ("a/name", "xy"),
        ("a/name", "�"),
        ("b/name", "<&>"),
        ("b/value", "1 < 2\n3"),
    ]
    assert seen.attributes == [{"k": "v"}]


def test_lines() -> None:
    """Whole ones, however the text comes; the last one may end without a line feed."""
    many = b"".join(b"%d 1 2 3\n" % index for index in range(20_000))
    seen = parse(b"<data>" + many + b"rest</data><b>\n</b>")

    assert [line for line in seen.rows if line] == [
        *(f"{index} 1 2 3" for index in range(20_000)),
        "rest",
    ]


def test_a_declaration_is_passed_over() -> None:
    """Some writers begin with one."""
    assert parse(b'<?xml version="1.0" encoding="UTF-8"?>\n<a>x</a>').texts == [("a", "x")]


def test_packed() -> None:
    """By the first bytes, not by the name."""
    text = b"<a>x</a>" * 1000
    assert parse(gzip.compress(text)).texts == [("a", "x")] * 1000


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        (b"<a>\n<b>x</c>", "mismatched tag", 2),
        (b"<a>\n<name>x", "truncated: it ends within <name>", 2),
        (b"\n\n<a x='", "truncated", 1),
        (b"<!DOCTYPE a [<!ENTITY b 'bb'>]><a>&b;</a>", "not XML", 1),
        (b"<a>&b;</a>", "undefined entity", 1),
        (b"<a>" * 40, "not the elements of a profile", 1),
        (gzip.compress(b"<a>x</a>" * 100)[:-20], "truncated", 1),
        (tau_xml.GZIP + b"nonsense", "truncated", 1),
        (b"".join(b"<a%d/>" % index for index in range(1100)), "not the elements", 1),
    ],
    ids=[
        *("tags", "open", "open-tag", "entities", "entity", "deep", "half-packed", "not-packed"),
        "names",
    ],
)
def test_what_cannot_be_read(text: bytes, message: str, line: int) -> None:
    """It says why and where."""
    with pytest.raises(BrokenXmlError) as caught:
        parse(text)

    assert message in str(caught.value)
    assert caught.value.line >= line


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What packs too well is no profile."""
    monkeypatch.setattr(tau_xml, "PACKED_MORE", 1 << 18)
    packed = gzip.compress(b"<a>" + b" " * (1 << 24))

    with pytest.raises(BrokenXmlError, match="packed too well"):
        parse(packed)


def test_a_tag_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor a comment, nor a text of any length."""
    monkeypatch.setattr(tau_xml, "LONGEST_TAG", 1 << 18)
    with pytest.raises(BrokenXmlError, match="a tag without end"):
        parse(b"<a k='" + b"x" * (1 << 20))

    assert len(parse(b"<a>" + b"x" * (1 << 20) + b"</a>").texts[0][1]) == tau_xml.LONGEST_TEXT


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"<profile_xml>", True),
        (b"\0\n<?xml version='1.0'?>", True),
        (gzip.compress(b"x"), True),
        (b"5 templated", False),
    ],
)
def test_how_xml_begins(head: bytes, expected: bool) -> None:
    """Packed or not."""
    assert tau_xml.is_xml(head) == expected
