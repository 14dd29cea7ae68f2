"""The order in which a message shows a patched object: what was patched by its keys, the rest as Go writes it."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery.patch.spelling import by_operations, spelled
from longboat.machinery.types import schema

POD = schema.load().definition("io.k8s.api.core.v1.Pod")
META = {"name": "a", "namespace": "n", "uid": "u", "creationTimestamp": "t", "labels": {"b": "1", "a": "<&>"}}
AS_GO = '{"name":"a","namespace":"n","uid":"u","creationTimestamp":"t","labels":{"a":"\\u003c\\u0026\\u003e","b":"1"}}'
VALUE = {"apiVersion": "v1", "kind": "Pod", "metadata": META, "spec": {"nodeName": "x", "containers": [
    {"image": "i", "name": "c"}, {"image": "j", "name": "d"}]}}  # fmt: skip
SPEC = '{"containers":[{"name":"c","image":"i"},{"name":"d","image":"j"}],"nodeName":"x"}'


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"kind": "Pod"}, f'{{"apiVersion":"v1","kind":"Pod","metadata":{AS_GO},"spec":{SPEC}}}'),
        ({"metadata": {"uid": "u"}}, '{"apiVersion":"v1","kind":"Pod","metadata":{"creationTimestamp":"t",'
         '"labels":{"a":"\\u003c\\u0026\\u003e","b":"1"},"name":"a","namespace":"n","uid":"u"},'
         f'"spec":{SPEC}}}'),
        ({"spec": {"containers": VALUE["spec"]["containers"]}},  # type: ignore[index]
         f'{{"apiVersion":"v1","kind":"Pod","metadata":{AS_GO},"spec":{{"containers":[{{"image":"i","name":"c"}},'
         '{"image":"j","name":"d"}],"nodeName":"x"}}'),
    ],
)  # fmt: skip
def test_a_merge_patch(patch: Any, expected: str) -> None:
    assert spelled(POD, VALUE, patch, merged=True) == expected


def test_a_json_patch() -> None:
    operations = [{"op": "replace", "path": "/spec/containers/1/image", "value": "j"}]
    assert by_operations(operations) == {"spec": {"containers": {"1": {"image": None}}}}
    assert spelled(POD, VALUE, by_operations(operations)) == (
        f'{{"apiVersion":"v1","kind":"Pod","metadata":{AS_GO},"spec":{{"containers":[{{"name":"c","image":"i"}},'
        '{"image":"j","name":"d"}],"nodeName":"x"}}'
    )
    assert by_operations([{"op": "add", "path": "/a/b", "value": 1}, {"op": "move", "from": "/c/d", "path": "/a"}]) == {
        "a": {"b": None}, "c": {"d": None},
    }  # fmt: skip
    assert by_operations([{"op": "test", "path": "/a", "value": 1}, {"op": "add", "path": "/a/b", "value": 1}]) == {
        "a": {"b": None}
    }
