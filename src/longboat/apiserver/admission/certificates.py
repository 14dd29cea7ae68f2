"""Certificate requests: who may approve and sign for a signer, and what nobody may ask for (security lesson 20)."""

from __future__ import annotations

from longboat.api import kinds, subjects
from longboat.api.storage import CSI_CALLER
from longboat.apiserver.admission.chain import Plugin
from longboat.apiserver.authz.authorizer import MASTERS, Action, Authorizer
from longboat.machinery.errors import forbidden
from longboat.machinery.objects import Object, dig
from longboat.registry.admission import Attributes

CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"


class CertificateRequests(Plugin):
    """Upstream's CertificateApproval, CertificateSigning and CertificateSubjectRestriction."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def handles(self, attributes: Attributes) -> bool:
        return attributes.kind == kinds.CERTIFICATE_SIGNING_REQUEST and attributes.operation in ("CREATE", "UPDATE")

    async def validate(self, attributes: Attributes) -> None:
        new, old = attributes.obj or {}, attributes.old or {}
        if attributes.operation == "CREATE":
            self._subject(attributes, new)
        elif attributes.subresource == "approval":
            self._permitted(attributes, "approve", old)
        elif attributes.subresource == "status" and _signs(new, old):
            self._permitted(attributes, "sign", old)

    def _permitted(self, attributes: Attributes, verb: str, request: Object) -> None:
        signer = dig(request, "spec", "signerName", default="")
        group = kinds.CERTIFICATE_SIGNING_REQUEST.group
        for name in (signer, f"{signer.partition('/')[0]}/*"):
            if attributes.user is None or self._authorizer.allowed(
                attributes.user, Action(verb, group, "signers", name=name)
            ):
                return
        why = f'user not permitted to {verb} requests with signerName "{signer}"'
        raise forbidden(attributes.kind, attributes.name, why)

    @staticmethod
    def _subject(attributes: Attributes, request: Object) -> None:
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


def _signs(new: Object, old: Object) -> bool:
    if dig(new, "status", "certificate") != dig(old, "status", "certificate"):
        return True
    failed = [
        [c for c in dig(each, "status", "conditions", default=()) if c.get("type") == "Failed"] for each in (new, old)
    ]
    return failed[0] != failed[1]
