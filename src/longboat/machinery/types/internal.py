"""Values as upstream's own types hold them: what its messages show of a field that is more than a scalar.

Upstream validates objects not as they are sent but in a form without versions, whose structs have Go's names for their
fields and no tags: so `{"nodeID": "n"}` is shown as `{"Name":"","NodeID":"n","TopologyKeys":null,"Allocatable":null}`.
Most fields are named and ordered there as in the API's version; what is not, is told here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from longboat.machinery import quantity, unified
from longboat.machinery.fieldpath import escaped
from longboat.machinery.messages import Field, named, numbered
from longboat.machinery.objects import Object
from longboat.machinery.types.emptied import as_sent
from longboat.machinery.types.schema import load
from longboat.machinery.types.shapes import ZERO, List, Map, Scalar, Shape, Struct

CORE, META = "io.k8s.api.core.v1.", "io.k8s.apimachinery."

# Fields whose name is not the JSON name with a capital: everywhere, and in one message.
_NAMES = {
    "apiGroup": "APIGroup", "apiGroups": "APIGroups", "apiVersion": "APIVersion", "apiVersions": "APIVersions",
    "awsElasticBlockStore": "AWSElasticBlockStore", "cephfs": "CephFS", "chapAuthDiscovery": "DiscoveryCHAPAuth",
    "cel": "CEL", "chapAuthSession": "SessionCHAPAuth", "clusterIP": "ClusterIP", "csi": "CSI",
    "dnsConfig": "DNSConfig", "dnsPolicy": "DNSPolicy", "diskURI": "DataDiskURI", "fc": "FC", "fsGroup": "FSGroup",
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
    f"{CORE}ServicePort": {"appProtocol": "port"},
}

# Fields, by their JSON names, of messages whose order there has nothing to do with their numbers.
_CONTAINER = (
    "name image command args workingDir ports envFrom env resources resizePolicy restartPolicy restartPolicyRules "
    "volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath "
    "terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty"
)
_ISCSI = (
    "targetPortal iqn lun iscsiInterface fsType readOnly portals chapAuthDiscovery chapAuthSession secretRef "
    "initiatorName"
)
_ORDER = {
    f"{CORE}ClusterTrustBundleProjection": "name signerName labelSelector optional path",
    f"{CORE}Container": _CONTAINER,
    f"{CORE}EphemeralContainerCommon": _CONTAINER,
    f"{CORE}ISCSIPersistentVolumeSource": _ISCSI,
    f"{CORE}ISCSIVolumeSource": _ISCSI,
    f"{CORE}PodSecurityContext": (
        "hostNetwork hostPID hostIPC shareProcessNamespace hostUsers seLinuxOptions windowsOptions runAsUser "
        "runAsGroup runAsNonRoot supplementalGroups supplementalGroupsPolicy fsGroup fsGroupChangePolicy sysctls "
        "seccompProfile appArmorProfile seLinuxChangePolicy"
    ),
    f"{CORE}PodSpec": (
        "volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds "
        "activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName automountServiceAccountToken nodeName "
        "securityContext imagePullSecrets hostname subdomain setHostnameAsFQDN affinity schedulerName tolerations "
        "hostAliases priorityClassName priority preemptionPolicy dnsConfig readinessGates runtimeClassName overhead "
        "enableServiceLinks topologySpreadConstraints os schedulingGates resourceClaims resources hostnameOverride "
        "schedulingGroup"
    ),
    f"{CORE}SecurityContext": (
        "capabilities privileged seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot "
        "readOnlyRootFilesystem allowPrivilegeEscalation procMount seccompProfile appArmorProfile"
    ),
    f"{CORE}VolumeMount": "name readOnly recursiveReadOnly mountPath subPath mountPropagation subPathExpr",
}
_OF_HOST = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")
_FROM = {f"{CORE}PodSecurityContext": (f"{CORE}PodSpec", _OF_HOST)}  # fields that upstream moves into a message
_INLINED_METADATA = (
    f"{CORE}PersistentVolumeClaimTemplate", f"{CORE}PodTemplateSpec",
    "io.k8s.api.resource.v1.ResourceClaimTemplateSpec",
)  # fmt: skip


def whole(definition: str, value: Object | None) -> Any:
    """A value of a definition ("io.k8s.api.core.v1.PodSpec"), every field of it in upstream's order."""
    return None if value is None else _struct(definition, _shapes(definition), value)


def same(definition: str, one: Object | None, other: Object | None) -> bool:
    """Whether two values say the same (apimachinery, equality.Semantic): lists and maps with nothing in them are as
    good as none, and amounts are compared, not how they are written. But what a pointer points to, even if it is zero,
    is not as good as none.
    """
    return one == other or _compared(definition, one) == _compared(definition, other)


def _compared(definition: str, value: Object | None) -> Any:
    return None if value is None else _struct(definition, _shapes(definition), value, compared=True)


def difference(definition: str, old: Object | None, new: Object | None) -> str:
    """A unified diff of two values of a definition, as upstream's messages end with."""
    return unified.diff(*(_lines(whole(definition, value)) for value in (old, new)))


def _lines(value: Any) -> list[str]:
    text = escaped(msgspec.json.format(msgspec.json.encode(value), indent=1).decode())
    return [f"{line}\n" for line in text.split("\n")]


def _struct(message: str, shapes: dict[str, Shape], value: Object, *, compared: bool = False) -> Object:
    if message.startswith(META):
        return value if compared else _of_api(message, shapes, value)
    if message == f"{CORE}PodSpec":
        host = {name: value[name] for name in _OF_HOST if name in value}
        value = value | {"securityContext": (value.get("securityContext") or {}) | host}
    if message in _FROM:
        shapes = load().definition(_FROM[message][0]).fields | shapes
    found: Object = {}
    for json, name, field in _fields(message):
        if json == "metadata" and message in _INLINED_METADATA:
            found |= _value(shapes.get(json), value.get(json) or {}, field, compared=compared)
        else:
            member = value.get(json) if compared else as_sent(value, json)
            found[name] = _value(shapes.get(json), member, field, compared=compared)
    return found


def _of_api(message: str, shapes: dict[str, Shape], value: Object) -> Object:
    """These have one form, which is the API's: only what they hold, in the order of their fields."""
    plain = Field("", "", "", pointer=True, always=False)
    return {
        name: _value(shapes.get(name), value[name], plain)
        for name in named(message) or {}
        if value.get(name) is not None
    }


def _value(shape: Shape | None, value: Any, field: Field, *, compared: bool = False) -> Any:
    if value is None:
        return None if field.pointer else _zero(shape, compared=compared)
    if isinstance(shape, Struct):
        return _struct(shape.name, shape.fields, value, compared=compared)
    if isinstance(shape, List):
        value = [_item(shape.item, item, compared=compared) for item in value]
    elif isinstance(shape, Map):
        value = {key: _item(shape.value, value[key], compared=compared) for key in sorted(value)}
    else:
        return _item(shape, value, compared=compared)
    return value or (None if compared else value)


def _item(shape: Shape | None, value: Any, *, compared: bool) -> Any:
    if isinstance(shape, Struct):
        return _struct(shape.name, shape.fields, value, compared=compared)
    return _amount(value) if compared and isinstance(shape, Scalar) and shape.name == "quantity" else value


def _amount(text: Any) -> Any:
    try:
        return quantity.parse(text).amount
    except (ValueError, TypeError):  # none: validation says so
        return text


def _zero(shape: Shape | None, *, compared: bool) -> Any:
    if isinstance(shape, Struct):
        return _struct(shape.name, shape.fields, {}, compared=compared)
    return _item(shape, ZERO.get(shape.name), compared=compared) if isinstance(shape, Scalar) else None


@cache
def _fields(message: str) -> list[tuple[str, str, Field]]:
    """Each field of a message: its JSON name, Go's name, and what is known of it; in order."""
    found = {field.name: field for field in _unfolded(message)}
    if message in _ORDER:
        outer, _ = _FROM.get(message, ("", ()))
        found = (named(outer) or {}) | found
        order = _ORDER[message].split()
    else:
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
