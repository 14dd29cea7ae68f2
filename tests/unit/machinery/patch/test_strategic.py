"""Strategic merge patch: lists merged by key, directives, order, and what cannot be merged."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longboat.api import kinds
from longboat.machinery.errors import StatusError
from longboat.machinery.patch import strategic
from longboat.machinery.types import schema

POD = schema.load().type(kinds.POD)
DEPLOYMENT = schema.load().type(kinds.DEPLOYMENT)
SERVICE_ACCOUNT = schema.load().type(kinds.SERVICE_ACCOUNT)
assert POD and DEPLOYMENT and SERVICE_ACCOUNT


def pod(*containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {"spec": {"containers": list(containers), **spec}}


def patched(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    before = copy.deepcopy((target, patch))
    result: dict[str, Any] = strategic.apply(target, patch, POD)
    assert (target, patch) == before
    return result


def named(result: dict[str, Any]) -> list[str]:
    return [container["name"] for container in result["spec"]["containers"]]


A, B, C = {"name": "a", "image": "1"}, {"name": "b", "image": "1"}, {"name": "c", "image": "1"}


def test_items_are_merged_by_their_key() -> None:
    result = patched(pod(A, B), pod({"name": "b", "image": "2", "tty": True}))
    assert result == pod(A, {"name": "b", "image": "2", "tty": True})


def test_new_items_are_added_and_null_removes_a_field() -> None:
    assert named(patched(pod(A), pod(C))) == ["c", "a"]  # the patch's own come first where nothing says otherwise
    assert patched(pod(A), pod({"name": "a", "image": None})) == pod({"name": "a"})
    assert patched(pod(A, hostname="x"), {"spec": {"hostname": None}}) == pod(A)


def test_an_item_is_deleted_by_directive() -> None:
    assert patched(pod(A, B), pod({"name": "a", "$patch": "delete"})) == pod(B)
    assert patched(pod(A), pod({"name": "nope", "$patch": "delete"})) == pod(A)


def test_a_list_is_replaced_by_directive() -> None:
    assert patched(pod(A, B), pod({"$patch": "replace"}, C)) == pod(C)


def test_a_map_is_replaced_or_emptied_by_directive() -> None:
    labels = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    replaced = patched(labels, {"metadata": {"labels": {"$patch": "replace", "c": "3"}}})
    assert replaced == {"metadata": {"labels": {"c": "3"}}}
    assert patched(labels, {"metadata": {"labels": {"$patch": "delete"}}}) == {"metadata": {"labels": {}}}


def test_lists_of_primitives_are_united_and_reduced() -> None:
    target = {"metadata": {"finalizers": ["a", "b"]}}
    assert patched(target, {"metadata": {"finalizers": ["b", "c"]}})["metadata"]["finalizers"] == ["a", "b", "c"]
    reduced = patched(target, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a", "x"]}})
    assert reduced == {"metadata": {"finalizers": ["b"]}}


def test_lists_that_are_not_merged_are_replaced() -> None:
    target = pod({"name": "a", "args": ["1", "2"]})
    assert patched(target, pod({"name": "a", "args": ["3"]})) == pod({"name": "a", "args": ["3"]})


def test_the_order_of_the_patch_holds() -> None:
    ordered = pod({"name": "c", "image": "2"}, {"name": "a", "image": "2"})
    assert named(patched(pod(A, B, C), ordered)) == ["b", "c", "a"]


def test_set_element_order() -> None:
    patch = {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}]}}
    assert named(patched(pod(A, B, C), patch)) == ["c", "b", "a"]
    patch["spec"]["containers"] = [{"name": "d", "image": "1"}]
    patch["spec"]["$setElementOrder/containers"].insert(0, {"name": "d"})
    assert named(patched(pod(A, B, C), patch)) == ["d", "c", "b", "a"]


def test_items_only_the_server_knows_keep_their_place() -> None:
    patch = {"spec": {"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}]}}
    assert named(patched(pod(A, B, C), patch)) == ["a", "c", "b"]


def test_retain_keys_drops_what_it_does_not_name() -> None:
    target = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic.apply(target, patch, DEPLOYMENT) == {"spec": {"strategy": {"type": "Recreate"}}}


def test_what_is_put_where_nothing_was_has_no_directives() -> None:
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate", "rollingUpdate": None}}}
    assert strategic.apply({}, patch, DEPLOYMENT) == {"spec": {"strategy": {"type": "Recreate"}}}
    patch = {"spec": {"$setElementOrder/volumes": [{"name": "v"}], "volumes": [{"name": "v"}]}}
    assert patched({"spec": {}}, patch) == {"spec": {"volumes": [{"name": "v"}]}}


def test_a_secret_reference_is_merged_by_name() -> None:
    target = {"secrets": [{"name": "a"}], "imagePullSecrets": [{"name": "x"}]}
    result = strategic.apply(target, {"secrets": [{"name": "b"}]}, SERVICE_ACCOUNT)
    assert sorted(secret["name"] for secret in result["secrets"]) == ["a", "b"]
    assert result["imagePullSecrets"] == [{"name": "x"}]


def test_a_field_that_is_replaced_whole() -> None:
    shape = schema.load().type(kinds.POD_DISRUPTION_BUDGET)
    assert shape
    target = {"spec": {"selector": {"matchLabels": {"a": "1"}}, "minAvailable": 1}}
    patch = {"spec": {"selector": {"matchLabels": {"b": "2"}}}}
    assert strategic.apply(target, patch, shape)["spec"] == {"selector": {"matchLabels": {"b": "2"}}, "minAvailable": 1}


UNMERGEABLE = [
    (pod({"image": "2"}), 400, "map: map[image:2] does not contain declared merge key: name"),
    (pod({"name": "a", "$patch": "frob"}), 400, "unknown patch type: frob in map: map[$patch:frob name:a]"),
    (pod({"name": "a", "$patch": "merge"}), 400, "merging lists cannot yet be specified in the patch"),
    ({"spec": {"$patch": "frob"}}, 400, "unknown patch type: frob in map: map[$patch:frob]"),
    ({"spec": {"$retainKeys": "x"}}, 400, "invalid patch format of retainKeys"),
    ({"spec": {"$retainKeys": ["a"], "hostname": "x"}}, 400, "invalid patch format of retainKeys"),
    ({"spec": {"$setElementOrder/containers": "x"}}, 400, "invalid patch format of setElementOrder list"),
    ({"metadata": {"$deleteFromPrimitiveList/finalizers": "x"}}, 400, "invalid patch format of primitive list"),
    (
        {"spec": {"$setElementOrder/containers": [{"name": "a"}], "containers": [B]}},
        400,
        "The order in patch list:\n[map[image:1 name:b]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n",
    ),
    (pod("x"), 400, "list element types are not identical: [[map[image:1 name:a]] [x]]"),
]  # fmt: skip


@pytest.mark.parametrize(("patch", "code", "message"), UNMERGEABLE, ids=[case[2][:40] for case in UNMERGEABLE])
def test_what_cannot_be_merged(patch: Any, code: int, message: str) -> None:
    with pytest.raises(StatusError) as caught:
        strategic.apply(pod(A), patch, POD)
    assert (caught.value.code, caught.value.message) == (code, message)


containers = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abcd"), "image": st.sampled_from("12")}),
    unique_by=lambda c: c["name"], max_size=4,
)  # fmt: skip


@given(containers, containers)
def test_merging_twice_is_merging_once(old: list[Any], new: list[Any]) -> None:
    once = patched(pod(*old), pod(*new))
    assert patched(once, pod(*new)) == once
    by_name = {c["name"]: c for c in old} | {c["name"]: c for c in new}
    assert {c["name"]: c for c in once["spec"]["containers"]} == by_name


@given(containers, st.permutations("abcd"))
def test_the_wished_order_holds_for_all_that_it_names(old: list[Any], wish: list[str]) -> None:
    patch = {"spec": {"$setElementOrder/containers": [{"name": name} for name in wish]}}
    assert named(patched(pod(*old), patch)) == [name for name in wish if name in {c["name"] for c in old}]


directives = st.dictionaries(
    st.sampled_from(["$patch", "$retainKeys", "$setElementOrder/containers", "containers", "finalizers", "hostname",
                     "$deleteFromPrimitiveList/finalizers"]),
    st.sampled_from(["replace", "delete", None, 1, ["a"], [{"name": "a"}], [{"$patch": "replace"}], [[1]], {}, {"a": 1},
                     [None], [{"name": {"x": 1}}], [{"name": "a"}, 1]]),
    max_size=4,
)  # fmt: skip


@given(directives, directives)
def test_any_patch_is_applied_or_refused(spec: Any, meta: Any) -> None:
    target = {"metadata": {"finalizers": ["a"]}, **pod(A, B)}
    try:
        strategic.apply(target, {"spec": spec, "metadata": meta}, POD)
    except StatusError as error:
        assert error.code in (400, 422)
