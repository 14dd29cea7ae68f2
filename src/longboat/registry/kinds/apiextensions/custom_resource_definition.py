"""CustomResourceDefinition: a kind that a user adds."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.types import structure
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write


class CustomResourceDefinition(Strategy):
    kind = kinds.CUSTOM_RESOURCE_DEFINITION
    standard_finalizers = False
    unconditional_update = False
    storage_prefix = "apiextensions.k8s.io/customresourcedefinitions"
    former_prefix = "customresourcedefinitions"
    columns = (cells.CREATED_AT,)
    has_status = True
    heavy = True  # a pattern of a few letters may be large when it is compiled

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        called = fill.part(spec, "names")
        if kind := called.get("kind"):
            fill.empty(called, "singular", kind.lower())
            fill.empty(called, "listKind", f"{kind}List")
        conversion = fill.part(spec, "conversion")
        fill.empty(conversion, "strategy", "None")
        if (service := dig(conversion, "webhook", "clientConfig", "service")) is not None:
            fill.absent(service, "port", 443)

    def validate(self, new: Object, err: Errors) -> None:
        spec, path = new.get("spec") or {}, Path("spec")
        plural, group = dig(spec, "names", "plural", default=""), spec.get("group") or ""
        if (name := dig(new, "metadata", "name", default="")) != f"{plural}.{group}":
            err.invalid(Path("metadata", "name"), name, 'must be spec.names.plural+"."+spec.group')
        rules.named(group, path.at("group"), err)
        if "." not in group and group:
            err.invalid(path.at("group"), group, "should be a domain with at least one dot")
        rules.one_of(spec.get("scope"), ("Cluster", "Namespaced"), path.at("scope"), err)
        for field in ("plural", "singular", "kind", "listKind"):
            value = dig(spec, "names", field, default="")
            rules.named(value.lower(), path.at("names", field), err, names.dns1035_label)
        versions = spec.get("versions") or []
        if sum(bool(version.get("storage")) for version in versions) != 1:
            err.invalid(path.at("versions"), versions, "must have exactly one version marked as storage version")

    def validate_create(self, new: Object, err: Errors) -> None:
        for schema, path in _schemas(new).values():
            structure.check(schema, path, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        """A schema that has been let in may stay."""
        before = [schema for schema, _ in _schemas(old).values()]
        for schema, path in _schemas(new).values():
            if schema not in before:
                structure.check(schema, path, err)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        def told(obj: Object) -> list[str]:
            return [text for schema, _ in _schemas(obj).values() for text in structure.warnings(schema)]

        before = set(told(old)) if old else ()
        return [text for text in dict.fromkeys(told(new)) if text not in before]

    def prepare_create(self, new: Object, write: Write) -> None:
        versions = dig(new, "spec", "versions", default=())
        stored = [version.get("name") for version in versions if version.get("storage")]
        new["status"] = {"storedVersions": stored}


def _schemas(obj: Object) -> dict[str, tuple[Object, Path]]:
    """The schemas of a definition's versions by their names. One that all share is named where upstream holds it."""
    versions: list[Object] = dig(obj, "spec", "versions", default=[])
    found = {
        str(version.get("name")): (schema, Path("spec", "versions").index(i).at("schema", "openAPIV3Schema"))
        for i, version in enumerate(versions)
        if (schema := dig(version, "schema", "openAPIV3Schema"))
    }
    first = next(iter(found.values()))[0] if found else None
    if first and len(found) == len(versions) and all(schema == first for schema, _ in found.values()):
        return {"": (first, Path("spec", "validation", "openAPIV3Schema"))}
    return found
