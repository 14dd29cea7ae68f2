"""Certificates as HAProxy takes them: chain and key in one file. Nothing that it would refuse leaves here."""

from __future__ import annotations

import base64
import binascii
import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from longboat.network.ingress.views import Certificate

DAYS = 3650


def pem(secret: Certificate) -> bytes:
    """Raises ValueError, saying what is wrong without showing any of it."""
    chain, key = (_decoded(secret, name) for name in ("tls.crt", "tls.key"))
    try:
        certificates = x509.load_pem_x509_certificates(chain)
    except ValueError as error:
        raise ValueError("tls.crt holds no certificate") from error
    try:
        private = serialization.load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("tls.key holds no private key that can be used") from error
    if _public(certificates[0].public_key()) != _public(private.public_key()):
        raise ValueError("tls.key is not the key of the first certificate in tls.crt")
    return chain.rstrip() + b"\n" + key.rstrip() + b"\n"


def stand_in(now: datetime.datetime) -> bytes:
    """A certificate that nobody trusts, for hosts that have none."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Longboat ingress: no certificate for this host")])
    day = datetime.timedelta(days=1)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - day).not_valid_after(now + DAYS * day)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    encoding = serialization.Encoding.PEM
    plain = serialization.NoEncryption()
    return made.public_bytes(encoding) + key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)


def _decoded(secret: Certificate, name: str) -> bytes:
    try:
        return base64.b64decode(secret.data[name], validate=True)
    except KeyError as error:
        raise ValueError(f"{name} is missing") from error
    except binascii.Error as error:
        raise ValueError(f"{name} is not base64") from error


def _public(key: object) -> bytes:
    try:
        return key.public_bytes(  # type: ignore[attr-defined, no-any-return]
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    except (AttributeError, UnsupportedAlgorithm, InvalidSignature) as error:
        raise ValueError("it has a kind of key that cannot be used") from error
