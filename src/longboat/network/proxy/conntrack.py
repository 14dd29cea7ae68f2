"""UDP has no end: flows that connection tracking still sends to endpoints that are gone must be forgotten."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from longboat.network.families import IPV4, Family
from longboat.network.proxy.endpoints import targets
from longboat.network.proxy.rules import NodeInfo
from longboat.network.views import EndpointSlice, Service

log = logging.getLogger(__name__)


@dataclass(frozen=True, order=True)
class Front:
    """Where UDP clients send to: an address ("" is any of the node's) and a port."""

    address: str
    port: int


@dataclass(frozen=True, order=True)
class Flow:
    """Tracked flows to forget: those to a front that go to one endpoint, or ("") all of them."""

    front: Front
    endpoint: str = ""


def fronts(service: Service, slices: Iterable[EndpointSlice], node: NodeInfo) -> dict[Front, frozenset[str]]:
    """A service's UDP fronts of the node's family and the endpoint addresses behind each."""
    found: dict[Front, frozenset[str]] = {}
    pieces, family = list(slices), node.family
    address = family.first(service.spec.addresses)
    for port in service.spec.ports if address else ():
        if port.protocol == "UDP":
            behind = frozenset(target.address for target in targets(pieces, port, node.name, family).cluster)
            found[Front(address, port.port)] = behind
            if port.nodePort:
                found[Front("", port.nodePort)] = behind
            for ingress in service.status.loadBalancer.ingress:
                if family.has(ingress.ip):
                    found[Front(ingress.ip, port.port)] = behind
    return found


def stale(old: Mapping[Front, frozenset[str]], new: Mapping[Front, frozenset[str]]) -> list[Flow]:
    """What to forget after a change: flows to endpoints that went, and untranslated ones of a front that came."""
    flows = [
        Flow(front, endpoint) for front, behind in old.items() for endpoint in behind - new.get(front, frozenset())
    ]
    flows += [Flow(front) for front, behind in new.items() if behind and not old.get(front)]
    return sorted(flows)


def arguments(flow: Flow, family: Family = IPV4) -> list[str]:
    """conntrack(8)'s arguments that forget a flow."""
    found = ["-D", "-f", family.name.lower(), "-p", "udp", "--orig-port-dst", str(flow.front.port)]
    if flow.front.address:
        found += ["--orig-dst", flow.front.address]
    if flow.endpoint:
        found += ["--reply-src", flow.endpoint]
    return found


async def forget(flows: Iterable[Flow], family: Family = IPV4) -> None:
    """Delete the flows from the kernel's table, in this process's network namespace."""
    for flow in flows:
        process = await asyncio.create_subprocess_exec(
            "conntrack", *arguments(flow, family), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
        )
        _, said = await process.communicate()
        if process.returncode and b"0 flow entries" not in said:
            log.warning("conntrack %s: %s", " ".join(arguments(flow, family)), said.decode(errors="replace").strip())
