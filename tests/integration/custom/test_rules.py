"""Upstream's own cases of rules and of what may stay (crd_validation_rules.go and crd_validation_ratcheting.go)."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from integration.custom.scene import ANYTHING, MERGE, Kind, properties
from unit.apiserver.harness import Api, play
from unit.apiserver.test_custom_types import warned

RULES = properties("""
    spec:
      type: object
      x-kubernetes-validations: [{rule: self.x + self.y >= 0}]
      properties:
        x: {type: integer}
        y: {type: integer}
        largeArray:
          type: array
          maxItems: 725
          x-kubernetes-validations: [{rule: "self.all(x, self.all(y, x == y))"}]
          items: {type: integer}
    status:
      type: object
      x-kubernetes-validations: [{rule: self.health == 'ok' || self.health == 'unhealthy'}]
      properties:
        health: {type: string}
""")


def test_rules_of_objects() -> None:
    """MUST NOT fail validation for create of a custom resource that satisfies the rules, … MUST fail …, exceeds the
    runtime cost limit …, transition rule"""

    async def scene(api: Api) -> None:
        kind = Kind(api)
        assert (await kind.define(RULES))[0] == 201
        assert (await api.ask("POST", kind.path(), kind.obj("a", spec={"x": 1, "y": 0})))[0] == 201
        code, refused = await api.ask("POST", kind.path(), kind.obj("b", spec={"x": -1, "y": 0}))
        assert code == 422
        assert "failed rule" in refused["message"]
        code, refused = await api.ask(
            "POST", kind.path(), kind.obj("b", spec={"x": 1, "y": 0, "largeArray": [20] * 725})
        )
        assert code == 422
        assert "call cost exceeds limit" in refused["message"]

        grows = Kind(api, "numbers")
        rule = [{"rule": "self > oldSelf"}]
        number = {"type": "integer", "x-kubernetes-validations": rule}
        await grows.define(properties("") | {"properties": {"num": number}})
        made = await api.make(grows.path(), grows.obj("a", num=10))
        code, refused = await api.ask("PUT", grows.path("a"), made | {"num": 9})
        assert code == 422
        assert "failed rule" in refused["message"]

    play(scene)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"x-kubernetes-validations": [{"rule": "self.z == 100"}], "properties": {"x": {"type": "integer"}}},
         "undefined field 'z'"),
        ({"x-kubernetes-validations": [{"rule": "self = 42"}]}, "Syntax error"),
        ({"properties": {"x": {"type": "array", "items": {
            "type": "array", "items": {"type": "string"},
            "x-kubernetes-validations": [{"rule": "self.all(s, s == 'string constant')"}]}}}}, "exceeds budget"),
    ],
)  # fmt: skip
def test_rules_that_no_definition_may_have(spec: Any, why: str) -> None:
    """MUST fail create of a custom resource definition that contains a rule that …"""

    async def scene(api: Api) -> None:
        schema = properties("") | {"properties": {"spec": {"type": "object", **spec}}}
        code, refused = await Kind(api).define(schema)
        assert code == 422
        assert why in refused["message"]

    play(scene)


def everywhere(field: str, **more: str) -> Any:
    """The same field at the root, in a struct, in items of a keyed list, and in a map."""
    each = {"field": yaml.safe_load(field), **{name: yaml.safe_load(text) for name, text in more.items()}}
    item = {"type": "object", "properties": {"key": {"type": "string"}} | each, "required": ["key"]}
    listed = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"], "maxItems": 5}
    inner = {"type": "object", "properties": each}
    return {"type": "object", "properties": each | {
        "struct": inner, "list": listed | {"items": item},
        "map": {"type": "object", "maxProperties": 5, "additionalProperties": inner},
    }}  # fmt: skip


def filled(value: str, *keys: str, **more: str) -> Any:
    each = {"field": value, **more}
    keyed = [{"key": key, **each} for key in keys]
    return each | {"struct": each, "list": keyed, "map": {key: each for key in keys}}


def elements(item: str) -> Any:
    """Of lists whose items cannot be told to be the same as before."""
    of = {"type": "array", "items": yaml.safe_load(item)}
    return {"type": "object", "properties": {"setArray": of | {"x-kubernetes-list-type": "set"}, "atomicArray": of}}


PATHS = {"field", "struct.field", "list[0].field", "list[1].field", "map.foo.field", "map.bar.field"}
BY_RULES = {path.replace("map.foo", "map[foo]").replace("map.bar", "map[bar]") for path in PATHS}
TEXT = "type: string, maxLength: 5"
ENUM = "{%s, enum: [%s]}"
RULE = '{%s, x-kubernetes-validations: [{rule: "%s"}]}'
LISTS = {name: ["foo", "bar", "baz"] for name in ("setArray", "atomicArray")}
MORE = {name: [*items, "notfoo"] for name, items in LISTS.items()}


async def changed(api: Api, before: Any, schema: Any, after: Any, **labels: str) -> tuple[int, set[str]]:
    """What was let in before the schema came, and where it is refused when it is applied again, changed."""
    kind = Kind(api)
    await kind.define(ANYTHING)
    await kind.applied(kind.obj("a", **before))
    await kind.redefine(schema)
    code, found = await kind.apply(kind.obj("a", metadata={"labels": labels}, **after))
    return code, {cause["field"] for cause in found["details"]["causes"]} - {"<nil>"} if code != 200 else set()


@pytest.mark.parametrize(
    ("before", "schema", "after", "where"),
    [
        pytest.param(filled("foo", "first"), everywhere(ENUM % (TEXT, "notfoo")), filled("foo", "first"), set(),
                     id="unchanged, correlatable"),
        pytest.param(LISTS, elements(ENUM % ("type: string", "notfoo, notbar, notbaz")), LISTS, set(),
                     id="unchanged as a whole, uncorrelatable"),
        pytest.param(LISTS, elements(RULE % ("type: string", "self != 'foo'")), LISTS, set(),
                     id="rules, unchanged as a whole, uncorrelatable"),
        pytest.param(LISTS, elements(ENUM % ("type: string", "notfoo, notbar, notbaz")), MORE,
                     {f"{name}[{i}]" for name in LISTS for i in range(3)}, id="unchanged, uncorrelatable"),
        pytest.param(filled("foo", "foo", "bar"), everywhere(ENUM % (TEXT, "foo")), filled("bad", "foo", "bar"), PATHS,
                     id="changed"),
        pytest.param(filled("bad", "foo", "bar"), everywhere(RULE % (TEXT, "self == 'foo'"), other=f"{{{TEXT}}}"),
                     filled("bad", "foo", "bar", other="any"), set(), id="rules, unchanged, correlatable"),
        pytest.param(LISTS, elements(RULE % ("type: string", "self != 'foo'")), MORE,
                     {"setArray[0]", "atomicArray[0]"}, id="rules, unchanged, uncorrelatable"),
        pytest.param(filled("foo", "foo", "bar"), everywhere(RULE % (TEXT, "self == 'foo'")),
                     filled("bad", "foo", "bar"), BY_RULES, id="rules, changed"),
        pytest.param(filled("foo", "foo", "bar"), everywhere(RULE % (TEXT, "self != oldSelf")),
                     filled("foo", "foo", "bar"), BY_RULES, id="transition rules do not ratchet"),
    ],
)  # fmt: skip
def test_what_may_stay(before: Any, schema: Any, after: Any, where: set[str]) -> None:
    """MUST NOT fail to update a resource due to errors on unchanged correlatable fields, MUST fail …"""

    async def scene(api: Api) -> None:
        code, found = await changed(api, before, schema, after, foo="bar")
        assert (code, found) == (422 if where else 200, where)

    play(scene)


def test_rules_of_an_old_value_that_may_be_absent() -> None:
    """MUST evaluate a CRD Validation Rule with oldSelf = nil for new values when optionalOldSelf is true"""

    async def scene(api: Api) -> None:
        kind = Kind(api)
        rule = "{%s, x-kubernetes-validations: [{rule: '!oldSelf.hasValue() || self != oldSelf.value()', %s}]}"
        await kind.define(everywhere(rule % (TEXT, "optionalOldSelf: true")))
        await kind.applied(kind.obj("a", **filled("foo", "foo", "bar")))
        labelled = kind.obj("a", metadata={"labels": {"foo": "bar"}}, **filled("foo", "foo", "bar"))
        code, refused = await kind.apply(labelled)
        assert code == 422
        assert {cause["field"] for cause in refused["details"]["causes"]} == BY_RULES
        await kind.applied(kind.obj("a", **filled("new", "foo", "bar")))

    play(scene)


def test_who_leaves_what_breaks_a_rule_is_warned_of_it() -> None:
    """Not upstream's: its server warns as it goes on."""

    async def scene(api: Api) -> None:
        kind = Kind(api)
        await kind.define(properties("n: {type: integer}"))
        await kind.applied(kind.obj("a", n=10))
        await kind.redefine(properties("n: {type: integer, x-kubernetes-validations: [{rule: self < 10}]}"))
        answer = await api.response("PATCH", kind.path("a"), {"metadata": {"labels": {"l": "1"}}}, content_type=MERGE)
        assert (answer.status, warned(answer)) == (200, ["n: Invalid value: 10: failed rule: self < 10"])
        answer = await api.response("PATCH", kind.path("a"), {"n": 11}, content_type=MERGE)
        assert (answer.status, warned(answer)) == (422, [])

    play(scene)
