"""IngressClass: which controller serves an ingress."""

from __future__ import annotations

import re

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.strategy import CHANGE, OBJECT, WHOLE_METADATA, WHOLE_METADATA_CHANGE, Strategy

LONGEST_CONTROLLER = 250
_SPEC = Path("spec")
_URL_PATH = re.compile(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")


def _parameters(found: Object) -> str:
    ref = dig(found, "spec", "parameters")
    if ref is None:
        return cells.NONE
    group = f".{ref['apiGroup']}" if ref.get("apiGroup") else ""
    return f"{ref.get('kind') or ''}{group}/{ref.get('name') or ''}"


class IngressClass(Strategy):
    kind = kinds.INGRESS_CLASS
    columns = (
        Column("Controller", str, cells.at("spec.controller"), description="Who serves the ingresses of this class."),
        Column("Parameters", str, _parameters, description="What configures it."),
        AGE,
    )

    update_order = (*WHOLE_METADATA_CHANGE, CHANGE, *WHOLE_METADATA, OBJECT)

    def default(self, obj: Object) -> None:
        if (ref := dig(obj, "spec", "parameters")) is not None:
            fill.absent(ref, "scope", "Cluster")

    def validate(self, new: Object, err: Errors) -> None:
        controller, path = dig(new, "spec", "controller", default=""), _SPEC.at("controller")
        if not controller:
            err.required(path)
        else:
            if len(controller) > LONGEST_CONTROLLER:
                err.too_long(path, LONGEST_CONTROLLER)
            domain_prefixed(controller, path, err)
        if (ref := dig(new, "spec", "parameters")) is not None:
            _check_parameters(ref, _SPEC.at("parameters"), err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        now, before = (dig(obj, "spec", "controller", default="") for obj in (new, old))
        rules.immutable(now, before, _SPEC.at("controller"), err)


def domain_prefixed(value: str, path: Path, err: Errors) -> None:
    """A path behind a domain, such as `acme.io/foo`."""
    domain, slash, rest = value.partition("/")
    if not slash or not domain or not rest:
        err.invalid(path, value, 'must be a domain-prefixed path (such as "acme.io/foo")')
        return
    err.extend(path, names.dns1123_subdomain(domain), domain)
    if not _URL_PATH.fullmatch(rest):
        err.invalid(path, rest, names.mismatch("Invalid path", _URL_PATH.pattern))


def _check_parameters(ref: Object, path: Path, err: Errors) -> None:
    rules.reference(ref, path, err)
    scope, namespace = ref.get("scope"), ref.get("namespace")
    if scope is None:
        err.required(path.at("scope"))
        return
    rules.given_one_of(scope, ("Cluster", "Namespace"), path.at("scope"), err)
    if scope == "Namespace":
        if namespace is None:
            err.required(path.at("namespace"), "`parameters.scope` is set to 'Namespace'")
        else:
            err.extend(path.at("namespace"), names.dns1123_label(namespace), namespace)
    if scope == "Cluster" and namespace is not None:
        err.forbidden(path.at("namespace"), "`parameters.scope` is set to 'Cluster'")
