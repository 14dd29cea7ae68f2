"""The proxy's keeper as a process in a bare node's network: each line it reads is what the API says from then on.

Run as a script, it answers each line, once the kernel is up to date, with how many tracked flows it had to forget.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from longboat.client.interface import Key
from longboat.network.families import ranges_by_family
from longboat.network.nftables import Nftables
from longboat.network.proxy import conntrack
from longboat.network.proxy.keeper import Keeper
from longboat.network.proxy.rules import HostPort, NodeInfo
from longboat.network.views import EndpointSlice, Service

ADDRESSES = ("10.244.1.1", "fd44:1::1")  # of the bridge: the node has no others


@dataclass
class Known:
    """What an informer would have."""

    things: list[Any] = field(default_factory=list)

    def values(self) -> list[Any]:
        return self.things

    def get(self, key: Key) -> Any:
        return next((each for each in self.things if Key(each.metadata.namespace, each.metadata.name) == key), None)

    def by_index(self, index: str, name: str) -> list[Any]:
        return [each for each in self.things if each.service == name]


class Kept:
    """The process, seen from the test."""

    def __init__(self, start: Any) -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process: subprocess.Popen[str] = start(sys.executable, __file__, **pipes)

    def set(
        self,
        services: Iterable[Service] = (),
        slices: Iterable[EndpointSlice] = (),
        host_ports: Iterable[HostPort] = (),
        taken: Iterable[tuple[str, int, str]] = (),
    ) -> int:
        """How many flows were forgotten."""
        assert self.process.stdin is not None and self.process.stdout is not None
        said = [list(services), list(slices), list(host_ports), list(taken)]
        self.process.stdin.write(msgspec.json.encode(said).decode() + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


async def main() -> None:
    services, slices, forgotten = Known(), Known(), list[int]()

    def forget(*given: Any) -> int:
        forgotten.append(conntrack.forget(*given))
        return forgotten[-1]

    keepers = [
        Keeper(
            NodeInfo("node-1", family, cluster_cidr=cidr, pod_cidr=cidr, addresses=ADDRESSES),
            services, slices, Nftables().run, forget,  # type: ignore[arg-type]
        )
        for family, cidr in ranges_by_family("10.244.1.0/24,fd44:1::/64").items()
    ]  # fmt: skip
    for line in sys.stdin:
        told, pieces, host_ports, taken = json.loads(line)
        before = services.things
        services.things = msgspec.convert(told, list[Service])
        slices.things = msgspec.convert(pieces, list[EndpointSlice])
        for keeper in keepers:
            for each in {each.metadata.name: each for each in (*before, *services.things)}.values():
                keeper.mark(Key(each.metadata.namespace, each.metadata.name))
            keeper.set_host_ports(msgspec.convert(host_ports, list[HostPort]))
            keeper.set_listeners([(protocol, port, at) for protocol, port, at in taken])
            assert await keeper.sync()
        print(sum(forgotten), flush=True)
        forgotten.clear()


if __name__ == "__main__":
    asyncio.run(main())
