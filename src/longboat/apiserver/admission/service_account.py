"""ServiceAccount: every pod runs as one, and finds its token where clients look for it."""

from __future__ import annotations

from longboat.api import kinds
from longboat.api.pod_references import references
from longboat.apiserver.admission import mountable_secrets
from longboat.apiserver.admission.chain import Lookup, Plugin
from longboat.machinery.errors import forbidden
from longboat.machinery.objects import Object, dig, meta
from longboat.registry import metadata
from longboat.registry.admission import Attributes

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607  # an hour, and a tell-tale (upstream's WarnOnlyBoundTokenExpirationSeconds)
VOLUME_PREFIX = "kube-api-access-"
MIRROR = "kubernetes.io/config.mirror"


class ServiceAccount(Plugin):
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def handles(self, attributes: Attributes) -> bool:
        if attributes.kind != kinds.POD:
            return False
        if attributes.operation == "CREATE":
            return not attributes.subresource
        return attributes.operation == "UPDATE" and attributes.subresource == "ephemeralcontainers"

    def mutate(self, attributes: Attributes) -> None:
        pod = attributes.obj
        assert pod is not None
        if attributes.operation != "CREATE":
            return
        if _is_mirror(pod):
            return self.validate(attributes)  # already here, as upstream: its answer comes before NodeRestriction's
        spec: Object = pod.setdefault("spec", {})
        spec["serviceAccountName"] = spec.get("serviceAccountName") or "default"
        account = self._account(attributes, spec)
        if _wants_token(account, spec):
            _mount_token(spec)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(ref) for ref in account["imagePullSecrets"]]
        return None

    def validate(self, attributes: Attributes) -> None:
        pod = attributes.obj
        assert pod is not None
        spec = pod["spec"]
        if _is_mirror(pod):
            return self._check_mirror(attributes, pod)
        account = self._account(attributes, spec)
        if mountable_secrets.enforced(account) and (why := mountable_secrets.refusal(account, spec)):
            raise forbidden(kinds.POD, attributes.name, why)
        return None

    def _account(self, attributes: Attributes, spec: Object) -> Object:
        """Raises StatusError 403."""
        name = spec.get("serviceAccountName") or "default"
        account = self._lookup(kinds.SERVICE_ACCOUNT, attributes.namespace, name)
        if account is None:
            why = f'error looking up service account {attributes.namespace}/{name}: serviceaccount "{name}" not found'
            raise forbidden(kinds.POD, attributes.name, why)
        return account

    @staticmethod
    def _check_mirror(attributes: Attributes, pod: Object) -> None:
        """Raises StatusError 403. Nobody has asked whether its node may have what it would show."""
        named = {ref.resource for ref in references(pod)}
        if "serviceaccounts" in named:
            raise forbidden(kinds.POD, attributes.name, "a mirror pod may not reference service accounts")
        if "secrets" in named:
            raise forbidden(kinds.POD, attributes.name, "a mirror pod may not reference secrets")
        for volume in (pod.get("spec") or {}).get("volumes") or ():
            if any(
                "serviceAccountToken" in source for source in dig(volume, "projected", "sources", default=None) or ()
            ):
                why = "a mirror pod may not use ServiceAccountToken volume projections"
                raise forbidden(kinds.POD, attributes.name, why)


def _is_mirror(pod: Object) -> bool:
    return MIRROR in (meta(pod).get("annotations") or {})


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
