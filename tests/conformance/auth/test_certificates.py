"""CertificateSigningRequests (sig-auth)."""

from __future__ import annotations

import base64

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from conformance.node.crud import WRITES, check_discovery
from conformance.stage import inside
from conformance.verbs import Verbs
from conformance.watching import watched
from longboat.machinery.objects import Object
from longboat.testing.cluster import Cluster

SIGNER, MARK = "example.com/e2e-signer", {"e2e": "yes"}
GROUP = "certificates.k8s.io/v1"


def request() -> Object:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "e2e.example.com")])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()
    usages = ["digital signature", "key encipherment", "server auth"]
    return {"spec": {"request": pem, "signerName": SIGNER, "usages": usages, "expirationSeconds": 3600}}


def certificate() -> str:
    """PEM in base64: what a signer would have made."""
    from datetime import UTC, datetime, timedelta

    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "e2e")]), datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(hours=1))
    signed = builder.sign(key, hashes.SHA256())
    return base64.b64encode(signed.public_bytes(serialization.Encoding.PEM)).decode()


def condition(kind: str, **said: str) -> Object:
    return {"type": kind, "status": "True", **said}


@inside
async def test_verbs(cluster: Cluster) -> None:
    """Conformance: CertificateSigningRequest API"""
    await check_discovery(cluster, GROUP, "certificatesigningrequests")
    for part in ("approval", "status"):
        await check_discovery(cluster, GROUP, f"certificatesigningrequests/{part}", WRITES)
    requests, body = Verbs(cluster, "certificatesigningrequest"), request()
    async with watched(requests, labels="e2e=yes") as events:
        made = await requests.create("first", body, labels=MARK)
        assert made["spec"]["expirationSeconds"] == 3600
        assert await requests.read("first") == made
        for name in ("second", "third"):
            await requests.create(name, request(), labels=MARK)
        assert len(await requests.list("e2e=yes")) == 3
        patched = await requests.patch("first", {"metadata": {"annotations": {"patched": "true"}}})
        assert patched["metadata"]["annotations"]["patched"] == "true"

        def update(obj: Object) -> None:
            obj["metadata"]["annotations"]["updated"] = "true"

        assert (await requests.update("first", update))["metadata"]["annotations"]["updated"] == "true"
        told = [obj["metadata"].get("annotations", {}) for kind, obj in events if kind == "MODIFIED"]
        assert told == [{"patched": "true"}, {"patched": "true", "updated": "true"}]

        assert (await requests.read("first", "approval"))["metadata"]["uid"] == made["metadata"]["uid"]
        approving = {
            "metadata": {"annotations": {"patchedapproval": "true"}},
            "status": {"conditions": [condition("ApprovalPatch", reason="e2e")]},
        }
        approved = await requests.patch("first", approving, subresource="approval")
        assert [each["type"] for each in approved["status"]["conditions"]] == ["ApprovalPatch"]
        assert approved["metadata"]["annotations"]["patchedapproval"] == "true"

        def approve(obj: Object) -> None:
            obj["status"]["conditions"].append(condition("Approved", reason="E2E", message="Set from an e2e test"))

        approved = await requests.update("first", approve, "approval")
        assert [each["type"] for each in approved["status"]["conditions"]] == ["ApprovalPatch", "Approved"]
        assert approved["status"]["conditions"][1]["reason"] == "E2E"

        assert (await requests.read("first", "status"))["metadata"]["uid"] == made["metadata"]["uid"]
        issued = certificate()
        signing = {"metadata": {"annotations": {"patchedstatus": "true"}}, "status": {"certificate": issued}}
        signed = await requests.patch("first", signing, subresource="status")
        assert signed["status"]["certificate"] == issued
        assert signed["metadata"]["annotations"]["patchedstatus"] == "true"

        def note(obj: Object) -> None:
            obj["status"]["conditions"].append(condition("StatusUpdate", reason="E2E", message="Set from an e2e test"))

        noted = await requests.update("first", note, "status")
        types = [each["type"] for each in noted["status"]["conditions"]]
        assert types == ["ApprovalPatch", "Approved", "StatusUpdate"]

        await requests.delete("first")
        assert await requests.is_gone("first")
        assert len(await requests.list("e2e=yes")) == 2
        await requests.delete_collection("e2e=yes")
        assert await requests.list("e2e=yes") == []
        assert [kind for kind, _ in events][-3:] == ["DELETED"] * 3
