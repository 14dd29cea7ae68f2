"""The downward API: what a pod can learn of itself, as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import ROUND_CEILING

import msgspec

from longboat.machinery import quantity
from longboat.node.views.pod import Pod
from longboat.node.views.volumes import FieldRef, ResourceFieldRef

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['(.*)'\]")


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a pod may know of its node and itself at run time. `allocatable` holds the node's quantities."""

    node_name: str = ""
    host_ips: tuple[str, ...] = ()
    pod_ips: tuple[str, ...] = ()
    allocatable: Mapping[str, str] = {}


class FieldError(Exception):
    """A reference that cannot be resolved. The text is for Events."""


def field(pod: Pod, reference: FieldRef, around: Surroundings) -> str:
    """Raises FieldError."""
    meta, path = pod.metadata, reference.fieldPath
    if found := _SUBSCRIPT.fullmatch(path):
        return (meta.labels if found.group(1) == "labels" else meta.annotations).get(found.group(2), "")
    match path:
        case "metadata.name":
            return meta.name
        case "metadata.namespace":
            return meta.namespace
        case "metadata.uid":
            return meta.uid
        case "metadata.labels":
            return _map(meta.labels)
        case "metadata.annotations":
            return _map(meta.annotations)
        case "spec.nodeName":
            return pod.spec.nodeName
        case "spec.serviceAccountName":
            return pod.spec.serviceAccountName
        case "status.hostIP":
            return next(iter(around.host_ips), "")
        case "status.hostIPs":
            return ",".join(around.host_ips)
        case "status.podIP":
            return next(iter(around.pod_ips), "")
        case "status.podIPs":
            return ",".join(around.pod_ips)
    raise FieldError(f"unsupported fieldPath: {path}")


def resource(pod: Pod, reference: ResourceFieldRef, own: str, around: Surroundings) -> str:
    """A request or limit in units of the divisor, rounded up; a limit that is not set is what the node has.

    `own` is the container to look at where the reference names none. Raises FieldError.
    """
    container = pod.container(reference.containerName or own)
    if container is None:
        raise FieldError(f"container {reference.containerName} not found")
    side, _, name = reference.resource.partition(".")
    if side not in ("requests", "limits") or not name:
        raise FieldError(f"Unsupported container resource : {reference.resource}")
    listed = container.resources.limits if side == "limits" else container.resources.requests
    text = listed.get(name) or (around.allocatable.get(name, "0") if side == "limits" else "0")
    divisor = quantity.parse(reference.divisor or "0")
    amount = quantity.parse(text)
    units = amount.amount / (divisor.amount or 1)
    return str(int(units.to_integral_value(ROUND_CEILING)))


def _map(values: Mapping[str, str]) -> str:
    """key="value" lines in order of keys, quoted as Go quotes."""
    return "\n".join(f"{key}={_quoted(values[key])}" for key in sorted(values))


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
