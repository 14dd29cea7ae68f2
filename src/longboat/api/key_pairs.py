"""What is wrong with a certificate and its key, in the words of Go's tls.X509KeyPair. Pure."""

from __future__ import annotations

import re
from typing import Any

_BLOCK = re.compile(rb"-----BEGIN ([^\n-]*)-----\s[^-]*-----END \1-----")


def wrong(certificate: bytes, key: bytes) -> str:
    """ "" where they fit. Blocks of other types are passed over."""
    chain = _blocks(certificate)
    if not any(kind == "CERTIFICATE" for kind, _ in chain):
        return _no_certificate([kind for kind, _ in chain])
    found = _blocks(key)
    if not any(_is_key(kind) for kind, _ in found):
        return _no_key([kind for kind, _ in found])
    return _misfit(
        next(pem for kind, pem in chain if kind == "CERTIFICATE"), next(pem for kind, pem in found if _is_key(kind))
    )


def _blocks(data: bytes) -> list[tuple[str, bytes]]:
    return [(match[1].decode("utf-8", "replace"), match[0] + b"\n") for match in _BLOCK.finditer(data)]


def _is_key(kind: str) -> bool:
    return kind == "PRIVATE KEY" or kind.endswith(" PRIVATE KEY")


def _no_certificate(passed: list[str]) -> str:
    if not passed:
        return "tls: failed to find any PEM data in certificate input"
    if len(passed) == 1 and passed[0].endswith("PRIVATE KEY"):
        return (
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may "
            "have been switched"
        )
    return (
        'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following '
        f"types: [{' '.join(passed)}]"
    )


def _no_key(passed: list[str]) -> str:
    if not passed:
        return "tls: failed to find any PEM data in key input"
    if passed == ["CERTIFICATE"]:
        return "tls: found a certificate rather than a key in the PEM for the private key"
    return (
        'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the '
        f"following types: [{' '.join(passed)}]"
    )


def _misfit(certificate: bytes, key: bytes) -> str:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        public: Any = x509.load_pem_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        return "x509: malformed certificate"
    try:
        private: Any = serialization.load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "tls: failed to parse private key"
    if type(public).__name__.removesuffix("PublicKey") != type(private).__name__.removesuffix("PrivateKey"):
        return "tls: private key type does not match public key type"
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    same = private.public_key().public_bytes(*form) == public.public_bytes(*form)
    return "" if same else "tls: private key does not match public key"
