"""When a request for a certificate has served its turn: kube-controller-manager's times (certificates/cleaner)."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from longboat.controllers.certificates.cleaner import useless_from
from longboat.controllers.certificates.views import SigningRequest
from longboat.machinery.objects import timestamp

MADE = datetime(2030, 1, 1, tzinfo=UTC)
DECIDED = MADE + timedelta(hours=30)
HOUR = timedelta(hours=1)


@cache
def certificate(minutes: int) -> str:
    """One that ends so long after the decision."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(x509.Name([]), x509.Name([]), key.public_key(), 1)
    signed = (
        builder.not_valid_before(MADE).not_valid_after(DECIDED + timedelta(minutes=minutes)).sign(key, hashes.SHA256())
    )
    return base64.b64encode(signed.public_bytes(Encoding.PEM)).decode()


def request(*conditions: str, issued: str = "") -> SigningRequest:
    told = [{"type": each, "status": "True", "lastUpdateTime": timestamp(DECIDED)} for each in conditions]
    found = {
        "metadata": {"name": "r", "creationTimestamp": timestamp(MADE)}, "spec": {},
        "status": {"conditions": told, **({"certificate": issued} if issued else {})},
    }  # fmt: skip
    return msgspec.convert(found, SigningRequest)


@pytest.mark.parametrize(
    ("found", "due"),
    [
        (request(), MADE + timedelta(hours=24)),
        (request("Denied"), DECIDED + HOUR),
        (request("Approved", "Failed"), DECIDED + HOUR),
        (request("Approved"), None),  # its signer may be slow
        (request("Other"), None),
        (request("Approved", issued=certificate(600)), DECIDED + HOUR),
        (request("Approved", issued=certificate(20)), DECIDED + timedelta(minutes=20)),
        (request("Approved", issued="eA=="), DECIDED + HOUR),
        (request(issued=certificate(20)), MADE + timedelta(hours=24)),
    ],
)
def test_when_it_is_of_no_use(found: SigningRequest, due: datetime | None) -> None:
    assert useless_from(found) == due
