"""A container's specification is long: it is asked for where the limits in force are not told without it, and once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
from cri_api.v1 import api_pb2 as pb
from cri_api.v1.api_pb2_grpc import RuntimeServiceServicer, add_RuntimeServiceServicer_to_server

from longboat.node.cri.grpc import GrpcRuntime

SPECIFICATION = '{"runtimeSpec": {"linux": {"resources": {"cpu": {"shares": 512}}}}}'


class Runtime(RuntimeServiceServicer):
    def __init__(self) -> None:
        self.tells = True  # whether a status has the limits in it
        self.long: list[bool] = []  # of each answer, whether everything was asked for

    async def ContainerStatus(self, request: Any, context: Any) -> Any:
        self.long.append(request.verbose)
        status = pb.ContainerStatus(id=request.container_id)
        if self.tells:
            status.resources.linux.cpu_shares = 256
        return pb.ContainerStatusResponse(status=status, info={"info": SPECIFICATION} if request.verbose else {})


def test_limits_are_known_and_the_specification_is_asked_for_once(tmp_path: Path) -> None:
    async def main() -> None:
        server, told = grpc.aio.server(), Runtime()
        add_RuntimeServiceServicer_to_server(told, server)  # type: ignore[no-untyped-call]
        server.add_insecure_port(f"unix://{tmp_path}/cri.sock")
        await server.start()
        runtime = GrpcRuntime(f"unix://{tmp_path}/cri.sock")

        async def shares(*ids: str) -> list[int]:
            found = [(await runtime.container_status(id)).resources for id in ids]
            return [each.cpu_shares for each in found if each is not None]

        try:
            assert await shares("a", "a", "b", "b") == [256] * 4
            assert told.long == [True, False, False, False]

            told.tells = False  # the runtime has been replaced by an older one
            told.long.clear()
            assert await shares("a", "a", "b", "b") == [512] * 4
            assert told.long == [False, True, False, True, False]
        finally:
            await runtime.close()
            await server.stop(0)

    asyncio.run(main())
