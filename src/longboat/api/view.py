"""Views: what a component sees of an object. A frozen struct that declares only the fields it reads.

Field names are the API's own. Absent and null both mean the default. What is only passed on stays `Raw`.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar, dataclass_transform

import msgspec

from longboat.machinery.kinds import Kind

V = TypeVar("V", bound="View")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class _PartMeta(msgspec.StructMeta):
    """Makes every view frozen and keyword-only without each class saying so (msgspec does not inherit kw_only)."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> type:
        return super().__new__(cls, name, bases, namespace, **{"frozen": True, "kw_only": True, **options})


class Part(msgspec.Struct, metaclass=_PartMeta, omit_defaults=True):
    """A nested piece of a view."""


class OwnerReference(Part):
    apiVersion: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False
    blockOwnerDeletion: bool = False


class Meta(Part):
    """metadata, as far as components read it."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""
    generation: int = 0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    ownerReferences: list[OwnerReference] = []
    finalizers: list[str] = []
    creationTimestamp: str | None = None
    deletionTimestamp: str | None = None
    deletionGracePeriodSeconds: int | None = None


class View(Part):
    """A whole object as one component sees it. `KIND` says which; a test holds fields against the schema."""

    KIND: ClassVar[Kind]

    metadata: Meta = Meta()


def without_nulls(value: Any) -> Any:
    """The same JSON value with null members dropped, at every depth."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(v) for v in value if v is not None]
    return value


def decode(view: type[V], data: bytes | msgspec.Raw) -> V:
    """Decode one object. Raises msgspec.ValidationError where it is not of the view's shape."""
    try:
        return msgspec.json.decode(data, type=view)
    except msgspec.ValidationError:
        # Null is rare on the wire and means the default: only then pay for a generic decode.
        return msgspec.convert(without_nulls(msgspec.json.decode(data)), type=view)


def controller_of(meta: Meta) -> OwnerReference | None:
    """The owner that manages this object, if any."""
    return next((ref for ref in meta.ownerReferences if ref.controller), None)


def version(obj: View) -> int:
    """The resourceVersion as a number: of two versions of one object the greater is the newer."""
    text = obj.metadata.resourceVersion
    return int(text) if text.isdigit() else 0
