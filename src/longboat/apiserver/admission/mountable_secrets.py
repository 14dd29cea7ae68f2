"""Which Secrets a pod may name under an account that lists its own (`kubernetes.io/enforce-mountable-secrets`). Pure.

A guard that overlooks one way to a Secret guards nothing (CVE-2023-2728: ephemeral containers; CVE-2024-3177: envFrom).
Upstream overlooks projected volumes and what drivers are handed; here they count too, and are told of as volumes are.
"""

from __future__ import annotations

from collections.abc import Iterator

from longboat.api.pod_references import secrets_of_volume
from longboat.machinery.objects import Object, meta

ANNOTATION = "kubernetes.io/enforce-mountable-secrets"
_TRUE = frozenset(("1", "t", "T", "TRUE", "true", "True"))  # strconv.ParseBool
_GROUPS = {
    "initContainers": "init container",
    "containers": "container",
    "ephemeralContainers": "ephemeral container",
}


def enforced(account: Object) -> bool:
    return (meta(account).get("annotations") or {}).get(ANNOTATION) in _TRUE


def refusal(account: Object, spec: Object) -> str:
    """Why this PodSpec may not be, in upstream's words; "" where it may."""
    mountable = {secret.get("name") for secret in account.get("secrets") or ()}
    pullable = {secret.get("name") for secret in account.get("imagePullSecrets") or ()}
    name = meta(account).get("name")
    for what, secret in _named(spec):
        if secret not in mountable:
            return f'{what}="{secret}" is not allowed because service account {name} does not reference that secret'
    for at, secret in enumerate(spec.get("imagePullSecrets") or ()):
        if secret.get("name", "") not in pullable:
            return (
                f'imagePullSecrets[{at}].name="{secret.get("name", "")}" is not allowed because service account {name} '
                "does not reference that imagePullSecret"
            )
    return ""


def _named(spec: Object) -> Iterator[tuple[str, str]]:
    """Where a Secret is named, and which."""
    for volume in spec.get("volumes") or ():
        for secret in secrets_of_volume(volume):
            yield "volume with secret.secretName", secret
    for group, word in _GROUPS.items():
        for container in spec.get(group) or ():
            who = f"{word} {container.get('name', '')}"
            for variable in container.get("env") or ():
                ref = (variable.get("valueFrom") or {}).get("secretKeyRef")
                if ref is not None:
                    yield f"{who} with envVar {variable.get('name')} referencing secret.secretName", ref.get("name", "")
            for source in container.get("envFrom") or ():
                if source.get("secretRef") is not None:
                    yield f"{who} with envFrom referencing secret.secretName", source["secretRef"].get("name", "")
