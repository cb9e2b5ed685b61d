"""Keys and certificates, each with its key in one PEM file, so that none is ever half there."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=20 * 365)
"""Kubeconfigs hold its certificate, so it is never renewed."""
LIFE = timedelta(days=5 * 365)
RENEW_BEFORE = timedelta(days=365)
"""A host may be left alone for long; who starts the control plane once a year has no gap."""
BACKDATED = timedelta(hours=1)  # clocks differ
USAGES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        """Both, the key first."""
        return key_pem(self.key) + self.certificate_pem

    @property
    def certificate_pem(self) -> str:
        """What may be shown."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


def make_key() -> ec.EllipticCurvePrivateKey:
    """A new key, as every program here reads it."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """A key in PEM, without a password; kube-apiserver takes public keys of this form alone."""
    how = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL)
    return key.private_bytes(*how, serialization.NoEncryption()).decode()


def read(pem: str) -> Pair | None:
    """What `Pair.pem` wrote; None for anything else."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), None)
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except (ValueError, TypeError):
        return None
    return Pair(certificate, key) if isinstance(key, ec.EllipticCurvePrivateKey) else None


def make_authority(name: str, now: datetime) -> Pair:
    """A certificate authority of its own."""
    key = make_key()
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    built = (
        _begin(name, name, key, now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
    )
    return Pair(built.sign(key, hashes.SHA256()), key)


def make(authority: Pair, name: str, hosts: Sequence[str], now: datetime) -> Pair:
    """A certificate for a server at these names and addresses, and for it as a client."""
    key = make_key()
    signer = x509.SubjectKeyIdentifier.from_public_key(authority.key.public_key())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(signer)
    built = (
        _begin(name, _name_of(authority.certificate), key, now, LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(USAGES), critical=False)
        .add_extension(issuer, critical=False)
        .add_extension(x509.SubjectAlternativeName(_names(hosts)), critical=False)
    )
    return Pair(built.sign(authority.key, hashes.SHA256()), key)


def is_good(one: Pair, authority: Pair, hosts: Sequence[str], now: datetime) -> bool:
    """Whether it is the authority's, for exactly these hosts, and for long enough."""
    try:
        one.certificate.verify_directly_issued_by(authority.certificate)
        known = one.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    left = one.certificate.not_valid_after_utc - now
    return list(known.value) == _names(hosts) and left > RENEW_BEFORE


def _begin(
    name: str, issuer: str, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(_common_name(name))
        .issuer_name(_common_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before((now - BACKDATED).astimezone(UTC))
        .not_valid_after((now + life).astimezone(UTC))
        .add_extension(identifier, critical=False)
    )


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _name_of(certificate: x509.Certificate) -> str:
    (found,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found.value)


def _names(hosts: Sequence[str]) -> list[x509.GeneralName]:
    return [_name(one) for one in dict.fromkeys(hosts)]


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
