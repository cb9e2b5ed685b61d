"""Checksums as HTTP has them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from profiling_operator.stores.digests import begin, from_header, to_header

EXAMPLE = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"  # RFC 9530, appendix B.1


def test_the_header_is_that_of_the_standard() -> None:
    """And reads back, also among others."""
    sha256 = hashlib.sha256(b'{"hello": "world"}\n').hexdigest()

    assert to_header(sha256) == EXAMPLE
    assert from_header(EXAMPLE) == sha256
    assert from_header(f"sha-512=:AA==:, {EXAMPLE}") == sha256


@pytest.mark.parametrize("value", ["", "sha-256=abc", "sha-256=:AA==:", "sha-256=:A:", "x" * 9000])
def test_what_is_no_checksum_is_none(value: str) -> None:
    """Wrong lengths and encodings, too."""
    assert from_header(value) == ""


def test_a_checksum_goes_on_with_a_file(tmp_path: Path) -> None:
    """As that of the whole."""
    part = tmp_path / "part"
    part.write_bytes(b"a" * 3_000_000)

    digest = begin(part)
    digest.update(b"b")

    assert digest.hexdigest() == hashlib.sha256(b"a" * 3_000_000 + b"b").hexdigest()
    assert begin(tmp_path / "none").hexdigest() == hashlib.sha256().hexdigest()
