"""Bootstrap tokens: Secrets in kube-system that let a machine introduce itself, for a while (KEP-130)."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable
from datetime import datetime

from longboat.aio.clock import Clock
from longboat.apiserver.authn.identity import Authenticator, Rejected, known
from longboat.apiserver.authn.tokens import bearer
from longboat.apiserver.request import Request
from longboat.machinery.objects import Object
from longboat.machinery.user import User

NAMESPACE, PREFIX, TYPE = "kube-system", "bootstrap-token-", "bootstrap.kubernetes.io/token"
GROUP = "system:bootstrappers"
TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
EXTRA_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")

FindSecret = Callable[[str, str], Object | None]
"""namespace, name → the Secret as it is now."""


def bootstrap_tokens(find: FindSecret, clock: Clock) -> Authenticator:
    async def identify(request: Request) -> User | None:
        match = TOKEN.fullmatch(bearer(request))
        if match is None:
            return None
        identity, secret = match.groups()
        found = find(NAMESPACE, f"{PREFIX}{identity}")
        data = _data(found or {})
        # Compared even where there is nothing to compare with: the time tells nothing (security lesson 21).
        same = hmac.compare_digest(data.get("token-secret", "").encode(), secret.encode())
        if found is None or not same:
            raise Rejected("no such bootstrap token")
        if why := _unusable(found, data, identity, clock.now()):
            raise Rejected(f"bootstrap token {identity}: {why}")
        return known(f"system:bootstrap:{identity}", (GROUP, *_groups(data)))

    return identify


def _unusable(secret: Object, data: dict[str, str], identity: str, now: datetime) -> str:
    if secret.get("type") != TYPE or secret["metadata"].get("deletionTimestamp"):
        return "its Secret is not one of a bootstrap token, or is going"
    if data.get("token-id") != identity:
        return "its Secret has another token-id"
    if data.get("usage-bootstrap-authentication") != "true":
        return "it is not for authentication"
    if has_expired(data.get("expiration", ""), now):
        return "it has expired"
    return ""


def has_expired(text: str, now: datetime) -> bool:
    """Whether an expiration (RFC 3339; none: never) has passed. What cannot be read has."""
    if not text:
        return False
    try:
        return datetime.fromisoformat(text) <= now
    except (ValueError, TypeError):
        return True


def _groups(data: dict[str, str]) -> list[str]:
    given = [group.strip() for group in data.get("auth-extra-groups", "").split(",") if group.strip()]
    if any(not EXTRA_GROUP.fullmatch(group) for group in given):
        raise Rejected("the token's auth-extra-groups are not bootstrappers' groups")
    return sorted(set(given))


def _data(secret: Object) -> dict[str, str]:
    found = {}
    for key, value in (secret.get("data") or {}).items():
        try:
            found[key] = base64.b64decode(value).decode()
        except (binascii.Error, UnicodeDecodeError):
            found[key] = ""
    return found
