"""Signs approved requests of upstream's signers, each with the authority that is trusted for just that.

What a node's port shows is signed by an authority of its own: no client of the API trusts it, so that a node cannot be
taken for the API server, whatever it is called and wherever it is.
"""

from __future__ import annotations

import base64

from longboat.api import kinds
from longboat.client.interface import Key
from longboat.controllers.certificates.requests import LEGACY, NODE_SERVING, SIGNERS, BadRequest, check, read
from longboat.controllers.certificates.signing import Signer
from longboat.controllers.certificates.views import SigningRequest
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key


class SigningController(Controller):
    name = "csrsigning"
    account = "certificate-controller"
    options = ("signer", "serving_signer")
    rights = """
        get list watch: certificates/certificatesigningrequests
        update: certificates/certificatesigningrequests/status
        sign: certificates/signers
    """
    watches = (Watch(SigningRequest, own_key, when=lambda request: request.spec.signerName in SIGNERS),)
    workers = 2
    signer: Signer | None = None  # None where the authority's key is elsewhere: then nothing is signed
    serving_signer: Signer | None = None  # of nodes' ports, likewise

    async def reconcile(self, key: Key) -> Requeue | None:
        request = self.cache(SigningRequest).get(key)
        if request is None or request.status.certificate:
            return None
        signer = self.serving_signer if request.spec.signerName == NODE_SERVING else self.signer
        if signer is None:
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
            made = signer.sign(wanted, spec.usages, self.clock.now(), spec.expirationSeconds)
            patch = {"metadata": version, "status": {"certificate": base64.b64encode(made.encode()).decode()}}
        await self.client.patch(kinds.CERTIFICATE_SIGNING_REQUEST, key, patch, subresource="status")
        return None
