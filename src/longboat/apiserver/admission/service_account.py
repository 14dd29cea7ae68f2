"""ServiceAccount: every pod runs as one, and finds its token where clients look for it."""

from __future__ import annotations

from longboat.api import kinds
from longboat.apiserver.admission.chain import Lookup, Plugin
from longboat.machinery.errors import forbidden
from longboat.machinery.objects import Object, dig, meta
from longboat.registry import metadata
from longboat.registry.admission import Attributes

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607  # an hour, and a tell-tale (upstream's WarnOnlyBoundTokenExpirationSeconds)
VOLUME_PREFIX = "kube-api-access-"
MIRROR = "kubernetes.io/config.mirror"
ENFORCE_MOUNTABLE = "kubernetes.io/enforce-mountable-secrets"


class ServiceAccount(Plugin):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def handles(self, attributes: Attributes) -> bool:
        return attributes.kind == kinds.POD and attributes.operation == "CREATE" and not attributes.subresource

    def mutate(self, attributes: Attributes) -> None:
        pod = attributes.obj
        assert pod is not None
        spec: Object = pod.setdefault("spec", {})
        if MIRROR in (meta(pod).get("annotations") or {}):
            return self._check_mirror(attributes, spec)
        name = spec.get("serviceAccountName") or "default"
        spec["serviceAccountName"] = name
        account = self._lookup(kinds.SERVICE_ACCOUNT, attributes.namespace, name)
        if account is None:
            why = f'error looking up service account {attributes.namespace}/{name}: serviceaccount "{name}" not found'
            raise forbidden(kinds.POD, attributes.name, why)
        if _wants_token(account, spec):
            _mount_token(spec)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(ref) for ref in account["imagePullSecrets"]]
        return None

    @staticmethod
    def _check_mirror(attributes: Attributes, spec: Object) -> None:
        if spec.get("serviceAccountName"):
            raise forbidden(kinds.POD, attributes.name, "a mirror pod may not reference service accounts")
        if any("secret" in volume for volume in spec.get("volumes") or []):
            raise forbidden(kinds.POD, attributes.name, "a mirror pod may not reference secrets")


def _wants_token(account: Object, spec: Object) -> bool:
    if spec.get("automountServiceAccountToken") is not None:
        return bool(spec["automountServiceAccountToken"])
    return account.get("automountServiceAccountToken") is not False


def _mount_token(spec: Object) -> None:
    """Give every container the token volume that does not mount something of its own there."""
    volumes: list[Object] = spec.setdefault("volumes", [])
    name = next((v["name"] for v in volumes if v.get("name", "").startswith(VOLUME_PREFIX)), "")
    mounted = False
    fresh = name or metadata.generated(VOLUME_PREFIX)
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        mounts: list[Object] = container.setdefault("volumeMounts", [])
        if any(dig(mount, "mountPath") == TOKEN_PATH for mount in mounts):
            continue
        mounts.append({"name": fresh, "readOnly": True, "mountPath": TOKEN_PATH})
        mounted = True
    if mounted and not name:
        volumes.append({"name": fresh, "projected": {"defaultMode": 0o644, "sources": _sources()}})


def _sources() -> list[Object]:
    namespace = {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
    return [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [namespace]}},
    ]
