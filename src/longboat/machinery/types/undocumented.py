"""Types that are sent in protobuf and that no OpenAPI document has: metadata alone, aggregated discovery (KEP-3352)."""

from __future__ import annotations

from longboat.machinery.types.schema import META, Schema
from longboat.machinery.types.shapes import SCALARS, List, Shape, Struct

META_GROUP, DISCOVERY_GROUP = "meta.k8s.io", "apidiscovery.k8s.io"
PARTIAL, PARTIAL_LIST, DISCOVERY_LIST = "PartialObjectMetadata", "PartialObjectMetadataList", "APIGroupDiscoveryList"

_TEXT = SCALARS["string"]
_TEXTS = List(_TEXT)


def partial(types: Schema) -> Struct:
    return Struct(f"{META}{PARTIAL}", {"metadata": types.definition(f"{META}ObjectMeta")})


def find(types: Schema, group: str, version: str, kind: str) -> Struct | None:
    if (group, kind) == (META_GROUP, PARTIAL):
        return partial(types)
    if (group, kind) == (META_GROUP, PARTIAL_LIST):
        fields: dict[str, Shape] = {"metadata": types.definition(f"{META}ListMeta"), "items": List(partial(types))}
        return Struct(f"{META.removesuffix('v1.')}{version}.{PARTIAL_LIST}", fields)
    if (group, version, kind) == (DISCOVERY_GROUP, "v2", DISCOVERY_LIST):
        return _discovery(types)
    return None


def _discovery(types: Schema) -> Struct:
    kind = Struct(f"{META}GroupVersionKind", {"group": _TEXT, "version": _TEXT, "kind": _TEXT})
    part = _of("APISubresourceDiscovery", subresource=_TEXT, responseKind=kind, acceptedTypes=List(kind), verbs=_TEXTS)
    resource = _of(
        "APIResourceDiscovery", resource=_TEXT, responseKind=kind, scope=_TEXT, singularResource=_TEXT, verbs=_TEXTS,
        shortNames=_TEXTS, categories=_TEXTS, subresources=List(part),
    )  # fmt: skip
    version = _of("APIVersionDiscovery", version=_TEXT, resources=List(resource), freshness=_TEXT)
    meta, listed = (types.definition(f"{META}{name}") for name in ("ObjectMeta", "ListMeta"))
    group = _of("APIGroupDiscovery", metadata=meta, versions=List(version))
    return _of(DISCOVERY_LIST, metadata=listed, items=List(group))


def _of(name: str, **fields: Shape) -> Struct:
    return Struct(f"io.k8s.api.apidiscovery.v2.{name}", fields)
