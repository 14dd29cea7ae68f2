"""Services that others define: their messages, and calls over a socket."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import json_format

from longboat.machinery.protos import messages, methods
from longboat.machinery.protos.rpc import Stub, serve

csi = messages("csi.v1")


def test_messages_read_and_write_the_json_that_goes_through_the_node_port() -> None:
    text = {"name": "v", "capacityRange": {"requiredBytes": "1073741824"}, "parameters": {"kind": "fast"}}
    request = json_format.ParseDict(text, csi.CreateVolumeRequest())
    assert request.capacity_range.required_bytes == 1 << 30
    assert json_format.MessageToDict(request) == text


def test_numbers_on_the_wire_are_the_specifications() -> None:
    mode = csi.VolumeCapability.AccessMode(mode="SINGLE_NODE_MULTI_WRITER")
    request = csi.NodePublishVolumeRequest(
        target_path="/t", readonly=True, volume_capability=csi.VolumeCapability(block={}, access_mode=mode)
    )
    assert request.SerializeToString() == b"\x22\x02/t" + b"\x2a\x06\x0a\x00\x1a\x02\x08\x07" + b"\x30\x01"


def test_a_message_that_is_not_there_is_named() -> None:
    with pytest.raises(AttributeError, match=r"package csi\.v1 has no message Nothing"):
        _ = csi.Nothing


def test_every_procedure_has_its_messages() -> None:
    assert methods("v2.KeyManagementService")["Encrypt"].path == "/v2.KeyManagementService/Encrypt"
    assert {name for name in methods("pluginregistration.Registration")} == {"GetInfo", "NotifyRegistrationStatus"}


class Node:
    async def NodeGetInfo(self, request: Any, context: Any) -> Any:
        return csi.NodeGetInfoResponse(node_id="n", accessible_topology={"segments": {"zone": "a"}})

    async def NodeStageVolume(self, request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.NOT_FOUND, f"no volume {request.volume_id}")


def test_calls_over_a_socket(tmp_path: Path) -> None:
    async def main() -> None:
        server = grpc.aio.server()
        serve(server, "csi.v1.Node", Node())
        server.add_insecure_port(f"unix://{tmp_path}/csi.sock")
        await server.start()
        async with grpc.aio.insecure_channel(f"unix://{tmp_path}/csi.sock") as channel:
            node = Stub(channel, "csi.v1.Node")
            info = await node("NodeGetInfo", timeout=5)
            assert (info.node_id, dict(info.accessible_topology.segments)) == ("n", {"zone": "a"})
            with pytest.raises(grpc.aio.AioRpcError, match="no volume v"):
                await node("NodeStageVolume", csi.NodeStageVolumeRequest(volume_id="v"), timeout=5)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await node("NodeExpandVolume", timeout=5)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        await server.stop(0)

    asyncio.run(main())
