"""The certificates that lie about in a data directory, of a control plane or of a node, and what servers show."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from longboat.api import certificates
from longboat.cli import kubeconfigs
from longboat.cli.errors import Failure

PATIENCE = 3.0  # seconds for a server to show its certificate
_USES = {oid: name for name, oid in reversed(certificates.EXTENDED.items())}


@dataclass
class Found:
    """A certificate, and where it was found: files beneath the data directory, or `node NAME` for what a port shows."""

    certificate: x509.Certificate
    places: list[str] = field(default_factory=list)

    @property
    def is_authority(self) -> bool:
        with suppress(x509.ExtensionNotFound):
            return self.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        return False

    @property
    def subject(self) -> str:
        return self.certificate.subject.rfc4514_string()

    @property
    def issuer(self) -> str:
        return self.certificate.issuer.rfc4514_string()

    @property
    def uses(self) -> list[str]:
        if self.is_authority:
            return ["authority"]
        with suppress(x509.ExtensionNotFound):
            usages = self.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
            return [_USES.get(usage, usage.dotted_string) for usage in usages]
        return []

    @property
    def names(self) -> list[str]:
        with suppress(x509.ExtensionNotFound):
            found = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            return [str(name.value) for name in found]
        return []

    def days_left(self, now: datetime) -> int:
        return (self.certificate.not_valid_after_utc - now).days


def gathered(root: Path) -> list[Found]:
    """Every certificate in this data directory, each once: authorities first, then by where they are."""
    found: dict[bytes, Found] = {}
    for place, certificate in _lying_about(root):
        found.setdefault(certificate.fingerprint(hashes.SHA256()), Found(certificate)).places.append(place)
    return sorted(found.values(), key=lambda each: (not each.is_authority, each.places[0]))


def _lying_about(root: Path) -> Iterator[tuple[str, x509.Certificate]]:
    for pattern in ("pki/*.crt", "nodes/*/pki/*.crt"):
        for path in sorted(root.glob(pattern)):
            with suppress(ValueError, OSError):
                yield str(path.relative_to(root)), x509.load_pem_x509_certificate(path.read_bytes())
    for pattern in ("*.kubeconfig", "nodes/*/*.kubeconfig"):
        for path in sorted(root.glob(pattern)):
            with suppress(ValueError, OSError, Failure):
                yield str(path.relative_to(root)), in_kubeconfig(path)


def in_kubeconfig(path: Path) -> x509.Certificate:
    """The client certificate of the first user. Raises OSError, Failure, ValueError."""
    try:
        encoded = kubeconfigs.read(path)["users"][0]["user"]["client-certificate-data"]
        return x509.load_pem_x509_certificate(base64.b64decode(encoded))
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"{path} holds no client certificate") from error


def shown(host: str, port: int) -> x509.Certificate:
    """What the server there shows to anybody. It is trusted in nothing. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3  # in which a server shows itself before it looks at the client
    with socket.create_connection((host, port), PATIENCE) as plain, context.wrap_socket(plain) as secured:
        der = secured.getpeercert(binary_form=True)
    if der is None:
        raise OSError(f"{host}:{port} shows no certificate")
    return x509.load_der_x509_certificate(der)


def port_of(node: dict[str, Any]) -> tuple[str, int] | None:
    """Where a Node says that it listens."""
    status = node.get("status") or {}
    hosts = [each["address"] for each in status.get("addresses") or () if each.get("type") == "InternalIP"]
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port")
    return (hosts[0], port) if hosts and port else None


def is_ready(node: dict[str, Any]) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)
