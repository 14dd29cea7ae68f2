"""What upstream's API server said of rules and expressions, as it was recorded; without a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from longboat.machinery import cel
from longboat.machinery.cel import admission, mutation, schemas, types
from oracle.corpus import scenarios

Object = dict[str, Any]


def _rules(schema: Object, name: str, root: bool) -> Iterator[tuple[Object, Object, str, bool]]:
    for rule in schema.get("x-kubernetes-validations") or ():
        yield schema, rule, name, root
    for key, inner in (schema.get("properties") or {}).items():
        yield from _rules(inner, f"{name}.{key}", bool(inner.get("x-kubernetes-embedded-resource")))
    for key in ("items", "additionalProperties"):
        if isinstance(inner := schema.get(key), dict):
            yield from _rules(inner, f"{name}.{key}", bool(inner.get("x-kubernetes-embedded-resource")))


def _said(rule: Object, schema: Object, name: str, root: bool) -> str:
    """What compiling a rule gives, in the words of apiextensions."""
    declared = schemas.declared(schema, name, root)
    assert declared is not None
    old: Any = declared.type
    if rule.get("optionalOldSelf"):
        old = types.optional_of(declared.type)
    try:
        program = cel.compile(rule["rule"], {"self": declared, "oldSelf": old})
    except cel.CompileError as error:
        return f"{'compilation' if error.issues else 'program instantiation'} failed: {error.message}"
    return "" if program.result == types.BOOL else "cel expression must evaluate to a bool"


def _steps(scenario: str) -> list[tuple[int, Object]]:
    (found,) = scenarios([scenario])
    return [(line, step) for line, step in found.steps() if "method" in step]


def _causes(step: Object) -> list[str]:
    causes = ((step.get("answer") or {}).get("details") or {}).get("causes") or []
    return [cause["message"] for cause in causes]


@pytest.mark.parametrize("scenario", ["crd/cel-compile", "crd/cel-details"])
def test_rules_compile_as_recorded(scenario: str) -> None:
    compiled = 0
    for line, step in _steps(scenario):
        body = step.get("body") or {}
        if body.get("kind") != "CustomResourceDefinition":
            continue
        schema = body["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        causes = "\n".join(_causes(step))
        for owner, rule, name, root in _rules(schema, "self", True):
            if not (rule.get("rule") or "").strip() or ("\n" in rule["rule"] and not rule.get("message")):
                continue
            if "must be empty to be structural" in causes:
                continue
            said = _said(rule, owner, name, root)
            assert said in causes, f"{scenario}:{line}"
            compiled += 1
    assert compiled > 25


def test_refusals_of_rules_are_all_ours_too() -> None:
    """Every refusal by the compiler that was recorded is one here."""
    for line, step in _steps("crd/cel-compile"):
        for cause in _causes(step):
            if " failed: " not in cause:
                continue
            schema = step["body"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
            said = [
                _said(rule, *rest) for owner, rule, *tail in _rules(schema, "self", True) for rest in [(owner, *tail)]
            ]
            assert any(each and cause.endswith(each) for each in said), f"crd/cel-compile:{line}"


def _variables(spec: Object) -> dict[str, Any]:
    found: dict[str, Any] = dict(admission.VARIABLES)
    if spec.get("paramKind"):
        found["params"] = types.DYN
    if spec.get("variables"):
        fields: dict[str, types.Type] = {}
        for variable in spec["variables"]:
            found["variables"] = admission.composed(fields)
            try:
                result = cel.compile(variable["expression"], found).result
            except cel.CompileError:
                result = types.DYN
            fields[variable["name"]] = result
        found["variables"] = admission.composed(fields)
    return found


@pytest.mark.parametrize(
    "scenario",
    ["create-expressions", *(f"cel-libraries-{number}" for number in (0, 1, 3, 4, 6, 7))],
)
def test_expressions_of_policies_compile_as_recorded(scenario: str) -> None:
    compiled = 0
    for line, step in _steps(f"policies/{scenario}"):
        body = step.get("body") or {}
        if body.get("kind") != "ValidatingAdmissionPolicy":
            continue
        spec = body["spec"]
        causes = "\n".join(_causes(step)) + str((step.get("answer") or {}).get("message"))
        for validation in spec.get("validations") or ():
            expression = validation.get("expression") or ""
            if not expression.strip():
                continue
            said = _policy(expression, _variables(spec), "bool")
            assert said in causes, f"policies/{scenario}:{line} {expression}"
            assert said or f'Invalid value: "{expression}"' not in causes, f"policies/{scenario}:{line} {expression}"
            compiled += 1
            if message := validation.get("messageExpression"):
                without = {k: v for k, v in _variables(spec).items() if not k.startswith("authorizer")}
                assert _policy(message, without, "string") in causes, f"policies/{scenario}:{line} {message}"
    assert compiled


def _policy(expression: str, variables: dict[str, Any], wanted: str) -> str:
    try:
        program = cel.compile(expression, variables)
    except cel.CompileError as error:
        return f"{'compilation' if error.issues else 'program instantiation'} failed: {error.message}"
    return "" if str(program.result) == wanted else f"must evaluate to {wanted} but got {program.result}"


def _outcomes(rules: list[Object], schema: Object, value: Any) -> Iterator[str]:
    """What is said of a value by each rule that looks at it alone."""
    declared = schemas.declared(schema, "self", bool(schema.get("x-kubernetes-embedded-resource")))
    assert declared is not None
    for rule in rules:
        if "oldSelf" in rule["rule"]:
            continue
        program = cel.compile(rule["rule"], {"self": declared})
        try:
            holds = program.evaluate({"self": value})[0]
        except cel.EvalError as error:
            yield f"{error.message} evaluating rule: {rule['rule']}"
            continue
        if holds:
            continue
        message = rule.get("message") or f"failed rule: {rule['rule']}"
        if given := rule.get("messageExpression"):
            try:
                text = cel.compile(given, {"self": declared}).evaluate({"self": value})[0]
            except cel.EvalError:
                text = ""
            if text.strip() and "\n" not in text and len(text) <= 5 * 1024:
                message = text
        yield message


def test_rules_run_as_recorded() -> None:
    """Every object that was created: the same rules fail, with the same words."""
    steps = _steps("crd/cel-messages")
    definition = steps[0][1]["body"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    properties = definition["properties"]["spec"]["properties"]
    ran = 0
    for line, step in steps:
        body = step.get("body") or {}
        if step["method"] != "POST" or body.get("kind") != "Thing":
            continue
        causes = _causes(step)
        if any("must be of type" in cause or "some validation rules" in cause for cause in causes):
            continue
        said = [
            message
            for name, value in body["spec"].items()
            if (rules := properties[name].get("x-kubernetes-validations")) and value is not None
            for message in _outcomes(rules, properties[name], value)
        ]
        expected = [cause for cause in causes if "oldSelf" not in cause and "must start with 1" not in cause]
        assert len(said) == len(expected), f"crd/cel-messages:{line} {said}"
        for message in said:
            if any(cause.startswith("Duplicate value") for cause in expected):
                continue  # it has no words
            assert any(cause.endswith(message) for cause in expected), f"crd/cel-messages:{line} {message}"
        ran += 1
    assert ran > 25


@pytest.mark.parametrize("scenario", ["mutate-apply", "mutate-pods", "mutate-errors"])
def test_mutations_compile_as_recorded(scenario: str) -> None:
    compiled = 0
    for _, step in _steps(f"policies/{scenario}"):
        body = step.get("body") or {}
        if body.get("kind") != "MutatingAdmissionPolicy":
            continue
        for made in body["spec"]["mutations"]:
            patch, wanted = (made.get("jsonPatch"), "list(JSONPatch)")
            if patch is None:
                patch, wanted = made["applyConfiguration"], "Object"
            program = cel.compile(patch["expression"], _variables({}), structs=mutation.STRUCTS)
            assert str(program.result) == wanted
            compiled += 1
    assert compiled


def test_what_a_mutation_makes() -> None:
    expression = "Object{metadata: Object.metadata{labels: {'a': object.b}}, spec: Object.spec{?no: optional.none()}}"
    program = cel.compile(expression, {"object": types.DYN}, structs=mutation.STRUCTS)
    made, cost = program.evaluate({"object": {"b": "c"}})
    assert (made, made.struct, cost) == ({"metadata": {"labels": {"a": "c"}}, "spec": {}}, "Object", 153)
    with pytest.raises(cel.CompileError, match="expected type of field 'op' is 'string' but provided type is 'int'"):
        cel.compile("[JSONPatch{op: 1}]", {}, structs=mutation.STRUCTS)
    with pytest.raises(cel.CompileError, match=r"undeclared reference to 'Object' \(in container ''\)"):
        cel.compile("Object{}", {})


@pytest.mark.parametrize("number", [0, 1, 3, 4, 6, 7])
def test_expressions_of_policies_run_as_recorded(number: int) -> None:
    """The libraries: each policy holds, or fails with the words recorded."""
    steps = _steps(f"policies/cel-libraries-{number}")
    policies: dict[str, list[Object]] = {}
    told = "\n".join(str((step.get("answer") or {}).get("message")) for _, step in steps)
    maps = [step["body"] for _, step in steps if (step.get("body") or {}).get("kind") == "ConfigMap"]
    for _, step in steps:
        body = step.get("body") or {}
        if body.get("kind") == "ValidatingAdmissionPolicy" and step["status"] == 201:
            policies[body["metadata"]["name"]] = body["spec"]["validations"]
    for validations in policies.values():
        for validation in validations:
            program = cel.compile(validation["expression"], _variables({}))
            outcomes = set()
            for given in maps:
                try:
                    outcomes.add(program.evaluate({"object": given})[0])
                except (cel.EvalError, cel.CostExceeded) as error:
                    outcomes.add(f"expression '{validation['expression']}' resulted in error: {error}")
            wanted = {each for each in outcomes if isinstance(each, str)}
            assert all(each in told for each in wanted), wanted
            assert wanted or True in outcomes, validation["expression"]
            assert not (f"expression '{validation['expression']}' resulted" in told and not wanted)
