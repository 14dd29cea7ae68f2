"""Where the pods of a node are attached to its bridge, from what CNI has written down of each (libcni's cache)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from longboat.network.families import Family
from longboat.network.overlay.cni import BRIDGE, NETWORK

RESULTS = Path("/var/lib/cni/results")
INTERFACE = "eth0"  # in the pod


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """One sandbox on the bridge. `port` is the node's end of its cable, `mac` the address of the pod's end."""

    sandbox: str
    namespace: str
    name: str
    uid: str
    port: str
    mac: str
    addresses: tuple[str, ...]

    def of(self, family: Family) -> list[str]:
        """Its addresses of one family."""
        return [each for each in self.addresses if family.has(each)]


class _Interface(msgspec.Struct):
    name: str
    mac: str = ""
    sandbox: str = ""


class _IP(msgspec.Struct):
    address: str


class _Result(msgspec.Struct):
    interfaces: list[_Interface] = []
    ips: list[_IP] = []


class _Entry(msgspec.Struct):
    containerId: str
    cniArgs: list[tuple[str, str]] = []
    result: _Result = msgspec.field(default_factory=_Result)


def parse(text: bytes) -> Attachment:
    """Raises ValueError where it does not tell all that is needed."""
    entry = msgspec.json.decode(text, type=_Entry)
    arguments: dict[str, Any] = dict(entry.cniArgs)
    inside = [each for each in entry.result.interfaces if each.sandbox]
    outside = [each for each in entry.result.interfaces if not each.sandbox and each.name != BRIDGE]
    addresses = tuple(each.address.partition("/")[0] for each in entry.result.ips)
    if len(inside) != 1 or len(outside) != 1 or not inside[0].mac or not addresses:
        raise ValueError(f"sandbox {entry.containerId} does not have one cable and an address")
    return Attachment(
        sandbox=entry.containerId,
        namespace=arguments.get("K8S_POD_NAMESPACE", ""),
        name=arguments.get("K8S_POD_NAME", ""),
        uid=arguments.get("K8S_POD_UID", ""),
        port=outside[0].name,
        mac=inside[0].mac,
        addresses=addresses,
    )


def of(sandbox: str, results: Path = RESULTS) -> Attachment:
    """Of one sandbox (blocking). Raises OSError where CNI knows of none, and ValueError."""
    return parse((results / f"{NETWORK}-{sandbox}-{INTERFACE}").read_bytes())


def sandboxes(results: Path = RESULTS) -> set[str]:
    """Those that are attached now (blocking)."""
    head, tail = f"{NETWORK}-", f"-{INTERFACE}"
    found = (each.name for each in results.glob(f"{head}*{tail}"))
    return {name.removeprefix(head).removesuffix(tail) for name in found}
