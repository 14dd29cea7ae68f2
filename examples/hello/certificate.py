"""A self-signed certificate for a host, and its key, as files.

    python examples/hello/certificate.py hello.example.com hello.crt hello.key

For trying things out: whoever opens the page must be told to trust this very certificate.
"""

from __future__ import annotations

import datetime
import os
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAYS = 365


def build(host: str) -> tuple[bytes, bytes]:
    """The certificate and the key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    # A common name has room for 64 characters; clients go by the alternative name below.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        # By these a client that trusts an old and a new certificate of one name tells them apart.
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return certificate.public_bytes(pem), key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)


def write(host: str, certificate: Path, key: Path) -> None:
    parts = build(host)
    certificate.write_bytes(parts[0])
    with open(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(parts[1])


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
