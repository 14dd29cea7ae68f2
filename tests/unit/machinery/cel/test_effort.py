"""What an expression may take besides its cost: it is bounded, so a unit takes a time and a memory that are bounded.

All is counted in visits and units: none of these would end in a test's time, or in a machine's memory, without bounds.
"""

from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery import cel
from longboat.machinery.cel import effort, program, schemas, types
from longboat.machinery.cel.lib import lists
from longboat.machinery.cel.values import MISSING, Optional, SetList, equal, key, nodes

MANY = list(range(20_000))
GIVEN: dict[str, Any] = {
    "l": MANY, "s": "a" * 1_000_000, "t": "b" * 1_000_000, "words": ["a"] * 20_000, "x": [{"a": MANY}] * 4,
}  # fmt: skip
DECLARED = {
    "l": types.list_of(types.INT), "s": types.STRING, "t": types.STRING, "words": types.list_of(types.STRING),
    "x": types.DYN,
}  # fmt: skip


@pytest.mark.parametrize(
    "expression",
    [
        "l.all(a, (l + l).size() > 0)",
        "[l]" + ".map(a, a + a)" * 40 + ".size() > 0",  # a list of 10^16 items
        "l.all(a, '%s'.format([l]) != '')",
        "s.replace('a', t).size() > 0",  # 10^12 letters
        "s.replace('a', t, 500).size() > 0",
        "l.map(a, s).join(t) != ''",
        "l.all(a, [l] == [l])",
        "l.all(a, x == x)",
        "l.all(a, words.max() == 'a')",  # words of one letter cost nothing
        "l.all(a, x[0] in x)",
        "l.all(a, timestamp(a).getHours('No/Such') == 0 || true)",
        "l.all(a, url('http://h/?' + s).getQuery().size() > 0)",
        "l.distinct() == l",  # dear by themselves: they are not begun
        "sets.contains(l, l)",
        "l.sort() == l",
    ],
)
def test_what_takes_more_than_it_costs_is_ended(expression: str) -> None:
    with pytest.raises(cel.CostExceeded):
        cel.compile(expression, DECLARED).evaluate(GIVEN)


def test_what_is_dear_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []
    monkeypatch.setitem(lists.CALLS, "list_distinct", lambda items: begun.append(items) or items)
    environment = cel.Environment(cel.environment._all_functions())
    dear = cel.compile("l.distinct() == l", DECLARED, environment)
    with pytest.raises(cel.CostExceeded):
        dear.evaluate(GIVEN)
    assert not begun
    assert dear.evaluate({"l": [1, 2]})[0] is True
    assert begun


def _declared(schema: dict[str, Any]) -> cel.Declared:
    found = schemas.declared({"type": "object", "properties": {"v": schema, "w": schema}}, "selfType")
    assert found is not None
    return found


NUMBERS = {"type": "array", "items": {"type": "number"}}
SET = {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"}
KEYED = {
    "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
    "items": {"type": "object", "properties": {"k": {"type": "string"}}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (NUMBERS, [1] * 5000),
        (SET, [str(i) for i in range(5000)]),
        (KEYED, [{"k": str(i)} for i in range(5000)]),
        ({"type": "object", "additionalProperties": {"type": "number"}}, {str(i): 1 for i in range(5000)}),
    ],
)
def test_what_is_read_often_is_converted_once(schema: dict[str, Any], value: Any) -> None:
    variables = {"self": _declared(schema)}
    rule = cel.compile("self.v.all(a, self.v.size() > 0) && self.v.all(a, self.v.size() > 1)", variables)
    shared = effort.Effort()
    for _ in range(3):  # by other expressions about the same object neither
        assert rule.evaluate({"self": {"v": value}}, effort=shared)[0] is True
    assert effort.OF_REQUEST - shared.left == len(value)


def test_texts_in_base64_are_read_once() -> None:
    variables = {"self": _declared({"type": "string", "format": "byte"})}
    rule = cel.compile("[1, 2, 3].all(a, self.v.size() == 3)", variables)
    shared = effort.Effort()
    assert rule.evaluate({"self": {"v": "QUJD"}}, effort=shared)[0] is True
    assert len(shared.memo) == 1


def test_what_all_take_about_a_request_is_bounded() -> None:
    same = cel.compile("x == x", DECLARED)
    shared = effort.Effort(3 * 80_050)  # each counts what it compares: x with all in it
    for _ in range(2):
        same.evaluate(GIVEN, effort=shared)
    with pytest.raises(cel.CostExceeded):
        for _ in range(2):
            same.evaluate(GIVEN, effort=shared)


def test_what_may_be_spent_on_the_loop_is_bounded_in_visits_too() -> None:
    """Whoever lets an expression run on the loop gives it AT_ONCE units; that many times four are its visits."""
    deep = cel.compile("x == x", DECLARED)
    assert deep.evaluate(GIVEN)[1] < 10  # it costs next to nothing
    with pytest.raises(cel.CostExceeded):
        deep.evaluate(GIVEN, program.AT_ONCE)
    assert cel.compile("x == x", DECLARED).evaluate({"x": [1] * 5000}, program.AT_ONCE)[0] is True


def test_counting_values_stops_where_it_is_too_much() -> None:
    assert nodes({"a": [1, 2], "b": None}, 100) == 11
    assert nodes(["x" * 2048], 100) == 7
    deep: Any = 0
    for _ in range(60):
        deep = [deep, deep]
    assert nodes(deep, 1000) < 5000


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 1.0), (1, True), (0, False), (1, "1"), ("a", b"a"), (None, False), ([1], [1.0]), ([1], [True]), ([], {}),
        ({"a": 1}, {"a": 1.0}), ({"a": 1}, {"a": True}), ([1, "a"], [1, "a"]), (float("nan"), float("nan")),
        ([SetList([1, 2])], [SetList([2, 1])]), (Optional(1), Optional(1.0)),
        (Optional(MISSING), Optional(MISSING)), (Optional(MISSING), Optional(None)), ([True], [1]), ([1.0], [1]),
        ([1.0, 2.0], [1, True]), (["a"], ["a"]), ([b"a"], ["a"]), ({"a": [1]}, {"a": [1]}),
    ],
)  # fmt: skip
def test_keys_are_the_same_for_what_is_equal(one: Any, other: Any) -> None:
    assert (key(one) == key(other)) is equal(one, other) is equal(other, one)
