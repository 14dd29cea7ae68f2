"""APIService: who serves a version of a group."""

from __future__ import annotations

import base64

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path, quoted
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import fill
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

    def name_errors(self, name: str) -> list[str]:
        return names.path_segment(name)  # what it has to say is looked at in `validate`; "v1." is the core's

    def validate(self, new: Object, err: Errors) -> None:
        """apiregistration, ValidateAPIService."""
        spec, name = new.get("spec") or {}, dig(new, "metadata", "name", default="")
        group, version = spec.get("group") or "", spec.get("version") or ""
        if name != (expected := f"{version}.{group}") and not names.path_segment(name):
            path = Path("metadata", "name")
            err.invalid(path, name, f'must be `spec.version+"."+spec.group`: {quoted(expected)}')
        if not group and version != "v1":
            err.required(_SPEC.at("group"), "only v1 may have an empty group and it better be legacy kube")
        if group:
            err.extend(_SPEC.at("group"), names.dns1123_subdomain(group), group)
        err.extend(_SPEC.at("version"), names.dns1035_label(version), version)
        for field, most in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
            value = spec.get(field) or 0
            if not 0 < value <= most:
                err.invalid(_SPEC.at(field), value, f"must be positive and less than {most}")
        if spec.get("service") is None:
            _validate_local(spec, err)
        else:
            _validate_remote(spec, spec["service"], err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        for index, condition in enumerate(dig(new, "status", "conditions", default=None) or ()):
            path = Path("status", "conditions").index(index).at("status")
            if (status := condition.get("status") or "") not in ("True", "False", "Unknown"):
                err.not_supported(path, status, ("True", "False", "Unknown"))


def _validate_local(spec: Object, err: Errors) -> None:
    if bundle := spec.get("caBundle"):
        length = len(base64.b64decode(bundle))
        err.invalid(_SPEC.at("caBundle"), f"{length} bytes", "local APIServices may not have a caBundle")
    if spec.get("insecureSkipTLSVerify"):
        why = "local APIServices may not have insecureSkipTLSVerify"
        err.invalid(_SPEC.at("insecureSkipTLSVerify"), True, why)


def _validate_remote(spec: Object, service: Object, err: Errors) -> None:
    for field in ("namespace", "name"):
        if not service.get(field):
            err.required(_SPEC.at("service", field))
    port = service.get("port") or 0
    for wrong in names.port_number(port):
        err.invalid(_SPEC.at("service", "port"), port, f"port is not valid: {wrong}")
    if spec.get("insecureSkipTLSVerify") and spec.get("caBundle"):
        err.invalid(_SPEC.at("insecureSkipTLSVerify"), True, "may not be true if caBundle is present")
