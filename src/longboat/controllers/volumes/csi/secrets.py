"""The Secrets a class names for its driver: `csi.storage.k8s.io/…-secret-name` and `-namespace`, with templates."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from longboat.api.storage import Claim
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.controllers.volumes.csi.calls import RpcError
from longboat.controllers.volumes.views import Secret
from longboat.machinery import names
from longboat.machinery.errors import StatusError

PREFIX = "csi.storage.k8s.io/"
PURPOSES = ("provisioner", "controller-publish", "node-stage", "node-publish", "controller-expand", "node-expand")
FS_TYPE = f"{PREFIX}fstype"
KNOWN = frozenset(
    (FS_TYPE, *(f"{PREFIX}{purpose}-secret-{part}" for purpose in PURPOSES for part in ("name", "namespace")))
)

_TOKEN = re.compile(r"\$\{([^}]*)\}")
_ANNOTATION = re.compile(r"pvc\.annotations\['([^']+)'\]")


class Ref(NamedTuple):
    """A Secret."""

    namespace: str
    name: str


def ref(parameters: Mapping[str, str], purpose: str, claim: Claim, volume_name: str) -> Ref | None:
    """The Secret for one purpose; None where the class names none. Raises ValueError where it does so wrongly."""
    name = parameters.get(f"{PREFIX}{purpose}-secret-name", "")
    namespace = parameters.get(f"{PREFIX}{purpose}-secret-namespace", "")
    if not name and not namespace:
        return None
    if not name or not namespace:
        raise ValueError(f"either name and namespace for {purpose} secrets specified, Both must be specified")
    meta = claim.metadata
    common = {"pv.name": volume_name, "pvc.namespace": meta.namespace}
    notes = {} if purpose == "provisioner" else meta.annotations
    found = Ref(_resolved(namespace, common, {}), _resolved(name, {**common, "pvc.name": meta.name}, notes))
    for what, value in (("namespace", found.namespace), ("name", found.name)):
        if names.dns1123_subdomain(value):
            raise ValueError(f"{purpose} secret {what} {value!r} is not a valid {what}")
    return found


def _resolved(template: str, tokens: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    def value(token: re.Match[str]) -> str:
        if token[1] in tokens:
            return tokens[token[1]]
        if (annotation := _ANNOTATION.fullmatch(token[1])) and annotation[1] in annotations:
            return annotations[annotation[1]]
        raise ValueError(f"error resolving value {template!r}: invalid tokens: [{token[1]!r}]")

    return _TOKEN.sub(value, template)


async def read(client: RestClient, where: Ref | None) -> dict[str, str]:
    """What the Secret holds. Raises RpcError where it cannot be read; nothing of its content is ever in the message."""
    if where is None:
        return {}
    try:
        secret = await client.get(Secret, Key(where.namespace, where.name))
    except StatusError as error:
        what = f"error getting secret {where.name} in namespace {where.namespace}: {error.message}"
        raise RpcError("FAILED_PRECONDITION", what) from error
    try:
        return {key: value.decode() for key, value in secret.data.items()}
    except UnicodeDecodeError:
        what = f"secret {where.name} in namespace {where.namespace} holds what is not text"
        raise RpcError("FAILED_PRECONDITION", what) from None
