"""The Secrets a class names for its driver: `csi.storage.k8s.io/…-secret-name` and `-namespace`, with templates.

In external-provisioner's words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from longboat.api.storage import Claim
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.controllers.volumes.csi.calls import NotAsked
from longboat.controllers.volumes.views import Secret
from longboat.machinery import names
from longboat.machinery.errors import StatusError

PREFIX = "csi.storage.k8s.io/"
PURPOSES = {
    "provisioner": "Provisioner", "controller-publish": "ControllerPublish", "node-stage": "NodeStage",
    "node-publish": "NodePublish", "controller-expand": "ControllerExpand", "node-expand": "NodeExpand",
}  # fmt: skip
FS_TYPE = f"{PREFIX}fstype"
DEFAULT = f"{PREFIX}secret"  # where a purpose has none of its own
KNOWN = frozenset(
    (FS_TYPE, *(f"{key}-{part}" for key in (DEFAULT, *(f"{PREFIX}{purpose}-secret" for purpose in PURPOSES))
                for part in ("name", "namespace")))
)  # fmt: skip

_TOKEN = re.compile(r"\$\{([^}]*)\}")


class Ref(NamedTuple):
    """A Secret."""

    namespace: str
    name: str


def ref(parameters: Mapping[str, str], purpose: str, claim: Claim, volume_name: str) -> Ref | None:
    """The Secret for one purpose; None where the class names none. Raises ValueError where it does so wrongly."""
    found = _templates(parameters, f"{PREFIX}{purpose}-secret", PURPOSES[purpose], "failed to get name") or _templates(
        parameters, DEFAULT, "Default", "failed to get default name"
    )
    if found is None:
        return None
    meta = claim.metadata
    of_volume = {"pv.name": volume_name, "pvc.namespace": meta.namespace}
    of_claim = {f"pvc.annotations['{key}']": value for key, value in meta.annotations.items()}
    namespace = _resolved(found.namespace, of_volume, "namespace", names.dns1123_label)
    tokens = {**of_claim, **of_volume, "pvc.name": meta.name}
    return Ref(namespace, _resolved(found.name, tokens, "secret", names.dns1123_subdomain))


def check(parameters: Mapping[str, str], claim: Claim, volume_name: str) -> None:
    """Raises ValueError where any Secret is named wrongly: before a volume is made, not after."""
    for purpose in PURPOSES:
        ref(parameters, purpose, claim, volume_name)


def _templates(parameters: Mapping[str, str], key: str, purpose: str, where: str) -> Ref | None:
    """Raises ValueError."""
    name, namespace = parameters.get(f"{key}-name"), parameters.get(f"{key}-namespace")
    if name is None and namespace is None:
        return None
    problem = ""
    if name is None or namespace is None:
        problem = f"either name and namespace for {purpose} secrets specified, Both must be specified"
    elif not name or not namespace:
        problem = f"{purpose} secrets specified in parameters but value of either namespace or name is empty"
    if problem:
        raise ValueError(f"{where} and namespace template from params: {problem}")
    return Ref(namespace or "", name or "")


def _resolved(template: str, tokens: Mapping[str, str], what: str, check: Callable[[str], list[str]]) -> str:
    """Raises ValueError."""
    if unknown := sorted(set(_TOKEN.findall(template)) - tokens.keys()):
        listed = " ".join(f'"{token}"' for token in unknown)
        raise ValueError(f'error resolving value "{template}": invalid tokens: [{listed}]')
    found = _TOKEN.sub(lambda token: tokens[token[1]], template)
    if check(found):
        resolved = f' resolved to "{found}" which' if found != template else ""
        raise ValueError(f'"{template}"{resolved} is not a valid {what} name')
    return found


async def read(client: RestClient, where: Ref | None) -> dict[str, str]:
    """What the Secret holds. Raises NotAsked where it cannot be read; nothing of its content is ever in the message."""
    if where is None:
        return {}
    try:
        secret = await client.get(Secret, Key(where.namespace, where.name))
    except StatusError as error:
        what = f"error getting secret {where.name} in namespace {where.namespace}: {error.message}"
        raise NotAsked(what) from error
    try:
        return {key: value.decode() for key, value in secret.data.items()}
    except UnicodeDecodeError:
        raise NotAsked(f"secret {where.name} in namespace {where.namespace} holds what is not text") from None
