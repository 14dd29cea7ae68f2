"""How a machine without credentials comes to have some: it checks the cluster's CA by its hash, then asks for a
certificate (KEP-43, KEP-130)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from longboat.aio.clock import Clock
from longboat.api import certificates, kinds
from longboat.client.https import HttpsTransport
from longboat.client.interface import Transport
from longboat.client.kubeconfig import Access
from longboat.machinery.errors import StatusError

CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
NODE_CLIENT, NODE_SERVING = "kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kubelet-serving"
CLIENT = "kubernetes.io/kube-apiserver-client"
USAGES = {
    CLIENT: certificates.CLIENT,
    NODE_CLIENT: certificates.CLIENT,
    NODE_SERVING: certificates.SERVER,
}
LOOK_EVERY = 0.5  # seconds
_TOKEN = re.compile(r"(?P<token>[a-z0-9]{6}\.[a-z0-9]{16})@sha256:(?P<pin>[0-9a-f]{64})")


class Refused(Exception):
    """The cluster is not the one that the token names, or does not grant what was asked for."""


@dataclass(frozen=True)
class JoinToken:
    """`token` is a bootstrap token; `pin` the SHA-256 of the CA's public key (DER), in hex."""

    token: str
    pin: str

    @classmethod
    def parse(cls, text: str) -> JoinToken:
        """Raises ValueError. The text is never repeated: it is a secret."""
        match = _TOKEN.fullmatch(text.strip())
        if match is None:
            raise ValueError("this is not a join token (ID.SECRET@sha256:HASH, see: longboat token create)")
        return cls(match["token"], match["pin"])

    def __str__(self) -> str:
        return f"{self.token}@sha256:{self.pin}"

    def __repr__(self) -> str:
        return f"JoinToken({self.token[:6]}…)"


def pin_of(authority: x509.Certificate) -> str:
    """What a join token says of a CA (kubeadm's --discovery-token-ca-cert-hash)."""
    key = authority.public_key()
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


async def discover(server: str, pin: str, clock: Clock) -> str:
    """The CA (PEM) of the cluster at this URL, if it is the one that is named.

    The connection it comes over is trusted in nothing else: what is handed on is that one certificate, encoded anew,
    and nothing that came beside it. Raises Refused, ConnectionError, StatusError.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    transport = HttpsTransport(Access(server, context), "longboat-agent", clock)
    try:
        found = msgspec.json.decode(await transport.request("GET", CLUSTER_INFO))
        config = msgspec.yaml.decode(found["data"]["kubeconfig"])
        bundle = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"])
        authorities = x509.load_pem_x509_certificates(bundle)
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise Refused(f"{server} does not say what its CA is") from error
    finally:
        await transport.close()
    if len(authorities) != 1:
        raise Refused(f"{server} names {len(authorities)} CAs, and a token names one")
    authority = authorities[0]
    if not hmac.compare_digest(pin_of(authority), pin):
        raise Refused(f"{server} is not the cluster that the token names: its CA is another")
    return authority.public_bytes(serialization.Encoding.PEM).decode()


@dataclass(frozen=True)
class Wish:
    """A certificate request and its key, both PEM."""

    key: bytes
    request: bytes


def wish(name: str, groups: Sequence[str], hosts: Sequence[str] = ()) -> Wish:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = certificates.subject(name, groups)
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([certificates.general_name(host) for host in hosts]), critical=False
        )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )  # fmt: skip
    return Wish(pem, builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


async def obtain(
    transport: Transport, clock: Clock, signer: str, wished: Wish, patience: float, seconds: int = 0
) -> bytes:
    """The certificate (PEM), once it has been approved and signed.

    `seconds` is how long it should be good for, 0 for as long as the signer likes. Raises Refused where it is denied,
    fails or does not come within `patience` seconds; ConnectionError, StatusError.
    """
    kind = kinds.CERTIFICATE_SIGNING_REQUEST
    version = f"{kind.group}/{kind.version}"
    spec = {
        "request": base64.b64encode(wished.request).decode(), "signerName": signer, "usages": USAGES[signer],
        **({"expirationSeconds": seconds} if seconds else {}),
    }  # fmt: skip
    body = {
        "apiVersion": version, "kind": kind.name, "metadata": {"generateName": "csr-"}, "spec": spec,
    }  # fmt: skip
    made = msgspec.json.decode(await transport.request("POST", REQUESTS, body=msgspec.json.encode(body)))
    path, began = f"{REQUESTS}/{made['metadata']['name']}", clock.monotonic()
    while True:
        status = made.get("status") or {}
        for condition in status.get("conditions") or ():
            if condition["type"] in ("Denied", "Failed"):
                raise Refused(
                    f"the certificate request was {condition['type'].lower()}: {condition.get('message', '')}"
                )
        if status.get("certificate"):
            return base64.b64decode(status["certificate"])
        if clock.monotonic() - began > patience:
            raise Refused(f"nobody has signed the certificate request {made['metadata']['name']}")
        await clock.sleep(LOOK_EVERY)
        try:
            made = msgspec.json.decode(await transport.request("GET", path))
        except StatusError as error:
            if error.code == 404:
                raise Refused("the certificate request has been deleted") from error
            raise
