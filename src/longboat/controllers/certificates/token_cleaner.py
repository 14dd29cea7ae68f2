"""Deletes bootstrap tokens that have expired (kube-controller-manager's tokencleaner)."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import ClassVar

from longboat.api import kinds
from longboat.api.view import View
from longboat.client.interface import Key
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.machinery.kinds import Kind

TYPE = "bootstrap.kubernetes.io/token"


class TokenSecret(View):
    KIND: ClassVar[Kind] = kinds.SECRET

    type: str = ""
    data: dict[str, str] = {}


class TokenCleaner(Controller):
    name = "tokencleaner"
    queue_name = "token_cleaner"
    account = "token-cleaner"
    rights_within = {"kube-system": "delete get list watch: secrets\ncreate patch update: events"}
    watches = (Watch(TokenSecret, own_key, fields=f"type={TYPE}"),)
    workers = 1

    async def reconcile(self, key: Key) -> Requeue | None:
        secret = self.cache(TokenSecret).get(key)
        if secret is None or key.namespace != "kube-system":
            return None
        ends = expiration(secret)
        if ends is None:
            return None
        left = (ends - self.clock.now()).total_seconds()
        if left > 0:
            return Requeue(left)
        await self.client.delete(TokenSecret, key, uid=secret.metadata.uid)
        return None


def expiration(secret: TokenSecret) -> datetime | None:
    """When the token ends; None for one that never does, or does not say so in a way that can be read."""
    try:
        found = datetime.fromisoformat(base64.b64decode(secret.data.get("expiration", "")).decode())
    except (ValueError, binascii.Error):
        return None
    return found if found.tzinfo else None
