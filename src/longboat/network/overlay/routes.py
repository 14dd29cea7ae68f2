"""Routes to the pods of other nodes. Pure, but for `Routes`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from longboat.network.views import Node

PROTOCOL = 76  # marks our routes in the kernel's table, so that a new agent finds those of the last


@dataclass(frozen=True)
class Change:
    """Routes to set (range to gateway) and ranges whose routes go."""

    replace: Mapping[str, str]
    delete: frozenset[str]


def wanted(nodes: Iterable[Node], own: str, on_link: str) -> dict[str, str]:
    """Range to gateway, for every other node that this one reaches directly (its address lies in `on_link`)."""
    link = ip_network(on_link)
    return {
        node.spec.podCIDR: node.address
        for node in nodes
        if node.metadata.name != own and node.spec.podCIDR and node.address and ip_address(node.address) in link
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
            routes = ip.get_routes(family=2, proto=PROTOCOL)
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
