"""Counts what is used of ResourceQuotas.

What is made, admission counts in; what goes, this controller counts out, and now and then it counts everything anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from longboat.api import kinds, quota
from longboat.api.amounts import amounts, only, plus, written
from longboat.api.quota_usage import usage
from longboat.api.workloads import Pod
from longboat.client.interface import Key
from longboat.client.rest import METADATA_LIST
from longboat.controllers.quota.departures import EVERYWHERE, Departures
from longboat.controllers.quota.views import ResourceQuota
from longboat.controllers.resources import resources
from longboat.controllers.runtime import Controller, Requeue
from longboat.machinery import quantity
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.quantity import Quantity

EVERY = 300.0  # seconds between full counts (kube-controller-manager, --resource-quota-sync-period)
REDISCOVER = 30.0  # seconds between looks for kinds that have come or gone
PAGE = 500  # objects counted before other tasks get a turn
MEASURED = (quota.PODS, quota.SERVICES, quota.CLAIMS)  # the others are but counted
CHANGING = (quota.SERVICES, quota.CLAIMS)  # may give something back and stay
ENDED = ("Succeeded", "Failed")

log = logging.getLogger(__name__)


class ResourceQuotaController(Controller):
    name = "resourcequota"
    queue_name = "resourcequota_primary"
    rights = """
        list watch: */*
        patch update: resourcequotas/status
    """
    reads = (ResourceQuota, Pod)

    def setup(self) -> None:
        self._kinds: list[Kind] = []
        self._departures: dict[Kind, Departures] = {}
        self._wanted = asyncio.Event()  # a cluster without quotas need not know what there is to count
        quotas = self.cache(ResourceQuota)
        quotas.index("namespace", lambda each: (each.metadata.namespace,))
        quotas.on_change(self._quota_changed)
        self.cache(Pod).on_change(self._pod_changed)

    def _quota_changed(self, old: ResourceQuota | None, new: ResourceQuota | None) -> None:
        """What is used changes by admission's hand and by our own: only what is allowed is news."""
        if new is not None and (old is None or old.metadata.uid != new.metadata.uid or old.spec != new.spec):
            self.queue.add(_key(new))
            self._wanted.set()
        self._watch_departures()

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and (new is None or (new.status.phase in ENDED and old.status.phase not in ENDED)):
            self._gone(quota.PODS, old.metadata.namespace)

    def _gone(self, kind: str, namespace: str) -> None:
        quotas = self.cache(ResourceQuota)
        for each in quotas.values() if namespace == EVERYWHERE else quotas.by_index("namespace", namespace):
            if quota.concerning(kind, each.spec.hard):
                self.queue.add(_key(each))

    async def background(self) -> None:
        """Look for kinds, and have everything counted anew from time to time."""
        await self._wanted.wait()
        counted = self.clock.monotonic()
        while True:
            try:
                await self._discover()
            except (StatusError, ConnectionError) as error:
                log.info("quota controller: %s", error)
            await self.clock.sleep(REDISCOVER if self._kinds else 1.0)
            if self.clock.monotonic() - counted >= EVERY:
                counted = self.clock.monotonic()
                for each in self.cache(ResourceQuota).values():
                    self.queue.add(_key(each))

    async def _discover(self) -> None:
        found, _ = await resources(self.client)
        known = self._kinds
        self._kinds = [
            each.kind
            for each in found
            if each.kind.namespaced
            and {"create", "list", "watch", "delete"} <= each.verbs
            and each.kind.resource not in quota.NOT_COUNTED
        ]
        if self._kinds != known:
            self._watch_departures()
            for each in self.cache(ResourceQuota).values():
                self.queue.add(_key(each))

    def _watch_departures(self) -> None:
        """Watch the kinds that some quota limits, and no others."""
        limited = {name for each in self.cache(ResourceQuota).values() for name in each.spec.hard}
        wanted = {
            kind for kind in self._kinds if kind.resource != quota.PODS and quota.concerning(kind.resource, limited)
        }
        for kind in self._departures.keys() - wanted:
            self.informers.drop(self._departures.pop(kind))
        for kind in wanted - self._departures.keys():
            self._departures[kind] = Departures(kind, self._gone, changes=kind.resource in CHANGING)
            self.informers.follow(kind, self._departures[kind])

    async def reconcile(self, key: Key) -> Requeue | None:
        found = self.cache(ResourceQuota).get(key)
        if found is None or not self._kinds:
            return None
        hard = found.spec.hard
        used = {name: text for name, text in found.status.used.items() if name in hard}
        counted, failed = await self._count(found)
        used |= written(counted)
        if (hard, used) != (found.status.hard, found.status.used):
            await self._report(found, {"hard": hard, "used": used})
        if failed is not None:
            raise failed
        return None

    async def _count(self, found: ResourceQuota) -> tuple[Mapping[str, Quantity], StatusError | None]:
        """What there is, by resource, and why some of it cannot be told: an extension server may be dead."""
        total: dict[str, Quantity] = {}
        failed: StatusError | None = None
        unknown: set[str] = set()
        for kind in self._kinds:
            names = quota.concerning(kind.resource, found.spec.hard)
            if not names:
                continue
            try:
                counted = await self._count_kind(kind, found)
            except StatusError as error:
                failed = failed or error
                unknown |= names
            else:
                total = plus(plus(total, dict.fromkeys(names, quantity.ZERO)), only(counted, names))
        return {name: value for name, value in total.items() if name not in unknown}, failed

    async def _count_kind(self, kind: Kind, found: ResourceQuota) -> Mapping[str, Quantity]:
        namespace = found.metadata.namespace
        scoped: Object = {"spec": {"scopes": found.spec.scopes, "scopeSelector": found.spec.scopeSelector}}
        if kind.resource not in MEASURED:
            if any(quota.scopes(scoped)):
                return {}  # scopes are of pods and claims
            page = await self.client.list_page(kind, namespace=namespace, limit=1, accept=METADATA_LIST)
            number = len(page.items) + page.remaining
            while page.continue_token and not page.remaining:  # it need not be told how many there are
                page = await self.client.list_page(
                    kind, namespace=namespace, limit=PAGE, token=page.continue_token, accept=METADATA_LIST
                )
                number += len(page.items) + page.remaining
            return amounts(dict.fromkeys(usage(kind.resource, {}, self.clock.now()), str(number)))
        total: dict[str, Quantity] = {}
        token = ""
        while True:
            page = await self.client.list_page(kind, namespace=namespace, limit=PAGE, token=token)
            for raw in page.items:
                obj = msgspec.json.decode(raw)
                if quota.in_scopes(scoped, kind.resource, obj):
                    total = plus(total, usage(kind.resource, obj, self.clock.now()))
            await asyncio.sleep(0)
            token = page.continue_token
            if not token:
                return total

    async def _report(self, found: ResourceQuota, status: dict[str, dict[str, str]]) -> None:
        """Refused where somebody else has changed the quota since, by counting something in for instance."""
        former = {"hard": found.status.hard, "used": found.status.used}
        patch: dict[str, Any] = {
            part: {**dict.fromkeys(former[part].keys() - wanted.keys()), **wanted} for part, wanted in status.items()
        }
        meta = {"uid": found.metadata.uid, "resourceVersion": found.metadata.resourceVersion}
        change = {"metadata": meta, "status": patch}
        await self.client.patch(kinds.RESOURCE_QUOTA, _key(found), change, subresource="status")


def _key(found: ResourceQuota) -> Key:
    return Key(found.metadata.namespace, found.metadata.name)
