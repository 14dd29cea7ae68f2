"""Registry credentials in image pull secrets."""

from __future__ import annotations

import logging
from base64 import b64decode
from typing import Any

import msgspec

from longboat.node.cri.interface import Credentials
from longboat.node.views.objects import Secret

log = logging.getLogger(__name__)
_KEYS = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}


def parse(secret: Secret) -> list[Credentials]:
    """Every registry in a docker configuration; none where it cannot be read."""
    key = _KEYS.get(secret.type)
    if key is None or key not in secret.data:
        return []
    try:
        config: Any = msgspec.json.decode(b64decode(secret.data[key]))
        registries = config.get("auths", {}) if key == ".dockerconfigjson" else config
        return [_one(server, entry) for server, entry in registries.items()]
    except (ValueError, AttributeError, TypeError):
        log.warning("secret %s/%s holds no docker configuration", secret.metadata.namespace, secret.metadata.name)
        return []


def _one(server: str, entry: dict[str, str]) -> Credentials:
    username, password = entry.get("username", ""), entry.get("password", "")
    if encoded := entry.get("auth"):
        username, _, password = b64decode(encoded).decode().partition(":")
    return Credentials(
        username=username,
        password=password.rstrip("\0"),
        server=server,
        identity_token=entry.get("identitytoken", ""),
        registry_token=entry.get("registrytoken", ""),
    )
