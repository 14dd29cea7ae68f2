"""What came as an empty list or map is remembered beside the object, which is the same as if it had not been sent."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from longboat.api import kinds
from longboat.machinery.objects import Object, dig
from longboat.machinery.types import internal, schema
from longboat.machinery.types.emptied import as_sent, may_have
from longboat.machinery.types.schema import JSON, PROTOBUF, YAML
from unit.machinery import go

SCHEMA = schema.load()
POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "labels": {}},
    "spec": {"containers": [{"name": "c", "command": [], "resources": {"limits": {}}}], "volumes": []},
}
BARE: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a"},
    "spec": {"containers": [{"name": "c", "resources": {}}]},
}


def read(body: bytes, media_type: str = JSON) -> Object:
    return SCHEMA.decode(kinds.POD, body, media_type)[0]


def parts(pod: Object) -> list[tuple[Any, str, Any]]:
    container = pod["spec"]["containers"][0]
    return [
        (pod["metadata"], "labels", {}),
        (pod["spec"], "volumes", []),
        (container, "command", []),
        (container["resources"], "limits", {}),
    ]


@pytest.mark.parametrize("also", [{}, {"unheard": "of"}], ids=["in C", "walked"])
@pytest.mark.parametrize("spelled", ["compact", "indented", "spaced", "yaml"])
def test_what_came_empty_is_known_and_counts_for_nothing(spelled: str, also: Object) -> None:
    body = json.dumps(POD | also, indent=1 if spelled == "indented" else None)
    if spelled == "spaced":
        body = body.replace("[]", "[ ]").replace("{}", "{\n}")
    pod = read(body.encode(), YAML if spelled == "yaml" else JSON)
    for copied in (pod, deepcopy(pod)):
        for struct, name, empty in parts(copied):
            assert name not in struct
            assert as_sent(struct, name) == empty
    assert pod == read(json.dumps(BARE).encode())
    assert SCHEMA.canonical(kinds.POD, pod) == SCHEMA.canonical(kinds.POD, read(json.dumps(BARE).encode()))


def test_what_was_not_sent_is_not_there() -> None:
    stored = SCHEMA.canonical(kinds.POD, read(json.dumps(POD).encode()))
    for pod in (
        read(json.dumps(BARE).encode()),
        SCHEMA.read(kinds.POD, stored),
        read(go.encoded(kinds.POD, POD), PROTOBUF),
    ):
        assert [as_sent(struct, name) for struct, name, _ in parts(pod)] == [None] * 4
    assert as_sent(None, "labels") is None


def test_what_a_patch_has_emptied_is_known_as_well() -> None:
    pod, _ = SCHEMA.check_object(kinds.POD, POD)
    assert [as_sent(struct, name) for struct, name, _ in parts(pod)] == [empty for *_, empty in parts(pod)]


def test_a_copy_remembers_and_what_is_taken_out_is_forgotten() -> None:
    metadata = read(json.dumps(POD).encode())["metadata"]
    for copied in (metadata.copy(), metadata | {"name": "b"}):
        assert as_sent(copied, "labels") == {}
        copied.pop("labels", None)
        assert as_sent(copied, "labels") is None
    assert as_sent(metadata, "labels") == {}


def test_messages_show_it_as_it_was_sent() -> None:
    shown = internal.whole("io.k8s.api.core.v1.Container", dig(read(json.dumps(POD).encode()), "spec", "containers")[0])
    assert shown["Command"] == []
    assert shown["Args"] is None
    assert shown["Resources"]["Limits"] == {}
    assert shown["Resources"]["Requests"] is None


def test_two_values_are_the_same_whether_they_came_empty_or_not() -> None:
    container = dig(read(json.dumps(POD).encode()), "spec", "containers")[0]
    assert internal.same("io.k8s.api.core.v1.Container", container, BARE["spec"]["containers"][0])


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"a":[]}', True),
        (b'{"a":{}}', True),
        (b'{"a": [ ]}', True),
        (b"a: {\n}", True),
        (b'{"a": [1], "b": 2}', False),
    ],
)
def test_it_is_looked_for_where_it_may_be(body: bytes, found: bool) -> None:
    assert may_have(body) is found


def test_before_it_is_stored_an_object_shows_what_came_empty_where_it_would_be_null() -> None:
    types = schema.load()
    body = {
        "metadata": {"name": "r", "labels": {}},
        "rules": [{"verbs": [], "resources": []}, {"verbs": ["get"], "nonResourceURLs": ["/a"]}, {}],
    }
    read = types.decode(kinds.CLUSTER_ROLE, json.dumps(body).encode(), JSON)[0]
    shown = json.loads(types.as_read(kinds.CLUSTER_ROLE, read))
    assert shown["rules"] == [{"verbs": []}, {"verbs": ["get"], "nonResourceURLs": ["/a"]}, {"verbs": None}]
    assert "labels" not in shown["metadata"], "Go leaves it out"
    assert json.loads(types.canonical(kinds.CLUSTER_ROLE, read))["rules"][0] == {"verbs": None}
    none = types.decode(kinds.CLUSTER_ROLE, b'{"metadata":{"name":"r"},"rules":[]}', JSON)[0]
    assert json.loads(types.as_read(kinds.CLUSTER_ROLE, none))["rules"] == []
