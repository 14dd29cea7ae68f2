"""Routes to the pods of other nodes. Pure, but for `Routes`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from longboat.api.families import family_of, split
from longboat.network.families import FAMILIES
from longboat.network.views import Node

PROTOCOL = 76  # marks our routes in the kernel's table, so that a new agent finds those of the last


@dataclass(frozen=True)
class Change:
    """Routes to set (range to gateway) and ranges whose routes go."""

    replace: Mapping[str, str]
    delete: frozenset[str]


def gateway(node: Node, cidr: str, on_link: str) -> str:
    """The address at which a node is reached directly with packets for a range of its pods, "" where there is none."""
    links = [ip_network(each) for each in split(on_link)]
    family = family_of(cidr)
    for address in node.addresses:
        if family_of(address) == family and any(ip_address(address) in link for link in links):
            return address
    return ""


def wanted(nodes: Iterable[Node], own: str, on_link: str) -> dict[str, str]:
    """Range to gateway, for every other node that this one reaches directly: its address lies in one of `on_link`."""
    return {
        cidr: found
        for node in nodes
        if node.metadata.name != own
        for cidr in node.pod_ranges
        if (found := gateway(node, cidr, on_link))
    }


def change(present: Mapping[str, str], want: Mapping[str, str]) -> Change:
    return Change(
        replace={cidr: gateway for cidr, gateway in want.items() if present.get(cidr) != gateway},
        delete=frozenset(present.keys() - want.keys()),
    )


class Routes:
    """The kernel's routes that are ours. Blocking: call it off the event loop."""

    def present(self) -> dict[str, str]:
        from longboat.network.netlink import IPRoute  # costly: only where there is more than one node

        with IPRoute() as ip:
            routes = [route for each in FAMILIES for route in ip.get_routes(family=each.number, proto=PROTOCOL)]
            return {f"{r.get_attr('RTA_DST')}/{r['dst_len']}": r.get_attr("RTA_GATEWAY") for r in routes}

    def apply(self, change: Change) -> None:
        """Raises OSError where the kernel refuses."""
        from longboat.network.netlink import IPRoute, NetlinkError

        try:
            with IPRoute() as ip:
                for cidr in sorted(change.delete):
                    ip.route("del", dst=cidr, proto=PROTOCOL)
                for cidr, gateway in change.replace.items():
                    ip.route("replace", dst=cidr, gateway=gateway, proto=PROTOCOL)
        except NetlinkError as error:
            raise OSError(error.code, str(error)) from error
