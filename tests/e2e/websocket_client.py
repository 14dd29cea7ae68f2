"""A WebSocket held open: each line of standard input is sent, each answer printed. URL ADDRESS CA-FILE."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult


class Fixed(AbstractResolver):
    """Every name has one address."""

    def __init__(self, address: str) -> None:
        self._address = address

    async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        found = ResolveResult(hostname=host, host=self._address, port=port, family=socket.AF_INET, proto=0, flags=0)
        return [found]

    async def close(self) -> None:
        return None


async def main(url: str, address: str, authorities: str) -> None:
    context = ssl.create_default_context(cafile=authorities)
    connector = aiohttp.TCPConnector(resolver=Fixed(address), ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session, session.ws_connect(url) as connection:
        print("open", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            await connection.send_str(line.strip())
            print(await connection.receive_str(timeout=10), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
