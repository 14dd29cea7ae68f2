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
    others: bool  # e-mail addresses or URIs are among the names
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
    others = len(dns) + len(ips) != len(names)
    return Wanted(name, groups, tuple(dns), tuple(ips), others, parsed)


def _names(parsed: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    try:
        return list(parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def check(signer: str, wanted: Wanted, usages: Iterable[str]) -> None:
    """Raises BadRequest where this signer does not grant it, in upstream's words."""
    given = set(usages)
    if signer == NODE_CLIENT:
        _check_node(wanted)
        if wanted.dns or wanted.ips or wanted.others:
            raise BadRequest("DNS, IP, email and URI SANs are not allowed")
        _check_usages(given, {SIGNATURE, AS_CLIENT}, {ENCIPHERMENT})
    elif signer == NODE_SERVING:
        _check_node(wanted)
        if not wanted.dns and not wanted.ips:
            raise BadRequest("DNS or IP subjectAltName is required")
        if wanted.others:
            raise BadRequest("email and URI subjectAltNames are not allowed")
        _check_usages(given, {SIGNATURE, AS_SERVER}, {ENCIPHERMENT})
    elif signer == CLIENT:
        if MASTERS in wanted.groups:
            raise BadRequest(f"use of {CLIENT} signer with {MASTERS} group is not allowed")
        _check_usages(given, {AS_CLIENT}, {SIGNATURE, ENCIPHERMENT})


def _check_node(wanted: Wanted) -> None:
    if wanted.groups != (NODES,):
        raise BadRequest(f"subject organization is not {NODES}")
    if not wanted.name.startswith(NODE_PREFIX) or wanted.name == NODE_PREFIX:
        raise BadRequest(f"subject common name does not begin with {NODE_PREFIX}")


def _check_usages(given: set[str], needed: set[str], optional: set[str]) -> None:
    if not needed <= given <= needed | optional:
        raise BadRequest("usages did not match expected")
