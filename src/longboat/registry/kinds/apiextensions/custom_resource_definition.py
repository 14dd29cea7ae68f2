"""CustomResourceDefinition: a kind that a user adds."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.objects import Object, dig
from longboat.registry.kinds import cells, fill
from longboat.registry.strategy import Context, Strategy


class CustomResourceDefinition(Strategy):
    kind = kinds.CUSTOM_RESOURCE_DEFINITION
    columns = (cells.CREATED_AT,)
    has_status = True

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        names = fill.part(spec, "names")
        if kind := names.get("kind"):
            fill.empty(names, "singular", kind.lower())
            fill.empty(names, "listKind", f"{kind}List")
        conversion = fill.part(spec, "conversion")
        fill.empty(conversion, "strategy", "None")
        if (service := dig(conversion, "webhook", "clientConfig", "service")) is not None:
            fill.absent(service, "port", 443)

    def prepare_create(self, new: Object, ctx: Context) -> None:
        versions = dig(new, "spec", "versions", default=())
        stored = [version.get("name") for version in versions if version.get("storage")]
        new["status"] = {"conditions": [], "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": stored}
