"""What tests of conformance send is what a Go client sends, and the server reads in it what was meant."""

from __future__ import annotations

from typing import Any

import pytest

from conformance import go_client
from conformance.go_client import JSON, PROTOBUF
from longboat.api import kinds
from longboat.machinery.objects import Object
from longboat.machinery.types import protobuf, schema

POD: Object = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": "p", "labels": {"a": "b"}, "deletionTimestamp": "2030-01-02T03:04:05Z"},
    "spec": {
        "containers": [
            {
                "name": "c",
                "image": "i",
                "resources": {"requests": {"cpu": "500m"}},
                "readinessProbe": {"httpGet": {"path": "/", "port": "http"}, "periodSeconds": 1},
                "livenessProbe": {"httpGet": {"path": "/", "port": 80}, "initialDelaySeconds": -1},
            }
        ],
        "terminationGracePeriodSeconds": 0,
        "volumes": [{"name": "v", "emptyDir": {}}],
    },
    "status": {},
}
SECRET: Object = {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "s"}, "data": {"a": "AAE="}, "type": "T"}
REVISION: Object = {
    "kind": "ControllerRevision",
    "apiVersion": "apps/v1",
    "metadata": {"name": "r"},
    "data": {"spec": [1]},
    "revision": 2,
}
LEASE: Object = {
    "kind": "Lease",
    "apiVersion": "coordination.k8s.io/v1",
    "metadata": {"name": "l"},
    "spec": {"renewTime": "2030-01-02T03:04:05.678901Z"},
}


@pytest.mark.parametrize(
    ("kind", "obj"),
    [(kinds.POD, POD), (kinds.SECRET, SECRET), (kinds.LEASE, LEASE), (kinds.CONTROLLER_REVISION, REVISION)],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_what_is_sent_is_what_is_read(kind: Any, obj: Object) -> None:
    found, _ = schema.load().decode(kind, go_client.encoded(obj), PROTOBUF, "Strict")
    assert found == obj


def test_what_is_empty_is_sent_too_unless_it_is_a_pointer() -> None:
    """`stdin` of a container is a bool, its `restartPolicy` a pointer to a string."""
    _, _, raw = protobuf.envelope(go_client.encoded(POD))
    spec = next(value for number, value in protobuf.fields(raw) if number == 2)
    assert isinstance(spec, bytes)
    container = next(value for number, value in protobuf.fields(spec) if number == 2)
    assert isinstance(container, bytes)
    sent = dict(protobuf.fields(container))
    assert (sent[16], sent[5]) == (0, b"") and 24 not in sent


@pytest.mark.parametrize(
    "obj",
    [
        {"kind": "Pod", "apiVersion": "v1", "spec": {"unheard": "of"}},
        {"kind": "Pod", "apiVersion": "v1", "spec": {"hostNetwork": "yes"}},
        {"kind": "Unheard", "apiVersion": "v1"},
        {"metadata": {"name": "n"}},
    ],
)
def test_what_no_go_type_has_is_sent_as_json(obj: Object) -> None:
    raw = go_client.msgspec.json.encode(obj)
    assert go_client.as_sent("POST", raw) == (raw, JSON)


def test_patches_are_sent_as_they_are() -> None:
    assert go_client.as_sent("PATCH", b"{}", "application/merge-patch+json") == (b"{}", "application/merge-patch+json")
    assert go_client.as_sent("GET", None) == (None, JSON)
