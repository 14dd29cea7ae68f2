"""Controller services in JSON, as controllers elsewhere call them."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from longboat.aio.clock import SystemClock
from longboat.api.storage import LOCAL_DRIVER
from longboat.node.csi import gateway
from longboat.node.csi.drivers import Drivers, introduced
from longboat.node.csi.errors import RpcFailure
from longboat.node.csi.local.controller import Controller
from longboat.node.csi.local.images import DiskImages, MemoryImages
from longboat.node.csi.local.node import Node
from longboat.node.csi.plugin import InProcessPlugin, service_of


async def drivers(tmp: Any) -> Drivers:
    found = Drivers()
    services = Controller(MemoryImages(room=1 << 30), "n", simulated=True), Node(DiskImages(tmp), "n")
    found.add(await introduced(LOCAL_DRIVER, InProcessPlugin(SystemClock(), *services)))
    return found


REQUEST = {
    "name": "v",
    "capacityRange": {"requiredBytes": "1048576000"},
    "volumeCapabilities": [{"mount": {"fsType": "ext4"}, "accessMode": {"mode": "SINGLE_NODE_WRITER"}}],
}


def test_requests_and_responses_are_json(tmp_path: Any) -> None:
    async def main() -> None:
        found = await drivers(tmp_path)
        driver = found.get(LOCAL_DRIVER)
        assert driver.has_controller and driver.node_id == "n" and driver.can("STAGE_UNSTAGE_VOLUME")
        answer = await gateway.call(found, LOCAL_DRIVER, "CreateVolume", msgspec.json.encode(REQUEST))
        volume = msgspec.json.decode(answer)["volume"]
        assert (volume["volumeId"], volume["capacityBytes"]) == ("v", "1048576000")
        listed = msgspec.json.decode(await gateway.call(found, LOCAL_DRIVER, "ControllerGetCapabilities", b""))
        assert {"rpc": {"type": "EXPAND_VOLUME"}} in listed["capabilities"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("driver", "rpc", "body", "code"),
    [
        (LOCAL_DRIVER, "CreateVolume", b'{"name": 7}', "INVALID_ARGUMENT"),
        (LOCAL_DRIVER, "CreateVolume", b"\xff", "INVALID_ARGUMENT"),
        (LOCAL_DRIVER, "CreateVolume", b'{"colour": "mauve"}', "INVALID_ARGUMENT"),
        (LOCAL_DRIVER, "NodeStageVolume", b"{}", "UNIMPLEMENTED"),
        (LOCAL_DRIVER, "ListVolumes", b"{}", "UNIMPLEMENTED"),
        (LOCAL_DRIVER, "ControllerExpandVolume", b'{"volumeId": "no"}', "NOT_FOUND"),
        ("nobody", "CreateVolume", b"{}", "UNAVAILABLE"),
    ],
)
def test_what_cannot_be_done_has_its_code(tmp_path: Any, driver: str, rpc: str, body: bytes, code: str) -> None:
    async def main() -> RpcFailure:
        with pytest.raises(RpcFailure) as caught:
            await gateway.call(await drivers(tmp_path), driver, rpc, body)
        return caught.value

    failure = asyncio.run(main())
    assert failure.code == code and "mauve" not in failure.message
    assert 400 <= failure.http_status < 600


def test_failures_read_as_go_prints_them() -> None:
    assert str(RpcFailure("CANCELLED", "x")) == "rpc error: code = Canceled desc = x"
    assert str(RpcFailure("DEADLINE_EXCEEDED", "x")) == "rpc error: code = DeadlineExceeded desc = x"
    assert RpcFailure("INTERNAL", "").is_final and not RpcFailure("ABORTED", "").is_final
    assert service_of("NodeStageVolume") == "csi.v1.Node"
