"""Which family an address is of, and which comes first."""

from __future__ import annotations

import asyncio

import pytest

from longboat.api.families import IPV4, IPV6, family_of, in_url, of_family, primary_first, split
from longboat.node.cri.interface import SandboxNetwork
from longboat.node.cri.memory import MemoryRuntime
from longboat.node.observe import Observer

FOUR, SIX = "10.244.1.2", "fd00::2"


def test_lists() -> None:
    assert split("a, b,,") == ("a", "b") and split("") == ()
    assert (family_of("10.0.0.0/8"), family_of("fd00::/8")) == (IPV4, IPV6)
    assert of_family(IPV6, f"{FOUR},{SIX}") == SIX == of_family(IPV6, (FOUR, SIX))
    assert of_family(IPV6, FOUR) == of_family(IPV4, "") == ""
    assert (in_url(FOUR), in_url(SIX)) == (FOUR, "[fd00::2]")


def test_the_primary_family_comes_first() -> None:
    for both in ((FOUR, SIX), (SIX, FOUR)):
        assert primary_first(both, "172.30.0.11") == primary_first(both, IPV4) == (FOUR, SIX)
        assert primary_first(both, "fd00:1::b") == (SIX, FOUR)
    assert primary_first((SIX,), FOUR) == (SIX,)


@pytest.mark.parametrize(("node", "expected"), [("172.30.0.11", (FOUR, SIX)), ("fd00:1::b", (SIX, FOUR))])
def test_pods_addresses_are_in_the_nodes_order_whatever_the_runtimes(node: str, expected: tuple[str, ...]) -> None:
    class Runtime(MemoryRuntime):
        async def sandbox_network(self, id: str) -> SandboxNetwork:
            return SandboxNetwork(ips=(FOUR, SIX))

    from longboat.aio.clock import SystemClock
    from longboat.node.state import Observed

    async def main() -> Observed:
        return await Observer(Runtime(SystemClock()), node).with_sandbox(Observed(), "s", "uid", 0, 0.0)

    assert asyncio.run(main()).network.ips == expected
