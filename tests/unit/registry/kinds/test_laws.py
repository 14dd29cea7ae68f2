"""What holds for every kind: defaults settle at once, and nothing a client can send makes a kind raise."""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors
from longboat.machinery.types import schema
from longboat.machinery.types.shapes import List, Map, Scalar, Shape, Struct
from longboat.registry.strategy import Strategy
from unit.registry.kinds.checks import CTX, NOW, STRATEGIES, cells, made

DEPTH = 7
WORDS = (
    "", "a", "A b", "web", "/x", "../y", "1", "80", "10.0.0.1", "fd00::1", "10.0.0.0/8", "None", "Always", "Never",
    "TCP", "HTTP", "ClusterIP", "NodePort", "LoadBalancer", "ExternalName", "RollingUpdate", "Recreate", "In", "Exists",
    "Gt", "NoExecute", "Localhost", "Local", "ClientIP", "a/b", "limits.cpu", "cpu", "memory", "metadata.labels['a']",
    "Container", "Pod", "IPv4", "IPv6", "PreferDualStack", "RequireDualStack", "Indexed", "*/5 * * * *", "@daily",
    "Resource", "example.com/gpu", "hugepages-2Mi", "kubernetes.io/tls", "kubernetes.io/dockerconfigjson", "é",
)  # fmt: skip
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.sampled_from(WORDS),
    "bytes": st.sampled_from(("", "YQ==", "e30=")),
    "int32": st.sampled_from((-1, 0, 1, 2, 80, 70000)),
    "int64": st.sampled_from((-1, 0, 1, 5, 1 << 40)),
    "double": st.sampled_from((0, 1.5)),
    "boolean": st.booleans(),
    "quantity": st.sampled_from(("0", "1", "500m", "1Gi", "-1")),
    "intstr": st.sampled_from((0, 1, 80, -1, "25%", "200%", "http", "x y")),
    "time": st.sampled_from(("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")),
    "microtime": st.sampled_from(("2026-01-01T00:00:00.000000Z",)),
    "any": st.sampled_from(({}, {"a": 1}, [], "x")),
}


@cache
def values(shape: Shape, depth: int) -> st.SearchStrategy[Any]:
    if isinstance(shape, Scalar):
        return SCALARS[shape.name]
    if isinstance(shape, List):
        return st.lists(values(shape.item, depth - 1), max_size=2 if depth > 0 else 0)
    if isinstance(shape, Map):
        return st.dictionaries(SCALARS["string"], values(shape.value, depth - 1), max_size=2 if depth > 0 else 0)
    return structs(shape, depth)


def structs(shape: Struct, depth: int) -> st.SearchStrategy[Any]:
    """Some of the fields: many near the top, few below."""
    if depth <= 0:
        return st.just({})
    names = sorted(name for name in shape.fields if name not in ("kind", "apiVersion", "metadata", "managedFields"))

    @st.composite
    def build(draw: st.DrawFn) -> dict[str, Any]:
        chosen = draw(st.lists(st.sampled_from(names), max_size=5, unique=True)) if names else []
        return {name: draw(values(shape.fields[name], depth - 1)) for name in chosen}

    return build()


def objects(strategy: Strategy) -> st.SearchStrategy[dict[str, Any]]:
    """An object of this kind as the decoder would let it through."""
    struct = schema.load().type(strategy.kind)
    assert struct is not None
    head = {"kind": strategy.kind.name, "apiVersion": strategy.kind.api_version}
    meta = st.fixed_dictionaries(
        {"name": st.just("x"), "uid": st.just("u"), "creationTimestamp": st.just("2026-01-01T00:00:00Z")},
        optional={
            "labels": st.just({"a": "b"}),
            "annotations": st.just({"c": "d"}),
            "deletionTimestamp": st.just("2026-01-01T00:00:00Z"),
        },
    )  # fmt: skip

    def whole(parts: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
        return {**head, "metadata": parts[0], **parts[1]}

    return st.tuples(meta, structs(struct, DEPTH)).map(whole)


STORED = [strategy for strategy in STRATEGIES if strategy.stored]


@pytest.mark.parametrize("strategy", STORED, ids=lambda s: s.kind.resource)
@settings(max_examples=15)
@given(data=st.data())
def test_defaults_settle_at_once(strategy: Strategy, data: st.DataObject) -> None:
    obj = data.draw(objects(strategy))
    strategy.default(obj)
    once = copy.deepcopy(obj)
    strategy.default(obj)
    assert obj == once


@pytest.mark.parametrize("strategy", STORED, ids=lambda s: s.kind.resource)
@settings(max_examples=15)
@given(data=st.data())
def test_what_is_worked_on_is_stored_as_it_is(strategy: Strategy, data: st.DataObject) -> None:
    """Else an update that changes nothing would differ from what is stored, and be a new generation. And who reads the
    bytes finds no fault in the nulls that are written."""
    known, kind, text = schema.load(), strategy.kind, json.dumps(data.draw(objects(strategy))).encode()
    obj = known.decode(kind, text)[0]
    strategy.default(obj)
    stored = known.canonical(kind, obj)
    assert known.read(kind, stored) == obj
    assert cells(strategy, json.loads(stored)) == cells(strategy, obj)
    assert strategy.fields(json.loads(stored)) == strategy.fields(obj)
    again, before = known.decode(kind, text)[0], copy.deepcopy(obj)
    strategy.default(again)
    strategy.prepare_update(again, obj, CTX)
    strategy.default(again)
    assert parts(known.read(kind, known.canonical(kind, again))) == parts(again)
    assert obj == before


def parts(obj: dict[str, Any]) -> dict[str, Any]:
    """What generations count."""
    return {name: part for name, part in obj.items() if name not in ("metadata", "status")}


@pytest.mark.parametrize("strategy", STORED, ids=lambda s: s.kind.resource)
@settings(max_examples=25)
@given(data=st.data())
def test_nothing_raises(strategy: Strategy, data: st.DataObject) -> None:
    new, old = made(strategy, data.draw(objects(strategy))), made(strategy, data.draw(objects(strategy)))
    err = Errors()
    before = copy.deepcopy(new)
    strategy.validate(new, err)
    strategy.validate_create(new, err)
    strategy.warnings(new, None)
    assert all(cause.message and cause.field for cause in err)
    assert new == before, "validation changes nothing"
    for column in strategy.columns:
        assert (column.value(new, NOW) if column.timed else column.value(new)) is not None
    fields = strategy.fields(new)
    assert strategy.selectable <= fields.keys()
    assert all(isinstance(value, str) for value in fields.values())
    strategy.grace_seconds(new, None)
    strategy.held(new)
    status = copy.deepcopy(new)
    strategy.prepare_status(status, old, CTX)
    strategy.validate_status(status, old, err)
    strategy.prepare_update(new, old, CTX)
    strategy.default(new)
    strategy.validate(new, err)
    strategy.validate_update(new, old, err)


@pytest.mark.parametrize("strategy", STORED, ids=lambda s: s.kind.resource)
@settings(max_examples=10)
@given(data=st.data())
def test_an_object_may_stay_as_it_is(strategy: Strategy, data: st.DataObject) -> None:
    old = made(strategy, data.draw(objects(strategy)))
    new, invalid, err = copy.deepcopy(old), Errors(), Errors()
    strategy.validate(old, invalid)
    strategy.validate_create(old, invalid)
    strategy.prepare_update(new, old, CTX)
    strategy.default(new)
    strategy.validate_update(new, old, err)
    known = {cause.field for cause in invalid}  # what was wrong before may be wrong still
    found = [f"{cause.field}: {cause.message}" for cause in err if cause.field not in known]
    assert [each for each in found if not re.fullmatch(ONLY_OF_UPDATES.get(strategy.kind.plural, ""), each)] == []


ONLY_OF_UPDATES = {"nodes": r"status\.addresses\[\d+\]: Duplicate value: .*"}
"""What upstream finds fault with in an update alone, though it was so before."""


@pytest.mark.parametrize("strategy", [s for s in STORED if s.hub], ids=lambda s: s.kind.resource)
@settings(max_examples=25)
@given(data=st.data())
def test_what_a_view_stores_it_shows_again(strategy: Strategy, data: st.DataObject) -> None:
    obj = made(strategy, data.draw(objects(strategy)))
    shown = strategy.from_hub(strategy.to_hub(obj))
    if strategy.kind != kinds.HPA_V1:  # of a status, it shows only what it knows
        assert shown == obj
    assert strategy.from_hub(strategy.to_hub(shown)) == shown
    schema.load().canonical(strategy.hub, strategy.to_hub(obj))  # type: ignore[arg-type]


def test_every_kind_is_in_the_catalogue() -> None:
    served = {strategy.kind for strategy in STRATEGIES}
    subresources = {kinds.TOKEN_REQUEST, kinds.SCALE, kinds.EVICTION}
    known = {value for value in vars(kinds).values() if isinstance(value, kinds.Kind)}
    assert known - served == subresources
