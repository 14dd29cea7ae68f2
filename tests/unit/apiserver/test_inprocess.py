"""The transport without a socket: the same chain, rights included."""

from __future__ import annotations

import json

import pytest

from longboat.machinery.errors import StatusError
from unit.apiserver.harness import Api, play

CONFIGMAPS = "/api/v1/namespaces/default/configmaps"


def test_it_asks_as_its_user() -> None:
    async def scene(api: Api) -> None:
        transport = api.server.transport("system:kube-scheduler")
        assert json.loads(await transport.request("GET", "/api/v1/nodes"))["kind"] == "NodeList"
        with pytest.raises(StatusError) as refused:
            await transport.request("POST", CONFIGMAPS, body=b'{"metadata":{"name":"a"}}')
        assert (refused.value.code, refused.value.reason) == (403, "Forbidden")
        with pytest.raises(StatusError) as missing:
            await transport.request("GET", "/nope")
        assert missing.value.code in (403, 404)

    play(scene)


def test_names_are_written_as_in_urls() -> None:
    async def scene(api: Api) -> None:
        transport = api.server.transport("admin", "system:masters")
        path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode"
        assert json.loads(await transport.request("GET", path))["metadata"]["name"] == "system:node"

    play(scene)


def test_a_watch_comes_line_by_line_and_ends_when_left() -> None:
    async def scene(api: Api) -> None:
        transport = api.server.transport("admin", "system:masters")
        lines = transport.stream(CONFIGMAPS, query={"watch": "1"})
        await transport.request("POST", CONFIGMAPS, body=b'{"metadata":{"name":"a"}}')
        await transport.request("POST", CONFIGMAPS, body=b'{"metadata":{"name":"b"}}')
        seen = [json.loads(await anext(lines)) for _ in range(2)]
        assert [(e["type"], e["object"]["metadata"]["name"]) for e in seen] == [("ADDED", "a"), ("ADDED", "b")]
        await lines.aclose()  # type: ignore[attr-defined]
        assert not api.server.stores[next(k for k in api.server.stores if k.name == "ConfigMap")].cache._watchers

    play(scene)


def test_a_watch_that_is_refused_says_so() -> None:
    async def scene(api: Api) -> None:
        transport = api.server.transport("nobody")
        with pytest.raises(StatusError) as refused:
            await anext(transport.stream(CONFIGMAPS, query={"watch": "1"}))
        assert refused.value.code == 403

    play(scene)
