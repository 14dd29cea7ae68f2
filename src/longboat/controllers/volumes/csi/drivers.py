"""Which drivers are ours to serve, and through which node each is reached.

Ours are those whose CSIDriver says so (`api.storage.CONTROLLER_SCOPE`); any other driver brings its own sidecars, and
is left to them, whatever nodes say. Nodes list in their CSINode's annotation which of ours can be called through them.
"""

from __future__ import annotations

from longboat.aio.clock import Clock
from longboat.api import storage
from longboat.api.storage import CSIDriver, CSINode, NodeDriver, Volume, controller_drivers
from longboat.api.volume_matching import Place, reaches
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.controllers.volumes.csi import topology
from longboat.controllers.volumes.csi.calls import RpcError, call
from longboat.controllers.volumes.views import Node, is_ready
from longboat.machinery.objects import Object


class Drivers:
    """Calls need `client`; the rest reads the informers' copies."""

    def __init__(self, client: RestClient, informers: Informers, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._nodes = informers.of(Node)
        self._csi_nodes = informers.of(CSINode)
        self._drivers = informers.of(CSIDriver)
        self._csi_nodes.index("controllers", controller_drivers)
        self._csi_nodes.index("drivers", lambda node: [driver.name for driver in node.spec.drivers])
        self._csi_nodes.on_change(self._changed)
        self._capabilities: dict[str, frozenset[str]] = {}

    def serves(self, driver: str) -> bool:
        """Whether its controller service is ours to call, and can be called."""
        return bool(self._scope(driver)) and bool(self._csi_nodes.by_index("controllers", driver))

    def is_local(self, driver: str) -> bool:
        """Whether each node's service knows only the volumes of its own node."""
        return self._scope(driver) == storage.OF_NODE

    def _scope(self, driver: str) -> str:
        return storage.controller_scope(self._drivers.get(Key("", driver)))

    def on_node(self, driver: str, node: str) -> NodeDriver | None:
        """What a node's CSINode says of the driver."""
        found = self._csi_nodes.get(Key("", node))
        return next((d for d in found.spec.drivers if d.name == driver), None) if found is not None else None

    def segments(self, driver: str, node: str) -> dict[str, str] | None:
        """Where a node is, in the driver's own terms; None where node or driver has not said yet."""
        found, registered = self._nodes.get(Key("", node)), self.on_node(driver, node)
        if found is None or registered is None:
            return None
        return topology.of_node(registered.topologyKeys, found.metadata.labels)

    def places(self, driver: str) -> dict[str, dict[str, str]]:
        """The segments of every node that has the driver, by name of the node."""
        names = (csi_node.metadata.name for csi_node in self._csi_nodes.by_index("drivers", driver))
        found = ((name, self.segments(driver, name)) for name in sorted(names))
        return {name: segments for name, segments in found if segments is not None}

    def controllers(self, driver: str) -> list[str]:
        """The nodes through which it can be called: those that are ready first."""
        names = [csi_node.metadata.name for csi_node in self._csi_nodes.by_index("controllers", driver)]
        nodes = [node for name in names if (node := self._nodes.get(Key("", name))) is not None]
        return [node.metadata.name for node in sorted(nodes, key=lambda n: (not is_ready(n), n.metadata.name))]

    def route(self, driver: str, *, node: str = "", volume: Volume | None = None) -> str:
        """The node to call for this node, or this volume. Raises RpcError where there is none.

        A local driver is called nowhere else: elsewhere its volume is unknown, and deleting what is unknown succeeds.
        """
        if not self._scope(driver):
            raise RpcError("UNAVAILABLE", f"driver {driver} is not ours to call any more")
        near = [name for name in self.controllers(driver) if self._fits(name, node, volume)]
        if self.is_local(driver):
            if not near:
                where = f"on node {node}" if node else "where the volume is"
                raise RpcError("UNAVAILABLE", f"driver {driver} does not answer {where}")
            return near[0]
        far = self.controllers(driver)
        if not far:
            raise RpcError("UNAVAILABLE", f"driver {driver} answers on no node")
        return near[0] if near and self._ready(near[0]) else far[0]

    def _fits(self, name: str, node: str, volume: Volume | None) -> bool:
        if node and name != node:
            return False
        found = self._nodes.get(Key("", name))
        return found is not None and (volume is None or reaches(volume, Place(name, found.metadata.labels)))

    def _ready(self, name: str) -> bool:
        found = self._nodes.get(Key("", name))
        return found is not None and is_ready(found)

    async def call(self, node: str, driver: str, rpc: str, request: Object) -> Object:
        """Raises RpcError."""
        return await call(self._client, self._clock, node, driver, rpc, request)

    async def can(self, driver: str, node: str, capability: str) -> bool:
        """Whether its controller service has this capability (CSI ControllerServiceCapability). Raises RpcError."""
        if driver not in self._capabilities:
            answer = await self.call(node, driver, "ControllerGetCapabilities", {})
            listed = (c.get("rpc") or {} for c in answer.get("capabilities") or ())
            self._capabilities[driver] = frozenset(str(rpc.get("type") or "") for rpc in listed)
        return capability in self._capabilities[driver]

    def _changed(self, old: CSINode | None, new: CSINode | None) -> None:
        """A driver that registers anew may have learnt something."""
        if old is None or new is None or old.spec != new.spec or controller_drivers(old) != controller_drivers(new):
            for csi_node in (old, new):
                for driver in csi_node.spec.drivers if csi_node is not None else ():
                    self._capabilities.pop(driver.name, None)
