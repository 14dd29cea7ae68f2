"""The language's C++ runtime (`cel-expr-python`) as an oracle: well-typed expressions, and what cannot be parsed.

It has no libraries of Kubernetes, no costs, and other words for what fails when it runs; its grammar is cel-go's.
"""

from __future__ import annotations

import re

import pytest

from longboat.machinery import cel
from unit.machinery.cel.random_expressions import DECLARED, ENVIRONMENT, differences


@pytest.mark.parametrize("seed", range(10))
def test_random_expressions_have_the_same_value(seed: int) -> None:
    found = list(differences(seed, 100))
    assert [each for each in found if not isinstance(each, bool)] == []
    assert found.count(True) > 30


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
