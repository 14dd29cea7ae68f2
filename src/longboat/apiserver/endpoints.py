"""Where a Service's traffic goes: addresses and ports of its endpoints that are ready."""

from __future__ import annotations

import msgspec

from longboat.machinery.objects import Object, dig
from longboat.registry.store import Store
from longboat.storage.entry import Entry


def ready(slices: Store, namespace: str, service: str, port_name: str, family: str = "") -> list[tuple[str, int]]:
    """`family`: IPv4 or IPv6, both if none is named."""
    found = []
    for entry in slices.entries(namespace):
        if entry.labels.get("kubernetes.io/service-name") != service:
            continue
        each = _decoded(entry)
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


def _decoded(entry: Entry) -> Object:
    """Once for each version of a slice: whoever goes through a Service asks."""
    found: Object | None = entry.encodings.get(_decoded)
    if found is None:
        found = entry.encodings[_decoded] = msgspec.json.decode(entry.body)
    return found
