"""A request for a certificate is one, and what a signer hands out are certificates."""

from __future__ import annotations

import base64
import ssl
from typing import Any

import pytest

from longboat.client.enrolment import wish
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.names import dns1123_label, dns1123_subdomain
from longboat.node.certificates import stop_gap
from longboat.registry.kinds import rules
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
    assert "updates may not modify existing certificate content" in err.causes[-1].message


MUST = "must be a fully qualified domain and path of the form 'example.com/signer-name'"


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("example.com/s", []),
        ("a.b.example.com/ns.the-name.x", []),
        ("", ["Required value"]),
        ("s", [f'Invalid value: "s": {MUST}']),
        ("a/b/c d", [f'Invalid value: "a/b/c d": {MUST}']),
        ("example/s", ['Invalid value: "example": should be a domain with at least two segments separated by dots']),
        ("Example.Com/s", [f'Invalid value: "Example.Com": validating label "Example": {dns1123_label("Example")[0]}']),
        ("example.com/a.", [f'Invalid value: "a.": validating label "": {dns1123_subdomain("")[0]}']),
        (f"{'a.' * 127}a/s", ["Too long: may not be more than 253 bytes"]),
        (f"example.com/{'a.' * 280}a", ["Too long: may not be more than 571 bytes"]),
    ],
)
def test_who_signs_is_named_by_a_domain_and_a_path(name: str, wrong: list[str]) -> None:
    err = Errors()
    rules.signer_name(name, Path("spec", "signerName"), err)
    assert [cause.message for cause in err.causes] == wrong


def condition(kind: str, status: str = "True", **more: str) -> dict[str, Any]:
    return {"type": kind, "status": status, **more}


def change(old: list[Any], new: list[Any], through: str) -> list[str]:
    """What is said against a change of conditions: the reason and what follows it, up to a line's end."""
    before, after, err = {"status": {"conditions": old}}, {"status": {"conditions": new}}, Errors()
    if through == "status":
        STRATEGY.validate_status(after, before, err)
    elif through:
        STRATEGY.validate_part(through, after, before, err)
    else:
        STRATEGY.validate_update(after, before, err)
    return [f"{cause.field}: {cause.message}".partition("\n")[0] for cause in err.causes]


APPROVED, DENIED, FAILED = condition("Approved"), condition("Denied"), condition("Failed")
AT = "status.conditions"
BOTH = f'{AT}: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'


@pytest.mark.parametrize(
    ("old", "new", "through", "wrong"),
    [
        ([], [APPROVED], "approval", []),
        ([], [APPROVED], "status", [f'{AT}: Forbidden: updates may not add a condition of type "Approved"']),
        ([], [DENIED], "", [f'{AT}: Forbidden: updates may not add a condition of type "Denied"']),
        ([], [FAILED], "status", []),
        ([FAILED], [], "status", [f'{AT}: Forbidden: updates may not remove a condition of type "Failed"']),
        ([APPROVED], [], "approval", [f'{AT}: Forbidden: updates may not remove a condition of type "Approved"']),
        ([APPROVED], [condition("Approved", reason="r")], "status",
         [f'{AT}: Forbidden: updates may not modify a condition of type "Approved"']),
        ([APPROVED], [condition("Approved", reason="r")], "approval", []),
        ([APPROVED], [APPROVED, DENIED], "approval", [BOTH]),
        ([APPROVED, DENIED], [APPROVED, DENIED], "status", []),
        ([], [condition("Approved", "False")], "approval",
         [f'{AT}[0].status: Unsupported value: "False": supported values: "True"']),
        ([], [condition("Other", "Maybe")], "approval",
         [f'{AT}[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"']),
        ([], [condition("Other", "False")], "status", []),
        ([], [condition("", "")], "status", [f"{AT}[0].type: Required value", f"{AT}[0].status: Required value"]),
        ([condition("")], [condition("")], "status", []),
        ([], [FAILED, FAILED], "status", [f'{AT}[1].type: Duplicate value: "Failed"']),
        ([FAILED, FAILED], [FAILED, FAILED], "status", []),
    ],
)  # fmt: skip
def test_verdicts_are_given_through_approval_and_stay(old: Any, new: Any, through: str, wrong: list[str]) -> None:
    assert change(old, new, through) == wrong


def test_a_changed_verdict_is_shown_as_a_difference() -> None:
    before, after = (
        {"status": {"conditions": [APPROVED]}},
        {"status": {"conditions": [condition("Approved", reason="r")]}},
    )
    err = Errors()
    STRATEGY.validate_status(after, before, err)
    assert '- "Reason": "",' in err.causes[0].message and '+ "Reason": "r",' in err.causes[0].message


def test_only_a_signer_sets_the_certificate() -> None:
    pem, err = encoded(stop_gap("n", CTX.now)[0]), Errors()
    STRATEGY.validate_part("approval", {"status": {"certificate": pem}}, {}, err)
    assert [str(cause) for cause in err.causes] == [
        "status.certificate: Forbidden: updates may not set certificate content"
    ]
