"""Mirrors the Endpoints of Services without selector into EndpointSlices, which is what proxies read (KEP-0752)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from longboat.api import kinds
from longboat.client.interface import Key
from longboat.controllers.endpoints import mirror
from longboat.controllers.endpoints.mirror import Group
from longboat.controllers.endpoints.views import Endpoint, Endpoints, EndpointSlice, Service
from longboat.controllers.ownership import owner_reference
from longboat.controllers.runtime import Controller, Requeue, Watch, namespace_is_going, own_key
from longboat.machinery.errors import StatusError


def endpoints_of(each: EndpointSlice) -> Iterable[Key]:
    found = each.metadata.labels
    if found.get(mirror.MANAGED_BY) == mirror.MANAGER and (name := found.get(mirror.SERVICE_NAME)):
        yield Key(each.metadata.namespace, name)


class EndpointSliceMirroringController(Controller):
    name = "endpointslicemirroring"
    queue_name = "endpoint_slice_mirroring"
    component = "endpoint-slice-mirroring-controller"
    rights = """
        get list watch: endpoints services
        update: services services/finalizers endpoints/finalizers
        create delete get list patch update watch: discovery/endpointslices
    """
    watches = (
        Watch(Endpoints, own_key, when=mirror.wanted),
        Watch(Service, own_key, when=lambda service: not service.spec.selector),
        Watch(EndpointSlice, endpoints_of),
    )

    def setup(self) -> None:
        self.cache(EndpointSlice).index("mirrored", endpoints_of)

    async def reconcile(self, key: Key) -> Requeue | None:
        endpoints, service = self.cache(Endpoints).get(key), self.cache(Service).get(key)
        existing = sorted(self.cache(EndpointSlice).by_index("mirrored", key), key=lambda each: each.metadata.name)
        if endpoints is None or not mirror.wanted(endpoints) or service is None or service.spec.selector:
            for each in existing:
                await self._delete(each)
            return None
        found = mirror.mirrored(endpoints)
        self._tell(endpoints, found.invalid, found.too_many)
        planned = mirror.plan(endpoints, found.groups, existing)
        for old, group, held in planned.write:
            await self._write(endpoints, old, group, held)
        for each in planned.delete:
            await self._delete(each)
        return None

    def _tell(self, endpoints: Endpoints, invalid: int, too_many: int) -> None:
        if invalid:
            message = f"Skipped {invalid} invalid IP addresses when mirroring to EndpointSlices"
            self.events.event(endpoints, "Warning", "InvalidIPAddress", message)
        if too_many:
            message = (
                f"A max of {mirror.MOST} addresses can be mirrored to EndpointSlices per Endpoints subset. "
                f"{invalid + too_many} addresses were skipped"
            )
            self.events.event(endpoints, "Warning", "TooManyAddressesToMirror", message)

    async def _write(self, endpoints: Endpoints, old: EndpointSlice | None, group: Group, held: list[Endpoint]) -> None:
        family, ports = group
        body: dict[str, Any] = {
            "metadata": {
                "labels": mirror.labels_of(endpoints),
                "annotations": mirror.annotations_of(endpoints),
                "ownerReferences": [owner_reference(endpoints)],
            },
            "addressType": family,
            "endpoints": held,
            "ports": ports,
        }
        namespace = endpoints.metadata.namespace
        if old is not None:
            meta = old.metadata
            body["metadata"] |= {"name": meta.name, "uid": meta.uid, "resourceVersion": meta.resourceVersion}
            await self.client.update(kinds.ENDPOINT_SLICE, Key(namespace, meta.name), body)
        elif endpoints.metadata.deletionTimestamp is None:
            body["metadata"]["generateName"] = f"{endpoints.metadata.name}-"
            try:
                await self.client.create(kinds.ENDPOINT_SLICE, body, namespace=namespace)
            except StatusError as error:
                if not namespace_is_going(error):
                    raise

    async def _delete(self, each: EndpointSlice) -> None:
        meta = each.metadata
        try:
            await self.client.delete(kinds.ENDPOINT_SLICE, Key(meta.namespace, meta.name), uid=meta.uid)
        except StatusError as error:
            if error.code != 404:
                raise
