"""JSON patch: RFC 6902's examples, the bounds, and laws."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.machinery.errors import StatusError
from longboat.machinery.patch.json import MAX_OPERATIONS, apply, same

GOOD = [
    ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"foo": "bar", "baz": "qux"}),
    ({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
    ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": [2]}], {"a": [1, [2]]}),
    ({"a": 1, "b": 2}, [{"op": "remove", "path": "/a"}], {"b": 2}),
    ({"a": [1, 2, 3]}, [{"op": "remove", "path": "/a/1"}], {"a": [1, 3]}),
    ({"a": [1, 2, 3]}, [{"op": "remove", "path": "/a/-1"}], {"a": [1, 2]}),
    ({"a": 1}, [{"op": "replace", "path": "/a", "value": None}], {"a": None}),
    ({"a": {"b": 1}, "c": {}}, [{"op": "move", "from": "/a/b", "path": "/c/d"}], {"a": {}, "c": {"d": 1}}),
    ({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}),
    ({"a/b": 1, "m~n": 2}, [{"op": "remove", "path": "/a~1b"}, {"op": "remove", "path": "/m~0n"}], {}),
    ({"a": 1}, [{"op": "test", "path": "/a", "value": 1}], {"a": 1}),
    ({"a": 1}, [{"op": "test", "path": "/b", "value": None}], {"a": 1}),
    ({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}),
    ({"a": 1}, [], {"a": 1}),
]  # fmt: skip
UNFIT = [
    [{"op": "remove", "path": "/nope"}],
    [{"op": "add", "path": "/nope/deep", "value": 1}],
    [{"op": "add", "path": "/list/3", "value": 1}],
    [{"op": "add", "path": "/list/x", "value": 1}],
    [{"op": "remove", "path": "/list/-3"}],
    [{"op": "add", "path": "/list/²", "value": 1}],
    [{"op": "add", "path": "a", "value": 1}],
    [{"op": "add", "path": "/a"}],
    [{"op": "add", "path": "/name/x", "value": 1}],
    [{"op": "test", "path": "/flag", "value": 1}],
    [{"op": "test", "path": "/one", "value": True}],
    [{"op": "move", "from": "/map", "path": "/map/inner"}],
    [{"op": "copy", "path": "/a"}],
    [{"op": "frob", "path": "/a"}],
    [{"path": "/a"}],
    [{"op": "remove"}],
    [{"op": "remove", "path": 3}],
    [{"op": "remove", "path": ""}],
]
DOCUMENT = {"list": [1, 2], "name": "x", "flag": True, "one": 1, "map": {}}


@pytest.mark.parametrize(("document", "patch", "expected"), GOOD)
def test_operations(document: Any, patch: Any, expected: Any) -> None:
    before = copy.deepcopy((document, patch))
    assert apply(document, patch) == expected
    assert (document, patch) == before


@pytest.mark.parametrize("patch", UNFIT, ids=str)
def test_what_does_not_fit_is_invalid_and_nothing_more_is_said(patch: Any) -> None:
    with pytest.raises(StatusError) as caught:
        apply(DOCUMENT, patch)
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert caught.value.message == "the server rejected our request due to an error in our request"


def test_the_number_of_operations_is_bounded() -> None:
    with pytest.raises(StatusError) as caught:
        apply({}, [{"op": "test", "path": "/a", "value": None}] * (MAX_OPERATIONS + 1))
    assert caught.value.code == 413
    assert caught.value.message == "The allowed maximum operations in a JSON patch is 10000, got 10001"


def test_copies_are_bounded() -> None:
    doubling = [{"op": "copy", "from": "/a", "path": f"/a/{i}"} for i in range(60)]
    with pytest.raises(StatusError) as caught:
        apply({"a": {"text": "x" * 1000}}, doubling)
    assert caught.value.code == 422


def test_nesting_is_bounded() -> None:
    deeper = [{"op": "copy", "from": "/a", "path": "/a" + "/a" * i} for i in range(1, 300)]
    with pytest.raises(StatusError) as caught:
        apply({"a": {}}, deeper)
    assert caught.value.code == 422


@pytest.mark.parametrize("patch", [{}, "x", None, [1]])
def test_what_is_no_patch(patch: Any) -> None:
    with pytest.raises(StatusError) as caught:
        apply({}, patch)
    assert caught.value.code == 400


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab/~", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3),
    max_leaves=10,
)
objects = st.dictionaries(st.text("ab/~", max_size=2), values, max_size=4)


def escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


@given(objects, st.text("ab/~", max_size=2), values)
def test_what_was_added_can_be_tested_and_removed(document: dict[str, Any], name: str, value: Any) -> None:
    path = f"/{escaped(name)}"
    added = apply(document, [{"op": "add", "path": path, "value": value}, {"op": "test", "path": path, "value": value}])
    assert same(added[name], value)
    removed = apply(added, [{"op": "remove", "path": path}])
    assert removed == {key: kept for key, kept in document.items() if key != name}


@given(objects, st.lists(st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
     "path": st.sampled_from(["", "/", "/a", "/a/b", "/a/0", "/a/-", "/b", "/~1"]),
     "from": st.sampled_from(["", "/a", "/a/b", "/b"]), "value": values}), max_size=6))  # fmt: skip
def test_any_patch_applies_or_is_refused_and_changes_nothing_given(document: Any, patch: Any) -> None:
    before = copy.deepcopy((document, patch))
    try:
        apply(document, patch)
    except StatusError as error:
        assert error.code == 422
    assert (document, patch) == before
