"""ServiceAccount: every pod runs as one, and finds its token where clients look for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from longboat.api import kinds
from longboat.api.pod_references import references
from longboat.apiserver.admission import mountable_secrets
from longboat.apiserver.admission.chain import Lookup, Plugin, Seek
from longboat.machinery.errors import forbidden
from longboat.machinery.objects import Object, dig, meta
from longboat.registry import metadata
from longboat.registry.admission import Attributes, Target

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3607  # an hour, and a tell-tale (upstream's WarnOnlyBoundTokenExpirationSeconds)
VOLUME_PREFIX = "kube-api-access-"
DEFAULT = "default"
PATIENCE = 1.8  # seconds to wait for a namespace's default account (upstream: ten looks, 100 to 200 ms apart)
MIRROR = "kubernetes.io/config.mirror"


class ServiceAccount(Plugin):
    """The namespace's default account is waited for: the controller makes it once it has seen the namespace.

    What it refuses, it refuses while it changes, as upstream's: before NodeRestriction and validation have a say.
    """

    def __init__(self, lookup: Lookup, seek: Seek) -> None:
        self._lookup = lookup
        self._seek = seek

    def handles(self, target: Target) -> bool:
        if target.kind != kinds.POD:
            return False
        if target.operation == "CREATE":
            return not target.subresource
        return target.operation == "UPDATE" and target.subresource == "ephemeralcontainers"

    def mutate(self, attributes: Attributes) -> Awaitable[None] | None:
        pod = attributes.obj
        assert pod is not None
        if attributes.operation != "CREATE":
            return None
        if _is_mirror(pod):
            return self.validate(attributes)
        spec: Object = pod.setdefault("spec", {})
        spec["serviceAccountName"] = spec.get("serviceAccountName") or DEFAULT

        def act(account: Object, spec: Object) -> None:
            _lend(account, spec)
            _check_secrets(attributes, account, spec)

        return self._with_account(attributes, spec, act)

    def validate(self, attributes: Attributes) -> Awaitable[None] | None:
        pod = attributes.obj
        assert pod is not None
        spec = pod["spec"]
        if _is_mirror(pod):
            return self._check_mirror(attributes, pod)
        return self._with_account(attributes, spec, partial(_check_secrets, attributes))

    def _with_account(
        self, attributes: Attributes, spec: Object, act: Callable[[Object, Object], None]
    ) -> Awaitable[None] | None:
        """Raises StatusError 403, at once or when awaited."""
        name = spec.get("serviceAccountName") or DEFAULT
        account = self._lookup(kinds.SERVICE_ACCOUNT, attributes.namespace, name)
        if account is None:
            return self._look_again(attributes, name, spec, act)
        act(account, spec)
        return None

    async def _look_again(
        self, attributes: Attributes, name: str, spec: Object, act: Callable[[Object, Object], None]
    ) -> None:
        namespace, patience = attributes.namespace, PATIENCE if name == DEFAULT else 0.0
        account = await self._seek(kinds.SERVICE_ACCOUNT, namespace, name, patience)
        if account is None:
            why = f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'
            raise forbidden(kinds.POD, attributes.name, why)
        act(account, spec)

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


def _check_secrets(attributes: Attributes, account: Object, spec: Object) -> None:
    if mountable_secrets.enforced(account) and (why := mountable_secrets.refusal(account, spec)):
        raise forbidden(kinds.POD, attributes.name, why)


def _is_mirror(pod: Object) -> bool:
    return MIRROR in (meta(pod).get("annotations") or {})


def _lend(account: Object, spec: Object) -> None:
    """Give the pod what its account brings."""
    if _wants_token(account, spec):
        _mount_token(spec)
    if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
        spec["imagePullSecrets"] = [dict(ref) for ref in account["imagePullSecrets"]]


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
