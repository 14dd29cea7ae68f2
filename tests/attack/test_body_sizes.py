"""Small requests that would become large: in memory while they are read, in storage for good (security lesson 14)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.apiserver.process import ControlPlane, control_plane
from suites.objects import container, pod

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
TOO_LARGE = "etcdserver: request is too large"
MIB = 1 << 20


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(tmp_path_factory.mktemp("plane"), "--only", "api") as found:
        yield found
        assert "Traceback" not in found.log.read_text()


def memory(plane: ControlPlane) -> int:
    """The most bytes the server has had in memory at once."""
    lines = Path(f"/proc/{plane.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))


def env(name: str, count: int, size: int) -> list[dict[str, str]]:
    return [{"name": f"{name}{i}", "value": "x" * size} for i in range(count)]


def test_yaml_aliases_of_strings_do_not_multiply_bytes(plane: ControlPlane) -> None:
    """1 MB that says `x: &x "…"` once and `*x` a hundred thousand times: 50 GB of JSON."""
    text = 'data:\n  k: &x "' + "y" * 500_000 + '"\nmetadata:\n  name: a\n  finalizers: ['
    body = (text + "*x, " * 120_000 + "]\n").encode()
    before = memory(plane)
    code, status, _ = plane.ask("POST", CONFIGMAPS, body, Content_Type="application/yaml")
    assert (code, "document contains excessive aliasing" in status["message"]) == (400, True)
    assert memory(plane) - before < 64 * MIB


def test_tag_directives_are_not_compared_for_minutes(plane: ControlPlane) -> None:
    body = b"".join(b"%%TAG !a%d! x\n" % i for i in range(190_000)) + b"--- {metadata: {name: a}}\n"
    for data in (body, body[:MIB].decode().encode("utf-16")):
        code, status, _ = plane.ask("POST", CONFIGMAPS, data, Content_Type="application/yaml")
        assert (code, "more than 100 directives" in status["message"]) == (400, True)


def test_aliases_that_repeat_little_are_read(plane: ControlPlane) -> None:
    body = b"metadata: {name: aliases}\ndata: {a: &x " + b"y" * 1000 + b", b: *x, c: *x}\n"
    code, made, _ = plane.ask("POST", CONFIGMAPS, body, Content_Type="application/yaml")
    assert (code, made["data"]["c"]) == (201, "y" * 1000)


def test_an_object_larger_than_storage_takes_is_refused_in_upstreams_words(plane: ControlPlane) -> None:
    big = pod("big", container("a", env=env("a", 16, 100_000)))
    code, status, _ = plane.ask("POST", "/api/v1/namespaces/default/pods?dryRun=All", big)
    if code == 403:  # no ServiceAccount yet: admission comes first
        plane.ask("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
        code, status, _ = plane.ask("POST", "/api/v1/namespaces/default/pods", big)
    assert (code, status["message"]) == (500, TOO_LARGE)
    assert "reason" not in status and "details" not in status


def test_what_upstreams_client_of_etcd_would_not_send_is_refused_as_it_says(plane: ControlPlane) -> None:
    code, status, _ = plane.ask("POST", "/api/v1/namespaces/default/podtemplates", {
        "metadata": {"name": "big"},
        "template": {"spec": {"containers": [{"name": "a", "image": "a", "env": env("a", 22, 100_000)}]}},
    })  # fmt: skip
    assert code == 500
    assert status["message"].startswith("rpc error: code = ResourceExhausted desc = trying to send message larger")


def test_patches_do_not_grow_an_object_beyond_the_limit(plane: ControlPlane) -> None:
    """Each doubles what is there: 40 MiB after six small requests, were there no limit."""
    half = {
        "metadata": {"name": "grows"},
        "template": pod("big", container("a", env=env("a", 5, 100_000))) | {"metadata": {}},
    }
    assert plane.ask("POST", "/api/v1/namespaces/default/podtemplates", half)[0] == 201
    answers = []
    for i in range(3):
        copy = [{"op": "copy", "from": "/template/spec/containers/0", "path": "/template/spec/containers/-"},
                {"op": "replace", "path": f"/template/spec/containers/{i + 1}/name", "value": f"b{i}"}]  # fmt: skip
        path = "/api/v1/namespaces/default/podtemplates/grows"
        code, said, _ = plane.ask("PATCH", path, copy, Content_Type="application/json-patch+json")
        answers.append((code, said.get("message")))
    assert answers == [(200, None), (200, None), (500, TOO_LARGE)]


def test_json_is_not_what_is_counted(plane: ControlPlane) -> None:
    """A mebibyte of quotes is two in JSON; a mebibyte of bytes in base64 a third more."""
    quotes = {"metadata": {"name": "quotes"}, "data": {"q": '"' * (MIB - 10)}}
    assert plane.ask("POST", CONFIGMAPS, quotes)[0] == 201
    binary = {"metadata": {"name": "binary"}, "binaryData": {"b": base64.b64encode(bytes(MIB - 10)).decode()}}
    assert plane.ask("POST", CONFIGMAPS, binary)[0] == 201


def test_managed_fields_go_before_an_object_is_refused(plane: ControlPlane) -> None:
    fields = {"f:data": {f"f:{'k' * 200}{i}": {} for i in range(4000)}}
    entry = {"manager": "m", "operation": "Update", "apiVersion": "v1", "time": "2026-01-01T00:00:00Z",
             "fieldsType": "FieldsV1", "fieldsV1": fields}  # fmt: skip
    body = {"metadata": {"name": "managed", "managedFields": [entry]}, "data": {"k": "x" * 900_000}}
    assert len(json.dumps(fields)) > 700_000
    code, made, _ = plane.ask("POST", CONFIGMAPS, body)
    assert code == 201
    assert "managedFields" not in made["metadata"] and len(made["data"]["k"]) == 900_000
