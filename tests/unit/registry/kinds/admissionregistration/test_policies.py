"""What admission policies and their bindings may not say, whatever their expressions mean."""

from __future__ import annotations

import pytest

from unit.registry.kinds.checks import BY_RESOURCE, Thing, changed, said, said_of_update

GROUP = "admissionregistration.k8s.io"
VALIDATING, MUTATING, BINDINGS, MUTATING_BINDINGS = (
    BY_RESOURCE[f"{plural}.{GROUP}"]
    for plural in ("validatingadmissionpolicies", "mutatingadmissionpolicies", "validatingadmissionpolicybindings",
                   "mutatingadmissionpolicybindings")
)  # fmt: skip
RULE: Thing = {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}
POLICY: Thing = {
    "metadata": {"name": "p"},
    "spec": {"matchConstraints": {"resourceRules": [RULE]}, "validations": [{"expression": "true"}]},
}
MUTATION: Thing = {"patchType": "JSONPatch", "jsonPatch": {"expression": "[]"}}
CHANGE: Thing = {
    "metadata": {"name": "p"},
    "spec": {
        "matchConstraints": {"resourceRules": [RULE]}, "mutations": [MUTATION], "reinvocationPolicy": "Never",
    },
}  # fmt: skip
BINDING: Thing = {"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"]}}
NOTES = "spec.auditAnnotations"


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, []),
        ({"spec__paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}, []),
        ({"spec__paramKind": {}}, ["spec.paramKind.apiVersion: Required value", "spec.paramKind.kind: Required value"]),
        ({"spec__paramKind": {"apiVersion": "a/b/c", "kind": "C"}},
         ['spec.paramKind.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c']),
        ({"spec__paramKind": {"apiVersion": "a/", "kind": "C"}},
         ['spec.paramKind.apiVersion: Invalid value: "a/": version must be specified']),
        ({"spec__auditAnnotations": [{"key": "k", "valueExpression": "'a'"}] * 2},
         [f'{NOTES}[1].key: Duplicate value: "k"']),
        ({"spec__auditAnnotations": [{"key": "k", "valueExpression": f"'{'a' * 5119}'"}]},
         [f"{NOTES}[0].valueExpression: Required value: must not exceed 5120 bytes in length"]),
        ({"spec__auditAnnotations": [{}]}, [
            f'{NOTES}[0].key: Invalid value: "p/": name part must be non-empty',
            f"{NOTES}[0].key: Invalid value: \"p/\": name part must consist of alphanumeric characters, '-', '_' or "
            "'.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', "
            "regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
            f"{NOTES}[0].valueExpression: Required value: valueExpression is not specified",
        ]),
        ({"spec__validations": [{"expression": "true", "messageExpression": " "}]},
         ['spec.validations[0].messageExpression: Invalid value: " ": must be non-empty if specified']),
        ({"spec__variables": [{"name": "in", "expression": "1"}]},
         ['spec.variables[0].name: Invalid value: "in": must be a valid CEL identifier']),
    ],
)  # fmt: skip
def test_validating_policies(changes, wrong):
    assert said(VALIDATING, changed(POLICY, **changes)) == wrong


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, []),
        ({"spec__reinvocationPolicy": None}, ["spec.reinvocationPolicy: Required value"]),
        ({"spec__reinvocationPolicy": "x"},
         ['spec.reinvocationPolicy: Unsupported value: "x": supported values: "Never", "IfNeeded"']),
        ({"spec__mutations": []}, ["spec.mutations: Required value: mutations must contain at least one item"]),
        ({"spec__mutations": [{}]}, ["spec.mutations[0].patchType: Required value"]),
        ({"spec__mutations": [{**MUTATION, "patchType": "ApplyConfiguration"}]}, [
            'spec.mutations[0].jsonPatch: Invalid value: "{jsonPatch}": must not be specified when patchType is '
            "ApplyConfiguration",
            "spec.mutations[0].applyConfiguration: Required value: must be specified when patchType is "
            "ApplyConfiguration",
        ]),
        ({"spec__mutations__0__jsonPatch__expression": " "},
         ["spec.mutations[0].jsonPatch.expression: Required value"]),
        ({"spec__matchConstraints__resourceRules__0__operations": ["DELETE"]}, [
            'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", '
            '"CONNECT", "CREATE", "UPDATE"',
        ]),
    ],
)  # fmt: skip
def test_mutating_policies(changes, wrong):
    assert said(MUTATING, changed(CHANGE, **changes)) == wrong


def test_conditions_that_do_not_change_are_let_be():
    odd = changed(POLICY, spec__matchConditions=[{"name": "", "expression": ""}])
    assert said_of_update(VALIDATING, odd, changed(odd, spec__failurePolicy="Ignore")) == []
    assert len(said_of_update(VALIDATING, odd, changed(odd, spec__paramKind={"apiVersion": "v1", "kind": "Pod"}))) == 2


def test_bindings():
    assert said(BINDINGS, BINDING) == []
    assert said(MUTATING_BINDINGS, changed(BINDING, spec__validationActions=None)) == []
    deleting = {"resourceRules": [{**RULE, "operations": ["DELETE"]}]}
    assert said(BINDINGS, changed(BINDING, spec__matchResources=deleting)) == []
    assert said(MUTATING_BINDINGS, changed(BINDING, spec__matchResources=deleting)) == [
        'spec.matchResources.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", '
        '"CREATE", "UPDATE"'
    ]
