"""Making a certificate of an approved request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from longboat.api import certificates
from longboat.controllers.certificates.requests import AS_CLIENT, SIGNATURE, Wanted

BACKDATED = timedelta(minutes=5)  # clocks differ (kube-controller-manager does the same)
LONGEST = timedelta(days=365)  # --cluster-signing-duration's default
SHORTEST = timedelta(minutes=10)
SHORT = timedelta(hours=8)  # what lives less than this keeps its end; a longer life is counted from the earlier start
# Attributes of a subject that upstream's signers take over (Go, pkix.Name).
KEPT = frozenset((
    NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COUNTRY_NAME,
    NameOID.LOCALITY_NAME, NameOID.STATE_OR_PROVINCE_NAME, NameOID.STREET_ADDRESS, NameOID.POSTAL_CODE,
    NameOID.SERIAL_NUMBER,
))  # fmt: skip


class Expired(RuntimeError):
    """The authority has ended: nobody would trust what it signs."""


@dataclass(frozen=True)
class Signer:
    """A certificate authority of the cluster's, as the one who signs."""

    certificate: x509.Certificate
    key: Any

    def sign(self, wanted: Wanted, usages: list[str], now: datetime, seconds: int | None) -> str:
        """The certificate in PEM. It lives as long as was asked for, within bounds, and never beyond its authority.

        Raises Expired.
        """
        if (last := self.certificate.not_valid_after_utc) <= now:
            raise Expired(f"refusing to sign a certificate that expired in the past: NotAfter={last}")
        life = LONGEST if seconds is None else min(max(timedelta(seconds=seconds), SHORTEST), LONGEST)
        since = now - BACKDATED
        until = now + life if life < SHORT else since + life
        builder = certificates.leaf(
            _subject(wanted), wanted.parsed.public_key(), _usable(usages), since, until, issuer=self.certificate,
            names=wanted.names,
        )  # fmt: skip
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _usable(usages: list[str]) -> list[str]:
    """The usages, and that a client's key signs where they say what else it does: it does nothing else in TLS.

    Go looks at no KeyUsage of a client's and lets such a certificate pass; OpenSSL, as RFC 5246 (7.4.6) asks, does not.
    """
    named = any(usage in certificates.KEY for usage in usages)
    return [*usages, SIGNATURE] if AS_CLIENT in usages and named else usages


def _subject(wanted: Wanted) -> x509.Name:
    """What was asked for and approved: name and groups, and what Go's signers keep beside them. No UID, say."""
    return x509.Name(attribute for attribute in wanted.parsed.subject if attribute.oid in KEPT)
