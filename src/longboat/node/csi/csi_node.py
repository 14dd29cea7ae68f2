"""Tells the API which drivers are on this node: the CSINode object, the Node's topology labels and its ids."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable, Mapping

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.aio.reconciler import Reconciler
from longboat.api import kinds
from longboat.api.storage import CONTROLLER_DRIVERS, controller_scope
from longboat.client.informer import Informer
from longboat.client.interface import Client, Key
from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object
from longboat.node.csi.drivers import Driver, Drivers
from longboat.node.views.objects import Node
from longboat.node.views.storage import CSIDriver, CSINode, NodeDriver

log = logging.getLogger(__name__)
NODE_IDS = "csi.volume.kubernetes.io/nodeid"  # on the Node: {driver: its id of this node}
SETTLING = 30.0  # seconds after the start in which drivers an earlier agent knew may still come back


def entry(driver: Driver) -> Object:
    """Of spec.drivers."""
    found: Object = {"name": driver.name, "nodeID": driver.node_id, "topologyKeys": sorted(driver.topology) or None}
    if driver.max_volumes:
        found["allocatable"] = {"count": driver.max_volumes}
    return found


def annotation(drivers: Iterable[Driver], ours: Callable[[str], bool]) -> str | None:
    """Of the drivers that are the control plane's to call, those whose controller service answers here. Most that do
    bring sidecars, and have their controller service on every node's socket."""
    return ",".join(sorted(driver.name for driver in drivers if driver.has_controller and ours(driver.name))) or None


def collisions(drivers: Iterable[Driver], labels: Mapping[str, str]) -> str:
    """What is wrong where a driver sees the node elsewhere than its labels say; "" if nothing is. Kubelet's words."""
    for driver in drivers:
        for key, value in driver.topology.items():
            if key in labels and labels[key] != value:
                return (
                    f'detected topology value collision: driver reported "{key}":"{value}" '
                    f'but existing label is "{key}":"{labels[key]}"'
                )
    return ""


class CsiNode:
    """`run` reports for as long as the agent lives; `registered` is set once the Node exists."""

    def __init__(
        self, client: Client, clock: Clock, node: str, drivers: Drivers, registered: asyncio.Event,
        described: Informer[CSIDriver],
    ) -> None:  # fmt: skip
        self._client, self._clock, self._drivers, self._registered = client, clock, drivers, registered
        self._key = Key("", node)
        self._reconciler = Reconciler(clock, retry=Backoff(first=0.2, longest=30.0))
        self._one_by_one = asyncio.Lock()
        self._stale = True  # drivers an earlier agent knew are kept
        drivers.changed = self._reconciler.wake
        self._described = described
        described.on_change(self._described_anew)

    async def install(self, driver: Driver) -> None:
        """Add a driver once the API knows of it. Raises StatusError, ConnectionError."""
        await self._registered.wait()
        await self._report(driver)
        self._drivers.add(driver)

    async def run(self) -> None:
        """Until cancelled."""
        await self._registered.wait()
        self._clock.call_later(SETTLING, self._settle)
        await self._reconciler.run(self._sync)

    async def _sync(self) -> bool:
        try:
            await self._report()
        except (StatusError, OSError) as error:
            log.warning("the node's drivers are not reported: %s", error)
            return False
        return True

    def _described_anew(self, old: CSIDriver | None, new: CSIDriver | None) -> None:
        if controller_scope(old) != controller_scope(new):
            self._reconciler.wake()

    def _is_ours(self, driver: str) -> bool:
        return bool(controller_scope(self._described.get(Key("", driver))))

    def _settle(self) -> None:
        self._stale = False
        self._reconciler.wake()

    async def _report(self, more: Driver | None = None) -> None:
        """`more` is one that is about to be added, or to replace the one of its name."""
        await self._described.synced()
        async with self._one_by_one:
            drivers = [driver for driver in self._drivers if more is None or driver.name != more.name]
            drivers += [more] if more is not None else []
            node = await self._client.get(Node, self._key)
            if more is not None and (problem := collisions([more], node.metadata.labels)):
                raise StatusError(409, "Conflict", problem)
            await self._label(node, drivers)
            await self._write(node, drivers)

    async def _label(self, node: Node, drivers: list[Driver]) -> None:
        wanted = {key: value for driver in drivers for key, value in driver.topology.items()}
        labels = {key: value for key, value in wanted.items() if key not in node.metadata.labels}
        before = node.metadata.annotations.get(NODE_IDS, "")
        ids = json.dumps({driver.name: driver.node_id for driver in drivers}, separators=(",", ":"))
        metadata: Object = {"labels": labels} if labels else {}
        if drivers and ids != before:
            metadata["annotations"] = {NODE_IDS: ids}
        elif not drivers and before and not self._stale:
            metadata["annotations"] = {NODE_IDS: None}
        if metadata:
            await self._client.patch(kinds.NODE, self._key, {"metadata": metadata})

    async def _write(self, node: Node, drivers: list[Driver]) -> None:
        try:
            found = await self._client.get(CSINode, self._key)
        except StatusError as error:
            if error.code != 404:
                raise
            await self._client.create(kinds.CSI_NODE, self._made(node, drivers))
            return
        listed = [entry(driver) for driver in drivers]
        own = {driver.name for driver in drivers}
        kept = [_again(each) for each in found.spec.drivers if each.name not in own] if self._stale else []
        has = {each.name: _again(each) for each in found.spec.drivers}
        note = annotation(drivers, self._is_ours)
        if has == {each["name"]: each for each in (*kept, *listed)} and note == _note(found):
            return
        changed = {each["name"] for each in listed if each["name"] in has and has[each["name"]] != each}
        if changed:  # an entry is taken back before another of its name is made: it may not change
            await self._patch(found, [each for name, each in has.items() if name not in changed], note)
            found = await self._client.get(CSINode, self._key)
        await self._patch(found, [*kept, *listed], note)

    async def _patch(self, found: CSINode, drivers: list[Object], note: str | None) -> None:
        patch = {
            "metadata": {
                "resourceVersion": found.metadata.resourceVersion,
                "annotations": {CONTROLLER_DRIVERS: note},
            },
            "spec": {"drivers": drivers},
        }
        await self._client.patch(kinds.CSI_NODE, self._key, patch)

    def _made(self, node: Node, drivers: list[Driver]) -> Object:
        owner = {"apiVersion": "v1", "kind": "Node", "name": node.metadata.name, "uid": node.metadata.uid}
        note = annotation(drivers, self._is_ours)
        annotations = {CONTROLLER_DRIVERS: note} if note else {}
        metadata = {"name": node.metadata.name, "ownerReferences": [owner], "annotations": annotations}
        return {
            "apiVersion": kinds.CSI_NODE.api_version, "kind": kinds.CSI_NODE.name, "metadata": metadata,
            "spec": {"drivers": [entry(driver) for driver in drivers]},
        }  # fmt: skip


def _note(found: CSINode) -> str | None:
    return found.metadata.annotations.get(CONTROLLER_DRIVERS)


def _again(driver: NodeDriver) -> Object:
    """An entry as it is in the API."""
    found: Object = {"name": driver.name, "nodeID": driver.nodeID, "topologyKeys": driver.topologyKeys or None}
    if driver.allocatable is not None and driver.allocatable.count is not None:
        found["allocatable"] = {"count": driver.allocatable.count}
    return found
