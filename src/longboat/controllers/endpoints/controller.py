"""Keeps each Service's Endpoints (v1, deprecated but read by many) true to its pods."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from longboat.api import kinds
from longboat.client.interface import Key
from longboat.controllers.endpoints import backing
from longboat.controllers.endpoints.selection import SelectedPods
from longboat.controllers.endpoints.slice_controller import HEADLESS
from longboat.controllers.endpoints.views import (
    BackingPod,
    EndpointAddress,
    EndpointPort,
    Endpoints,
    Service,
    Subset,
    Target,
)
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import timestamp

MOST = 1000  # addresses; beyond that the list is cut and says so
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
LAST_CHANGE = "endpoints.kubernetes.io/last-change-trigger-time"
MANAGED_BY = "endpoints.kubernetes.io/managed-by"
MANAGER = "endpoint-controller"


class EndpointsController(Controller):
    name = "endpoint"
    rights = """
        get list watch: pods services
        create delete get list patch update watch: endpoints
        create: endpoints/restricted
    """
    watches = (Watch(Service, own_key), Watch(Endpoints, own_key))
    reads = (BackingPod,)

    def setup(self) -> None:
        self.pods = SelectedPods(self.cache(Service), self.cache(BackingPod), self.queue.add)

    async def reconcile(self, key: Key) -> Requeue | None:
        service = self.cache(Service).get(key)
        existing = self.cache(Endpoints).get(key)
        if service is None:
            # Those that somebody made by hand for a Service of their own are not ours to delete.
            if existing is not None and existing.metadata.labels.get(MANAGED_BY) == MANAGER:
                await self._delete(existing)
            return None
        if not service.spec.selector or service.spec.type == "ExternalName":
            return None
        found, cut = subsets(service, self.pods.of(service))
        labels = {**service.metadata.labels, MANAGED_BY: MANAGER}
        if service.spec.clusterIP == "None":
            labels[HEADLESS] = ""
        annotations: dict[str, str | None] = {LAST_CHANGE: timestamp(self.clock.now())}
        annotations[OVER_CAPACITY] = "truncated" if cut else None
        if existing is None:
            given = {name: value for name, value in annotations.items() if value}
            meta = {"name": key.name, "labels": labels, "annotations": given}
            await self._create(key.namespace, {"metadata": meta, "subsets": found})
        elif existing.subsets != found or not labels.items() <= existing.metadata.labels.items():
            patch = {
                "metadata": {
                    "uid": existing.metadata.uid,
                    "resourceVersion": existing.metadata.resourceVersion,
                    "labels": labels,
                    "annotations": annotations,
                },
                "subsets": found,
            }
            await self.client.patch(kinds.ENDPOINTS, key, patch)
        return None

    async def _create(self, namespace: str, body: dict[str, Any]) -> None:
        try:
            await self.client.create(kinds.ENDPOINTS, body, namespace=namespace)
        except StatusError as error:
            if not any(c.get("reason") == "NamespaceTerminating" for c in error.details.get("causes") or ()):
                raise

    async def _delete(self, existing: Endpoints) -> None:
        meta = existing.metadata
        try:
            await self.client.delete(kinds.ENDPOINTS, Key(meta.namespace, meta.name), uid=meta.uid)
        except StatusError as error:
            if error.code != 404:
                raise


def subsets(service: Service, pods: Iterable[BackingPod]) -> tuple[list[Subset], bool]:
    """The Endpoints' subsets, one for each set of ports, and whether addresses had to be left out."""
    family = backing.families(service)[0]
    grouped: dict[tuple[EndpointPort, ...], tuple[list[EndpointAddress], list[EndpointAddress]]] = {}
    for pod in sorted(pods, key=lambda pod: pod.status.podIP):
        ip = backing.address(pod, family) if backing.counts(pod) else ""
        if not ip or (pod.metadata.deletionTimestamp and not service.spec.publishNotReadyAddresses):
            continue
        good, bad = grouped.setdefault(backing.ports(service, pod), ([], []))
        ready = service.spec.publishNotReadyAddresses or backing.ready(pod.status.conditions)
        (good if ready else bad).append(_address(service, pod, ip))
    made = [
        Subset(addresses=good, notReadyAddresses=bad, ports=sorted(ports, key=lambda p: (p.name, p.port or 0)))
        for ports, (good, bad) in sorted(grouped.items(), key=lambda item: str(item[0]))
    ]
    return _cut(made)


def _address(service: Service, pod: BackingPod, ip: str) -> EndpointAddress:
    meta = pod.metadata
    named = pod.spec.hostname and pod.spec.subdomain == service.metadata.name
    return EndpointAddress(
        ip=ip,
        hostname=pod.spec.hostname if named else "",
        nodeName=pod.spec.nodeName or None,
        targetRef=Target(kind="Pod", namespace=meta.namespace, name=meta.name, uid=meta.uid),
    )


def _cut(found: Sequence[Subset]) -> tuple[list[Subset], bool]:
    """At most so many addresses in all, ready ones first."""
    total = sum(len(s.addresses) + len(s.notReadyAddresses) for s in found)
    if total <= MOST:
        return list(found), False
    left, kept = MOST, []
    ready = [subset.addresses[: max(left, 0)] for subset in found]
    for subset, good in zip(found, ready, strict=True):
        good = good[: max(left, 0)]
        left -= len(good)
        kept.append((subset, good))
    out = []
    for subset, good in kept:
        bad = subset.notReadyAddresses[: max(left, 0)]
        left -= len(bad)
        out.append(Subset(addresses=good, notReadyAddresses=bad, ports=subset.ports))
    return out, True
