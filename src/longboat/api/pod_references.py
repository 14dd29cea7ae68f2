"""Which other objects of its namespace a pod refers to: what its node must be able to read, and nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

Object = dict[str, Any]


class Reference(NamedTuple):
    resource: str  # configmaps, secrets, persistentvolumeclaims, serviceaccounts, resourceclaims, clustertrustbundles
    name: str


def references(pod: Object) -> frozenset[Reference]:
    """Everything named by the spec (containers of every kind, security lesson 12) and by the claims' status."""
    return frozenset(ref for ref in _all(pod) if ref.name)


def _all(pod: Object) -> Iterator[Reference]:
    spec = pod.get("spec") or {}
    yield Reference("serviceaccounts", spec.get("serviceAccountName") or "")
    for secret in spec.get("imagePullSecrets") or ():
        yield Reference("secrets", secret.get("name") or "")
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(group) or ():
            yield from _of_container(container)
    name = (pod.get("metadata") or {}).get("name", "")
    for volume in spec.get("volumes") or ():
        yield from _of_volume(volume, name)
    for claim in spec.get("resourceClaims") or ():
        yield Reference("resourceclaims", claim.get("resourceClaimName") or "")
    for claim in (pod.get("status") or {}).get("resourceClaimStatuses") or ():
        yield Reference("resourceclaims", claim.get("resourceClaimName") or "")


def _of_container(container: Object) -> Iterator[Reference]:
    for source in container.get("envFrom") or ():
        yield Reference("configmaps", _name(source, "configMapRef"))
        yield Reference("secrets", _name(source, "secretRef"))
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        yield Reference("configmaps", _name(source, "configMapKeyRef"))
        yield Reference("secrets", _name(source, "secretKeyRef"))


def _of_volume(volume: Object, pod: str) -> Iterator[Reference]:
    yield Reference("configmaps", _name(volume, "configMap"))
    yield Reference("secrets", (volume.get("secret") or {}).get("secretName") or "")
    yield Reference("persistentvolumeclaims", (volume.get("persistentVolumeClaim") or {}).get("claimName") or "")
    if volume.get("ephemeral"):
        yield Reference("persistentvolumeclaims", f"{pod}-{volume.get('name', '')}")
    for source in (volume.get("projected") or {}).get("sources") or ():
        yield Reference("configmaps", _name(source, "configMap"))
        yield Reference("secrets", _name(source, "secret"))
        yield Reference("clustertrustbundles", _name(source, "clusterTrustBundle"))
    for source in volume.values():
        if isinstance(source, dict):  # the in-tree plugins and CSI name their credentials so
            yield Reference("secrets", _name(source, "secretRef"))
            yield Reference("secrets", _name(source, "nodePublishSecretRef"))
            if "secretName" in source and "shareName" in source:  # azureFile
                yield Reference("secrets", source["secretName"] or "")


def secrets_of_volume(volume: Object) -> list[str]:
    """The Secrets that a pod's volume shows or hands to its driver."""
    return [ref.name for ref in _of_volume(volume, "") if ref.resource == "secrets" and ref.name]


def _name(source: Object, field: str) -> str:
    return (source.get(field) or {}).get("name") or ""


def volume_secrets(volume: Object) -> frozenset[tuple[str, str]]:
    """Namespace and name of the Secrets that a PersistentVolume names and a node needs.

    Those of the CSI controller side are not among them. Namespace "" stands for the claim's.
    """
    found = set()
    for source in (volume.get("spec") or {}).values():
        if not isinstance(source, dict):
            continue
        for field in ("secretRef", "nodePublishSecretRef", "nodeStageSecretRef", "nodeExpandSecretRef"):
            ref = source.get(field) or {}
            found.add((ref.get("namespace") or "", ref.get("name") or ""))
        if "shareName" in source:
            found.add((source.get("secretNamespace") or "", source.get("secretName") or ""))
    return frozenset(pair for pair in found if pair[1])
