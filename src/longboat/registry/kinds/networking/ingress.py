"""Ingress: HTTP from outside, by host and path."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, rules
from longboat.registry.strategy import CHANGE, WHOLE_METADATA, WHOLE_METADATA_CHANGE, Strategy
from longboat.registry.write import Write

_SPEC = Path("spec")
CLASS = "kubernetes.io/ingress.class"
PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
NOT_IN_PATHS = ("//", "/./", "/../", "%2f", "%2F")
NOT_AT_ENDS = ("/..", "/.")


def _class(ingress: Object) -> str:
    name = dig(ingress, "spec", "ingressClassName") or dig(ingress, "metadata", "annotations", CLASS)
    return name or cells.NONE


def _hosts(ingress: Object) -> str:
    found = dig(ingress, "spec", "rules", default=())
    hosts = [rule["host"] for rule in found[:3] if rule.get("host")]
    shown = ",".join(hosts) or "*"
    return f"{shown} + {len(found) - 3} more..." if hosts and len(found) > 3 else shown


class Ingress(Strategy):
    kind = kinds.INGRESS
    columns = (
        Column("Class", str, _class, description="Who serves it."),
        Column("Hosts", str, _hosts, description="The hosts it is for."),
        Column("Address", str, cells.load_balancer, description="Where it is served."),
        Column("Ports", str, lambda ingress: "80, 443" if dig(ingress, "spec", "tls") else "80",
               description="On which ports."),
        AGE,
    )  # fmt: skip
    has_status = True
    storage_prefix = "ingress"
    update_order = (*WHOLE_METADATA_CHANGE, *WHOLE_METADATA, CHANGE)

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}

    def _validate(self, new: Object, old: Object | None, err: Errors) -> None:
        """`old`: what an older version took may stay."""
        spec = new.get("spec") or {}
        if not spec.get("rules") and spec.get("defaultBackend") is None:
            err.invalid(_SPEC, None, "either `defaultBackend` or `rules` must be specified")
        if (backend := spec.get("defaultBackend")) is not None:
            _backend(backend, _SPEC.at("defaultBackend"), err)
        spared = old is not None and _has_bad_wildcard(old)
        for i, rule in enumerate(spec.get("rules") or ()):
            _rule(rule, _SPEC.at("rules").index(i), err, whole=not (spared and "*" in (rule.get("host") or "")))
        had_bad_secret = old is not None and any(_secret_errors(tls) for tls in _tls(old))
        for i, tls in enumerate(_tls(new)):
            at = _SPEC.at("tls").index(i)
            for j, host in enumerate(tls.get("hosts") or ()):
                _host(host, at.at("hosts").index(j), err)
            if not had_bad_secret:
                err.extend(at.at("secretName"), _secret_errors(tls), tls.get("secretName"))
        if (name := spec.get("ingressClassName")) is not None:
            err.extend(_SPEC.at("ingressClassName"), names.dns1123_subdomain(name), name)

    def validate_create(self, new: Object, err: Errors) -> None:
        self._validate(new, None, err)
        note = dig(new, "metadata", "annotations", CLASS)
        name = dig(new, "spec", "ingressClassName")
        if note is not None and name is not None and note != name:
            path = Path("annotations").at(CLASS)
            err.invalid(path, note, "must match `ingressClassName` when both are specified")

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        self._validate(new, old, err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        path, before = Path("status", "loadBalancer", "ingress"), _points(old)
        former = frozenset(point["ip"] for point in before if point.get("ip"))
        for i, point in enumerate(_points(new)):
            rules.load_balancer_point(point, path.index(i), err, former)

    def warnings(self, new: Object, old: Object | None) -> list[str]:
        noted = CLASS in dig(new, "metadata", "annotations", default={})
        if old is None and noted and dig(new, "spec", "ingressClassName") is None:
            return [f"annotation \"{CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"]
        return []


def _points(ingress: Object) -> list[Object]:
    found: list[Object] = dig(ingress, "status", "loadBalancer", "ingress", default=[])
    return found


def _tls(ingress: Object) -> list[Object]:
    found: list[Object] = dig(ingress, "spec", "tls", default=[])
    return found


def _secret_errors(tls: Object) -> list[str]:
    name = tls.get("secretName")
    return names.dns1123_subdomain(name) if name else []


def _has_bad_wildcard(ingress: Object) -> bool:
    """Whether a rule for a wildcard host holds what is no longer taken."""
    err = Errors()
    for rule in dig(ingress, "spec", "rules", default=()):
        if "*" in (rule.get("host") or ""):
            _http(rule, Path(), err)
    return bool(err)


def _rule(rule: Object, path: Path, err: Errors, *, whole: bool) -> None:
    if host := rule.get("host"):
        if names.loose_address(host) is not None:
            err.invalid(path.at("host"), host, "must be a DNS name, not an IP address")
        _host(host, path.at("host"), err)
    if whole:
        _http(rule, path, err)


def _http(rule: Object, path: Path, err: Errors) -> None:
    if (http := rule.get("http")) is None:
        return
    at = path.at("http", "paths")
    if not http.get("paths"):
        err.required(at)
    for i, found in enumerate(http.get("paths") or ()):
        _path(found, at.index(i), err)


def _host(host: str, path: Path, err: Errors) -> None:
    check = names.wildcard_subdomain if "*" in host else names.dns1123_subdomain
    err.extend(path, check(host), host)


def _path(found: Object, path: Path, err: Errors) -> None:
    kind, value, at = found.get("pathType"), found.get("path") or "", path.at("path")
    if kind is None:
        err.required(path.at("pathType"), "pathType must be specified")
        return
    if kind in ("Exact", "Prefix"):
        if not value.startswith("/"):
            err.invalid(at, value, "must be an absolute path")
        for bad in NOT_IN_PATHS:
            if bad in value:
                err.invalid(at, value, f"must not contain '{bad}'")
        for bad in NOT_AT_ENDS:
            if value.endswith(bad):
                err.invalid(at, value, f"cannot end with '{bad}'")
    elif kind == "ImplementationSpecific":
        if value and not value.startswith("/"):
            err.invalid(at, value, "must be an absolute path")
    else:
        err.not_supported(path.at("pathType"), kind, PATH_TYPES)
    _backend(found.get("backend") or {}, path.at("backend"), err)


def _backend(backend: Object, path: Path, err: Errors) -> None:
    service, resource = backend.get("service"), backend.get("resource")
    if service is not None and resource is not None:
        err.invalid(path, "", "cannot set both resource and service backends")
    elif resource is not None:
        rules.reference(resource, path.at("resource"), err)
    elif service is None:
        err.invalid(path, "", "resource or service backend is required")
    else:
        name, port, at = service.get("name") or "", service.get("port") or {}, path.at("service", "port")
        if not name:
            err.required(path.at("service", "name"))
        else:
            err.extend(path.at("service", "name"), names.dns1123_label(name), name)
        if port.get("name") and port.get("number"):
            err.invalid(path, "", "cannot set both port name & port number")
        elif port.get("name"):
            err.extend(at.at("name"), names.port_name(port["name"]), port["name"])
        elif port.get("number"):
            rules.port(port["number"], at.at("number"), err)
        else:
            err.required(path, "port name or number is required")
