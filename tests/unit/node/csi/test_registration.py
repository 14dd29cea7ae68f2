"""Drivers come and go by their sockets; the API knows which are here."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import grpc.aio
import pytest

from longboat.aio.clock import SystemClock
from longboat.api import kinds
from longboat.api.storage import CONTROLLER_DRIVERS, CONTROLLER_SCOPE, OF_CLUSTER
from longboat.client.informer import Informers
from longboat.client.interface import Key
from longboat.machinery.errors import StatusError
from longboat.machinery.protos import messages
from longboat.machinery.protos.rpc import serve
from longboat.node.csi.csi_node import NODE_IDS, CsiNode, annotation, collisions, entry
from longboat.node.csi.drivers import Driver, Drivers
from longboat.node.csi.errors import RpcFailure
from longboat.node.csi.plugin import SocketPlugin
from longboat.node.csi.sockets import Refused, Sockets, check, sockets_in
from longboat.node.views.storage import CSIDriver
from longboat.testing.cluster import Cluster
from unit.node.csi.fake import Remembering

csi, registration = messages("csi.v1"), messages("pluginregistration")


def driver(name: str = "disks", **more: Any) -> Driver:
    return Driver(name=name, plugin=Remembering(), **{"node_id": "id", **more})


def test_what_is_told_of_a_driver() -> None:
    found = driver(topology={"b": "1", "a": "2"}, max_volumes=5)
    assert entry(found) == {"name": "disks", "nodeID": "id", "topologyKeys": ["a", "b"], "allocatable": {"count": 5}}
    answering = [driver(name, has_controller=True) for name in "bda"]
    assert annotation([*answering, driver("c")], "abc".__contains__) == "a,b"
    assert annotation([driver()], "disks".__eq__) is None
    assert annotation(answering, "".__contains__) is None
    assert collisions([found], {"a": "2"}) == ""
    assert collisions([found], {"a": "3"}) == (
        'detected topology value collision: driver reported "a":"2" but existing label is "a":"3"'
    )


@pytest.mark.parametrize(
    ("info", "why"),
    [
        ({"type": "DevicePlugin"}, "no handler registered for plugin type: DevicePlugin"),
        ({"supported_versions": []}, "Plugin returned an empty list for supported versions"),
        ({"supported_versions": ["0.3.0"]}, 'None of the versions specified ["0.3.0"] are supported'),
    ],
)
def test_plugins_that_are_refused(info: dict[str, Any], why: str) -> None:
    given = {"type": "CSIPlugin", "name": "disks", "supported_versions": ["0.3.0", "1.0.0"]}
    check(SimpleNamespace(**given))
    with pytest.raises(Refused, match=why.replace("[", r"\[")):
        check(SimpleNamespace(**(given | info)))


async def test_the_api_knows_what_is_here(cluster: Cluster) -> None:
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n", "labels": {"zone": "a"}}}
    await cluster.apply(node)
    drivers, registered = Drivers(), asyncio.Event()
    registered.set()
    informers = Informers(cluster.client, cluster.clock)
    told = CsiNode(cluster.client, cluster.clock, "n", drivers, registered, informers.of(CSIDriver))
    informers.start()
    work = asyncio.create_task(told.run())
    first = driver("one", topology={"rack": "7"}, has_controller=True)
    await told.install(first)
    await told.install(driver("two"))
    found = await cluster.get("csinode/n")
    assert [each["name"] for each in found["spec"]["drivers"]] == ["one", "two"]
    assert CONTROLLER_DRIVERS not in found["metadata"].get("annotations", {}), "nobody gave it to us"
    about = {"name": "one", "annotations": {CONTROLLER_SCOPE: OF_CLUSTER}}
    await cluster.apply({"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": about})
    for _ in range(100):
        await cluster.settle()
    found = await cluster.get("csinode/n")
    assert found["metadata"]["annotations"][CONTROLLER_DRIVERS] == "one"
    assert found["metadata"]["ownerReferences"][0]["kind"] == "Node"
    on_node = (await cluster.get("node/n"))["metadata"]
    assert on_node["labels"]["rack"] == "7"
    assert json.loads(on_node["annotations"][NODE_IDS]) == {"one": "id", "two": "id"}

    # Another id needs another entry; a place that the labels contradict is refused.
    await told.install(driver("two", node_id="other"))
    listed = (await cluster.get("csinode/n"))["spec"]["drivers"]
    assert {each["name"]: each["nodeID"] for each in listed} == {"one": "id", "two": "other"}
    with pytest.raises(StatusError, match="detected topology value collision"):
        await told.install(driver("three", topology={"zone": "b"}))
    assert drivers.find("three") is None

    # Nor is it the others' matter where somebody changes labels later.
    await cluster.client.patch(kinds.NODE, Key("", "n"), {"metadata": {"labels": {"rack": "8"}}})
    await told.install(driver("four"))
    drivers.remove("four")
    for _ in range(100):
        await cluster.settle()

    # Nothing is written where nothing is new; and what has gone is taken back once all had time to return.
    version = (await cluster.get("csinode/n"))["metadata"]["resourceVersion"]
    await told.install(driver("two", node_id="other"))
    assert (await cluster.get("csinode/n"))["metadata"]["resourceVersion"] == version
    await cluster.clock.advance(31)
    drivers.remove("one")
    for _ in range(100):
        await cluster.settle()
    found = await cluster.get("csinode/n")
    assert [each["name"] for each in found["spec"]["drivers"]] == ["two"]
    assert CONTROLLER_DRIVERS not in found["metadata"].get("annotations", {})
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    await informers.close()


class Plugin:
    """Registration, identity and node service of a driver, behind real sockets."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.node_id = "id"
        self.is_silent = False

    async def NotifyRegistrationStatus(self, request: Any, context: Any) -> Any:
        self.told.append((request.plugin_registered, request.error))
        return registration.RegistrationStatusResponse()

    async def NodeGetInfo(self, request: Any, context: Any) -> Any:
        if self.is_silent:
            await asyncio.sleep(5)
        if not self.node_id:
            await context.abort(grpc.StatusCode.INTERNAL, "no idea")
        return csi.NodeGetInfoResponse(node_id=self.node_id, max_volumes_per_node=3)

    async def NodeGetCapabilities(self, request: Any, context: Any) -> Any:
        return csi.NodeGetCapabilitiesResponse(capabilities=[{"rpc": {"type": "STAGE_UNSTAGE_VOLUME"}}])

    async def GetPluginCapabilities(self, request: Any, context: Any) -> Any:
        listed = [{"service": {"type": "CONTROLLER_SERVICE"}}]
        return csi.GetPluginCapabilitiesResponse(capabilities=listed)

    async def start(self, folder: Path) -> grpc.aio.Server:
        server, place = grpc.aio.server(), folder / "disks-reg.sock"
        info = registration.PluginInfo(
            type="CSIPlugin", name="disks", endpoint=str(place), supported_versions=["1.0.0"]
        )  # fmt: skip

        async def get_info(request: Any, context: Any) -> Any:
            return info

        self.GetInfo = get_info
        for service in ("pluginregistration.Registration", "csi.v1.Identity", "csi.v1.Node"):
            serve(server, service, self)
        folder.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        server.add_insecure_port(f"unix://{place}")
        await server.start()
        return server


class Reporting:
    def __init__(self, drivers: Drivers) -> None:
        self._drivers = drivers

    async def install(self, driver: Driver) -> None:
        self._drivers.add(driver)


def test_a_socket_is_a_driver_for_as_long_as_it_is_there(tmp_path: Path) -> None:
    async def main() -> None:
        drivers, plugin, folder = Drivers(), Plugin(), tmp_path / "plugins_registry"
        (tmp_path / "plugins_registry").mkdir()
        (folder / ".hidden.sock").touch()
        plugin.node_id = ""
        server = await plugin.start(folder)
        sockets = Sockets(folder, SystemClock(), drivers, Reporting(drivers))  # type: ignore[arg-type]
        work = asyncio.create_task(sockets.watch())
        try:
            await until(lambda: bool(plugin.told))
            assert plugin.told[0] == (False, "rpc error: code = Internal desc = no idea")
            plugin.node_id = "id"
            await until(lambda: drivers.find("disks") is not None)
            found = drivers.get("disks")
            assert found.max_volumes == 3 and found.can("STAGE_UNSTAGE_VOLUME")
            assert not found.has_controller, "it says it has a controller service, but none answers"
            await until(lambda: plugin.told[-1] == (True, ""))
            await server.stop(0)
            (folder / "disks-reg.sock").unlink(missing_ok=True)
            await until(lambda: drivers.find("disks") is None)
            with pytest.raises(LookupError, match="driver name disks not found in the list of registered CSI drivers"):
                drivers.get("disks")
            assert sockets_in(folder) == set()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            await server.stop(0)
            await drivers.close()

    asyncio.run(main())


def test_a_plugin_that_does_not_answer_holds_up_no_other_and_can_go(tmp_path: Path) -> None:
    async def main() -> None:
        drivers, plugin, folder = Drivers(), Plugin(), tmp_path
        silent = socket.socket(socket.AF_UNIX)
        silent.bind(str(folder / "aaa-reg.sock"))
        silent.listen()
        (folder / "bbb-reg.sock").symlink_to("aaa-reg.sock")  # no socket of its own: it is passed over
        server = await plugin.start(folder)
        sockets = Sockets(folder, SystemClock(), drivers, Reporting(drivers))  # type: ignore[arg-type]
        work = asyncio.create_task(sockets.watch())
        try:
            await until(lambda: drivers.find("disks") is not None)
            (folder / "aaa-reg.sock").unlink()
            await until(lambda: len(sockets.known) == 1)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            silent.close()
            await server.stop(0)
            await drivers.close()

    asyncio.run(main())


def test_a_driver_that_is_not_there_comes_back_or_says_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        path, driver = tmp_path / "disks-reg.sock", Plugin()
        dead = socket.socket(socket.AF_UNIX)
        dead.bind(str(path))
        dead.close()
        plugin = SocketPlugin(str(path))
        for _ in range(4):
            with pytest.raises(RpcFailure) as caught:
                await plugin.call("NodeGetInfo")
            why = f"transport: Error while dialing: dial unix {path}: connect: connection refused"
            assert str(caught.value) == f'rpc error: code = Unavailable desc = connection error: desc = "{why}"'
            await asyncio.sleep(0.3)
        server = await driver.start(tmp_path)
        try:
            # Well within the two minutes for which gRPC would not try again by itself.
            assert (await asyncio.wait_for(answer(plugin), 10)).node_id == "id"
            driver.is_silent = True
            with pytest.raises(RpcFailure, match="rpc error: code = DeadlineExceeded desc = context deadline exceeded"):
                await plugin.call("NodeGetInfo", timeout=0.2)
        finally:
            await plugin.close()
            await server.stop(0)

    asyncio.run(main())


async def answer(plugin: SocketPlugin) -> Any:
    while True:
        try:
            return await plugin.call("NodeGetInfo")
        except RpcFailure:
            await asyncio.sleep(0.1)


async def until(found: Any) -> None:
    for _ in range(200):
        if found():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come to pass")
