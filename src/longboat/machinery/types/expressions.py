"""Rules in CEL that schemas have (x-kubernetes-validations), as a definition is checked: that they can be run, and what
they may cost (apiextensions v1, ValidationRule). `enforced` runs them.

CEL is loaded by the first schema that has rules.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.types import field_paths
from longboat.machinery.types.structural import EMBEDDED, LIST_TYPE, MAP_TYPE

if TYPE_CHECKING:
    from longboat.machinery.cel import Program

VALIDATIONS = "x-kubernetes-validations"
REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_TOTAL = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"


def shown(rule: Object) -> Object:
    """A rule as upstream's messages show it."""
    texts = {name: rule.get(name[0].lower() + name[1:]) or "" for name in ("Rule", "Message", "MessageExpression")}
    return texts | {
        "Reason": rule.get("reason"),
        "FieldPath": rule.get("fieldPath") or "",
        "OptionalOldSelf": rule.get("optionalOldSelf"),
    }


@dataclass(slots=True)
class Compiled:
    """One rule. `fault`: why it, or the expression of its message, cannot be run."""

    rule: Object
    program: Program | None = None
    message: Program | None = None
    fault: str = ""
    message_fault: str = ""
    least: int = 0  # bytes of the smallest value of its place

    @property
    def looks_back(self) -> bool:
        programs = (self.program, self.message)
        return any(each is not None and "oldSelf" in each.names for each in programs)


def compile_rules(schema: Object, root: bool) -> list[Compiled]:
    """A schema's own rules; `root`: it is of a whole object, or an embedded one."""
    from longboat.machinery import cel
    from longboat.machinery.cel import schemas, types

    declared = schemas.decl(schema, "selfType", root)
    found = []
    for rule in schema.get(VALIDATIONS) or ():
        if declared is None:
            found.append(Compiled(rule, fault="the schema does not say what the rule is about"))
            continue
        own = cel.Declared(declared.type, declared.convert, declared.size)
        old = own
        if rule.get("optionalOldSelf"):
            old = replace(own, type=types.optional_of(own.type), convert=_optionally(own.convert))
        made = Compiled(rule, least=declared.least)
        variables = {"self": own, "oldSelf": old}
        made.program, made.fault = _compiled(
            rule["rule"], variables, "", types.BOOL, "cel expression must evaluate to a bool"
        )
        if text := rule.get("messageExpression"):
            says = "messageExpression must evaluate to a string"
            made.message, made.message_fault = _compiled(text, variables, "messageExpression ", types.STRING, says)
        found.append(made)
    return found


def _optionally(convert: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    """The same for a value that may be none."""
    from longboat.machinery.cel.values import Optional

    if convert is None:
        return None
    inner = convert
    return lambda old: Optional(inner(old.value)) if old else old


def _compiled(text: str, variables: Any, what: str, wanted: Any, says: str) -> tuple[Program | None, str]:
    from longboat.machinery import cel

    try:
        program = cel.compile(text, variables)
    except cel.CompileError as error:
        kind = "compilation" if error.issues else ("instantiation" if what else "program instantiation")
        return None, f"{what}{kind} failed: {error.message}"
    return (program, "") if program.result == wanted else (None, says)


def any_in(schema: Any) -> bool:
    """Whether a schema, or one within it, has rules."""
    left = [schema]
    while left:
        each = left.pop()
        if isinstance(each, dict):
            if each.get(VALIDATIONS):
                return True
            left += (each.get("properties") or {}).values()
            left += (each.get("items"), each.get("additionalProperties"))
    return False


def check(schema: Object, path: Path, err: Errors, *, runs: bool) -> None:
    """Complain of a whole schema's rules. `runs`: the schema is otherwise well, so that they can be compiled."""
    if any_in(schema):
        _Check(runs).whole(schema, path, err)


@dataclass(slots=True)
class _Check:
    runs: bool
    total: int = 0
    dearest: list[tuple[int, Path]] = field(default_factory=list)

    def whole(self, schema: Object, path: Path, err: Errors) -> None:
        from longboat.machinery.cel import budgets

        self.walk(schema, path, True, 1, None, err)
        if self.total > budgets.SCHEMA:
            for _, at in sorted(self.dearest, key=lambda each: -each[0])[:4]:
                err.forbidden(at, budgets.OVER_SCHEMA)
            err.forbidden(path, budgets.exceeded(_TOTAL, self.total, budgets.SCHEMA))

    def walk(self, schema: Object, path: Path, root: bool, count: int | None, apart: Path | None, err: Errors) -> bool:
        """`count`: how often the place may be there, None without a bound; `apart`: the place within which an old value
        cannot be found. Returns whether all in it is well."""
        well = True
        for name, inner in sorted((schema.get("properties") or {}).items()):
            there = path if schema.get(MAP_TYPE) not in (None, "granular", "atomic") else apart
            resource = bool(inner.get(EMBEDDED))
            well &= self.walk(inner, path.at("properties").key(name), resource, count, there, err)
        for name, most in (("additionalProperties", "maxProperties"), ("items", "maxItems")):
            if isinstance(inner := schema.get(name), dict):
                there = path if name == "items" and schema.get(LIST_TYPE) != "map" else apart
                limit = schema.get(most)
                many = None if count is None or limit is None else count * max(0, limit)
                well &= self.walk(inner, path.at(name), bool(inner.get(EMBEDDED)), many, there, err)
        rules = schema.get(VALIDATIONS) or []
        for i, rule in enumerate(rules):
            well &= self._said(schema, rule, path.at(VALIDATIONS).index(i), err)
        if rules and well and self.runs:
            for i, made in enumerate(compile_rules(schema, root)):
                self._compiled(made, path.at(VALIDATIONS).index(i), count, apart, err)
        return well

    def _said(self, schema: Object, rule: Object, at: Path, err: Errors) -> bool:
        before = err.count
        text, message = (rule.get("rule") or "").strip(), rule.get("message") or ""
        if not text:
            err.required(at.at("rule"), "rule is not specified")
        elif message and not message.strip():
            err.invalid(at.at("message"), message, "must be non-empty if specified")
        elif _lines(message.strip()):
            err.invalid(at.at("message"), message, "must not contain line breaks")
        elif _lines(text) and not message.strip():
            err.required(at.at("message"), "message must be specified if rule contains line breaks")
        if (expression := rule.get("messageExpression") or "") and not expression.strip():
            err.required(at.at("messageExpression"), "must be non-empty if specified")
        if (reason := rule.get("reason")) is not None and reason not in REASONS:
            err.not_supported(at.at("reason"), reason, REASONS)
        if where := rule.get("fieldPath") or "":
            if not where.strip():
                err.invalid(at.at("fieldPath"), where, "must be non-empty if specified")
            if _lines(where):
                err.invalid(at.at("fieldPath"), where, "must not contain line breaks")
            try:
                field_paths.resolve(where, schema, brackets=True)
            except ValueError:
                err.invalid(at.at("fieldPath"), where, "must be a valid path")
        return err.count == before

    def _compiled(self, made: Compiled, at: Path, count: int | None, apart: Path | None, err: Errors) -> None:
        rule = made.rule
        self._costs(made.program, made.least, at.at("rule"), "estimated rule cost", count, err)
        if made.fault:
            err.invalid(at.at("rule"), shown(rule), made.fault)
        if made.message_fault:
            err.invalid(at.at("messageExpression"), shown(rule), made.message_fault)
        elif made.message is not None:
            place, what = at.at("messageExpression"), "estimated messageExpression cost"
            self._costs(made.message, made.least, place, what, None, err, once=True)
        if made.looks_back:
            if apart is not None:
                says = "oldSelf cannot be used on the uncorrelatable portion of the schema within"
                err.invalid(at.at("rule"), rule["rule"], f"{says} {apart}")
        elif rule.get("optionalOldSelf") is not None:
            says = "may not be set if oldSelf is not used in rule"
            err.invalid(at.at("optionalOldSelf"), rule["optionalOldSelf"], says)

    def _costs(
        self, program: Program | None, least: int, at: Path, what: str, count: int | None, err: Errors,
        *, once: bool = False,
    ) -> None:  # fmt: skip
        from longboat.machinery.cel import budgets

        if program is None:
            return
        cost = program.estimated_cost.most
        if not once:
            cost = budgets.multiplied(cost, budgets.cardinality(least) if count is None else count)
        if cost > budgets.RULE:
            err.forbidden(at, budgets.exceeded(what, cost, budgets.RULE))
        self.total = budgets.multiplied(self.total + cost, 1)
        if cost > budgets.SCHEMA // 100:
            self.dearest.append((cost, at))


def _lines(text: str) -> bool:
    return "\n" in text or "\r" in text
