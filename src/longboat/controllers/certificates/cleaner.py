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

AFTER = {"Approved": timedelta(hours=1), "Denied": timedelta(hours=1), "Failed": timedelta(hours=1)}
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
        wait = (due - self.clock.now()).total_seconds()
        if wait > 0:
            return Requeue(wait)
        await self.client.delete(SigningRequest, key, uid=request.metadata.uid)
        return None


def useless_from(request: SigningRequest) -> datetime:
    """When nobody needs the request any more."""
    times = [created(request) + PENDING_AFTER]
    for condition in request.status.conditions:
        if condition.type in AFTER and condition.lastUpdateTime:
            times.append(parse_timestamp(condition.lastUpdateTime) + AFTER[condition.type])
    if request.status.certificate and (ends := _ends(request.status.certificate)) is not None:
        times.append(ends)
    return min(times)


def _ends(certificate: str) -> datetime | None:
    try:
        return x509.load_pem_x509_certificate(base64.b64decode(certificate)).not_valid_after_utc
    except (ValueError, binascii.Error):
        return None
