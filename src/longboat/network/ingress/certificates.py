"""Certificates as HAProxy takes them: chain and key in one file, written anew from what was read.

Nothing that stands around them in a Secret gets any further. What would be refused, or would cost everybody the time
that is spent on it, is refused here already; HAProxy has the last word (`trial`).
"""

from __future__ import annotations

import base64
import binascii
import datetime
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import NameOID

from longboat.api.certificates import SERVER, leaf, subject
from longboat.network.ingress.views import Certificate

T = TypeVar("T")
DAYS = 3650
NEVER = datetime.datetime.max.replace(tzinfo=datetime.UTC)
PEM, PLAIN = serialization.Encoding.PEM, serialization.NoEncryption()
# Bytes. A chain goes out with each handshake; a key of 4,096 bits takes 3,272, and checking one takes ever longer.
LONGEST_CHAIN, LONGEST_KEY = 64 << 10, 8 << 10
MOST_LINKS = 10
# Bits of RSA. Below, OpenSSL refuses it (security level 2). Above, a signature takes ten times as long and more, and
# those who shake hands with other hosts wait for it; public authorities certify none that are longer.
RSA = range(2048, 4096 + 1)
EDWARDS = (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey)
ODD = (
    ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)  # fmt: skip
HOST = re.compile(r"(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


@dataclass(frozen=True)
class Pair:
    """A chain and the key of its first certificate, as one text; the hosts that this one names; its last moment."""

    pem: bytes
    names: tuple[str, ...] = ()
    end: datetime.datetime = NEVER


def pair(secret: Certificate) -> Pair:
    """Raises ValueError, saying what is wrong without showing any of it."""
    chain = _decoded(secret, "tls.crt", LONGEST_CHAIN)
    certificates = _read("tls.crt holds no certificate", lambda: x509.load_pem_x509_certificates(chain))
    if len(certificates) > MOST_LINKS:
        raise ValueError(f"tls.crt holds {len(certificates)} certificates: more than {MOST_LINKS}")
    public = _usable(_read("tls.crt has a kind of key that cannot be used", certificates[0].public_key))
    key = _decoded(secret, "tls.key", LONGEST_KEY)
    # Whether its numbers are primes is not looked at: with more bits than allowed that alone takes seconds.
    private = _read(
        "tls.key holds no private key that can be used",
        lambda: serialization.load_pem_private_key(key, None, unsafe_skip_rsa_key_validation=True),
    )
    if _spki(public) != _spki(private.public_key()):
        raise ValueError("tls.key is not the key of the first certificate in tls.crt")
    written = private.private_bytes(PEM, serialization.PrivateFormat.PKCS8, PLAIN)
    text = b"".join(each.public_bytes(PEM) for each in certificates) + written
    names = _read("tls.crt has names that cannot be read", lambda: tuple(dict.fromkeys(_names(certificates[0]))))
    return Pair(text, names, certificates[0].not_valid_after_utc)


def stand_in(now: datetime.datetime) -> bytes:
    """A certificate that nobody trusts, for hosts that have none."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = subject("Longboat ingress: no certificate for this host")
    day = datetime.timedelta(days=1)
    made = leaf(name, key.public_key(), SERVER, now - day, now + DAYS * day).sign(key, hashes.SHA256())
    return made.public_bytes(PEM) + key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, PLAIN)


def _decoded(secret: Certificate, name: str, longest: int) -> bytes:
    try:
        found = base64.b64decode(secret.data[name], validate=True)
    except KeyError as error:
        raise ValueError(f"{name} is missing") from error
    except binascii.Error as error:
        raise ValueError(f"{name} is not base64") from error
    if len(found) > longest:
        raise ValueError(f"{name} has {len(found)} bytes: more than {longest}")
    return found


def _read(otherwise: str, reading: Callable[[], T]) -> T:
    """What is read. Raises ValueError with these words for whatever is odd about it."""
    try:
        return reading()
    except ODD as error:
        raise ValueError(otherwise) from error


def _usable(key: Any) -> Any:
    """The public key. Raises ValueError if it is of a kind or a length that clients do not speak to."""
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size not in RSA:
            raise ValueError(f"tls.crt has an RSA key of {key.key_size} bits: {RSA[0]} to {RSA[-1]} can be used")
    elif not isinstance(key, (ec.EllipticCurvePublicKey, *EDWARDS)):
        raise ValueError("tls.crt has a kind of key that cannot be used")
    return key


def _names(certificate: x509.Certificate) -> Iterator[str]:
    """The DNS names that it is for; of one without any: its common name."""
    try:
        listed = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = listed.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        found = [str(each.value) for each in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    yield from (name for name in map(str.lower, found) if HOST.fullmatch(name) and len(name) < 254)


def _spki(key: Any) -> bytes:
    def read() -> bytes:
        found: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        return found

    return _read("tls.crt or tls.key has a kind of key that cannot be used", read)
