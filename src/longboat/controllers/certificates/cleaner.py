"""Deletes requests that have served their turn, or never will (kube-controller-manager's csrcleaner)."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime, timedelta

from cryptography import x509

from longboat.client.interface import Key
from longboat.controllers.certificates.views import SigningRequest, created
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.machinery.objects import parse_timestamp

APPROVED, REFUSED = "Approved", ("Denied", "Failed")
AFTER = timedelta(hours=1)  # since it was granted, or refused
PENDING_AFTER = timedelta(hours=24)


class Cleaner(Controller):
    name = "csrcleaner"
    account = "certificate-controller"
    rights = "delete get list watch: certificates/certificatesigningrequests"
    watches = (Watch(SigningRequest, own_key),)
    workers = 1

    async def reconcile(self, key: Key) -> Requeue | None:
        request = self.cache(SigningRequest).get(key)
        if request is None:
            return None
        due = useless_from(request)
        if due is None:
            return None
        wait = (due - self.clock.now()).total_seconds()
        if wait > 0:
            return Requeue(wait)
        await self.client.delete(SigningRequest, key, uid=request.metadata.uid)
        return None


def useless_from(request: SigningRequest) -> datetime | None:
    """When nobody needs the request any more; None while somebody does. One that is approved waits for its signer as
    long as that takes; one with any other condition is no business of ours (upstream, cleaner)."""
    conditions, certificate = request.status.conditions, request.status.certificate
    if not conditions:
        return created(request) + PENDING_AFTER
    times = [
        parse_timestamp(condition.lastUpdateTime) + AFTER
        for condition in conditions
        if condition.lastUpdateTime and (condition.type in REFUSED or (condition.type == APPROVED and certificate))
    ]
    if certificate and request.is_(APPROVED) and (ends := _ends(certificate)) is not None:
        times.append(ends)
    return min(times, default=None)


def _ends(certificate: str) -> datetime | None:
    try:
        return x509.load_pem_x509_certificate(base64.b64decode(certificate)).not_valid_after_utc
    except (ValueError, binascii.Error):
        return None
