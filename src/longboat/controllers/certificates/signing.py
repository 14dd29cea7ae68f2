"""Making a certificate of an approved request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from longboat.controllers.certificates.requests import Wanted

BACKDATED = timedelta(minutes=5)  # clocks differ (kube-controller-manager does the same)
LONGEST = timedelta(days=365)  # --cluster-signing-duration's default
SHORTEST = timedelta(minutes=10)
EXTENDED = {
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
}
BITS = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "key agreement": "key_agreement",
    "data encipherment": "data_encipherment",
}
# Attributes of a subject that upstream's signers take over (Go, pkix.Name).
KEPT = frozenset((
    NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COUNTRY_NAME,
    NameOID.LOCALITY_NAME, NameOID.STATE_OR_PROVINCE_NAME, NameOID.STREET_ADDRESS, NameOID.POSTAL_CODE,
    NameOID.SERIAL_NUMBER,
))  # fmt: skip
_ALL_BITS = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


@dataclass(frozen=True)
class Signer:
    """A certificate authority of the cluster's, as the one who signs."""

    certificate: x509.Certificate
    key: Any

    def sign(self, wanted: Wanted, usages: list[str], now: datetime, seconds: int | None) -> str:
        """The certificate in PEM. It lives as long as was asked for, within bounds, and never beyond its authority."""
        life = LONGEST if seconds is None else min(max(timedelta(seconds=seconds), SHORTEST), LONGEST)
        ends = min(now + life, self.certificate.not_valid_after_utc)
        bits = {BITS[usage] for usage in usages if usage in BITS}
        builder = (
            x509.CertificateBuilder()
            .subject_name(_subject(wanted))
            .issuer_name(self.certificate.subject)
            .public_key(wanted.parsed.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - BACKDATED)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**{bit: bit in bits for bit in _ALL_BITS}), critical=True)
            .add_extension(_issuer(self.certificate), critical=False)
        )
        if extended := list(dict.fromkeys(EXTENDED[usage] for usage in usages if usage in EXTENDED)):
            builder = builder.add_extension(x509.ExtendedKeyUsage(extended), critical=False)
        if wanted.dns or wanted.ips or wanted.others:
            names = wanted.parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName)
            builder = builder.add_extension(names.value, critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _subject(wanted: Wanted) -> x509.Name:
    """What was asked for and approved: name and groups, and what Go's signers keep beside them. No UID, say."""
    return x509.Name(attribute for attribute in wanted.parsed.subject if attribute.oid in KEPT)


def _issuer(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        found = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value)
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())  # type: ignore[arg-type]
