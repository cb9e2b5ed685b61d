"""Checksums: of files, and as HTTP has them (RFC 9530)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from pathlib import Path
from typing import Protocol

from profiling_operator.stores.contract import PIECE


class Digest(Protocol):
    """A checksum that is being made."""

    def update(self, data: bytes, /) -> None:
        """See more bytes."""
        ...

    def hexdigest(self) -> str:
        """The checksum of what was seen, in hexadecimal."""
        ...


HEADER = "Repr-Digest"
HEXADECIMAL = re.compile(r"[0-9a-f]{64}")
FIELD = re.compile(r"(?:^|[,\s])sha-256=:([A-Za-z0-9+/=]{1,64}):")


def to_header(sha256: str) -> str:
    """`sha-256=:…:` of a checksum in hexadecimal."""
    return f"sha-256=:{base64.b64encode(bytes.fromhex(sha256)).decode()}:"


def from_header(value: str) -> str:
    """The checksum in hexadecimal; empty when the header has no SHA-256."""
    found = FIELD.search(value)
    if not found:
        return ""
    try:
        digest = base64.b64decode(found[1], validate=True).hex()
    except binascii.Error:
        return ""
    return digest if HEXADECIMAL.fullmatch(digest) else ""


def begin(part: Path) -> Digest:
    """A SHA-256 that has seen what is in a file so far; the file need not exist.

    Raises OSError.
    """
    digest = hashlib.sha256()
    if part.exists():
        with part.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
    return digest
