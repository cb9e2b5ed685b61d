"""XML as TAU writes it: not well-formed, without end, perhaps packed; every element of it in turn.

`tauprofile.xml` and `snapshot.<node>.<context>.<thread>` are many documents one after the other,
with a NUL byte between ranks, and control bytes and wrong UTF-8 in values. What a parser refuses is
taken out, and one root is put around all. There can be no document type in such a text, so there
are no entities. Memory is bounded: texts, tags, depth and unpacking have limits.
"""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Protocol, cast
from xml.parsers import expat

CHUNK = 1 << 16
DEEPEST = 32
MOST_NAMES = 1000
LONGEST_TAG = 1 << 22
LONGEST_TEXT = 1 << 16
PACKED_TIMES = 200  # TAU's XML packs to a twentieth; what packs better than this is a trap
PACKED_MORE = 1 << 26

GZIP = b"\x1f\x8b"
BEGINNINGS = (b"<profile_xml", b"<?xml")
DECLARATION = re.compile(r"\s*<\?xml[^<>]{0,200}\?>")
UNWANTED = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF))


class BrokenXmlError(Exception):
    """The text cannot be read further."""

    def __init__(self, message: str, line: int) -> None:
        """What is wrong, and in which line."""
        super().__init__(message)
        self.line = line


class Elements(Protocol):
    """Who follows the elements."""

    def start(self, path: list[str], attributes: dict[str, str]) -> None:
        """An element begins; the last of `path` is its name."""

    def end(self, path: list[str], text: str) -> None:
        """An element ends. Its text is what stands behind the last tag in it, at most 64 KiB."""

    def wants_lines(self, name: str) -> bool:
        """Whether an element's text comes line by line instead."""

    def lines(self, name: str, lines: list[str]) -> None:
        """Lines of an element that are whole, without their line feeds."""


def is_xml(head: bytes) -> bool:
    """Whether a file begins like TAU's XML, packed or not."""
    return head.startswith((GZIP, *BEGINNINGS)) or head.lstrip(b"\0 \r\n\t").startswith(BEGINNINGS)


class Parser:
    """Parses one file of `size` bytes; `line` is where it is."""

    def __init__(self, elements: Elements) -> None:
        """Tell `elements` of all that is found."""
        self._elements = elements
        self._path: list[str] = []
        self._text: list[str] = []
        self._room = 0
        self._rest = ""
        self._by_line = False
        self._names: set[str] = set()
        self._silent = 0
        parser = self._expat = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.buffer_size = CHUNK
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.Parse("<profiles>")

    @property
    def line(self) -> int:
        """Where it is, counted from 1."""
        return self._expat.CurrentLineNumber

    def parse(self, stream: BinaryIO, size: int) -> Iterator[None]:
        """Parse a file; pauses after each piece of it.

        Raises BrokenXmlError where the text is no XML, or ends too early.
        """
        for text in self._clean(stream, size):
            self._feed(text)
            yield
        if self._path[1:]:
            raise BrokenXmlError(f"truncated: it ends within <{self._path[-1][:40]}>", self.line)
        try:
            self._expat.Parse("</profiles>", True)
        except expat.ExpatError as error:
            raise BrokenXmlError("truncated: it ends within a tag", error.lineno) from error

    def _clean(self, stream: BinaryIO, size: int) -> Iterator[str]:
        """The text without what no XML may hold."""
        decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        room = whole = PACKED_TIMES * size + PACKED_MORE
        try:
            plain = _unpacked(stream)
            while read := plain.read(CHUNK):
                text = decode(read).translate(UNWANTED)
                found = DECLARATION.match(text) if room == whole else None
                yield text[found.end() :] if found else text
                room -= len(read)
                if room < 0:
                    raise BrokenXmlError("packed too well to be a profile", self.line)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise BrokenXmlError(f"truncated: {error}", self.line) from error

    def _feed(self, text: str) -> None:
        self._silent += len(text)
        try:
            self._expat.Parse(text)
        except expat.ExpatError as error:
            raise BrokenXmlError(
                f"not XML: {expat.ErrorString(error.code)}", error.lineno
            ) from error
        if self._silent > LONGEST_TAG:
            raise BrokenXmlError("a tag without end", self.line)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._silent = 0
        self._path.append(name)
        self._names |= {name, *attributes}
        if len(self._path) > DEEPEST or len(self._names) > MOST_NAMES:
            raise BrokenXmlError(f"<{name[:40]}>: not the elements of a profile", self.line)
        self._text, self._room, self._rest = [], LONGEST_TEXT, ""
        self._elements.start(self._path, attributes)
        self._by_line = self._elements.wants_lines(name)

    def _end(self, name: str) -> None:
        self._silent = 0
        if self._by_line and self._rest:
            self._elements.lines(name, [self._rest])
        self._elements.end(self._path, "".join(self._text).strip())
        self._path.pop()
        self._text, self._room, self._rest, self._by_line = [], LONGEST_TEXT, "", False

    def _characters(self, text: str) -> None:
        self._silent = 0
        if self._by_line:
            lines = (self._rest + text).split("\n")
            self._rest = lines.pop()[:LONGEST_TEXT]
            self._elements.lines(self._path[-1], lines)
        elif self._room > 0:
            self._text.append(text[: self._room])
            self._room -= len(self._text[-1])


def _unpacked(stream: BinaryIO) -> BinaryIO:
    """The stream itself, or what is packed in it."""
    packed = stream.read(len(GZIP)) == GZIP
    stream.seek(0)
    return cast(BinaryIO, gzip.GzipFile(fileobj=stream, mode="rb")) if packed else stream
