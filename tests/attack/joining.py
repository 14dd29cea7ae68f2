"""What a machine with a join token can get, for attacks that begin there."""

from __future__ import annotations

import base64
import ssl
import time
from pathlib import Path
from typing import Any

from integration.apiserver.process import ControlPlane
from longboat.client.enrolment import NODE_CLIENT, USAGES, Wish, wish

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
TOKEN = "abcdef.0123456789abcdef"
MERGE = {"Content_Type": "application/merge-patch+json"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def join_token(plane: ControlPlane) -> None:
    secret = {
        "metadata": {"name": f"bootstrap-token-{TOKEN[:6]}"},
        "type": "bootstrap.kubernetes.io/token",
        "stringData": {"token-id": TOKEN[:6], "token-secret": TOKEN[7:], "usage-bootstrap-authentication": "true"},
    }
    assert plane.ask("POST", "/api/v1/namespaces/kube-system/secrets", secret)[0] == 201


class Joiner:
    """A machine that asks for a node's client certificate with the token."""

    def __init__(self, plane: ControlPlane, node: str) -> None:
        self.plane, self.node = plane, node
        self.wished = wish(f"system:node:{node}", ["system:nodes"])

    def verdict(self, seconds: float = 10) -> dict[str, Any]:
        """The status of its request, decided."""
        return ask(self.plane, NODE_CLIENT, self.wished, self.plane.context(client=False), seconds, **BEARER)

    def context(self, folder: Path) -> ssl.SSLContext:
        """TLS as the node that it was made."""
        return with_pair(self.plane, folder / f"{self.node}.pem", self.verdict()["certificate"], self.wished)


def ask(
    plane: ControlPlane, signer: str, wished: Wish, who: ssl.SSLContext, seconds: float = 10, **headers: str
) -> dict[str, Any]:
    """A request's status once it holds a certificate or has been denied, or as it is after so many seconds."""
    spec = {"request": base64.b64encode(wished.request).decode(), "signerName": signer, "usages": USAGES[signer]}
    code, made, _ = plane.ask(
        "POST", CSRS, {"metadata": {"generateName": "csr-"}, "spec": spec}, context=who, **headers
    )
    assert code == 201, made
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status: dict[str, Any] = made.get("status") or {}
        if status.get("certificate") or any(c["type"] == "Denied" for c in status.get("conditions", ())):
            return status
        time.sleep(0.02)
        _, made, _ = plane.ask("GET", f"{CSRS}/{made['metadata']['name']}", context=who, **headers)
    return made.get("status") or {}


def with_pair(plane: ControlPlane, path: Path, certificate: str, wished: Wish) -> ssl.SSLContext:
    path.write_bytes(base64.b64decode(certificate) + wished.key)
    context = plane.context(client=False)
    context.load_cert_chain(path)
    return context
