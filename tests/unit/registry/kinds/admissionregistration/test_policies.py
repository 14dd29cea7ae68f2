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
MUTATION: Thing = {"patchType": "JSONPatch", "jsonPatch": {"expression": "[JSONPatch{op: 'remove', path: '/a'}]"}}
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


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"spec__validations__0__expression": "1"}, ["must evaluate to bool but got int"]),
        ({"spec__validations__0__expression": "duration('1s')"}, [
            "validations[0].expression: \"duration('1s')\": must evaluate to bool but got google.protobuf.Duration",
        ]),
        ({"spec__validations__0__expression": "int('x')"},  # what it gives is asked before its constants are computed
         ["validations[0].expression: \"int('x')\": must evaluate to bool but got int"]),
        ({"spec__validations__0__expression": "int('x') == 1"}, [
            "validations[0].expression: Internal error: program instantiation failed: type conversion error from "
            "'string' to 'int'",
        ]),
        ({"spec__validations__0__messageExpression": "[null]"},
         ['validations[0].messageExpression: "[null]": must evaluate to string but got list(null_type)']),
        ({"spec__validations__0__messageExpression": "string(authorizer.path('/').check('get').allowed())"}, [
            "undeclared reference to 'authorizer'",
        ]),
        ({"spec__auditAnnotations": [{"key": "k", "valueExpression": " 1 "}]},  # shown as it is, compiled without
         ['auditAnnotations[0].valueExpression: " 1 ": must evaluate to one of [string null_type] but got int']),
        ({"spec__auditAnnotations": [{"key": "k", "valueExpression": "null"}]}, []),
        ({"spec__matchConditions": [{"name": "m", "expression": "params.x == 1"}]},
         ["undeclared reference to 'params'"]),
        ({"spec__matchConditions": [{"name": "m", "expression": "params.x == 1"}],
          "spec__paramKind": {"apiVersion": "v1", "kind": "ConfigMap"}}, []),
        ({"spec__matchConditions": [{"name": "m", "expression": "variables.a == 1"}],  # they are not theirs to use
          "spec__variables": [{"name": "a", "expression": "1"}]}, ["undeclared reference to 'variables'"]),
        ({"spec__variables": [{"name": "a", "expression": "[1]"}, {"name": "b", "expression": "variables.a[0]"}],
          "spec__validations__0__expression": "variables.b == 'x'"},
         ["found no matching overload for '_==_' applied to '(int, string)'"]),
        ({"spec__variables": [{"name": "b", "expression": "variables.a"}, {"name": "a", "expression": "1"}]},
         ["undefined field 'a'"]),
        ({"spec__variables": [{"name": "a", "expression": "quantity('1')"}],  # objects are not told apart
          "spec__validations__0__expression": "variables.a.nope"},
         ["must evaluate to bool but got dyn"]),
    ],
)  # fmt: skip
def test_expressions_of_validating_policies(changes, wrong):
    found = said(VALIDATING, changed(POLICY, **changes))
    found = [each.replace("spec.", "", 1).replace("Invalid value: ", "", 1) for each in found]
    assert len(found) == len(wrong) and all(part in each for part, each in zip(wrong, found, strict=True))


@pytest.mark.parametrize(
    ("kind", "expression", "wrong"),
    [
        ("applyConfiguration", "Object{spec: Object.spec{replicas: 1}}", ""),
        ("applyConfiguration", "{}", "must evaluate to Object but got map(dyn, dyn)"),
        ("applyConfiguration", "Object.spec{}", "must evaluate to Object but got Object.spec"),
        ("applyConfiguration", "Nope{}", "undeclared reference to 'Nope'"),
        ("jsonPatch", "[JSONPatch{op: 'add', path: '/a/' + jsonpatch.escapeKey('b/c'), value: 1}]", ""),
        ("jsonPatch", "Object{}", "must evaluate to list(JSONPatch) but got Object"),
        ("jsonPatch", "[]", "must evaluate to list(JSONPatch) but got list(dyn)"),
        ("jsonPatch", "[JSONPatch{op: variables.a}]", "undefined field 'a'"),  # there are variables, if none
    ],
)
def test_expressions_of_mutating_policies(kind, expression, wrong):
    mutation = {"patchType": kind[0].upper() + kind[1:], kind: {"expression": expression}}
    mutation["patchType"] = {"jsonPatch": "JSONPatch"}.get(kind, mutation["patchType"])
    found = said(MUTATING, changed(CHANGE, spec__mutations=[mutation]))
    assert len(found) == bool(wrong)
    assert not wrong or (f"spec.mutations[0].{kind}.expression: " in found[0] and wrong in found[0])


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
