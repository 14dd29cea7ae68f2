"""FlowSchema and PriorityLevelConfiguration: which requests wait, and behind whom."""

from __future__ import annotations

from typing import Any

from longboat.api import kinds
from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.machinery.types import internal
from longboat.registry.kinds import cells, fill, rules
from longboat.registry.kinds.flowcontrol import levels, mandatory, requests
from longboat.registry.strategy import OBJECT, WHOLE_METADATA, Strategy
from longboat.registry.write import Write

_SPEC, _STATUS = Path("spec"), Path("status")
_API = "io.k8s.api.flowcontrol.v1."
HIGHEST_PRECEDENCE = 10000
METHODS = ("ByNamespace", "ByUser")
TYPES = ("Exempt", "Limited")
QUEUES = {"queues": 64, "handSize": 8, "queueLengthLimit": 50}


def _missing(schema: Object) -> str:
    conditions = dig(schema, "status", "conditions", default=())
    return next((c.get("status") or "?" for c in conditions if c.get("type") == "Dangling"), "?")


class FlowSchema(Strategy):
    kind = kinds.FLOW_SCHEMA
    update_order = (*WHOLE_METADATA, OBJECT)
    columns = (
        Column("PriorityLevel", str, cells.at("spec.priorityLevelConfiguration.name"), description="Where they wait."),
        Column("MatchingPrecedence", int, cells.at("spec.matchingPrecedence", 0),
               description="Lower ones match first."),
        Column("DistinguisherMethod", str, cells.at("spec.distinguisherMethod.type", cells.NONE),
               description="What makes requests one flow."),
        AGE,
        Column("MissingPL", str, _missing, description="Whether the priority level is missing."),
    )  # fmt: skip
    has_status = True
    row_rank = staticmethod(lambda row: (row[2], row[0]))  # those that match first come first

    def default(self, obj: Object) -> None:
        fill.empty(fill.part(obj, "spec"), "matchingPrecedence", 1000)

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}

    def validate(self, new: Object, err: Errors) -> None:
        name, spec = dig(new, "metadata", "name") or "", new.get("spec") or {}
        _schema(name, spec, err)
        _as_it_must_be(name, spec, mandatory.SCHEMAS, "FlowSchemaSpec", err)
        _conditions(new, err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        _conditions(new, err)


def _queuing(field: str) -> Any:
    return cells.at(f"spec.limited.limitResponse.queuing.{field}", cells.NONE)


class PriorityLevelConfiguration(Strategy):
    kind = kinds.PRIORITY_LEVEL_CONFIGURATION
    update_order = (*WHOLE_METADATA, OBJECT)
    columns = (
        Column("Type", str, cells.at("spec.type"), description="Limited or Exempt."),
        Column("NominalConcurrencyShares", str,
               lambda level: dig(level, "spec", "limited", "nominalConcurrencyShares", default=cells.NONE),
               description="Its share of what runs at once."),
        Column("Queues", str, _queuing("queues"), description="How many queues."),
        Column("HandSize", str, _queuing("handSize"), description="How many of them a flow may use."),
        Column("QueueLengthLimit", str, _queuing("queueLengthLimit"), description="How long each may get."),
        AGE,
    )  # fmt: skip
    has_status = True

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        if (limited := spec.get("limited")) is not None:
            fill.absent(limited, "nominalConcurrencyShares", 30)
            fill.absent(limited, "lendablePercent", 0)
            response = limited.get("limitResponse") or {}
            if (queuing := response.get("queuing")) is not None:
                for field, value in QUEUES.items():
                    fill.empty(queuing, field, value)
        if (exempt := spec.get("exempt")) is not None:
            fill.absent(exempt, "nominalConcurrencyShares", 0)
            fill.absent(exempt, "lendablePercent", 0)

    def prepare_create(self, new: Object, write: Write) -> None:
        new["status"] = {}

    def validate(self, new: Object, err: Errors) -> None:
        name, spec = dig(new, "metadata", "name") or "", new.get("spec") or {}
        _level(name, spec, err)
        if name != mandatory.EXEMPT:  # its shares are for administrators to set
            _as_it_must_be(name, spec, mandatory.LEVELS, "PriorityLevelConfigurationSpec", err)
        _conditions(new, err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        _conditions(new, err)


def _schema(name: str, spec: Object, err: Errors) -> None:
    precedence, path = spec.get("matchingPrecedence") or 0, _SPEC.at("matchingPrecedence")
    if precedence <= 0:
        err.invalid(path, precedence, "must be a positive value")
    if precedence > HIGHEST_PRECEDENCE:
        err.invalid(path, precedence, f"must not be greater than {HIGHEST_PRECEDENCE}")
    if precedence == 1 and name != mandatory.EXEMPT:
        err.invalid(path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1")
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in METHODS:
        shown = internal.whole(f"{_API}FlowDistinguisherMethod", method)
        err.not_supported(_SPEC.at("distinguisherMethod", "type"), shown, METHODS)
    level, path = dig(spec, "priorityLevelConfiguration", "name") or "", _SPEC.at("priorityLevelConfiguration", "name")
    if not level:
        err.required(path, "must reference a priority level")
    else:
        err.extend(path, names.dns1123_subdomain(level), level)
    for i, rule in enumerate(spec.get("rules") or ()):
        requests.policy_rule(rule, _SPEC.at("rules").index(i), err)


def _level(name: str, spec: Object, err: Errors) -> None:
    kind, limited, exempt = spec.get("type") or "", spec.get("limited"), spec.get("exempt")
    if (name == mandatory.EXEMPT) != (kind == "Exempt"):
        err.invalid(_SPEC.at("type"), kind, "type must be 'Exempt' if and only if name is 'exempt'")
    match kind:
        case "Exempt":
            if limited is not None:
                err.forbidden(_SPEC.at("limited"), "must be nil if the type is not Limited")
            if exempt is not None:
                levels.exempt(exempt, _SPEC.at("exempt"), err)
        case "Limited":
            if exempt is not None:
                err.forbidden(_SPEC.at("exempt"), "must be nil if the type is Limited")
            if limited is None:
                err.required(_SPEC.at("limited"), "must not be empty when type is Limited")
            else:
                levels.limited(limited, _SPEC.at("limited"), err)
        case _:
            err.not_supported(_SPEC.at("type"), kind, TYPES)


def _as_it_must_be(name: str, spec: Object, fixed: dict[str, Object], message: str, err: Errors) -> None:
    """What is always there may not be changed."""
    if name not in fixed:
        return
    found, wanted = (internal.whole(f"{_API}{message}", value) for value in (spec, fixed[name]))
    if found != wanted:
        err.invalid(_SPEC, found, f"spec of '{name}' must equal the fixed value")


def _conditions(obj: Object, err: Errors) -> None:
    found, path = dig(obj, "status", "conditions") or [], _STATUS.at("conditions")
    repeated = frozenset(rules.repeated(condition.get("type") or "" for condition in found))
    for i, condition in enumerate(found):
        kind = condition.get("type") or ""
        if i in repeated:
            err.duplicate(path.index(i).at("type"), kind)
        if not kind:
            err.required(path.index(i).at("type"), "must not be empty")
