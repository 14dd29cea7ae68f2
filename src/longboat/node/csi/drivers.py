"""The drivers of this node, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from longboat.machinery.protos import messages
from longboat.node.csi.errors import RpcFailure
from longboat.node.csi.plugin import Plugin

csi = messages("csi.v1")
_CONTROLLER = csi.PluginCapability.Service.Type.Value("CONTROLLER_SERVICE")
_NAMES = {number: name for name, number in csi.NodeServiceCapability.RPC.Type.items()}
INTRODUCTION = 60.0  # seconds a driver has to say what it is


class Driver(msgspec.Struct, frozen=True, kw_only=True):
    """A driver that is at work here, and what it has said of itself."""

    name: str
    plugin: Plugin
    node_id: str
    max_volumes: int = 0  # 0: the driver sets no limit
    topology: dict[str, str] = {}
    capabilities: frozenset[str] = frozenset()  # of its node service
    has_controller: bool = False  # its controller service answers here, too

    def can(self, capability: str) -> bool:
        return capability in self.capabilities


class Drivers:
    """`changed` is called when one has come or gone."""

    def __init__(self) -> None:
        self._found: dict[str, Driver] = {}
        self.changed: Callable[[], None] = lambda: None

    def __iter__(self) -> Iterator[Driver]:
        return iter(sorted(self._found.values(), key=lambda driver: driver.name))

    def find(self, name: str) -> Driver | None:
        return self._found.get(name)

    def get(self, name: str) -> Driver:
        """Raises LookupError in the kubelet's words."""
        if name not in self._found:
            raise LookupError(f"driver name {name} not found in the list of registered CSI drivers")
        return self._found[name]

    def add(self, driver: Driver) -> None:
        self._found[driver.name] = driver
        self.changed()

    def remove(self, name: str) -> None:
        if self._found.pop(name, None) is not None:
            self.changed()

    async def close(self) -> None:
        for driver in self._found.values():
            await driver.plugin.close()


async def introduced(name: str, plugin: Plugin) -> Driver:
    """Ask a driver all that has to be known of it. Raises RpcFailure."""
    info = await plugin.call("NodeGetInfo", timeout=INTRODUCTION)
    if not info.node_id:
        raise RpcFailure("INTERNAL", f"driver {name} gave this node no id")
    answer = await plugin.call("NodeGetCapabilities", timeout=INTRODUCTION)
    return Driver(
        name=name,
        plugin=plugin,
        node_id=info.node_id,
        max_volumes=max(info.max_volumes_per_node, 0),
        topology=dict(info.accessible_topology.segments),
        capabilities=frozenset(_NAMES[c.rpc.type] for c in answer.capabilities if c.rpc.type in _NAMES),
        has_controller=await _has_controller(plugin),
    )


async def _has_controller(plugin: Plugin) -> bool:
    """Many drivers answer for their controller in one place only, whatever they say of it everywhere."""
    try:
        answer = await plugin.call("GetPluginCapabilities", timeout=INTRODUCTION)
        if not any(c.service.type == _CONTROLLER for c in answer.capabilities):
            return False
        await plugin.call("ControllerGetCapabilities", timeout=INTRODUCTION)
    except RpcFailure as failure:
        if failure.code == "UNIMPLEMENTED":
            return False
        raise
    return True
