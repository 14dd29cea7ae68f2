"""The driver's process: two sockets, until it is told to stop. See README.md."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import grpc.aio
from google.protobuf import json_format

from csi.controller import Controller
from csi.node import Node
from csi.shelf import Refusal, Shelf
from longboat.machinery.protos import messages, methods
from longboat.machinery.protos.rpc import serve

registration = messages("pluginregistration")


class Registrar:
    """What node-driver-registrar does beside other drivers."""

    def __init__(self, name: str, endpoint: str) -> None:
        self._name, self._endpoint = name, endpoint

    async def GetInfo(self, request: Any, context: Any) -> Any:
        return registration.PluginInfo(
            type="CSIPlugin", name=self._name, endpoint=self._endpoint, supported_versions=["1.0.0"]
        )

    async def NotifyRegistrationStatus(self, request: Any, context: Any) -> Any:
        print(f"registered: {request.plugin_registered} {request.error}", flush=True)
        return registration.RegistrationStatusResponse()


class Answering:
    """A service's methods as gRPC calls them: each call is noted, and fails where a test wants it to."""

    def __init__(self, service: object, node: str, shelf: Shelf) -> None:
        for name in methods("csi.v1.Identity") | methods("csi.v1.Controller") | methods("csi.v1.Node"):
            if behaviour := getattr(service, name, None):
                setattr(self, name, self._wrapped(name, behaviour, node, shelf))

    @staticmethod
    def _wrapped(name: str, behaviour: Any, node: str, shelf: Shelf) -> Any:
        async def answer(request: Any, context: Any) -> Any:
            by = dict(context.invocation_metadata() or ()).get("by", "")
            shelf.write_down(name, node, json_format.MessageToDict(request, preserving_proto_field_name=True), by)
            try:
                shelf.check(name)
                return await behaviour(request)
            except Refusal as refusal:
                await context.abort(refusal.code, str(refusal))

        return answer


async def main(options: argparse.Namespace) -> None:
    shelf, kubelet = Shelf(options.state), options.kubelet
    socket = kubelet / "plugins" / options.name / "csi.sock"
    registry = kubelet / "plugins_registry" / f"{options.name}-reg.sock"
    controller = Answering(Controller(options.name, shelf), options.node, shelf)
    node = Answering(Node(options.node, shelf), options.node, shelf)
    driver, registrar = grpc.aio.server(), grpc.aio.server()
    serve(driver, "csi.v1.Identity", controller)
    serve(driver, "csi.v1.Node", node)
    if not options.node_only:
        serve(driver, "csi.v1.Controller", controller)
    serve(registrar, "pluginregistration.Registration", Registrar(options.name, str(socket)))
    for server, path in ((driver, socket), (registrar, registry)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        server.add_insecure_port(f"unix://{path}")
        await server.start()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    print("serving", flush=True)
    await stopping.wait()
    registry.unlink(missing_ok=True)
    await registrar.stop(0)
    await driver.stop(1)
    socket.unlink(missing_ok=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True)
    parser.add_argument("--node", required=True)
    parser.add_argument("--state", required=True, type=Path)
    parser.add_argument("--kubelet", default=Path("/var/lib/kubelet"), type=Path)
    parser.add_argument("--node-only", action="store_true", help="the controller service is served elsewhere")
    asyncio.run(main(parser.parse_args()))
