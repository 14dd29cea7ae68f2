"""The gRPC health protocol (grpc.health.v1), as much as a probe needs: one string out, one number in."""

from __future__ import annotations

from typing import Any

import grpc

CHECK = "/grpc.health.v1.Health/Check"
STATUSES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")


async def check(host: str, port: int, service: str) -> str:
    """Raises OSError where the server does not answer or does not know the protocol."""
    target = f"ipv6:[{host}]:{port}" if ":" in host else f"{host}:{port}"
    async with grpc.aio.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        name = service.encode()
        request = bytes((1 << 3 | 2, len(name))) + name if name else b""
        try:
            call: Any = channel.unary_unary(CHECK)
            answer: bytes = await call(request)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                raise OSError(
                    "this server does not implement the grpc health protocol (grpc.health.v1.Health)"
                ) from error
            raise OSError(f"error: this failed with {error.code().name}: {error.details()}") from error
    number = answer[1] if len(answer) >= 2 and answer[0] == 1 << 3 else 0
    return STATUSES[number] if number < len(STATUSES) else str(number)
