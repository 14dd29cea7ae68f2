"""What must hold for a definition's spec, in upstream's order (apiextensions, ValidateCustomResourceDefinition).

Upstream holds definitions in a form of its own: what all versions say alike stands once, at the top, and is told so.
"""

from __future__ import annotations

from typing import Any

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.types import structure
from longboat.machinery.types.emptied import as_sent
from longboat.registry.kinds import rules
from longboat.registry.kinds.apiextensions import conversion, parts, shown

SCOPES = ("Cluster", "Namespaced")
PER_VERSION = ("schema", "subresources", "additionalPrinterColumns", "selectableFields")
_MIXED = "may have mixed case, but should otherwise match: "
_NO_DEFAULTS = "must be false in order to use defaults in the schema"
_PATH = Path("spec")
# What may stand at the root of a schema whose status is a subresource: its own part of it is checked alone there.
_AT_ROOT = frozenset(("type", "description", "title", "format", "properties", "required", "externalDocs", "example",
                      "$schema", "default", "nullable", "x-kubernetes-preserve-unknown-fields",
                      "x-kubernetes-validations"))  # fmt: skip


def check(new: Object, old: Object | None, err: Errors) -> None:
    """`old`: the spec before. Schemas that it has may stay as they are."""
    versions: list[Object] = new.get("versions") or []
    hoisted = _hoisted(versions)
    group = new.get("group") or ""
    rules.named(group, _PATH.at("group"), err)
    if group and "." not in group and not names.dns1123_subdomain(group):
        err.invalid(_PATH.at("group"), group, "should be a domain with at least one dot")
    rules.one_of(new.get("scope"), SCOPES, _PATH.at("scope"), err)
    at = _PATH.at("versions")
    for i, version in enumerate(versions):
        if schema_of(version) is None:
            err.required(at.index(i).at("schema", "openAPIV3Schema"))
    if new.get("preserveUnknownFields") and any(map(structure.has_defaults, map(schema_of, versions))):
        err.invalid(_PATH.at("preserveUnknownFields"), True, _NO_DEFAULTS)
    former = [schema_of(version) for version in (old or {}).get("versions") or ()]
    seen: set[str] = set()
    for i, version in enumerate(versions):
        name = version.get("name") or ""
        err.extend(at.index(i).at("name"), names.dns1035_label(name), name)
        _version(version, {field for field in PER_VERSION if field not in hoisted}, former, at.index(i), err)
        seen.add(name)
    whole = None if as_sent(new, "versions") is None else shown.versions(versions, hoisted)
    if len(seen) < len(versions):
        err.invalid(at, whole, "must contain unique version names")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        err.invalid(at, whole, "must have exactly one version marked as storage version")
    if versions and (wrong := names.dns1035_label(first := versions[0].get("name") or "")) and first:
        err.extend(_PATH.at("version"), wrong, first)
    given = new.get("names") or {}
    for field in ("plural", "singular", "kind", "listKind"):
        if not given.get(field):
            err.required(_PATH.at("names", field))
    check_names(given, _PATH.at("names"), err)
    if versions:
        status = any(dig(version, "subresources", "status") is not None for version in versions)
        _version(versions[0], set(hoisted), former, _PATH, err, status=status)
    if new.get("preserveUnknownFields") and dig(new, "conversion", "strategy") != conversion.NONE:
        says = "must be None if spec.preserveUnknownFields is true"
        err.invalid(_PATH.at("conversion", "strategy"), dig(new, "conversion", "strategy"), says)
    if (converted := new.get("conversion")) is not None:
        conversion.check(converted, (old or {}).get("conversion"), _PATH.at("conversion"), err)


def check_change(new: Object, old: Object, err: Errors, *, established: bool) -> None:
    """What may not change: what names are stored by, and once they are in use, what the objects are."""
    fixed: tuple[tuple[str, ...], ...] = (("group",), ("names", "plural"))
    for path in ((("scope",), ("names", "kind")) if established else ()) + fixed:
        rules.immutable(dig(new, *path), dig(old, *path), _PATH.at(*path), err)


def check_names(found: Object, path: Path, err: Errors) -> None:
    """The names that are there."""
    for field in ("plural", "singular"):
        if text := found.get(field):
            _joined(path.at(field), text, names.dns1035_label(text), err)
    for field in ("kind", "listKind"):
        if text := found.get(field):
            _joined(path.at(field), text, names.dns1035_label(text.lower()), err, _MIXED)
    for i, text in enumerate(found.get("shortNames") or ()):
        _joined(path.at("shortNames").index(i), text, names.dns1035_label(text), err)
    if (kind := found.get("kind")) and kind == found.get("listKind"):
        err.invalid(path.at("listKind"), kind, "kind and listKind may not be the same")
    for i, text in enumerate(found.get("categories") or ()):
        _joined(path.at("categories").index(i), text, names.dns1035_label(text), err)


def check_stored(stored: list[str] | None, spec: Object, err: Errors) -> None:
    """status.storedVersions: versions in which objects may lie in storage are there to read them by."""
    path, versions = Path("status", "storedVersions"), spec.get("versions") or ()
    if not stored:
        err.invalid(path, stored, "must have at least one stored version")
        return
    left = {name: i for i, name in enumerate(stored)}
    for version in versions:
        name = version.get("name") or ""
        if version.get("storage") and name not in stored:
            err.invalid(path, stored, f"must have the storage version {name}")
        left.pop(name, None)
    for name, i in left.items():
        says = (
            f"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions "
            f"until a storage migration ensures no data remains persisted in {name} and removes {name} from "
            "status.storedVersions"
        )
        err.invalid(path.index(i), name, says)


def schema_of(version: Object) -> Any:
    """The openAPIV3Schema of a version; None where there is none."""
    return dig(version, "schema", "openAPIV3Schema")


def warnings(spec: Object) -> list[str]:
    return [
        text for v in spec.get("versions") or () if (s := schema_of(v)) is not None for text in structure.warnings(s)
    ]


def _joined(path: Path, value: str, wrong: list[str], err: Errors, before: str = "") -> None:
    if wrong:
        err.invalid(path, value, before + ",".join(wrong))


def _hoisted(versions: list[Object]) -> dict[str, Any]:
    """The fields that all versions have alike."""
    if not versions:
        return {}
    first = versions[0]
    return {
        field: first.get(field)
        for field in PER_VERSION
        if all((version.get(field) or None) == (first.get(field) or None) for version in versions)
    }


def _version(
    version: Object, fields: set[str], former: list[Any], path: Path, err: Errors, *, status: bool | None = None
) -> None:
    """The parts of a version that are held at this path. `status`: whether it is a subresource, if it is not said."""
    if path != _PATH:
        parts.deprecation(version, path, err)
    if "schema" in fields and (schema := schema_of(version)) is not None:
        here = path.at("validation" if path == _PATH else "schema", "openAPIV3Schema")
        if status is None:
            status = dig(version, "subresources", "status") is not None
        if status:
            _root(schema, here, err)
        if schema not in former:
            structure.check(schema, here, err)
    if "subresources" in fields:
        parts.subresources(version.get("subresources"), path.at("subresources"), err)
    if "additionalPrinterColumns" in fields:
        parts.columns(version.get("additionalPrinterColumns") or [], path.at("additionalPrinterColumns"), err)
    if "selectableFields" in fields:
        found, at = version.get("selectableFields") or [], path.at("selectableFields")
        parts.selectable(found, schema_of(version), at, err)


def _root(schema: Object, path: Path, err: Errors) -> None:
    kind = schema.get("type") or ""
    if kind and kind != "object":
        says = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        err.invalid(path.at("type"), kind, says)
