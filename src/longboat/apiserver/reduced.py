"""What the network's part of a node is shown of objects: what it works with, and nothing else.

It enforces every policy and tunnels to every node, so it reads pods and nodes everywhere, where a node itself reads its
own. Whoever takes a machine has that right too. What it is good for are the parts below: no environment, no command, no
annotation; of a Secret the certificate and its key. A client sees ordinary objects with fields missing, so the same
client works against servers that show all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from longboat.api import kinds
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry.strategy import Strategy

GROUP = "system:longboat:network"

Parts = Mapping[str, "Parts | None"]
"""What is kept of a JSON object, by field: all of it (None), or some parts. Lists are kept item by item."""


def _all(*fields: str) -> dict[str, Parts | None]:
    return dict.fromkeys(fields)


_META = _all("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "labels")
_HEAD = {**_all("kind", "apiVersion"), "metadata": _META}
_CONTAINER = _all("name", "ports", "restartPolicy")

SHOWN: dict[Kind, Parts] = {
    kinds.POD: {
        **_HEAD,
        "spec": {
            **_all("nodeName", "hostNetwork"),
            "containers": _CONTAINER,
            "initContainers": _CONTAINER,
        },
        "status": _all("phase", "podIP", "podIPs"),
    },
    kinds.NODE: {
        **_HEAD,
        "spec": _all("podCIDR", "podCIDRs", "taints", "unschedulable"),
        "status": _all("addresses", "conditions"),
    },
    kinds.NAMESPACE: _HEAD,
    kinds.SECRET: {**_HEAD, **_all("type"), "data": _all("tls.crt", "tls.key")},
}
# A selector tells of a field whether it is shown or not.
_SELECTABLE = frozenset(("spec.nodeName", "spec.hostNetwork", "status.phase", "status.podIP"))


def reduce(value: Any, parts: Parts) -> Any:
    """The same JSON value without what is not among the parts."""
    if isinstance(value, list):
        return [reduce(each, parts) for each in value]
    if not isinstance(value, dict):
        return None  # a leaf where parts are named: nothing is known of it
    found = {}
    for field, inner in parts.items():
        if (kept := value.get(field)) is not None:
            found[field] = kept if inner is None else reduce(kept, inner)
    return found


def reduced(whole: Strategy, parts: Parts) -> Strategy:
    """A way to read what `whole` stores, and nothing else: no writes, no subresources, no columns of its own."""

    def shown(self: Strategy, obj: Object) -> Object:
        found: Object = reduce(obj, parts)
        return found

    members = {
        "kind": whole.kind, "hub": whole.kind, "from_hub": shown, "verbs": ("get", "list", "watch"),
        "selectable": whole.selectable & _SELECTABLE, "storage_prefix": whole.storage_prefix,
    }  # fmt: skip
    made: Strategy = type(f"Reduced{whole.kind.name}", (Strategy,), members)()
    return made
