"""Values as upstream's own types hold them: what its messages show of a field that is more than a scalar.

Upstream validates objects not as they are sent but in a form without versions, whose structs have Go's names for their
fields and no tags: so `{"nodeID": "n"}` is shown as `{"Name":"","NodeID":"n","TopologyKeys":null,"Allocatable":null}`.
Most fields are named and ordered there as in the API's version; what is not, is told here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from longboat.machinery.messages import Field, named, numbered
from longboat.machinery.objects import Object
from longboat.machinery.types.schema import load
from longboat.machinery.types.shapes import ZERO, List, Map, Scalar, Shape, Struct

CORE, META = "io.k8s.api.core.v1.", "io.k8s.apimachinery."
CONTEXT = 3  # lines around a difference
MOST_LINES = 4000  # of either side of a difference that is looked for line by line

# Fields whose name is not the JSON name with a capital: everywhere, and in one message.
_NAMES = {
    "apiGroup": "APIGroup", "apiGroups": "APIGroups", "apiVersion": "APIVersion", "apiVersions": "APIVersions",
    "awsElasticBlockStore": "AWSElasticBlockStore", "cephfs": "CephFS", "chapAuthDiscovery": "DiscoveryCHAPAuth",
    "chapAuthSession": "SessionCHAPAuth", "clusterIP": "ClusterIP", "csi": "CSI", "dnsConfig": "DNSConfig",
    "dnsPolicy": "DNSPolicy", "diskURI": "DataDiskURI", "fc": "FC", "fsGroup": "FSGroup",
    "fsGroupChangePolicy": "FSGroupChangePolicy", "fsType": "FSType", "gcePersistentDisk": "GCEPersistentDisk",
    "grpc": "GRPC", "httpGet": "HTTPGet", "httpHeaders": "HTTPHeaders", "ip": "IP", "iqn": "IQN", "iscsi": "ISCSI",
    "iscsiInterface": "ISCSIInterface", "nfs": "NFS", "os": "OS", "pdID": "PdID", "pdName": "PDName", "rbd": "RBD",
    "seLinuxChangePolicy": "SELinuxChangePolicy", "seLinuxOptions": "SELinuxOptions", "sslEnabled": "SSLEnabled",
    "storageos": "StorageOS", "tcpSocket": "TCPSocket", "tty": "TTY", "uid": "UID", "wwids": "WWIDs",
    "gmsaCredentialSpecName": "GMSACredentialSpecName", "gmsaCredentialSpec": "GMSACredentialSpec",
}  # fmt: skip
_NAMES_IN = {
    f"{CORE}GlusterfsPersistentVolumeSource": {"endpoints": "EndpointsName"},
    f"{CORE}GlusterfsVolumeSource": {"endpoints": "EndpointsName"},
    f"{CORE}RBDPersistentVolumeSource": {
        "monitors": "CephMonitors", "image": "RBDImage", "pool": "RBDPool", "user": "RadosUser",
    },
    f"{CORE}RBDVolumeSource": {
        "monitors": "CephMonitors", "image": "RBDImage", "pool": "RBDPool", "user": "RadosUser",
    },
}  # fmt: skip

# Fields, by their JSON names, that stand before another field than in the message.
_BEFORE = {
    f"{CORE}PersistentVolumeSource": {"rbd": "iscsi", "quobyte": "iscsi", "flexVolume": "cinder", "fc": "flocker"},
    f"{CORE}VolumeSource": {"quobyte": "flexVolume", "projected": "portworxVolume"},
    f"{CORE}PersistentVolumeClaimSpec": {"selector": "resources"},
}


def whole(definition: str, value: Object | None) -> Any:
    """A value of a definition ("io.k8s.api.core.v1.PodSpec"), every field of it in upstream's order."""
    return None if value is None else _struct(definition, _shapes(definition), value)


def difference(definition: str, old: Object | None, new: Object | None) -> str:
    """A unified diff of two values of a definition, as upstream's messages end with."""
    before, after = (_lines(whole(definition, value)) for value in (old, new))
    if max(len(before), len(after)) <= MOST_LINES:
        changes: Iterator[str] = difflib.unified_diff(before, after, n=CONTEXT)
        next(changes, None), next(changes, None)  # the files' names
        return "".join(changes)
    return "".join(_in_one(before, after))


def _lines(value: Any) -> list[str]:
    text = msgspec.json.format(msgspec.json.encode(value), indent=1).decode()
    return f"{text}\n".splitlines(keepends=True)


def _in_one(before: list[str], after: list[str]) -> Iterator[str]:
    """The same of long values, without looking for what they have in common between the first and last difference."""
    short = min(len(before), len(after))
    head = next((i for i in range(short) if before[i] != after[i]), short)
    tail = next((i for i in range(short - head) if before[-1 - i] != after[-1 - i]), short - head)
    first, last = max(head - CONTEXT, 0), min(tail, CONTEXT)
    gone, come = before[head : len(before) - tail], after[head : len(after) - tail]
    kept = head - first + last
    yield f"@@ -{first + 1},{kept + len(gone)} +{first + 1},{kept + len(come)} @@\n"
    yield from (f" {line}" for line in before[first:head])
    yield from (f"-{line}" for line in gone)
    yield from (f"+{line}" for line in come)
    yield from (f" {line}" for line in before[len(before) - tail :][:last])


def _struct(message: str, shapes: dict[str, Shape], value: Object) -> Object:
    if message.startswith(META):
        return value  # these have one form, which is the API's
    return {name: _value(shapes.get(json), value.get(json), field) for json, name, field in _fields(message)}


def _value(shape: Shape | None, value: Any, field: Field) -> Any:
    if value is None:
        return None if field.pointer else _zero(shape)
    if isinstance(shape, Struct):
        return _struct(shape.name, shape.fields, value)
    if isinstance(shape, List) and isinstance(shape.item, Struct):
        return [_struct(shape.item.name, shape.item.fields, item) for item in value]
    if isinstance(shape, Map) and isinstance(shape.value, Struct):
        return {key: _struct(shape.value.name, shape.value.fields, value[key]) for key in sorted(value)}
    if isinstance(shape, Map):
        return {key: value[key] for key in sorted(value)}
    return value


def _zero(shape: Shape | None) -> Any:
    if isinstance(shape, Struct):
        return _struct(shape.name, shape.fields, {})
    return ZERO.get(shape.name) if isinstance(shape, Scalar) else None


@cache
def _fields(message: str) -> list[tuple[str, str, Field]]:
    """Each field of a message: its JSON name, Go's name, and what is known of it; in order."""
    found = {field.name: field for field in _unfolded(message)}
    order = list(found)
    for moved, before in _BEFORE.get(message, {}).items():
        order.remove(moved)
        order.insert(order.index(before), moved)
    names = _NAMES | _NAMES_IN.get(message, {})
    return [(name, names.get(name, name[:1].upper() + name[1:]), found[name]) for name in order]


def _unfolded(message: str) -> Iterator[Field]:
    """With those of the messages that are inlined, where these are."""
    for number in sorted(fields := numbered(message) or {}):
        if inlined := fields[number].inlined:
            yield from (field for _, _, field in _fields(inlined))
        else:
            yield fields[number]


@cache
def _shapes(definition: str) -> dict[str, Shape]:
    """The shapes of a definition's fields. The schema has no definition of what is inlined everywhere: that is taken
    from where it is. Raises KeyError."""
    holder = {f"{CORE}PersistentVolumeSource": f"{CORE}PersistentVolumeSpec"}.get(definition, definition)
    known = named(definition) or {}
    return {name: shape for name, shape in load().definition(holder).fields.items() if name in known}
