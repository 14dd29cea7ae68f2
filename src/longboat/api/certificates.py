"""What the certificates that we make say: the one making of them, for all who issue. Pure.

Usages go by their names in the Certificates API (`spec.usages` of a CertificateSigningRequest). The profile is that of
RFC 5280: a critical KeyUsage where there is a use of the key to name, and none at all where there is not (an empty one
is against the RFC, and OpenSSL takes such a certificate for broken); an empty subject makes the names critical.
"""

from __future__ import annotations

import ipaddress
import warnings
from collections.abc import Iterable
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KEY = {
    "signing": "digital_signature", "digital signature": "digital_signature",
    "content commitment": "content_commitment", "key encipherment": "key_encipherment",
    "data encipherment": "data_encipherment", "key agreement": "key_agreement", "cert sign": "key_cert_sign",
    "crl sign": "crl_sign", "encipher only": "encipher_only", "decipher only": "decipher_only",
}  # fmt: skip
EXTENDED = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec end system": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec tunnel": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec user": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "microsoft sgc": x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape sgc": x509.ObjectIdentifier("2.16.840.1.113730.4.1"),
}
USAGES = frozenset((*KEY, *EXTENDED))
CLIENT = ("digital signature", "client auth")
SERVER = ("digital signature", "server auth")
# The library says so of each name that is read or made, where the process stands. It is no mistake: see `subject`.
warnings.filterwarnings("ignore", "Attribute's length must be", UserWarning)
NAMES = (x509.DNSName, x509.IPAddress, x509.RFC822Name, x509.UniformResourceIdentifier)  # what Go's x509 knows of


def leaf(
    named: x509.Name, public_key: CertificatePublicKeyTypes, usages: Iterable[str], since: datetime, until: datetime,
    *, issuer: x509.Certificate | None = None, names: Iterable[x509.GeneralName] = (),
) -> x509.CertificateBuilder:  # fmt: skip
    """A certificate that issues no others, to be signed: by its own key where there is no `issuer`.

    It ends with its issuer at the latest. Of `names` those are taken that clients look at (`NAMES`).
    """
    usages = list(usages)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named if issuer is None else issuer.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until if issuer is None else min(until, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    )
    if bits := {KEY[usage] for usage in usages if usage in KEY}:
        builder = builder.add_extension(key_usage(bits), critical=True)
    if extended := list(dict.fromkeys(EXTENDED[usage] for usage in usages if usage in EXTENDED)):
        builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
    if issuer is not None:
        builder = builder.add_extension(_authority_id(issuer), critical=False)
    if kept := [name for name in names if isinstance(name, NAMES)]:
        builder = builder.add_extension(x509.SubjectAlternativeName(kept), critical=not list(named))
    return builder


def subject(common: str, groups: Iterable[str] = ()) -> x509.Name:
    """Of a user of this name and these groups, or of a server.

    Of any length, as Go writes and reads them: X.520 has 64 characters at most, and a node's name alone may have 253.
    """
    parts = [(NameOID.ORGANIZATION_NAME, group) for group in groups]
    named = [(oid, value) for oid, value in (*parts, (NameOID.COMMON_NAME, common)) if value]
    return x509.Name([x509.NameAttribute(oid, value, _validate=False) for oid, value in named])


def general_name(host: str) -> x509.GeneralName:
    """How a certificate names this host: an address, or a name of DNS."""
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def belong_together(certificate: bytes, key: bytes) -> bool:
    """Whether this is a certificate and the key that is its own (PEM). Two files are not replaced at one moment."""
    try:
        public = x509.load_pem_x509_certificate(certificate).public_key()
        return public == serialization.load_pem_private_key(key, None).public_key()
    except (ValueError, TypeError):
        return False


def key_usage(bits: Iterable[str]) -> x509.KeyUsage:
    """`encipher_only` and `decipher_only` say nothing without `key_agreement` (RFC 5280, 4.2.1.3) and are left out."""
    off = dict.fromkeys(dict.fromkeys(KEY.values()), False)
    on = {**off, **dict.fromkeys(bits, True)}
    if not on["key_agreement"]:
        on["encipher_only"] = on["decipher_only"] = False
    return x509.KeyUsage(**on)


def _authority_id(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        found = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value)
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())  # type: ignore[arg-type]
