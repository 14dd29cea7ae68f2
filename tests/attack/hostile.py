"""Requests of at most 3 MiB that are made to keep a server busy: each of another kind, in full size."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LIMIT = 3 << 20
NAMESPACE = "/api/v1/namespaces/default"
PODS, CONFIGMAPS, TEMPLATES = f"{NAMESPACE}/pods", f"{NAMESPACE}/configmaps", f"{NAMESPACE}/podtemplates"
JSON_PATCH, MERGE = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC, YAML = "application/strategic-merge-patch+json", "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
TEMPLATE = f"{TEMPLATES}/large"  # which `prepare` has made


@dataclass(frozen=True)
class Hostile:
    name: str
    method: str
    path: str
    make: Callable[[], bytes | None] = lambda: None
    headers: dict[str, str] = field(default_factory=dict)
    quick: bool = False  # among those that `make test` runs


def large_template(variables: int = 12_000) -> dict[str, Any]:
    """A pod template of about a megabyte."""
    env = [{"name": f"V{i}", "value": "x" * 50} for i in range(variables)]
    return {
        "metadata": {"name": "large"},
        "template": {"spec": {"containers": [{"name": "a", "image": "a", "env": env}]}},
    }


def filled(before: str, item: str, after: str) -> bytes:
    """As many items, with commas between, as fit."""
    count = (LIMIT - len(before) - len(after)) // (len(item) + 1) - 1
    return (before + ",".join([item] * count) + after).encode()


def numbered(before: str, item: Callable[[int], str], after: str, limit: int = LIMIT) -> bytes:
    parts, size, i = [], len(before) + len(after), 0
    while size + len(made := item(i)) + 1 < limit:
        parts.append(made)
        size += len(made) + 1
        i += 1
    return (before + ",".join(parts) + after).encode()


def spec(field: str, item: str) -> Callable[[], bytes]:
    head = '{"metadata":{"name":"a"},"spec":{"containers":[{"name":"a","image":"a"}],'
    return lambda: filled(f'{head}"{field}":[', item, "]}}")


def patch_of(operation: Callable[[int], dict[str, Any]], count: int = 10_000) -> Callable[[], bytes]:
    return lambda: json.dumps([operation(i) for i in range(count)]).encode()[:LIMIT]


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def framed(number: int, raw: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def message(kind: str, raw: bytes) -> bytes:
    return b"k8s\0" + framed(1, framed(1, b"v1") + framed(2, kind.encode())) + framed(2, raw)


def packed_groups() -> bytes:
    security = framed(4, b"\x01" * (LIMIT - 200))
    return message("Pod", framed(1, framed(1, b"a")) + framed(2, framed(14, security)))


def post(name: str, make: Callable[[], bytes], path: str = PODS, media: str = "", quick: bool = False) -> Hostile:
    return Hostile(name, "POST", path, make, {"Content-Type": media} if media else {}, quick)


def query(name: str, text: str, path: str = PODS, method: str = "GET", quick: bool = False) -> Hostile:
    return Hostile(name, method, f"{path}?{text}", quick=quick)


def review(field: str) -> bytes:
    return filled(f'{{"spec":{{"user":"u","resourceAttributes":{{"verb":"get"}},"{field}":[', '"g"', "]}}")


POD = '{"metadata":{"name":"a"},"spec":{"containers":['
META = '{"metadata":{"name":"a",'
SELECTOR = 120 << 10

CORPUS = [
    # many values
    post("containers that are empty", lambda: filled(POD, "{}", "]}}"), quick=True),
    post("containers that are not", lambda: numbered(POD, lambda i: f'{{"name":"c{i}","image":"a"}}', "]}}")),
    post("containers of one name", lambda: filled(POD, '{"name":"c","image":"a"}', "]}}")),
    post("tolerations", spec("tolerations", '{"operator":"Exists"}')),
    post("host aliases", spec("hostAliases", '{"ip":"1.2.3.4"}')),
    post("volumes of one name", spec("volumes", '{"name":"v"}')),
    post("spread constraints", lambda: numbered(
        POD + '{"name":"a","image":"a"}],"topologySpreadConstraints":[',
        lambda i: f'{{"maxSkew":1,"topologyKey":"k{i}","whenUnsatisfiable":"DoNotSchedule"}}', "]}}"), quick=True),
    post("pull secrets", spec("imagePullSecrets", '{"name":"s"}')),
    post("scheduling gates", spec("schedulingGates", '{"name":"s"}')),
    post("variables of one name", lambda: filled(POD + '{"name":"a","image":"a","env":[', '{"name":"E"}', "]}]}}")),
    post("ports of one number", lambda: filled(
        POD + '{"name":"a","image":"a","ports":[', '{"containerPort":1}', "]}]}}"), quick=True),
    post("ports of one number on many of the node", lambda: numbered(
        POD + '{"name":"a","image":"a","ports":[', lambda i: f'{{"containerPort":1,"hostPort":{i % 65535 + 1}}}',
        "]}]}}")),
    post("arguments", lambda: filled(POD + '{"name":"a","image":"a","args":[', '""', "]}]}}")),
    post("labels", lambda: numbered(META + '"labels":{', lambda i: f'"k{i}":"v"', "}}}"), CONFIGMAPS),
    post("annotations", lambda: numbered(META + '"annotations":{', lambda i: f'"k{i}":"v"', "}}}"), CONFIGMAPS),
    post("finalizers", lambda: filled(META + '"finalizers":[', '"a/b"', "]}}"), CONFIGMAPS),
    post("owners", lambda: filled(META + '"ownerReferences":[', "{}", "]}}"), CONFIGMAPS),
    post("keys", lambda: numbered(META[:-1] + '},"data":{', lambda i: f'"k{i}":""', "}}"), CONFIGMAPS),
    post("managed fields", lambda: filled(META + '"managedFields":[', "{}", "]}}"), CONFIGMAPS),
    # JSON itself
    post("unknown lists", lambda: filled(META[:-1] + '},"x":[', "[]", "]}"), CONFIGMAPS, quick=True),
    post("unknown numbers", lambda: filled(META[:-1] + '},"x":[', "1", "]}"), CONFIGMAPS),
    post("unknown fields", lambda: numbered(META[:-1] + "},", lambda i: f'"u{i}":1', "}"), CONFIGMAPS),
    post("one field again and again", lambda: filled(META[:-1] + "},", '"data":{}', "}"), CONFIGMAPS, quick=True),
    post("one key again and again", lambda: filled(META[:-1] + '},"data":{', '"a":""', "}}"), CONFIGMAPS),
    post("repeated names in many objects", lambda: filled(META[:-1] + '},"x":[', '{"a":1,"a":1}', "]}"), CONFIGMAPS),
    post("half surrogates", lambda: b'{"x":"' + b"\\ud800" * 500_000 + b'"}', CONFIGMAPS),
    post("escapes", lambda: b'{"x":"' + b"\\u0041" * 500_000 + b'"}', CONFIGMAPS),
    post("bytes that are no text", lambda: b'{"x":"' + b"\xff" * 3_000_000 + b'"}', CONFIGMAPS),
    post("digits", lambda: b'{"x":' + b"9" * 3_000_000 + b"}", CONFIGMAPS),
    post("fraction", lambda: b'{"x":0.' + b"9" * 3_000_000 + b"}", CONFIGMAPS),
    post("great numbers", lambda: filled('{"x":[', "99999999999999999999", "]}"), CONFIGMAPS),
    post("a mistake at the end", lambda: filled('{"x":[', "{}", "]") + b"?", CONFIGMAPS),
    post("brackets", lambda: b"[" * LIMIT, CONFIGMAPS),
    post("braces", lambda: b'{"a":' * (LIMIT // 5), CONFIGMAPS),
    post("nested and wide", lambda: b'{"x":' + b"[" * 150 + b"[]," * 1_000_000 + b"[]" + b"]" * 150 + b"}", CONFIGMAPS),
    # protobuf
    post("packed varints", packed_groups, media=PROTOBUF, quick=True),
    post("fields there are not", lambda: message("Pod", b"\xf8\x7f\x01" * 1_000_000), media=PROTOBUF),
    post("containers of no bytes", lambda: message("Pod", framed(2, b"\x12\x00" * 1_500_000)), media=PROTOBUF),
    post("labels of no bytes", lambda: message("Pod", framed(1, b"\x5a\x00" * 1_500_000)), media=PROTOBUF),
    post("long varints", lambda: message("Pod", b"\x80" * 3_000_000), media=PROTOBUF),
    # YAML
    post("YAML values", lambda: b"[" + b"a," * 1_500_000 + b"]", CONFIGMAPS, YAML),
    post("YAML keys again and again", lambda: b"a: 1\n" * 600_000, CONFIGMAPS, YAML, quick=True),
    post("YAML in YAML", lambda: b"- - - - a\n" * 300_000, CONFIGMAPS, YAML),
    post("YAML anchors", lambda: numbered("[", lambda i: f"&a{i} b", "]"), CONFIGMAPS, YAML),
    post("YAML aliases", lambda: filled("[&a b,", "*a", "]"), CONFIGMAPS, YAML),
    post("YAML merges", lambda: numbered("a: &a {", lambda i: f"k{i}: 1", "}\nb:\n", 20_000) + b"- <<: *a\n" * 300_000,
         CONFIGMAPS, YAML),
    post("YAML tags", lambda: filled("[", "!!str a", "]"), CONFIGMAPS, YAML),
    post("YAML lines", lambda: b"a: |\n" + b" x\n" * 1_000_000, CONFIGMAPS, YAML),
    post("YAML digits", lambda: b"a: " + b"9_" * 1_500_000, CONFIGMAPS, YAML),
    # patches
    Hostile("patch: copies", "PATCH", TEMPLATE, patch_of(
        lambda i: {"op": "copy", "from": "/template/spec/containers/0/env/0", "path": f"/metadata/annotations/a{i}"}),
        {"Content-Type": JSON_PATCH}),
    Hostile("patch: to the front", "PATCH", TEMPLATE, patch_of(
        lambda i: {"op": "add", "path": "/template/spec/containers/0/env/0", "value": {"name": f"W{i}"}}),
        {"Content-Type": JSON_PATCH}, quick=True),
    Hostile("patch: moves", "PATCH", TEMPLATE, patch_of(
        lambda i: {"op": "move", "from": "/template/spec/containers/0/env", "path": "/template/spec/containers/0/env"}),
        {"Content-Type": JSON_PATCH}),
    Hostile("patch: tests", "PATCH", TEMPLATE, patch_of(
        lambda i: {"op": "test", "path": f"/template/spec/containers/0/env/{i}/name", "value": f"V{i}"}),
        {"Content-Type": JSON_PATCH}),
    Hostile("patch: too many", "PATCH", TEMPLATE, lambda: filled("[", "{}", "]"), {"Content-Type": JSON_PATCH}),
    Hostile("merge patch", "PATCH", TEMPLATE, lambda: numbered(
        '{"metadata":{"annotations":{', lambda i: f'"k{i}":"v"', "}}}"), {"Content-Type": MERGE}),
    Hostile("strategic patch: variables", "PATCH", TEMPLATE, lambda: numbered(
        '{"template":{"spec":{"containers":[{"name":"a","env":[', lambda i: f'{{"name":"V{i}","value":"y"}}', "]}]}}}"),
        {"Content-Type": STRATEGIC}),
    Hostile("strategic patch: order", "PATCH", TEMPLATE, lambda: numbered(
        '{"template":{"spec":{"containers":[{"name":"a","$setElementOrder/env":[', lambda i: f'{{"name":"V{i}"}}',
        "]}]}}}"),
        {"Content-Type": STRATEGIC}),
    # selectors and other parts of the head
    query("selector: absent", "labelSelector=" + ",".join(f"!k{i}" for i in range(SELECTOR // 8)), quick=True),
    query("selector: one label", "labelSelector=" + ",".join(f"a!={i}" for i in range(SELECTOR // 10))),
    query("selector: values", f"labelSelector=a+in+({','.join(str(i) for i in range(SELECTOR // 7))})"),
    query("selector: fields", "fieldSelector=" + ",".join("metadata.name!=a" for i in range(SELECTOR // 18))),
    query("selector of a watch", "watch=1&timeoutSeconds=1&labelSelector=" + ",".join(
        f"!k{i}" for i in range(SELECTOR // 8))),
    query("selector of a deletion", "labelSelector=there&x=" + "a" * SELECTOR, CONFIGMAPS, "DELETE"),
    query("parameters", "&".join("a" * 1 for _ in range(SELECTOR // 2))),
    Hostile("Accept", "GET", PODS, headers={"Accept": "a/b;q=0.1," * (SELECTOR // 10)}),
    # reviews, requests, bindings
    post("groups to review", lambda: review("groups"), "/apis/authorization.k8s.io/v1/subjectaccessreviews"),
    post("a token to review", lambda: b'{"spec":{"token":"' + b"a." * 1_500_000 + b'"}}',
         "/apis/authentication.k8s.io/v1/tokenreviews"),
    post("a certificate to sign", lambda: json.dumps({
        "metadata": {"name": "a"}, "spec": {
        "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"],
        "request": base64.b64encode(b"-----BEGIN CERTIFICATE REQUEST-----\n" * 60_000).decode()}}).encode(),
        "/apis/certificates.k8s.io/v1/certificatesigningrequests"),
    post("subjects to bind", lambda: filled(
        META[:-1] + '},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"},'
        '"subjects":[',
        '{"kind":"User","name":"u"}', "]}"),
        "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings"),
    post("rules of a role", lambda: filled(META[:-1] + '},"rules":[', '{"verbs":["get"]}', "]}"),
         "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"),
    # answers
    Hostile("a list in YAML", "GET", TEMPLATES, headers={"Accept": YAML}),
    Hostile("an object in YAML", "GET", TEMPLATE, headers={"Accept": YAML}, quick=True),
    Hostile("a table", "GET", CONFIGMAPS, headers={"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}),
]  # fmt: skip
