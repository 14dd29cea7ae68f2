"""What a claim asks for: requests, constraints between them, and configuration for drivers (resource.k8s.io/v1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.types import internal
from longboat.registry.kinds import compiled, rules
from longboat.registry.kinds.resource import checks

if TYPE_CHECKING:
    from longboat.machinery.cel.types import Type

MOST, MOST_ALTERNATIVES = 32, 8  # requests, constraints, configurations and selectors of each; of one request
LONGEST_EXPRESSION = 10 << 10
OPERATORS, EFFECTS = ("Equal", "Exists"), ("NoExecute", "NoSchedule", "None")
MODES = ("All", "ExactCount")
NO_REQUEST = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
_encode = msgspec.json.Encoder().encode

Requests = Mapping[str, frozenset[str]]  # the requests of a claim, and the alternatives of each


def spec(found: Object, path: Path, err: Errors) -> None:
    """A ResourceClaimSpec."""
    devices, path = found.get("devices") or {}, path.at("devices")
    known = requests_of(devices)
    checks.each_once(
        devices.get("requests") or [], MOST, _request, lambda found: found.get("name") or "", path.at("requests"), err
    )
    checks.each(
        devices.get("constraints") or [], MOST,
        lambda found, at, err: _constraint(found, at, err, known), path.at("constraints"), err,
    )  # fmt: skip
    checks.each(
        devices.get("config") or [], MOST,
        lambda found, at, err: claim_config(found, at, err, known), path.at("config"), err,
    )  # fmt: skip


def requests_of(devices: Object) -> Requests:
    return {
        request.get("name") or "": frozenset(each.get("name") or "" for each in request.get("firstAvailable") or ())
        for request in devices.get("requests") or ()
    }


def _request(found: Object, path: Path, err: Errors) -> None:
    checks.label(found.get("name"), path.at("name"), err)
    exactly, alternatives = found.get("exactly"), found.get("firstAvailable") or []
    if exactly is None and not alternatives:
        err.required(path, "exactly one of `exactly` or `firstAvailable` is required")
    elif exactly is not None and alternatives:
        err.invalid(path, None, "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set")
    elif exactly is not None:
        _wanted(exactly, path.at("exactly"), err)
    else:
        checks.each_once(
            alternatives, MOST_ALTERNATIVES, _alternative, lambda found: found.get("name") or "",
            path.at("firstAvailable"), err,
        )  # fmt: skip


def _alternative(found: Object, path: Path, err: Errors) -> None:
    checks.label(found.get("name"), path.at("name"), err)
    _wanted(found, path, err)


def _wanted(found: Object, path: Path, err: Errors) -> None:
    rules.named(found.get("deviceClassName") or "", path.at("deviceClassName"), err)
    selectors(found.get("selectors") or [], path.at("selectors"), err)
    mode, count = found.get("allocationMode") or "", found.get("count") or 0
    if mode not in MODES:
        err.not_supported(path.at("allocationMode"), mode, MODES)
    elif mode == "All" and count != 0:
        err.invalid(path.at("count"), count, "must not be specified when allocationMode is 'All'")
    elif mode == "ExactCount" and count <= 0:
        err.invalid(path.at("count"), count, "must be greater than zero")
    for i, toleration in enumerate(found.get("tolerations") or ()):
        _toleration(toleration, path.at("tolerations").index(i), err)


def _toleration(found: Object, path: Path, err: Errors) -> None:
    key, operator, value = (found.get(field) or "" for field in ("key", "operator", "value"))
    if key:
        rules.label_name(key, path.at("key"), err)
    if operator == "Exists" and value:
        err.invalid(path.at("value"), value, "must be empty for operator `Exists`")
    elif operator == "Equal":
        err.extend(path.at("value"), names.label_value(value), value)
    rules.one_of(operator, OPERATORS, path.at("operator"), err)
    rules.maybe_one_of(found.get("effect"), EFFECTS, path.at("effect"), err)


def selectors(found: list[Object], path: Path, err: Errors) -> None:
    checks.each(found, MOST, _selector, path, err)


def _selector(found: Object, path: Path, err: Errors) -> None:
    if (cel := found.get("cel")) is None:
        err.required(path.at("cel"))
        return
    text, path = cel.get("expression") or "", path.at("cel", "expression")
    if len(text.encode()) > LONGEST_EXPRESSION:
        err.too_long(path, LONGEST_EXPRESSION)
        return
    from longboat.machinery.cel import devices

    def says(gives: Type) -> str:
        return f"must evaluate to bool or the unknown type, not {gives.declared}"

    program = compiled.compiled(text, lambda: devices.compile(text), devices.RESULTS, says, path, err)
    if program is not None and program.estimated_cost.most > devices.LIMIT:
        err.forbidden(path, "too complex, exceeds cost limit")


def _constraint(found: Object, path: Path, err: Errors, known: Requests) -> None:
    _references(found, path, err, known)
    if (attribute := found.get("matchAttribute")) is not None:
        checks.fully_qualified(attribute, path.at("matchAttribute"), err)
    elif (attribute := found.get("distinctAttribute")) is not None:
        checks.fully_qualified(attribute, path.at("distinctAttribute"), err)
    else:
        why = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
        err.required(path, why)


def claim_config(found: Object, path: Path, err: Errors, known: Requests) -> None:
    _references(found, path, err, known)
    device_config(found, path, err)


def _references(found: Object, path: Path, err: Errors, known: Requests) -> None:
    checks.each_string(
        found.get("requests") or [],
        MOST,
        lambda name, at, err: reference(name, at, err, known),
        path.at("requests"),
        err,
    )


def reference(name: str, path: Path, err: Errors, known: Requests) -> None:
    """The name of a request, or of one of its alternatives."""
    request, slash, alternative = name.partition("/")
    if "/" in alternative:
        err.invalid(path, name, NO_REQUEST)
        return
    for part in name.split("/"):
        checks.label(part, path, err)
    if request not in known or (slash and alternative not in known[request]):
        err.invalid(path, name, NO_REQUEST)


def device_config(found: Object, path: Path, err: Errors, *, stored: bool = False) -> None:
    """What a driver is told. `stored`: its length was accepted before."""
    if (opaque := found.get("opaque")) is None:
        err.required(path.at("opaque"))
        return
    rules.driver_name(opaque.get("driver") or "", path.at("opaque", "driver"), err)
    parameters = opaque.get("parameters")
    size = 0 if stored else len(_encode(parameters))
    checks.json_object(parameters, path.at("opaque", "parameters"), err, checks.LONGEST_PARAMETERS, size)


def immutable(kind: str, new: Object, old: Object, err: Errors) -> None:
    """`kind`: the type of the spec, which may not change."""
    shown, before = (internal.whole(f"io.k8s.api.resource.v1.{kind}", obj.get("spec") or {}) for obj in (new, old))
    if shown != before:
        err.invalid(Path("spec"), shown, rules.IMMUTABLE)
