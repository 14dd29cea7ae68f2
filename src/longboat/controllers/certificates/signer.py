"""Signs approved requests of upstream's signers with the cluster's certificate authority."""

from __future__ import annotations

import base64

from longboat.api import kinds
from longboat.client.interface import Key
from longboat.controllers.certificates.requests import LEGACY, SIGNERS, BadRequest, check, read
from longboat.controllers.certificates.signing import Signer
from longboat.controllers.certificates.views import SigningRequest
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key


class SigningController(Controller):
    name = "csrsigning"
    account = "certificate-controller"
    options = ("signer",)
    watches = (Watch(SigningRequest, own_key, when=lambda request: request.spec.signerName in SIGNERS),)
    workers = 2
    signer: Signer | None = None  # None where the authority's key is elsewhere: then nothing is signed

    async def reconcile(self, key: Key) -> Requeue | None:
        request = self.cache(SigningRequest).get(key)
        if request is None or self.signer is None or request.status.certificate:
            return None
        if not request.is_("Approved") or request.is_("Denied") or request.is_("Failed"):
            return None
        spec = request.spec
        version = {"resourceVersion": request.metadata.resourceVersion}
        try:
            wanted = read(spec.request)
            if spec.signerName != LEGACY:
                check(spec.signerName, wanted, spec.usages)
        except BadRequest as error:
            failed = {"type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": str(error)}
            patch = {"metadata": version, "status": {"conditions": [failed]}}  # the verdict stays beside it
        else:
            made = self.signer.sign(wanted, spec.usages, self.clock.now(), spec.expirationSeconds)
            patch = {"metadata": version, "status": {"certificate": base64.b64encode(made.encode()).decode()}}
        await self.client.patch(kinds.CERTIFICATE_SIGNING_REQUEST, key, patch, subresource="status")
        return None
