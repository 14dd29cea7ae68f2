"""What a certificate request asks for, and which of upstream's signers may grant it. Pure.

The rules are those of the signers' documentation (Certificates API, "Kubernetes signers").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from longboat.api import subjects

CLIENT = "kubernetes.io/kube-apiserver-client"
NODE_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
NODE_SERVING = "kubernetes.io/kubelet-serving"
LEGACY = "kubernetes.io/legacy-unknown"
SIGNERS = (CLIENT, NODE_CLIENT, NODE_SERVING, LEGACY)

NETWORK_PREFIX, NETWORK = "system:longboat:network:", "system:longboat:network"
NODE_PREFIX, NODES, MASTERS = "system:node:", "system:nodes", "system:masters"
SIGNATURE, ENCIPHERMENT, AS_CLIENT, AS_SERVER = "digital signature", "key encipherment", "client auth", "server auth"


class BadRequest(ValueError):
    """The request cannot be read, or is not what its signer grants."""


@dataclass(frozen=True)
class Wanted:
    """The subject and names that a certificate is wanted for."""

    name: str
    groups: tuple[str, ...]
    dns: tuple[str, ...]
    ips: tuple[str, ...]
    emails: tuple[str, ...]
    others: bool  # URIs, or what is none of these, are among the names
    names: tuple[x509.GeneralName, ...]
    parsed: x509.CertificateSigningRequest


def read(encoded: str) -> Wanted:
    """The request of a spec (base64 of PEM). Raises BadRequest, also where its signature is not its key's."""
    try:
        parsed = subjects.requested(encoded)
        if not parsed.is_signature_valid:
            raise BadRequest("the request is not signed with its own key")
        names = _names(parsed)
    except BadRequest:
        raise
    except (ValueError, UnsupportedAlgorithm, TypeError) as error:
        raise BadRequest(f"unable to parse csr: {error}") from error
    name, groups = subjects.name_of(parsed.subject), subjects.groups_of(parsed.subject)
    dns = [name.value for name in names if isinstance(name, x509.DNSName)]
    ips = [str(name.value) for name in names if isinstance(name, x509.IPAddress)]
    emails = [name.value for name in names if isinstance(name, x509.RFC822Name)]
    others = len(dns) + len(ips) + len(emails) != len(names)
    return Wanted(name, groups, tuple(dns), tuple(ips), tuple(emails), others, tuple(names), parsed)


def _names(parsed: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    try:
        return list(parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def check(signer: str, wanted: Wanted, usages: Iterable[str]) -> None:
    """Raises BadRequest where this signer does not grant it, in upstream's words."""
    given = set(usages := list(usages))
    if signer == NODE_CLIENT:
        _check_nodes(wanted)
        for names, what in ((wanted.dns, "DNS"), (wanted.emails, "Email"), (wanted.ips, "IP"), (wanted.others, "URI")):
            if names:
                raise BadRequest(f"{what} subjectAltNames are not allowed")
        _check_node(wanted)
        _check_usages(given, AS_CLIENT)
    elif signer == NODE_SERVING:
        _check_nodes(wanted)
        if not wanted.dns and not wanted.ips:
            raise BadRequest("DNS or IP subjectAltName is required")
        for names, what in ((wanted.emails, "Email"), (wanted.others, "URI")):
            if names:
                raise BadRequest(f"{what} subjectAltNames are not allowed")
        _check_usages(given, AS_SERVER)
        _check_node(wanted)
    elif signer == CLIENT:
        if MASTERS in wanted.groups:
            raise BadRequest(f"use of {CLIENT} signer with {MASTERS} group is not allowed")
        for usage in usages:
            if usage not in (SIGNATURE, ENCIPHERMENT, AS_CLIENT):
                raise BadRequest(f"invalid usage for client certificate: {usage}")
        if AS_CLIENT not in given:
            raise BadRequest(f"missing required usage for client certificate: {AS_CLIENT}")


def _check_nodes(wanted: Wanted) -> None:
    if wanted.groups != (NODES,):
        raise BadRequest(f"subject organization is not {NODES}")


def _check_node(wanted: Wanted) -> None:
    if not wanted.name.startswith(NODE_PREFIX) or wanted.name == NODE_PREFIX:
        raise BadRequest(f"subject common name does not begin with {NODE_PREFIX}")


def _check_usages(given: set[str], purpose: str) -> None:
    if not {SIGNATURE, purpose} <= given <= {SIGNATURE, ENCIPHERMENT, purpose}:
        raise BadRequest(f"usages did not match [{SIGNATURE} {ENCIPHERMENT} {purpose}]")
