"""A request as webhooks and policies see it: its object, and what an AdmissionRequest (admission.k8s.io) says of it."""

from __future__ import annotations

from collections.abc import Callable

from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry.admission import Attributes

VERSION = "resourceVersion"
Printed = Callable[[Kind, Object], bytes]
"""An object as clients get it, in JSON."""


def shown(attributes: Attributes) -> Object | None:
    """The object, with the version that it follows and the namespace that it is written in."""
    obj, old = attributes.obj, attributes.old
    if obj is None or "metadata" not in obj:
        return obj
    metadata = dict(obj["metadata"])
    if attributes.kind.namespaced:
        metadata.setdefault("namespace", attributes.namespace)
    if attributes.operation == "UPDATE" and old is not None and (version := (old.get("metadata") or {}).get(VERSION)):
        metadata[VERSION] = version
    return obj | {"metadata": metadata}  # which keeps what it remembers of its fields


def kind_of(attributes: Attributes, version: Kind | None = None) -> Kind:
    """What kind the object is of: the subresource's, where that has one of its own. `version`: the one of the resource
    that the request is shown in, where that is not its own."""
    part = attributes.part
    return part.body if part is not None and part.body is not None else version or attributes.kind


def options_of(attributes: Attributes) -> Object | None:
    """Of what is done to the object, whatever verb the client has done it by; a connection has none."""
    if attributes.operation == "CONNECT":
        return None
    kind = f"{attributes.operation.capitalize()}Options"
    return {**attributes.write.options, "kind": kind, "apiVersion": "meta.k8s.io/v1"}


def kind_ref(kind: Kind) -> Object:
    return {"group": kind.group, "version": kind.version, "kind": kind.name}


def resource_ref(kind: Kind) -> Object:
    return {"group": kind.group, "version": kind.version, "resource": kind.plural}


def user_of(attributes: Attributes) -> Object:
    user = attributes.user
    if user is None:
        return {}
    found: Object = {"username": user.name}
    if user.uid:
        found["uid"] = user.uid
    if user.groups:
        found["groups"] = list(user.groups)
    if user.extra:
        found["extra"] = {key: list(values) for key, values in user.extra.items()}
    return found
