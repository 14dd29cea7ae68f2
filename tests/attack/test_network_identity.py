"""What a node does for the network it does under a name of its own, which reads pods everywhere: what it can see."""

from __future__ import annotations

import json
from typing import Any

import pytest

from unit.apiserver.harness import ADMIN, Api, play, user

CORE = "/api/v1/namespaces/default"
NETWORK = "/apis/networking.k8s.io/v1"
WHO = user("system:longboat:network:n1", "system:longboat:network")
HIDDEN = "hunter2"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
POD: dict[str, Any] = {
    "metadata": {"name": "p", "labels": {"app": "web"}, "annotations": {"token": HIDDEN}},
    "spec": {
        "nodeName": "n2",
        "containers": [
            {"name": "c", "image": f"registry.example/{HIDDEN}", "command": ["run", HIDDEN],
             "env": [{"name": "PASSWORD", "value": HIDDEN}], "ports": [{"name": "http", "containerPort": 80}],
             "livenessProbe": {"httpGet": {"port": 80, "httpHeaders": [{"name": "X", "value": HIDDEN}]}}},
        ],
    },
}  # fmt: skip


async def seen(api: Api, target: str, accept: str = "application/json") -> str:
    response = await api.response("GET", target, who=WHO, accept=accept)
    assert response.status == 200, (target, response.whole())
    if response.stream is None:
        return response.whole().decode()
    chunk: bytes = await anext(response.stream)  # type: ignore[arg-type]
    await response.stream.aclose()  # type: ignore[attr-defined]
    return chunk.decode()


def test_pods_are_shown_without_what_they_run() -> None:
    """Before, whoever had one node read the environment, commands and annotations of every pod of the cluster."""

    async def scene(api: Api) -> None:
        await api.make(f"{CORE}/serviceaccounts", {"metadata": {"name": "default"}})
        await api.make(f"{CORE}/pods", POD)
        merge = {"content_type": "application/merge-patch+json"}
        status = {"status": {"phase": "Running", "podIP": "10.0.0.7", "podIPs": [{"ip": "10.0.0.7"}],
                             "message": HIDDEN}}  # fmt: skip
        assert (await api.ask("PATCH", f"{CORE}/pods/p/status", status, ADMIN, **merge))[0] == 200
        one, many = f"{CORE}/pods/p", "/api/v1/pods"
        for target, accept in (
            (one, "application/json"), (one, "application/yaml"), (one, PARTIAL), (one, TABLE),
            (f"{one}?includeObject=Object", TABLE), (many, "application/json"), (many, PARTIAL_LIST),
            (f"{many}?includeObject=Object", TABLE), (f"{many}?watch=1", "application/json"),
            (f"{many}?watch=1&includeObject=Object", TABLE), (f"{many}?watch=1", PARTIAL), ("/api/v1/watch/pods", ""),
        ):  # fmt: skip
            text = await seen(api, target, accept)
            assert HIDDEN not in text and "web" in text, (target, accept)
        shown = json.loads(await seen(api, one))
        container = {"name": "c", "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}]}
        assert shown["spec"] == {"nodeName": "n2", "containers": [container]}
        assert shown["status"] == {"phase": "Running", "podIP": "10.0.0.7", "podIPs": [{"ip": "10.0.0.7"}]}
        assert await seen(api, f"{many}?fieldSelector=spec.nodeName%3Dn2".replace("%3D", "="))
        code, _ = await api.ask("GET", f"{many}?fieldSelector=spec.serviceAccountName=default", who=WHO)
        assert code == 400  # which tells by what it finds
        for method, target in (("GET", f"{one}/status"), ("GET", f"{one}/log"), ("DELETE", one), ("PUT", one)):
            assert (await api.ask(method, target, {}, WHO))[0] == 403
        assert HIDDEN in (await api.response("GET", one)).body.decode()  # others see the whole

    play(scene)


def test_no_pod_is_shown_whole_by_what_is_watched_already() -> None:
    """What is encoded once for all who watch is not encoded once for these two."""

    async def scene(api: Api) -> None:
        await api.make(f"{CORE}/serviceaccounts", {"metadata": {"name": "default"}})
        whole = await api.response("GET", f"{CORE}/pods?watch=1&resourceVersion=0")
        less = await api.response("GET", f"{CORE}/pods?watch=1&resourceVersion=0", who=WHO)
        assert whole.stream is not None and less.stream is not None
        await api.make(f"{CORE}/pods", POD)
        assert HIDDEN in (await anext(whole.stream)).decode()  # type: ignore[arg-type]
        first: bytes = await anext(less.stream)  # type: ignore[arg-type]
        assert HIDDEN not in first.decode() and b'"ADDED"' in first
        for stream in (whole.stream, less.stream):
            await stream.aclose()  # type: ignore[attr-defined]

    play(scene)


def ingress(name: str, secret: str, **spec: Any) -> dict[str, Any]:
    annotations = {"kubernetes.io/ingress.class": spec.pop("legacy")} if "legacy" in spec else {}
    backend = {"service": {"name": "s", "port": {"number": 80}}}
    rule = {"host": "h.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    tls = [{"hosts": ["h.example"], "secretName": secret}]
    return {"metadata": {"name": name, "annotations": annotations}, "spec": {"rules": [rule], "tls": tls, **spec}}


@pytest.mark.parametrize(
    ("more", "ours"),
    [
        ({"ingressClassName": "longboat"}, True), ({"legacy": "longboat"}, True),
        ({"ingressClassName": "other"}, False), ({"legacy": "other"}, False), ({"ingressClassName": "gone"}, False),
    ],
    ids=["class", "legacy", "other class", "other legacy", "no such class"],
)  # fmt: skip
def test_certificates_are_those_of_ingresses_that_nodes_serve(more: dict[str, Any], ours: bool) -> None:
    """Before, those of every other ingress controller in the cluster were to be had as well, and all in them."""

    async def scene(api: Api) -> None:
        await api.make(f"{NETWORK}/ingressclasses", {"metadata": {"name": "other"}, "spec": {"controller": "x.y/z"}})
        data = {"tls.crt": "Y3J0", "tls.key": "a2V5", "password": "aHVudGVyMg=="}
        note = {"annotations": {"a": HIDDEN}}
        for name in ("named", "unnamed"):
            await api.make(f"{CORE}/secrets", {"metadata": {"name": name, **note}, "data": data})
        await api.make(f"{NETWORK}/namespaces/default/ingresses", ingress("i", "named", **more))
        code, answer = await api.ask("GET", f"{CORE}/secrets/named", who=WHO)
        assert code == (200 if ours else 403)
        if ours:
            assert answer["data"] == {"tls.crt": "Y3J0", "tls.key": "a2V5"} and "annotations" not in answer["metadata"]
            by_name = f"{CORE}/secrets?fieldSelector=metadata.name=named"
            assert "password" not in await seen(api, by_name) + await seen(api, f"{by_name}&watch=1")
        for target in (f"{CORE}/secrets/unnamed", f"{CORE}/secrets", "/api/v1/secrets", f"{CORE}/secrets?watch=1"):
            assert (await api.ask("GET", target, who=WHO))[0] == 403, target

    play(scene)


def test_nodes_are_shown_without_what_they_hold() -> None:
    async def scene(api: Api) -> None:
        status = {"images": [{"names": [HIDDEN]}], "addresses": [{"type": "InternalIP", "address": "10.1.0.1"}],
                  "nodeInfo": {"kernelVersion": HIDDEN}}  # fmt: skip
        about = {"name": "n2", "annotations": {"a": HIDDEN}}
        await api.make("/api/v1/nodes", {"metadata": about, "spec": {"podCIDR": "10.2.0.0/24"}, "status": status})
        text = await seen(api, "/api/v1/nodes/n2")
        assert HIDDEN not in text and "10.1.0.1" in text and "10.2.0.0/24" in text
        await api.make("/api/v1/namespaces", {"metadata": {"name": "x", "annotations": {"a": HIDDEN}}})
        assert HIDDEN not in await seen(api, "/api/v1/namespaces")

    play(scene)
