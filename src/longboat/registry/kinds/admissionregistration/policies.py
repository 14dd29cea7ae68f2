"""Admission policies: rules in CEL, and what they are bound to."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, conditions, fill, rules
from longboat.registry.kinds.admissionregistration import expressions, matching, params
from longboat.registry.kinds.admissionregistration.compiler import Compiler
from longboat.registry.strategy import CHANGE, METADATA, OBJECT, Strategy


def _param_kind(policy: Object) -> str:
    found = dig(policy, "spec", "paramKind")
    return f"{found.get('apiVersion') or ''}/{found.get('kind') or ''}" if found else cells.UNSET


def _param_ref(binding: Object) -> str:
    found = dig(binding, "spec", "paramRef")
    if not found:
        return cells.UNSET
    return f"{found['namespace']}/{found.get('name')}" if found.get("namespace") else found.get("name") or "*"


def _match(found: Object) -> None:
    fill.absent(found, "matchPolicy", "Equivalent")
    for field in ("namespaceSelector", "objectSelector"):
        fill.part(found, field)
    for rule in fill.each(found, "resourceRules", "excludeResourceRules"):
        fill.absent(rule, "scope", "*")


_SPEC = Path("spec")
ACTIONS = ("Audit", "Deny", "Warn")
MUTABLE_OPERATIONS = ("*", "CONNECT", "CREATE", "UPDATE")
REINVOCATIONS = ("Never", "IfNeeded")


def _common(spec: Object, old: Object | None, err: Errors, mutable: bool) -> Compiler:
    """What all policies have. Conditions that have not changed, nor what their parameters are, are let be. Returns what
    compiles the rest."""
    compiler = Compiler(params=spec.get("paramKind") is not None, composes=mutable or bool(spec.get("variables")))
    if spec.get("failurePolicy") is None:
        err.required(_SPEC.at("failurePolicy"))
    matching.one_of_set(spec.get("failurePolicy"), matching.FAILURE_POLICIES, _SPEC.at("failurePolicy"), err)
    if (kind := spec.get("paramKind")) is not None:
        params.kind(kind, _SPEC.at("paramKind"), err)
    constraints, path = spec.get("matchConstraints"), _SPEC.at("matchConstraints")
    if constraints is None:
        err.required(path)
    else:
        matching.resources(constraints, path, err)
        if not constraints.get("resourceRules"):
            err.required(path.at("resourceRules"))
        if mutable:
            _mutable(constraints, path, err)
    if old is None or any(old.get(f) != spec.get(f) for f in ("paramKind", "matchConditions")):
        found = spec.get("matchConditions") or []
        matching.conditions(found, _SPEC.at("matchConditions"), err, params=spec.get("paramKind") is not None)
    for i, variable in enumerate(spec.get("variables") or ()):
        expressions.variable(variable, compiler, _SPEC.at("variables").index(i), err)
    return compiler


def _mutable(found: Object, path: Path, err: Errors) -> None:
    """What is deleted cannot be changed."""
    for rule in found.get("resourceRules") or ():
        for operation in rule.get("operations") or ():
            if operation not in MUTABLE_OPERATIONS:
                err.not_supported(path.at("resourceRules", "operations"), operation, MUTABLE_OPERATIONS)


_PARAM_KIND = Column("ParamKind", str, _param_kind, description="What parametrizes it.")


class ValidatingAdmissionPolicy(Strategy):
    kind = kinds.VALIDATING_ADMISSION_POLICY
    heavy = True  # its expressions are compiled
    update_order = (METADATA, CHANGE)
    standard_finalizers = False
    unconditional_update = False
    columns: ClassVar[tuple[Column, ...]] = (
        Column("Validations", int, lambda p: len(dig(p, "spec", "validations", default=())),
               description="How many rules there are."),
        _PARAM_KIND,
        AGE,
    )  # fmt: skip
    has_status = True

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        fill.absent(spec, "failurePolicy", "Fail")
        if spec.get("matchConstraints") is not None:
            _match(spec["matchConstraints"])

    def validate_create(self, new: Object, err: Errors) -> None:
        self._validate(new, None, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        self._validate(new, old, err)

    def _validate(self, new: Object, old: Object | None, err: Errors) -> None:
        spec = new.get("spec") or {}
        compiler = _common(spec, None if old is None else old.get("spec") or {}, err, mutable=False)
        validations, notes = spec.get("validations") or [], spec.get("auditAnnotations") or []
        if not (validations or notes):
            for field in ("validations", "auditAnnotations"):
                err.required(_SPEC.at(field), "validations or auditAnnotations must contain at least one item")
        for i, validation in enumerate(validations):
            expressions.validation(validation, compiler, _SPEC.at("validations").index(i), err)
        name = dig(new, "metadata", "name") or ""
        expressions.audit_annotations(notes, name, compiler, _SPEC.at("auditAnnotations"), err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        warnings = dig(new, "status", "typeChecking", "expressionWarnings") or ()
        path = Path("status", "typeChecking", "expressionWarnings")
        for i, warning in enumerate(warnings):
            if not warning.get("warning"):
                err.required(path.index(i).at("warning"))
            if not (warning.get("fieldRef") or "").strip():
                err.required(path.index(i).at("fieldRef"))
        conditions.validate(dig(new, "status", "conditions", default=()), Path("status", "conditions"), err)


class MutatingAdmissionPolicy(Strategy):
    kind = kinds.MUTATING_ADMISSION_POLICY
    heavy = True  # its expressions are compiled
    update_order = (METADATA, CHANGE)
    standard_finalizers = False
    unconditional_update = False
    columns = (
        Column("Mutations", int, lambda p: len(dig(p, "spec", "mutations", default=())),
               description="How many changes it makes."),
        _PARAM_KIND,
        AGE,
    )  # fmt: skip

    def default(self, obj: Object) -> None:
        spec = fill.part(obj, "spec")
        fill.absent(spec, "failurePolicy", "Fail")
        if spec.get("matchConstraints") is not None:
            _match(spec["matchConstraints"])

    def validate_create(self, new: Object, err: Errors) -> None:
        self._validate(new, None, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        self._validate(new, old, err)

    def _validate(self, new: Object, old: Object | None, err: Errors) -> None:
        spec = new.get("spec") or {}
        compiler = _common(spec, None if old is None else old.get("spec") or {}, err, mutable=True)
        mutations, again = spec.get("mutations") or [], spec.get("reinvocationPolicy") or ""
        if not mutations:
            err.required(_SPEC.at("mutations"), "mutations must contain at least one item")
        for i, mutation in enumerate(mutations):
            expressions.mutation(mutation, compiler, _SPEC.at("mutations").index(i), err)
        if not again:
            err.required(_SPEC.at("reinvocationPolicy"))
        elif again not in REINVOCATIONS:
            err.not_supported(_SPEC.at("reinvocationPolicy"), again, REINVOCATIONS, as_given=True)


class ValidatingAdmissionPolicyBinding(Strategy):
    kind = kinds.VALIDATING_ADMISSION_POLICY_BINDING
    update_order = (METADATA, OBJECT)
    standard_finalizers = False
    unconditional_update = False
    columns = (
        Column("PolicyName", str, cells.at("spec.policyName"), description="The policy that is bound."),
        Column("ParamRef", str, _param_ref, description="What parametrizes it."),
        AGE,
    )

    def default(self, obj: Object) -> None:
        if (match := dig(obj, "spec", "matchResources")) is not None:
            _match(match)

    def validate(self, new: Object, err: Errors) -> None:
        _binding(new.get("spec") or {}, err)
        _actions(dig(new, "spec", "validationActions") or [], _SPEC.at("validationActions"), err)


class MutatingAdmissionPolicyBinding(ValidatingAdmissionPolicyBinding):
    kind = kinds.MUTATING_ADMISSION_POLICY_BINDING

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        _binding(spec, err)
        _mutable(spec.get("matchResources") or {}, _SPEC.at("matchResources"), err)


def _binding(spec: Object, err: Errors) -> None:
    rules.named(spec.get("policyName") or "", _SPEC.at("policyName"), err)
    if (ref := spec.get("paramRef")) is not None:
        params.reference(ref, _SPEC.at("paramRef"), err)
    if (found := spec.get("matchResources")) is not None:
        matching.resources(found, _SPEC.at("matchResources"), err)


def _actions(found: list[str], path: Path, err: Errors) -> None:
    repeated = frozenset(rules.repeated(found))
    for i, action in enumerate(found):
        if action not in ACTIONS:
            err.not_supported(path.index(i), action, ACTIONS)
        if i in repeated:
            err.duplicate(path.index(i), action)
    if "Deny" in found and "Warn" in found:
        why = "repeating the same validation failure information in the API response and headers serves no purpose"
        err.invalid(path, found, f"must not contain both Deny and Warn ({why})")
    if not found:
        err.required(path, "at least one validation action is required")
