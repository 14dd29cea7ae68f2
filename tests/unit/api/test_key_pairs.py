"""Certificates and keys that do not go together, as Go says it."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from longboat.api import key_pairs


def _pem(key: Any) -> bytes:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    pem: bytes = key.private_bytes(encoding, form, serialization.NoEncryption())
    return pem


def _certificate(key: Any) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    built = built.not_valid_before(start).not_valid_after(start + timedelta(days=1)).public_key(key.public_key())
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


ONE, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
CERTIFICATE, KEY = _certificate(ONE), _pem(ONE)
NOTE = b"-----BEGIN NOTE-----\nAAAA\n-----END NOTE-----\n"


@pytest.mark.parametrize(
    ("certificate", "key", "expected"),
    [
        (CERTIFICATE, KEY, ""),
        (NOTE + CERTIFICATE + CERTIFICATE, NOTE + KEY, ""),
        (b"", KEY, "tls: failed to find any PEM data in certificate input"),
        (KEY, KEY, "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM "
                   "inputs may have been switched"),
        (NOTE, KEY, 'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of '
                    "the following types: [NOTE]"),
        (CERTIFICATE, b"x", "tls: failed to find any PEM data in key input"),
        (CERTIFICATE, CERTIFICATE, "tls: found a certificate rather than a key in the PEM for the private key"),
        (CERTIFICATE, NOTE + NOTE, 'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input '
                                   "after skipping PEM blocks of the following types: [NOTE NOTE]"),
        (CERTIFICATE, _pem(OTHER), "tls: private key does not match public key"),
        (CERTIFICATE, _pem(ed25519.Ed25519PrivateKey.generate()),
         "tls: private key type does not match public key type"),
        (CERTIFICATE, NOTE.replace(b"NOTE", b"PRIVATE KEY"), "tls: failed to parse private key"),
    ],
)  # fmt: skip
def test_what_is_wrong(certificate: bytes, key: bytes, expected: str) -> None:
    assert key_pairs.wrong(certificate, key) == expected


def test_a_certificate_of_a_version_there_is_none_of_is_malformed() -> None:
    """Secrets hold what they like: it is a warning, and no fault."""
    der = x509.load_pem_x509_certificate(CERTIFICATE).public_bytes(serialization.Encoding.DER)
    odd = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1)
    assert odd != der
    pem = b"-----BEGIN CERTIFICATE-----\n" + b64encode(odd) + b"\n-----END CERTIFICATE-----\n"
    assert key_pairs.wrong(pem, KEY) == "x509: malformed certificate"
