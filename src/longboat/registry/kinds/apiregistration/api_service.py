"""APIService: who serves a version of a group."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import fill, rules
from longboat.registry.strategy import Strategy
from longboat.registry.write import Write

_SPEC = Path("spec")


def _service(found: Object) -> str:
    service = dig(found, "spec", "service")
    return f"{service.get('namespace')}/{service.get('name')}" if service else "Local"


def _available(found: Object) -> str:
    conditions = dig(found, "status", "conditions", default=())
    condition = next((c for c in conditions if c.get("type") == "Available"), None)
    if condition is None:
        return "Unknown"
    status, reason = condition.get("status") or "Unknown", condition.get("reason")
    return status if status == "True" or not reason else f"{status} ({reason})"


class APIService(Strategy):
    kind = kinds.API_SERVICE
    standard_finalizers = False
    unconditional_update = False
    columns = (
        Column("Service", str, _service, description="Who serves it."),
        Column("Available", str, _available, description="Whether it answers."),
        AGE,
    )
    has_status = True
    generation = False
    storage_prefix = "apiregistration.k8s.io/apiservices"

    def default(self, obj: Object) -> None:
        if (service := dig(obj, "spec", "service")) is not None:
            fill.absent(service, "port", 443)

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}

    def validate(self, new: Object, err: Errors) -> None:
        spec, name = new.get("spec") or {}, dig(new, "metadata", "name", default="")
        expected = f"{spec.get('version') or ''}.{spec.get('group') or ''}"
        if name != expected:
            path = Path("metadata", "name")
            err.invalid(path, name, f'must be `spec.version+"."+spec.group`: "{expected}"')
        for field, most in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
            value = spec.get(field) or 0
            if not 0 < value <= most:
                err.invalid(_SPEC.at(field), value, f"must be positive and less than {most}")
        if (service := spec.get("service")) is not None:
            for field in ("name", "namespace"):
                if not service.get(field):
                    err.required(_SPEC.at("service", field))
            rules.port(service.get("port") or 0, _SPEC.at("service", "port"), err)
            if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
                why = "may not be true if caBundle is present"
                err.invalid(_SPEC.at("insecureSkipTLSVerify"), True, why)
