"""Kinds that come and go while the server runs."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import msgspec
import pytest

from longboat.api import kinds
from longboat.apiserver.resources import Derived, Resource, Resources
from longboat.machinery.kinds import Kind
from longboat.machinery.subresource import Subresource
from longboat.registry.catalog import plain
from longboat.registry.strategy import ScaleFields
from unit.apiserver.harness import Api, play

BOAT = Kind("sea.example.com", "v1", "Boat", "boats", short=("bo",), categories=("all",))
STORED = "sea.example.com/boats"
VERSION = "/apis/sea.example.com/v1"
BOATS = f"{VERSION}/namespaces/default/boats"
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def boat(**more: Any) -> Any:
    return plain(BOAT, status=True, scale=ScaleFields(), storage_prefix=STORED, **more)


def test_a_kind_is_the_same_whatever_is_said_of_it() -> None:
    again = Kind("", "v1", "Pod", "pods", namespaced=False)
    assert (again, hash(again)) == (kinds.POD, hash(kinds.POD))
    assert kinds.HPA != kinds.HPA_V1


def test_the_table() -> None:
    resources = Resources()
    made: list[int] = []

    def count(served: Any) -> int:
        made.append(len(list(served)))
        return made[-1]

    counted = Derived(resources, count)
    assert counted() == 0
    resources.install(Resource(boat()))
    assert (counted(), counted(), made) == (1, 1, [0, 1])
    found = resources.find("sea.example.com", "v1", "boats")
    assert found is resources.of(BOAT)
    assert found is not None
    assert list(found.parts) == ["scale", "status"]
    renamed = Kind("sea.example.com", "v1", "Boat", "ships")
    resources.install(Resource(plain(renamed)))
    assert resources.find("sea.example.com", "v1", "boats") is None
    with pytest.raises(ValueError, match=r"/apis/sea\.example\.com/v1/ships is Boat's"):
        resources.install(Resource(plain(Kind("sea.example.com", "v1", "Ship", "ships"))))
    resources.withdraw(BOAT)
    assert (list(resources), resources.find("sea.example.com", "v1", "ships")) == ([], None)
    with pytest.raises(KeyError):
        resources.withdraw(BOAT)


async def discovered(api: Api) -> dict[str, Any]:
    """What each document says of boats."""
    groups = (await api.ask("GET", "/apis"))[1]["groups"]
    whole = (await api.ask("GET", "/apis", accept=AGGREGATED))[1]["items"]
    code, version = await api.ask("GET", VERSION)
    index = (await api.ask("GET", "/openapi/v3"))[1]["paths"]
    return {
        "group": "sea.example.com" in [group["name"] for group in groups],
        "aggregated": "sea.example.com" in [group["metadata"]["name"] for group in whole],
        "resources": [each["name"] for each in version["resources"]] if code == 200 else code,
        "openapi": VERSION.removeprefix("/") in index,
    }


SERVED = {"group": True, "aggregated": True, "resources": ["boats", "boats/scale", "boats/status"], "openapi": True}
NOT = {"group": False, "aggregated": False, "resources": 404, "openapi": False}


def test_a_kind_comes_and_goes_a_hundred_times() -> None:
    """With somebody who watches it, and somebody who watches something else. Nothing of it stays behind."""

    async def once(api: Api, turn: int) -> None:
        await api.server.install(boat())
        made = await api.make(BOATS, {"metadata": {"name": f"b{turn}"}, "spec": {"sails": turn}})
        assert (made["kind"], made["apiVersion"], made["spec"]) == ("Boat", "sea.example.com/v1", {"sails": turn})
        stream = (await api.response("GET", f"{BOATS}?watch=1&resourceVersion=0")).stream
        assert stream is not None
        event = msgspec.json.decode(await anext(stream))
        assert event["object"]["metadata"]["name"] == f"b{turn}"
        assert (await api.ask("PATCH", f"{BOATS}/b{turn}/status", {"status": {"afloat": True}}, **MERGE))[0] == 200
        event = msgspec.json.decode(await anext(stream))
        assert (event["type"], event["object"]["status"]) == ("MODIFIED", {"afloat": True})
        assert (await api.ask("DELETE", f"{BOATS}/b{turn}"))[0] == 200
        await anext(stream)
        await api.server.withdraw(BOAT)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert (await api.ask("GET", BOATS))[0] == 404

    async def scene(api: Api) -> None:
        other = (await api.response("GET", "/api/v1/configmaps?watch=1")).stream
        assert other is not None
        await once(api, 0)
        assert await discovered(api) == NOT
        gc.collect()
        before = len(asyncio.all_tasks()), len(gc.get_objects())
        for turn in range(1, 101):
            await once(api, turn)
            if turn % 25 == 0:
                await api.server.install(boat())
                assert await discovered(api) == SERVED
                assert (await api.ask("GET", BOATS))[1]["items"] == []
                await api.server.withdraw(BOAT)
                assert await discovered(api) == NOT
        await asyncio.sleep(0)
        gc.collect()
        tasks, objects = len(asyncio.all_tasks()), len(gc.get_objects())
        assert tasks == before[0]
        assert objects - before[1] < 500, "what a hundred turns leave"
        await api.make("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "still"}})
        while b'"still"' not in await asyncio.wait_for(anext(other), 5):
            pass
        await other.aclose()  # type: ignore[attr-defined]

    play(scene)


MERGE = {"content_type": "application/merge-patch+json"}


def test_a_resource_with_a_part_of_its_own_kind() -> None:
    """What the description says is what is served, with no line anywhere else."""

    async def scene(api: Api) -> None:
        part = Subresource("keel", ("get", "update"), view=True)
        await api.server.install(boat(subresources=(part,)))
        await api.make(BOATS, {"metadata": {"name": "b"}})
        assert (await api.ask("GET", f"{BOATS}/b/keel"))[1]["metadata"]["name"] == "b"
        assert (await api.ask("PATCH", f"{BOATS}/b/keel", {}, **MERGE))[0] == 405
        assert (await api.ask("GET", f"{BOATS}/b/mast"))[0] == 404
        assert (await api.ask("GET", f"{BOATS}/b/keel/deeper"))[0] == 404
        assert "boats/keel" in [each["name"] for each in (await api.ask("GET", VERSION))[1]["resources"]]

    play(scene)
