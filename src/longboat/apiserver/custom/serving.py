"""From a definition to the strategies of its versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from longboat.apiserver.custom.columns import columns_of
from longboat.machinery import version_order
from longboat.machinery.jsonpath import JSONPath
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, dig
from longboat.machinery.types.schema import Schema
from longboat.registry.conversion import Converter
from longboat.registry.custom import CustomResource, Family, custom
from longboat.registry.kinds.apiextensions import conversion, spec
from longboat.registry.strategy import ScaleFields

Converting = Callable[[str, Object], Converter]
"""Who converts for a definition of this name, as its WebhookConversion says."""


def versions_of(
    obj: Object, schema: Schema, converting: Converting
) -> tuple[list[CustomResource], CustomResource]:  # fmt: skip
    """The strategies of the versions that are served, the preferred first, and that of the version that is stored."""
    found = obj["spec"]
    listed = sorted(found["versions"], key=lambda version: version_order.rank(version["name"]))
    kinds = {version["name"]: _kind(obj, version["name"]) for version in listed}
    types = {v["name"]: schema.lazy(kinds[v["name"]], spec.schema_of(v) or {}, _own(v)) for v in listed}
    stored = next(version["name"] for version in listed if version.get("storage"))
    asked = dig(found, "conversion", "webhook") if dig(found, "conversion", "strategy") == conversion.WEBHOOK else None
    family = Family(kinds[stored], types, None if asked is None else converting(obj["metadata"]["name"], asked))
    paths = _selectable(listed)
    made = {
        version["name"]: custom(
            kinds[version["name"]], types[version["name"]], family, **_attributes(obj, version, listed, paths)
        )
        for version in listed
    }
    return [made[version["name"]] for version in listed if version.get("served")], made[stored]


def _kind(obj: Object, version: str) -> Kind:
    found, names = obj["spec"], obj["status"]["acceptedNames"]
    return Kind(
        found["group"], version, names["kind"], names["plural"], names.get("singular") or "",
        tuple(names.get("shortNames") or ()), tuple(names.get("categories") or ()),
        found["scope"] == "Namespaced", names.get("listKind") or "",
    )  # fmt: skip


def _attributes(obj: Object, version: Object, listed: list[Object], paths: Mapping[str, JSONPath]) -> dict[str, Any]:
    group, plural = obj["spec"]["group"], obj["spec"]["names"]["plural"]
    status = dig(version, "subresources", "status") is not None
    scale = dig(version, "subresources", "scale")
    return {
        "columns": columns_of(version),
        "has_status": status,
        "counts_status": not status,
        "scale": _scale(scale) if scale else None,
        "deprecated": _deprecated(obj, version, listed),
        "storage_prefix": f"{group}/{plural}",
        "selectable": frozenset(_own(version)),
        "fields": lambda self, found: {name: _value(path.first(found)) for name, path in paths.items()},
        "described": frozenset(paths),
    }


def _scale(found: Object) -> ScaleFields:
    spec_path, status_path = found["specReplicasPath"], found["statusReplicasPath"]
    selector = found.get("labelSelectorPath") or ""
    return ScaleFields(spec_path[1:], status_path[1:], selector[1:], must_have=spec_path)


def _own(version: Object) -> tuple[str, ...]:
    return tuple(each["jsonPath"].removeprefix(".") for each in version.get("selectableFields") or ())


def _selectable(listed: list[Object]) -> dict[str, JSONPath]:
    """The fields by which any version can be selected: versions share what is kept of an object."""
    found = [each["jsonPath"] for version in listed for each in version.get("selectableFields") or ()]
    return {path.removeprefix("."): JSONPath(path) for path in dict.fromkeys(found)}


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _deprecated(obj: Object, version: Object, listed: list[Object]) -> str:
    """What clients of a deprecated version are told: what its definition says, or what they should use."""
    if not version.get("deprecated"):
        return ""
    if (said := version.get("deprecationWarning")) is not None:
        return str(said)
    group, kind = obj["spec"]["group"], obj["spec"]["names"]["kind"]
    rank = version_order.rank(version["name"])
    better = [v["name"] for v in listed if v.get("served") and not v.get("deprecated")]
    better = [name for name in better if version_order.rank(name) < rank]
    use = f"; use {group}/{better[0]} {kind}" if better else ""
    return f"{group}/{version['name']} {kind} is deprecated{use}"
