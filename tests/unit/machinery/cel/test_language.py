"""The language's own conformance cases, all that Kubernetes' environment has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from longboat.machinery import cel
from longboat.machinery.cel import types, values
from longboat.machinery.cel.checker import check
from longboat.machinery.cel.environment import KUBERNETES, Environment
from longboat.machinery.cel.errors import Issues
from longboat.machinery.cel.lib import times
from longboat.machinery.cel.parser import parse
from longboat.machinery.cel.program import Declared, _program

CASES = Path(__file__).parent / "cases"
REASONS = {
    "quoted_map_fields/": "Kubernetes does not enable names in backticks",
    "reverse/": "strings have version 2, reverse came with 3",
    "null_assignable_to_abstract_parameter_candidate": "a list is of one type in Kubernetes",
    "format/map support (all key types)": "maps have keys of one type in Kubernetes",
    "unescaped_punctuation": "the case lost a backslash on its way into text",
}
Case = dict[str, Any]


def _type(tag: Any) -> types.Type:
    if isinstance(tag, str):
        return {"int64": types.INT, "uint64": types.UINT}.get(tag) or types.SIMPLE[tag]
    ((kind, held),) = tag.items()
    match kind:
        case "map":
            return types.map_of(*map(_type, held))
        case "list":
            return types.list_of(_type(held))
        case "optional_type":
            return types.optional_of(_type(held[0]))
        case "type":
            return types.type_of(_type(held))
    assert kind == "wrapper"
    return types.wrapper_of(_type(held))


def _value(tagged: Any) -> Any:
    ((kind, held),) = tagged.items()
    match kind:
        case "int":
            return int(held)
        case "uint":
            return values.Uint(held)
        case "double":
            return float(held)
        case "bytes":
            return bytes.fromhex(held)
        case "list":
            return [_value(each) for each in held]
        case "map":
            return {_value(key): _value(each) for key, each in held}
        case "timestamp":
            return times.timestamp(held)
        case "duration":
            return times.duration(held)
        case "type":
            return values.TypeValue(held)
        case "null":
            return None
    return held


def _outcome(case: Case) -> tuple[types.Type, Any]:
    """The type and the value. Raises CompileError and EvalError."""
    given = {name: _value(each) for name, each in case.get("given", {}).items()}
    declared = dict.fromkeys(given, types.DYN) | {n: _type(each) for n, each in case.get("declared", {}).items()}
    environment = Environment(KUBERNETES.functions, container=case.get("container", ""), mixed=True)
    if case.get("check", True):
        program = cel.compile(case["expr"], declared, environment)
    else:
        declared = dict.fromkeys(declared, types.DYN)
        within = environment.having(declared)
        root = check(parse(case["expr"], expand=case.get("macros", True)), within, Issues(case["expr"]))
        program = _program(case["expr"], root, {name: Declared(each) for name, each in declared.items()}, within)
    return program.result, program.evaluate(given)[0] if case.get("evaluate", True) else None


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and one != one:
        return isinstance(other, float) and other != other
    return values.type_name(one) == values.type_name(other) and values.equal(one, other)


@pytest.mark.parametrize("file", sorted(path.name for path in CASES.glob("*.jsonl")))
def test_cases_of_the_language(file: str) -> None:
    wrong = []
    for line in (CASES / file).read_text().splitlines():
        case = json.loads(line)
        if any(part in case["case"] for part in REASONS):
            continue
        try:
            type_, value = _outcome(case)
        except (cel.CompileError, cel.EvalError) as error:
            if not case.get("fails"):
                wrong.append((case, str(error)))
            continue
        if case.get("fails") or ("type" in case and type_ != _type(case["type"])):
            wrong.append((case, (type_, value)))
        elif "value" in case and case.get("evaluate", True) and not _same(value, _value(case["value"])):
            wrong.append((case, value))
    assert not wrong


def test_there_are_as_many_cases_as_were_published() -> None:
    lines = [line for path in CASES.glob("*.jsonl") for line in path.read_text().splitlines()]
    skipped = [line for line in lines if any(part in json.loads(line)["case"] for part in REASONS)]
    assert len(lines) == 948
    assert len(skipped) == 10 + 2
