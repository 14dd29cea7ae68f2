"""A request for a certificate is one, and what a signer hands out are certificates."""

from __future__ import annotations

import base64
import ssl

from longboat.client.enrolment import wish
from longboat.machinery.fieldpath import Errors
from longboat.node.certificates import stop_gap
from unit.registry.kinds.checks import BY_RESOURCE, CTX

STRATEGY = BY_RESOURCE["certificatesigningrequests.certificates.k8s.io"]
REFUSED = "the legacy signerName is not allowed via this API version"


def encoded(text: bytes) -> str:
    return base64.b64encode(text).decode()


def complaints(request: str, signer: str = "kubernetes.io/kube-apiserver-client") -> str:
    err = Errors()
    STRATEGY.validate_create({"spec": {"request": request, "signerName": signer, "usages": ["client auth"]}}, err)
    return "; ".join(f"{cause.field}: {cause.message}" for cause in err.causes)


def test_a_request_is_one_and_signed_with_its_own_key() -> None:
    made = wish("jane", ()).request
    assert complaints(encoded(made)) == ""
    assert complaints(encoded(made), "kubernetes.io/legacy-unknown").endswith(REFUSED)
    for junk in (b"", made.replace(b"CERTIFICATE REQUEST", b"CERTIFICATE")):
        assert complaints(encoded(junk)).endswith("PEM block type must be CERTIFICATE REQUEST")
    der = bytearray(ssl.PEM_cert_to_DER_cert(made.decode().replace(" REQUEST", "")))
    der[-1] ^= 1
    forged = ssl.DER_cert_to_PEM_cert(bytes(der)).replace("CERTIFICATE", "CERTIFICATE REQUEST")
    assert complaints(encoded(forged.encode())).endswith("the request is not signed with its own key")


def test_what_a_signer_hands_out_is_certificates_and_stays() -> None:
    pem = stop_gap("n", CTX.now)[0].decode()
    for text, why in (
        (pem, ""), (f"{pem}{pem}", ""), ("x", "must contain at least one CERTIFICATE PEM block"),
        (pem.replace("CERTIFICATE", "PRIVATE KEY"), 'only CERTIFICATE PEM blocks are allowed, found "PRIVATE KEY"'),
        (pem.replace("-----\n", "-----\nA: b\n\n", 1), "no PEM block headers are permitted"),
    ):  # fmt: skip
        err = Errors()
        STRATEGY.validate_status({"status": {"certificate": encoded(text.encode())}}, {}, err)
        assert [cause.message for cause in err.causes] == (
            [f'Invalid value: "<certificate data>": {why}'] if why else []
        )
    err = Errors()
    STRATEGY.validate_status({"status": {"certificate": "eA=="}}, {"status": {"certificate": "eQ=="}}, err)
    assert "updates may not modify existing certificate content" in err.causes[0].message
