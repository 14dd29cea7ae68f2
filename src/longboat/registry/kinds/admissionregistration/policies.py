"""Admission policies: rules in CEL, and what they are bound to."""

from __future__ import annotations

from typing import ClassVar

from longboat.api import kinds
from longboat.machinery.objects import Object, dig
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, fill
from longboat.registry.strategy import Strategy


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


_PARAM_KIND = Column("ParamKind", str, _param_kind, description="What parametrizes it.")


class ValidatingAdmissionPolicy(Strategy):
    kind = kinds.VALIDATING_ADMISSION_POLICY
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


class MutatingAdmissionPolicy(Strategy):
    kind = kinds.MUTATING_ADMISSION_POLICY
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


class ValidatingAdmissionPolicyBinding(Strategy):
    kind = kinds.VALIDATING_ADMISSION_POLICY_BINDING
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


class MutatingAdmissionPolicyBinding(ValidatingAdmissionPolicyBinding):
    kind = kinds.MUTATING_ADMISSION_POLICY_BINDING
