"""Keys and certificates."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from profiling_operator.control_plane import certificates
from profiling_operator.control_plane.certificates import LIFE, RENEW_BEFORE

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOSTS = ("etcd", "localhost", "127.0.0.1", "::1")
AUTHORITY = certificates.make_authority("ours", NOW)


def test_a_pair_is_read_as_it_was_written() -> None:
    """Key and certificate in one text."""
    made = certificates.make(AUTHORITY, "etcd", HOSTS, NOW)

    found = certificates.read(made.pem)

    assert found is not None
    assert found.pem == made.pem
    assert "PRIVATE KEY" not in made.certificate_pem
    assert made.pem.startswith("-----BEGIN EC PRIVATE KEY-----")


@pytest.mark.parametrize("text", ["", "nothing", AUTHORITY.certificate_pem])
def test_what_is_no_pair_is_none(text: str) -> None:
    """A file that was cut, or somebody else's."""
    assert certificates.read(text) is None


def test_a_certificate_is_good_for_its_hosts_and_its_authority_alone() -> None:
    """Else it is made anew."""
    made = certificates.make(AUTHORITY, "etcd", HOSTS, NOW)

    assert certificates.is_good(made, AUTHORITY, HOSTS, NOW)
    assert not certificates.is_good(made, AUTHORITY, (*HOSTS, "10.0.0.1"), NOW)
    assert not certificates.is_good(made, AUTHORITY, HOSTS[:1], NOW)
    other = certificates.make_authority("ours", NOW)
    assert not certificates.is_good(made, other, HOSTS, NOW)


def test_a_certificate_is_renewed_in_time() -> None:
    """Long before it ends."""
    made = certificates.make(AUTHORITY, "etcd", HOSTS, NOW)
    second = timedelta(seconds=1)

    assert certificates.is_good(made, AUTHORITY, HOSTS, NOW + LIFE - RENEW_BEFORE - second)
    assert not certificates.is_good(made, AUTHORITY, HOSTS, NOW + LIFE - RENEW_BEFORE)
    assert timedelta(days=30) <= RENEW_BEFORE


def test_openssl_finds_no_fault(tmp_path: Path) -> None:
    """By the strict rules of RFC 5280, which newer clients hold servers to."""
    made = certificates.make(AUTHORITY, "etcd", HOSTS, NOW)
    (tmp_path / "ca.crt").write_text(AUTHORITY.certificate_pem)
    (tmp_path / "server.pem").write_text(made.pem)

    for purpose in ("sslserver", "sslclient"):
        words = ["openssl", "verify", "-x509_strict", "-purpose", purpose,
                 "-attime", str(int(NOW.timestamp())), "-verify_ip", "::1",
                 "-CAfile", "ca.crt", "server.pem"]  # fmt: skip
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stdout.strip() == "server.pem: OK", done.stderr
