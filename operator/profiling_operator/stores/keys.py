"""Keys of result folders, paths below them, names of documents.

Checked by whoever sends and by whoever takes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from profiling_operator.stores.contract import StoreRefusedError

RESERVED = ".profjob"
"""First part of paths that stores keep for themselves."""

PATH_BYTES, PART_BYTES, DEPTH = 1024, 255, 18
LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
NUMBER = re.compile(r"[1-9][0-9]{0,8}")
Part = tuple[str, re.Pattern[str], str]
"""Name, pattern, and what the pattern allows."""

PARTS = (
    ("namespace", LABEL, "a DNS label"),
    ("job", SUBDOMAIN, "a DNS name of at most 253 characters"),
    ("uid", UID, "letters, digits and dashes, at most 64"),
    ("attempt", NUMBER, "a number from 1"),
)
DOCUMENT_PARTS = (
    ("namespace", LABEL, "a DNS label"),
    ("series", VALUE, "a label value: letters, digits, '.', '_' and '-', at most 63"),
    ("baseline", LABEL, "a DNS label"),
)


class BadKeyError(StoreRefusedError):
    """No store takes a key or path like this."""


@dataclass(frozen=True)
class Key:
    """Which attempt of which job: what the parts of a key are."""

    namespace: str
    job: str
    uid: str
    attempt: str

    def __str__(self) -> str:
        """As stores and URLs have it."""
        return f"{self.namespace}/{self.job}/{self.uid}/{self.attempt}"


@dataclass(frozen=True)
class DocumentName:
    """Which baseline of which series."""

    namespace: str
    series: str
    baseline: str

    def __str__(self) -> str:
        """As stores and URLs have it."""
        return f"{self.namespace}/{self.series}/{self.baseline}"


def read_key(text: str) -> Key:
    """The parts of `NAMESPACE/JOB/UID/ATTEMPT`. Raises BadKeyError naming the bad one."""
    return Key(*_parts(text, PARTS, "a key is NAMESPACE/JOB/UID/ATTEMPT"))


def read_document_name(text: str) -> DocumentName:
    """The parts of `NAMESPACE/SERIES/BASELINE`. Raises BadKeyError naming the bad one."""
    return DocumentName(*_parts(text, DOCUMENT_PARTS, "a document is NAMESPACE/SERIES/BASELINE"))


def check_series(namespace: str, series: str | None = None) -> str:
    """`NAMESPACE` or `NAMESPACE/SERIES`, when documents can be there. Raises BadKeyError."""
    parts = [namespace] if series is None else [namespace, series]
    _require(parts, DOCUMENT_PARTS[: len(parts)])
    return "/".join(parts)


def _parts(text: str, known: Sequence[Part], form: str) -> list[str]:
    """The parts of a text, as many as are known and each as it must be."""
    parts = text.split("/")
    if len(parts) != len(known):
        raise BadKeyError(f"{text!r}: {form}")
    _require(parts, known)
    return parts


def _require(parts: Sequence[str], known: Sequence[Part]) -> None:
    for part, (name, pattern, allowed) in zip(parts, known, strict=True):
        if not pattern.fullmatch(part):
            raise BadKeyError(f"{name} {part!r}: must be {allowed}")


def check_path(path: str) -> str:
    """The path itself when it may be used below a key. Raises BadKeyError saying why not."""
    if said := problem(path):
        raise BadKeyError(f"path {path!r}: {said}")
    return path


def problem(path: str) -> str:
    """Why no store takes a file of this path; empty for a good one."""
    parts = path.split("/")
    if any(unicodedata.category(one) in {"Cc", "Cs"} for one in path):
        return "control characters and bytes that are no UTF-8 are not allowed"
    if any(part in {"", ".", ".."} for part in parts):
        return "must be relative, with parts other than '.' and '..' between single slashes"
    if parts[0] == RESERVED:
        return f"{RESERVED} is kept for the store itself"
    if len(parts) > DEPTH or len(path.encode()) > PATH_BYTES:
        return f"at most {DEPTH} parts and {PATH_BYTES} bytes are allowed"
    if any(len(part.encode()) > PART_BYTES for part in parts):
        return f"a part has at most {PART_BYTES} bytes"
    return ""
