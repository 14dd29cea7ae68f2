"""The language's C++ runtime (`cel-expr-python`) as an oracle: well-typed expressions, and what cannot be parsed.

It has no libraries of Kubernetes, no costs, and other words for what fails when it runs; its grammar is cel-go's.
"""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from longboat.machinery import cel
from longboat.machinery.cel import types, values

oracle = pytest.importorskip("cel_expr_python.cel")

GIVEN: dict[str, Any] = {
    "n": 3, "m": -7, "s": "héllo", "t": "", "b": True, "d": 2.5, "l": [3, 1, 2], "k": {"a": 1, "b": 2},
    "ss": ["x", "yy"],
}  # fmt: skip
DECLARED = {
    "n": types.INT, "m": types.INT, "s": types.STRING, "t": types.STRING, "b": types.BOOL, "d": types.DOUBLE,
    "l": types.list_of(types.INT), "k": types.map_of(types.STRING, types.INT), "ss": types.list_of(types.STRING),
}  # fmt: skip
NAMES = {"int": ("n", "m"), "string": ("s", "t"), "bool": ("b",), "double": ("d",), "ints": ("l",), "map": ("k",),
         "strings": ("ss",)}  # fmt: skip
LITERALS = {
    "int": ("0", "1", "-2", "9223372036854775807", "0x1f"), "string": ("'a'", "''", "'x\\n'", '"é"'),
    "bool": ("true", "false"), "double": ("0.5", "-1.0", "1e3"), "ints": ("[5]", "[1, 2]"),
    "map": ("{'a': 4}", "{'z': 0}"),
    "strings": ("['a']", "['', 'b']"),
}  # fmt: skip
# `%` stands for an expression of the next type named.
FORMS: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "int": (
        ("(% + %)", ("int", "int")), ("(% - %)", ("int", "int")), ("(% * %)", ("int", "int")),
        ("(% / %)", ("int", "int")), ("(% %% %)", ("int", "int")), ("size(%)", ("string",)), ("%.size()", ("ints",)),
        ("size(%)", ("map",)), ("(% ? % : %)", ("bool", "int", "int")), ("%[%]", ("ints", "int")),
        ("%[%]", ("map", "string")), ("int(%)", ("double",)), ("int(string(%))", ("int",)), ("(-%)", ("int",)),
    ),
    "string": (
        ("(% + %)", ("string", "string")), ("string(%)", ("int",)), ("string(%)", ("bool",)),
        ("(% ? % : %)", ("bool", "string", "string")), ("%[%]", ("strings", "int")),
    ),
    "double": (("(% + %)", ("double", "double")), ("double(%)", ("int",)), ("(% * %)", ("double", "double"))),
    "bool": (
        ("(% < %)", ("int", "int")), ("(% <= %)", ("string", "string")), ("(% == %)", ("ints", "ints")),
        ("(% != %)", ("map", "map")), ("(% && %)", ("bool", "bool")), ("(% || %)", ("bool", "bool")),
        ("(!%)", ("bool",)), ("%.startsWith(%)", ("string", "string")), ("%.contains(%)", ("string", "string")),
        ("(% in %)", ("int", "ints")),
        ("(% in %)", ("string", "map")), ("%.all(v, v > %)", ("ints", "int")), ("%.exists(v, v == %)", ("ints", "int")),
        ("%.exists_one(v, v < %)", ("ints", "int")), ("%.all(v, v.size() < %)", ("map", "int")),
        ("(type(%) == type(%))", ("int", "string")), ("(% > %)", ("double", "double")), ("has(k.a)", ()),
        ("%.matches('^[a-z]+$')", ("string",)), ("(dyn(%) == dyn(%))", ("int", "double")),
    ),
    "ints": (
        ("%.map(v, v + %)", ("ints", "int")), ("%.filter(v, v > %)", ("ints", "int")), ("(% + %)", ("ints", "ints")),
        ("[%, %]", ("int", "int")), ("%.map(v, v != %, v * %)", ("ints", "int", "int")),
    ),
    "map": (("{'q': %, 'r': %}", ("int", "int")),),
    "strings": (("%.map(v, string(v))", ("ints",)), ("(% + %)", ("strings", "strings"))),
}  # fmt: skip


def _expression(chance: random.Random, kind: str, depth: int) -> str:
    if depth <= 0 or chance.random() < 0.15:
        return chance.choice((*NAMES[kind], *LITERALS[kind]))
    form, holes = chance.choice(FORMS[kind])
    parts = [_expression(chance, hole, depth - 1) for hole in holes]
    return re.sub("%%|%", lambda match: "%" if match[0] == "%%" else parts.pop(0), form)


def _declared(type_: types.Type) -> Any:
    if type_.kind == "list":
        return oracle.Type.List(_declared(type_.params[0]))
    if type_.kind == "map":
        return oracle.Type.Map(*map(_declared, type_.params))
    return getattr(oracle.Type, type_.kind.upper())


ENVIRONMENT = oracle.NewEnv(variables={name: _declared(type_) for name, type_ in DECLARED.items()})


def _theirs(expression: str) -> tuple[bool, Any]:
    found = ENVIRONMENT.compile(expression).eval(data=GIVEN)
    failed = found.type() == oracle.Type.ERROR
    return not failed, None if failed else found.plain_value()


def _ours(expression: str) -> tuple[bool, Any]:
    try:
        return True, cel.compile(expression, DECLARED).evaluate(GIVEN)[0]
    except cel.EvalError:
        return False, None


@pytest.mark.parametrize("seed", range(10))
def test_random_expressions_have_the_same_value(seed: int) -> None:
    chance = random.Random(seed)
    held = 0
    for _ in range(100):
        expression = _expression(chance, chance.choice(tuple(FORMS)), 4)
        try:
            mine, theirs = _ours(expression), _theirs(expression)
        except cel.CompileError as error:
            assert not error.issues
            continue  # a constant without a value: cel-go says so at once
        assert mine[0] == theirs[0] and values.equal(mine[1], theirs[1]), (expression, mine, theirs)
        held += mine[0]
    assert held > 30


@pytest.mark.parametrize(
    "expression",
    [
        "n >", "n.", "n.1", "(n", "(n|n)", "[1, 2", "[1 2]", "{1: 2", "{1 2}", "{1:}", "{'a': 1,", "f(", "f(1", "f(1,",
        "f(1 2)", "n[1", "1 +", "+ 1", "1 2", "a b c", "n..x", "&& true", "true &&", "true & true", "true | false",
        "= 1", "n = 1", "n === 1", "'abc", '"abc', "'a\\qb'", "!", "-", "- ", "-!true", "()", "[1,,2]",
        "n ? 1 2", "? 1",
        "in", "1 in", "n in [1", "has(", "has(s.x", "l.exists_one(v", "Foo{a", "Foo{a:", "Foo{a: 1", "(1 == 2", "((1)",
        "(()", "[(])", "{(}", "s.x(", "s.x(1,", "s.x(,)", "f(,1)", ".", "..a", "a; b", "a, b", "(a, b)",
        "{'a' 1}", "{'a'; 1}",
        "[1; 2]", "f(a b", "f(a; b)", "n[1 2]", "n[1,2]", "@", "#a", "$x", "a ^ b", "~1", "f()g", "f().", "f()(1)",
    ],
)  # fmt: skip
def test_what_cannot_be_parsed_is_told_in_the_same_words(expression: str) -> None:
    with pytest.raises(cel.CompileError) as ours:
        cel.compile(expression, DECLARED)
    with pytest.raises(Exception, match="Syntax error") as theirs:
        ENVIRONMENT.compile(expression)
    assert _syntax(str(ours.value)) == _syntax(str(theirs.value))


def _syntax(told: str) -> list[str]:
    """The complaints, without a question mark and names in backticks: the two grammars have those at other places."""
    lines = [line.partition("<input>:")[2] for line in told.splitlines() if "Syntax error" in line]
    return [re.sub(r"'\\?\\u003F', |'\?', |, ESC_IDENTIFIER", "", line).replace("<eof>", "<EOF>") for line in lines]
