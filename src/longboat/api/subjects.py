"""Whom a certificate, or a request for one, names: the one reading of it, for all who judge or issue them. Pure.

The name is the common name, the groups the organizations, the UID an attribute of Kubernetes' own (KEP-4193). A subject
that has two of what there is one of would name different users to different readers: Go takes the last common name,
others the first.
"""

from __future__ import annotations

import base64
import binascii

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

UID = x509.ObjectIdentifier("1.3.6.1.4.1.57683.2")


class BadSubject(ValueError):
    """It names nobody that everybody would understand alike, or cannot be read."""


def name_of(subject: x509.Name) -> str:
    """ "" where there is none. Raises BadSubject for several."""
    return _one(subject, NameOID.COMMON_NAME, "common names")


def uid_of(subject: x509.Name) -> str:
    """ "" where there is none. Raises BadSubject for several."""
    return _one(subject, UID, "UIDs")


def groups_of(subject: x509.Name) -> tuple[str, ...]:
    return tuple(_values(subject, NameOID.ORGANIZATION_NAME))


def requested(encoded: str) -> x509.CertificateSigningRequest:
    """The request of a CertificateSigningRequest's spec (base64 of PEM). Raises BadSubject."""
    try:
        parsed = decoded(encoded)
        name_of(parsed.subject)
    except BadSubject:
        raise
    except (ValueError, binascii.Error, UnsupportedAlgorithm, TypeError) as error:
        raise BadSubject(str(error)) from error
    return parsed


def unsigned(encoded: str) -> str:
    """Why this is no request that somebody has signed with its own key; "" where it is one."""
    try:
        return "" if decoded(encoded).is_signature_valid else "the request is not signed with its own key"
    except (ValueError, binascii.Error, UnsupportedAlgorithm, TypeError) as error:
        return str(error)


def decoded(encoded: str) -> x509.CertificateSigningRequest:
    """Raises ValueError, binascii.Error, UnsupportedAlgorithm or TypeError."""
    pem = base64.b64decode("".join(encoded.splitlines()), validate=True)  # Go passes over line breaks
    if b"-----BEGIN CERTIFICATE REQUEST-----" not in pem:
        raise ValueError("PEM block type must be CERTIFICATE REQUEST")
    return x509.load_pem_x509_csr(pem)


def _one(subject: x509.Name, oid: x509.ObjectIdentifier, what: str) -> str:
    found = _values(subject, oid)
    if len(found) > 1:
        raise BadSubject(f"the subject has {len(found)} {what}")
    return found[0] if found else ""


def _values(subject: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(attribute.value) for attribute in subject.get_attributes_for_oid(oid)]
