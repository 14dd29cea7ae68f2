"""Where a Service's traffic goes: addresses and ports of its endpoints that are ready."""

from __future__ import annotations

import msgspec

from longboat.machinery.objects import dig
from longboat.registry.store import Store


def ready(slices: Store, namespace: str, service: str, port_name: str, family: str = "") -> list[tuple[str, int]]:
    """`family`: IPv4 or IPv6, both if none is named."""
    found = []
    for entry in slices.entries(namespace):
        if entry.labels.get("kubernetes.io/service-name") != service:
            continue
        each = msgspec.json.decode(entry.body)
        if family and each.get("addressType") != family:
            continue
        for port in each.get("ports") or ():
            if (port.get("name") or "") == port_name:
                found += [
                    (endpoint["addresses"][0], port["port"])
                    for endpoint in each.get("endpoints") or ()
                    if dig(endpoint, "conditions", "ready", default=True)
                ]
    return found
