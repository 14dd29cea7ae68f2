"""Every namespace has a ServiceAccount `default`, and the ConfigMap by which pods know the API server."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.client.interface import Key
from longboat.controllers.runtime import Controller, Requeue, Watch, namespace_is_going, own_key
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind

DEFAULT = "default"
ROOT_CA = "kube-root-ca.crt"
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


class Phase(Part):
    phase: str = ""


class Namespace(View):
    KIND: ClassVar[Kind] = kinds.NAMESPACE

    status: Phase = Phase()


class ServiceAccount(View):
    KIND: ClassVar[Kind] = kinds.SERVICE_ACCOUNT


class ConfigMap(View):
    KIND: ClassVar[Kind] = kinds.CONFIG_MAP

    data: dict[str, str] = {}


def namespace_of(obj: View) -> tuple[Key, ...]:
    return (Key("", obj.metadata.namespace),)


def lives(namespace: Namespace | None) -> bool:
    return namespace is not None and namespace.metadata.deletionTimestamp is None


class ServiceAccountController(Controller):
    name = "service-account"
    queue_name = "serviceaccount"
    rights = """
        create get list watch: serviceaccounts
        get list watch: namespaces
    """
    watches = (
        Watch(Namespace, own_key),
        Watch(ServiceAccount, namespace_of, fields=f"metadata.name={DEFAULT}"),
    )
    workers = 2

    async def reconcile(self, key: Key) -> Requeue | None:
        if not lives(self.cache(Namespace).get(key)) or self.cache(ServiceAccount).get(Key(key.name, DEFAULT)):
            return None
        await _create(self, kinds.SERVICE_ACCOUNT, key.name, {"metadata": {"name": DEFAULT}})
        return None


class RootCAPublisher(Controller):
    name = "root-ca-cert-publisher"
    account = "root-ca-cert-publisher"
    options = ("root_ca",)
    rights = """
        create get list update watch: configmaps
        get list watch: namespaces
    """
    watches = (
        Watch(Namespace, own_key),
        Watch(ConfigMap, namespace_of, fields=f"metadata.name={ROOT_CA}"),
    )
    workers = 2
    root_ca: str = ""

    async def reconcile(self, key: Key) -> Requeue | None:
        if not lives(self.cache(Namespace).get(key)):
            return None
        found = self.cache(ConfigMap).get(Key(key.name, ROOT_CA))
        described = {"name": ROOT_CA, "annotations": {"kubernetes.io/description": DESCRIPTION}}
        data = {"ca.crt": self.root_ca}
        if found is None:
            await _create(self, kinds.CONFIG_MAP, key.name, {"metadata": described, "data": data})
        elif found.data != data:
            version = found.metadata.resourceVersion
            whole = {"metadata": {**described, "resourceVersion": version}, "data": data}
            await self.client.update(kinds.CONFIG_MAP, Key(key.name, ROOT_CA), whole)
        return None


async def _create(controller: Controller, kind: Kind, namespace: str, obj: dict[str, object]) -> None:
    """Create it; that it is there already, or that the namespace is going, is as good."""
    try:
        await controller.client.create(kind, obj, namespace=namespace)
    except StatusError as error:
        if error.reason != "AlreadyExists" and not namespace_is_going(error):
            raise
