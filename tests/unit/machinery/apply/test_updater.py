"""Who owns what after random writes, and what applying makes of an object: laws that hold whatever is written."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.machinery.apply import fieldset, fit, managed, updater, values
from longboat.machinery.apply import grain as grains
from longboat.machinery.apply.compare import Comparison, born, compare
from longboat.machinery.apply.grain import Grain
from longboat.machinery.apply.managed import APPLY, UPDATE, Managed, Manager
from longboat.machinery.kinds import Kind
from longboat.machinery.text import MAX_DEPTH
from longboat.machinery.types import check, schema
from longboat.machinery.types.structural import compile_shape

VERSION = "example.com/v1"
STRING = {"type": "string"}
ITEM = {"type": "object", "properties": {"key": STRING, "one": STRING, "two": STRING}}
FIELDS: dict[str, Any] = {
    "name": STRING,
    "whole": {"type": "array", "items": STRING},
    "set": {"type": "array", "items": STRING, "x-kubernetes-list-type": "set"},
    "items": {
        "type": "array", "items": ITEM, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"],
    },
    "labels": {"type": "object", "additionalProperties": STRING},
    "atom": {"type": "object", "additionalProperties": STRING, "x-kubernetes-map-type": "atomic"},
    "struct": {"type": "object", "properties": {"x": STRING, "y": STRING}},
    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}  # fmt: skip

WORD = st.sampled_from(["a", "b", "c"])
WORDS = st.dictionaries(WORD, WORD, min_size=1, max_size=3)
ITEMS = st.dictionaries(WORD, st.dictionaries(st.sampled_from(["one", "two"]), WORD), min_size=1).map(
    lambda found: [{"key": key, **item} for key, item in found.items()]
)
SPEC = st.fixed_dictionaries(
    {},
    optional={
        "name": WORD, "whole": st.lists(WORD, min_size=1, max_size=2), "set": st.lists(WORD, min_size=1, unique=True),
        "items": ITEMS, "labels": WORDS, "atom": WORDS,
        "struct": st.dictionaries(st.sampled_from(["x", "y"]), WORD, min_size=1), "free": WORDS,
    },
)  # fmt: skip
MANAGERS = st.sampled_from(["one", "two", "three"])
STEP = st.tuples(st.sampled_from([APPLY, UPDATE]), MANAGERS, SPEC)


class Only:
    """A kind of one version, of which a request may change everything."""

    version = VERSION

    @cache  # noqa: B019 - one for all tests
    def grain(self, version: str) -> Grain | None:
        root = {"type": "object", "properties": {"spec": {"type": "object", "properties": FIELDS}}}
        meta = schema.load().definition(f"{schema.META}ObjectMeta")
        return grains.of(compile_shape("example.Thing", root, meta)) if version == VERSION else None

    def convert(self, obj: dict[str, Any], version: str, to: str, during: str = "") -> dict[str, Any]:
        return obj

    def counted(self, change: Comparison) -> Comparison:
        return change

    def owned(self, fields: fieldset.FieldSet) -> fieldset.FieldSet:
        return fields


VIEW = Only()


def grain() -> Grain:
    found = VIEW.grain(VERSION)
    assert found is not None
    return found


def obj(spec: dict[str, Any]) -> dict[str, Any]:
    return {"spec": spec} if spec else {}


def applier(name: str) -> Manager:
    return managed.manager(name, APPLY, VERSION)


def written(owners: Managed, live: dict[str, Any], step: tuple[str, str, Any]) -> tuple[dict[str, Any], Managed]:
    operation, name, spec = step
    if operation == UPDATE:
        who = managed.manager(name, UPDATE, VERSION)
        return obj(spec), updater.updated(owners, live, obj(spec), who, "now", VIEW)
    return updater.applied(owners, live, obj(spec), applier(name), "now", VIEW, force=True)


def paths(fields: fieldset.FieldSet) -> set[fieldset.Path]:
    return set(fieldset.paths(fields))


def sorted_lists(value: Any) -> Any:
    """Lists that merge may come in another order."""
    if isinstance(value, dict):
        return {name: sorted_lists(inner) for name, inner in value.items()}
    return sorted((sorted_lists(each) for each in value), key=repr) if isinstance(value, list) else value


def the_long_way(grain: Grain, blank: dict[str, Any], new: dict[str, Any]) -> str:
    """What `born` gives, by comparing; as text, for its order counts."""
    found = fieldset.difference(compare(grain, blank, new).changed, updater._UNOWNED)
    return str(fieldset.in_order(found))


@given(SPEC, SPEC, WORDS)
def test_who_makes_an_object_owns_all_that_a_blank_one_does_not_have(blank: Any, spec: Any, labels: Any) -> None:
    meta = {"name": "x", "labels": labels, "uid": "u"}
    for begins, new in (
        (obj(blank), {**obj(spec), "metadata": meta}),
        ({**obj(blank), "metadata": {"creationTimestamp": None}}, {**obj(spec), "kind": "Thing", "metadata": meta}),
    ):
        assert str(born(grain(), begins, new, updater._UNOWNED)) == the_long_way(grain(), begins, new)


@pytest.mark.parametrize("line", Path("tests/golden/recorded_objects.jsonl").read_text().splitlines())
def test_the_same_of_objects_of_the_build(line: str) -> None:
    new, types = msgspec.json.decode(line), schema.load()
    group, _, version = new["apiVersion"].rpartition("/")
    kind = types.type(Kind(group, version, new["kind"], ""))
    assert kind is not None
    of, blank = grains.of(kind), {"kind": new["kind"], "apiVersion": new["apiVersion"]} | check.struct(kind, {})
    assert str(born(of, blank, new, updater._UNOWNED)) == the_long_way(of, blank, new)


@given(st.lists(STEP, max_size=4), STEP)
def test_ownership_is_not_lost_silently(steps: list[Any], last: Any) -> None:
    """Who no longer owns a field has given it up itself, or somebody has changed or removed it."""
    live: dict[str, Any] = {}
    owners: Managed = {}
    for step in steps:
        live, owners = written(owners, live, step)
    after, left = written(owners, live, last)
    change = compare(grain(), live, after)
    changed = paths(change.added) | paths(change.modified) | paths(change.removed)
    for who, owned in owners.items():
        gone = paths(owned.fields) - (paths(left[who].fields) if who in left else set())
        if who.name != last[1] or who.operation != last[0]:
            assert gone <= changed, (who, gone - changed)


@given(st.lists(STEP, max_size=3), MANAGERS, SPEC)
def test_applying_twice_is_applying_once(steps: list[Any], name: str, spec: Any) -> None:
    live: dict[str, Any] = {}
    owners: Managed = {}
    for step in steps:
        live, owners = written(owners, live, step)
    once, left = written(owners, live, (APPLY, name, spec))
    twice, again = updater.applied(left, once, obj(spec), applier(name), "later", VIEW, force=False)
    assert twice is once
    assert again == left


@given(st.lists(STEP, max_size=3), SPEC, SPEC)
def test_what_is_applied_and_given_up_was_never_there(steps: list[Any], kept: Any, more: Any) -> None:
    """For whoever has nothing before: what it applies and leaves out again is gone, unless it was there or others own
    it; and it takes from nobody what it does not change."""
    live: dict[str, Any] = {}
    owners: Managed = {}
    for step in steps:
        live, owners = written(owners, live, step)
    new = {name: value for name, value in more.items() if name not in live.get("spec", {}) and name not in kept}
    never, without = written(owners, live, (APPLY, "four", kept))
    both, owned = written(owners, live, (APPLY, "four", {**kept, **new}))
    then, left = written(owned, both, (APPLY, "four", kept))
    assert {n: v for n, v in then.get("spec", {}).items() if v} == {n: v for n, v in never.get("spec", {}).items() if v}
    assert {who: paths(each.fields) for who, each in left.items()} == {
        who: paths(each.fields) for who, each in without.items()
    }


@given(SPEC, SPEC)
def test_an_object_has_what_is_applied_to_it(spec: Any, config: Any) -> None:
    new, owners = written({}, obj(spec), (APPLY, "one", config))
    wanted = values.fields_of(grain(), obj(config))
    assert paths(wanted) <= paths(values.fields_of(grain(), new))
    assert not wanted or paths(owners[applier("one")].fields) == paths(wanted)
    change = compare(grain(), new, values.merge(grain(), new, obj(config)))
    assert not change.added and not change.modified


@given(SPEC, SPEC)
def test_conflicts_are_what_others_own_and_would_lose(mine: Any, theirs: Any) -> None:
    live, owners = written({}, {}, (APPLY, "one", mine))
    try:
        _, left = updater.applied(owners, live, obj(theirs), applier("two"), "now", VIEW, force=False)
    except updater.Conflicts as conflicts:
        forced, lost = written(owners, live, (APPLY, "two", theirs))
        gone = paths(owners[applier("one")].fields) - (
            paths(lost[applier("one")].fields) if applier("one") in lost else set()
        )
        assert {path for each in conflicts.found.values() for path in paths(each.fields)} == gone
        assert forced != live
    else:
        assert not owners or paths(left[applier("one")].fields) == paths(owners[applier("one")].fields)


@given(SPEC, SPEC)
def test_a_change_is_what_makes_one_of_the_other(old: Any, new: Any) -> None:
    change = compare(grain(), obj(old), obj(new))
    assert sorted_lists(old) != sorted_lists(new) or not (change.added or change.modified or change.removed)
    back = compare(grain(), obj(new), obj(old))
    assert (back.added, back.removed) == (change.removed, change.added)
    assert paths(back.modified) == paths(change.modified)


@pytest.mark.parametrize(
    ("live", "config", "merged"),
    [
        (["a", "b"], ["c", "b"], ["a", "c", "b"]),
        (["a", "c", "b"], ["b", "a"], ["c", "b", "a"]),
        (["a"], ["b"], ["a", "b"]),
        (["a", "b", "c"], ["c", "a"], ["b", "c", "a"]),
        ([], ["a"], ["a"]),
        (["a"], [], ["a"]),
    ],
)
def test_merged_lists_keep_the_order_that_is_applied(live: Any, config: Any, merged: Any) -> None:
    assert values.merge(grain(), obj({"set": live}), obj({"set": config}))["spec"]["set"] == merged


def test_a_type_whose_parts_have_become_a_whole() -> None:
    fields = fieldset.of_paths(("f:spec", "f:atom", "f:a"), ("f:spec", "f:labels", "f:a"))
    found = values.collapsed(grain(), fields)
    assert paths(found) == {("f:spec", "f:atom"), ("f:spec", "f:labels", "f:a")}


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"nope": 1}, ".spec.nope: field not declared in schema"),
        ({"name": 1}, ".spec.name: expected string, got &value.valueUnstructured{Value:1}"),
        ({"labels": ["a"]}, ".spec.labels: expected map, got &{[a]}"),
        ({"set": "a"}, ".spec.set: expected list, got &{a}"),
        ({"set": ["a", "a"]}, '.spec.set: duplicate entries for key [="a"]'),
        ({"set": [None]}, ".spec.set: element 0: associative list without keys has an element that's an explicit null"),
        ({"items": [1]}, ".spec.items: element 0: associative list with keys may not have non-map elements"),
        ({"items": [{"key": "a", "nope": 1}]}, '.spec.items[key="a"].nope: field not declared in schema'),
        (
            {"nope": 1, "whole": [1]},
            "errors:\n  .spec.nope: field not declared in schema\n"
            "  .spec.whole[0]: expected string, got &value.valueUnstructured{Value:1}",
        ),
    ],
)
def test_what_does_not_fit_is_told_in_upstreams_words(spec: Any, why: str) -> None:
    with pytest.raises(fit.Misfit) as raised:
        fit.check(grain(), obj(spec))
    assert str(raised.value) == why


def test_objects_may_be_as_deep_as_bodies() -> None:
    deep: Any = "x"
    for _ in range(MAX_DEPTH - 3):
        deep = {"a": deep}
    live, owners = written({}, {}, (APPLY, "one", {"free": deep}))
    gone, left = written(owners, live, (UPDATE, "two", {"free": {"a": {"a": {}}}}))
    assert len(max(fieldset.paths(owners[applier("one")].fields), key=len)) == MAX_DEPTH - 1
    assert paths(left[applier("one")].fields) == {("f:spec", "f:free", "f:a"), ("f:spec", "f:free", "f:a", "f:a")}
    assert gone == obj({"free": {"a": {"a": {}}}})
