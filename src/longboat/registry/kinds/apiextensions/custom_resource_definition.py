"""CustomResourceDefinition: a kind that a user adds."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.strategy import Context, Strategy


class CustomResourceDefinition(Strategy):
    kind = kinds.CUSTOM_RESOURCE_DEFINITION
    storage_prefix = "apiextensions.k8s.io/customresourcedefinitions"
    former_prefix = "customresourcedefinitions"
    columns = (cells.CREATED_AT,)
    has_status = True

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

    def prepare_create(self, new: Object, ctx: Context) -> None:
        versions = dig(new, "spec", "versions", default=())
        stored = [version.get("name") for version in versions if version.get("storage")]
        new["status"] = {"storedVersions": stored}
