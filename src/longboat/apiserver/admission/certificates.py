"""Certificate requests: who may approve and sign for a signer, and what nobody may ask for (security lesson 20)."""

from __future__ import annotations

from longboat.api import kinds, subjects
from longboat.api.storage import CSI_CALLER
from longboat.apiserver.admission.chain import Plugin
from longboat.apiserver.authz.action import MASTERS, Action
from longboat.apiserver.authz.authorizer import Authorizer
from longboat.machinery.errors import forbidden
from longboat.machinery.objects import Object, dig
from longboat.registry.admission import Attributes, Target

CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"


class Approval(Plugin):
    """Upstream's CertificateApproval: who may give the verdict on requests to a signer."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def handles(self, target: Target) -> bool:
        return _is(target, "UPDATE", "approval")

    async def validate(self, attributes: Attributes) -> None:
        await _permit(self._authorizer, attributes, "approve")


class Signing(Plugin):
    """Upstream's CertificateSigning: who may sign for a signer, or say that it failed."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def handles(self, target: Target) -> bool:
        return _is(target, "UPDATE", "status")

    async def validate(self, attributes: Attributes) -> None:
        if _signs(attributes.obj or {}, attributes.old or {}):
            await _permit(self._authorizer, attributes, "sign")


class SubjectRestriction(Plugin):
    """Upstream's CertificateSubjectRestriction: what nobody may ask for."""

    def handles(self, target: Target) -> bool:
        return _is(target, "CREATE", "")

    def validate(self, attributes: Attributes) -> None:
        request = attributes.obj or {}
        if dig(request, "spec", "signerName") != CLIENT_SIGNER:
            return
        try:
            subject = subjects.requested(dig(request, "spec", "request", default="")).subject
        except subjects.BadSubject as error:
            raise forbidden(attributes.kind, attributes.name, f"failed to parse CSR: {error}") from error
        if MASTERS in subjects.groups_of(subject):
            why = f"use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed"
            raise forbidden(attributes.kind, attributes.name, why)
        if subjects.name_of(subject) == CSI_CALLER:
            why = f"use of {CLIENT_SIGNER} signer with common name {CSI_CALLER} is not allowed"
            raise forbidden(attributes.kind, attributes.name, why)


def _is(target: Target, operation: str, subresource: str) -> bool:
    return target == Target(kinds.CERTIFICATE_SIGNING_REQUEST, operation, subresource)


async def _permit(authorizer: Authorizer, attributes: Attributes, verb: str) -> None:
    """Raises StatusError 403."""
    signer = dig(attributes.old or {}, "spec", "signerName", default="")
    group = kinds.CERTIFICATE_SIGNING_REQUEST.group
    for name in (signer, f"{signer.partition('/')[0]}/*"):
        if attributes.user is None or await authorizer.allowed(
            attributes.user, Action(verb, group, "signers", name=name)
        ):
            return
    why = f'user not permitted to {verb} requests with signerName "{signer}"'
    raise forbidden(attributes.kind, attributes.name, why)


def _signs(new: Object, old: Object) -> bool:
    if dig(new, "status", "certificate") != dig(old, "status", "certificate"):
        return True
    failed = [
        [c for c in dig(each, "status", "conditions", default=()) if c.get("type") == "Failed"] for each in (new, old)
    ]
    return failed[0] != failed[1]
