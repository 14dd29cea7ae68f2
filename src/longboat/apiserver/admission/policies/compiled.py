"""A policy's expressions, compiled: each once, when a request first comes to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from longboat.apiserver.admission.evaluation import VARIABLES, Expression, compiled_with
from longboat.machinery.cel import admission, mutation, types
from longboat.machinery.cel.types import Struct, Type
from longboat.machinery.objects import Object

APPLY, JSON_PATCH = "ApplyConfiguration", "JSONPatch"
PARAMS = "params"
# Of messages: who may do what is not theirs to tell.
_MESSAGE_VARIABLES = {name: type_ for name, type_ in admission.VARIABLES.items() if not name.startswith("authorizer")}


@dataclass(frozen=True, slots=True)
class Validation:
    index: int
    rule: Expression
    says: Expression | None  # messageExpression
    message: str
    reason: str


@dataclass(frozen=True, slots=True)
class Mutation:
    kind: str  # APPLY, JSON_PATCH
    patch: Expression


@dataclass(slots=True)
class Compiled:
    variables: dict[str, Expression] = field(default_factory=dict)
    conditions: list[tuple[str, Expression]] = field(default_factory=list)  # by name
    validations: list[Validation] = field(default_factory=list)
    annotations: list[tuple[str, Expression]] = field(default_factory=list)  # by key
    mutations: list[Mutation] = field(default_factory=list)


def size(spec: Object) -> int:
    """Characters of expressions: what compiling takes time for."""
    said = 0
    for each in ("variables", "matchConditions", "validations", "auditAnnotations", "mutations"):
        said += sum(len(str(one)) for one in spec.get(each) or ())
    return said


def compile_policy(spec: Object) -> Compiled:
    """Of either kind. An expression that does not compile fails when it is run."""
    found, known = Compiled(), dict[str, Type]()
    params: dict[str, Type] = {PARAMS: types.DYN} if spec.get("paramKind") is not None else {}

    def compiled(source: str, *, message: bool = False, patch: bool = False) -> Expression:
        given: Mapping[str, Type] = _MESSAGE_VARIABLES if message else admission.VARIABLES
        structs: Mapping[str, Struct] | None = mutation.STRUCTS if patch else None
        return compiled_with(source, {**given, **params, VARIABLES: admission.composed(known)}, structs)

    for variable in spec.get("variables") or ():
        made = found.variables[variable["name"]] = compiled(variable["expression"])
        known[variable["name"]] = types.DYN if made.program is None else made.program.result
    for condition in spec.get("matchConditions") or ():
        found.conditions.append((condition.get("name") or "", compiled(condition["expression"])))
    for i, rule in enumerate(spec.get("validations") or ()):
        says = compiled(rule["messageExpression"], message=True) if rule.get("messageExpression") else None
        message, reason = (rule.get("message") or "").strip(), rule.get("reason") or "Invalid"
        found.validations.append(Validation(i, compiled(rule["expression"]), says, message, reason))
    for note in spec.get("auditAnnotations") or ():
        found.annotations.append((note["key"], compiled(note["valueExpression"])))
    for each in spec.get("mutations") or ():
        how = each.get("applyConfiguration" if each["patchType"] == APPLY else "jsonPatch") or {}
        found.mutations.append(Mutation(each["patchType"], compiled(how.get("expression") or "", patch=True)))
    return found
