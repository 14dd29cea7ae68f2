"""Keeps each Service's EndpointSlices true to its pods."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from longboat.api import kinds
from longboat.client.interface import Key
from longboat.controllers.endpoints import backing, slices
from longboat.controllers.endpoints.selection import SelectedPods
from longboat.controllers.endpoints.slices import Changes, Ports
from longboat.controllers.endpoints.views import BackingPod, Endpoint, EndpointSlice, Service, Zoned
from longboat.controllers.ownership import owner_reference
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.machinery.errors import StatusError

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"


def service_of(each: EndpointSlice) -> Iterable[Key]:
    if each.metadata.labels.get(MANAGED_BY) == MANAGER and (name := each.metadata.labels.get(SERVICE_NAME)):
        yield Key(each.metadata.namespace, name)


class EndpointSliceController(Controller):
    name = "endpointslice"
    queue_name = "endpoint_slice"
    component = "endpoint-slice-controller"
    rights = """
        get list watch: nodes pods services
        update: services/finalizers
        create delete get list patch update watch: discovery/endpointslices
    """
    watches = (Watch(Service, own_key), Watch(EndpointSlice, service_of))
    reads = (BackingPod, Zoned)

    def setup(self) -> None:
        self.pods = SelectedPods(self.cache(Service), self.cache(BackingPod), self.queue.add)
        self.cache(EndpointSlice).index("service", service_of)

    async def reconcile(self, key: Key) -> Requeue | None:
        service = self.cache(Service).get(key)
        existing = self.cache(EndpointSlice).by_index("service", key)
        if service is None or service.metadata.deletionTimestamp or not service.spec.selector:
            return None  # the garbage collector takes what a Service leaves
        if service.spec.type == "ExternalName":
            for each in existing:
                await self._delete(each)
            return None
        pods = [pod for pod in self.pods.of(service) if backing.counts(pod)]
        zones = self._zones()
        for family in backing.families(service):
            desired: dict[Ports, list[Endpoint]] = {}
            for pod in pods:
                if backing.address(pod, family):
                    endpoint = backing.endpoint(service, pod, family, zones)
                    desired.setdefault(backing.ports(service, pod), []).append(endpoint)
            if not desired:
                desired = {(): []}
            mine = [each for each in existing if each.addressType == family]
            changes = slices.reconcile(desired, mine)
            await self._carry_out(service, family, changes)
            untouched = [e for e in mine if e not in changes.delete and not any(e is u for u, _ in changes.update)]
            for each in untouched:
                if change := _relabelling(service, each):
                    await self._patch(each, {}, change)
        for each in existing:
            if each.addressType not in backing.families(service):
                await self._delete(each)
        return None

    def _zones(self) -> dict[str, str]:
        nodes = self.cache(Zoned).values()
        return {n.metadata.name: n.metadata.labels[backing.ZONE] for n in nodes if backing.ZONE in n.metadata.labels}

    async def _carry_out(self, service: Service, family: str, changes: Changes) -> None:
        for ports, endpoints in changes.create:
            body = {
                "metadata": {
                    "generateName": f"{service.metadata.name}-",
                    "labels": labels(service),
                    "ownerReferences": [owner_reference(service)],
                },
                "addressType": family,
                "endpoints": endpoints,
                "ports": ports,
            }
            try:
                await self.client.create(kinds.ENDPOINT_SLICE, body, namespace=service.metadata.namespace)
            except StatusError as error:
                if not any(c.get("reason") == "NamespaceTerminating" for c in error.details.get("causes") or ()):
                    raise
        for each, endpoints in changes.update:
            await self._patch(each, {"endpoints": endpoints}, _relabelling(service, each))
        for each in changes.delete:
            await self._delete(each)

    async def _patch(self, each: EndpointSlice, change: dict[str, Any], labels: dict[str, str | None]) -> None:
        meta = each.metadata
        about: dict[str, Any] = {"uid": meta.uid, "resourceVersion": meta.resourceVersion}
        if labels:
            about["labels"] = labels
        await self.client.patch(kinds.ENDPOINT_SLICE, Key(meta.namespace, meta.name), {"metadata": about, **change})

    async def _delete(self, each: EndpointSlice) -> None:
        meta = each.metadata
        try:
            await self.client.delete(kinds.ENDPOINT_SLICE, Key(meta.namespace, meta.name), uid=meta.uid)
        except StatusError as error:
            if error.code != 404:
                raise


def _relabelling(service: Service, each: EndpointSlice) -> dict[str, str | None]:
    """What to change in a slice's labels; they are its Service's, as these are now."""
    wanted, there = labels(service), each.metadata.labels
    if wanted == there:
        return {}
    return {name: None for name in there if name not in wanted} | wanted


def labels(service: Service) -> dict[str, str]:
    """The Service's own labels, and those by which its slices are found."""
    found = {**service.metadata.labels, SERVICE_NAME: service.metadata.name, MANAGED_BY: MANAGER}
    if service.spec.clusterIP == "None":
        found[HEADLESS] = ""
    return found
