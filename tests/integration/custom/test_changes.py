"""Definitions that change while their objects are watched, and how soon others hear of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from integration.custom.scene import CRDS, MERGE, Kind, properties
from unit.apiserver.harness import Api, play

NUMBER, TEXT = properties("{a: {type: integer}}"), properties("{a: {type: string}, b: {type: string, default: new}}")


class Watch:
    """What has come, and whether it is over."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []
        self.task: asyncio.Task[None]

    async def until(self, *kinds: str) -> list[Any]:
        """Wait for these events, and no others; their objects."""
        for _ in range(2000):
            if len(self.events) >= len(kinds):
                break
            await asyncio.sleep(0.002)
        found, self.events = self.events, []
        assert tuple(kind for kind, _ in found) == kinds, found
        return [obj for _, obj in found]

    async def ends(self) -> None:
        await asyncio.wait_for(self.task, 5)


@asynccontextmanager
async def watching(kind: Kind, since: str = "") -> AsyncIterator[Watch]:
    target = f"{kind.path()}?watch=true&timeoutSeconds=60" + (f"&resourceVersion={since}" if since else "")
    response = await kind.api.response("GET", target)
    assert response.status == 200, response.whole()
    stream, found = response.stream, Watch()
    assert stream is not None

    async def follow() -> None:
        async for chunk in stream:
            for line in chunk.splitlines():
                event = msgspec.json.decode(line)
                found.events.append((event["type"], event["object"]))

    found.task = asyncio.ensure_future(follow())
    try:
        yield found
    finally:
        found.task.cancel()
        await asyncio.gather(found.task, return_exceptions=True)
        response.end()


async def versions(kind: Kind, *wanted: Any) -> None:
    spec = {"versions": list(wanted)}
    code, found = await kind.api.ask("PATCH", f"{CRDS}/{kind.definition}", {"spec": spec}, content_type=MERGE)
    assert code == 200, found


def version(name: str, schema: Any = NUMBER, *, served: bool = True, stored: bool = False) -> Any:
    return {"name": name, "served": served, "storage": stored, "schema": {"openAPIV3Schema": schema}}


async def reaches(kind: Kind, code: int, name: str = "") -> Any:
    """The answer, once it has this code."""
    for _ in range(1000):
        found, answer = await kind.api.ask("GET", kind.path(name))
        if found == code:
            return answer
        await asyncio.sleep(0.002)
    raise AssertionError(f"{kind.path(name)}: {found} {answer}")


def test_another_schema() -> None:
    async def scene(api: Api) -> None:
        kind = Kind(api)
        await kind.define(NUMBER)
        first = await api.make(kind.path(), kind.obj("first", a=1))
        since = first["metadata"]["resourceVersion"]
        async with watching(kind, since) as watch:
            await api.make(kind.path(), kind.obj("second", a=2))
            assert [obj["a"] for obj in await watch.until("ADDED")] == [2]
            await versions(kind, version("v1", TEXT, stored=True))
            await watch.ends()
        for _ in range(1000):
            if (await api.ask("GET", kind.path("first")))[1].get("b") == "new":
                break
            await asyncio.sleep(0.002)
        async with watching(kind, since) as watch:  # goes on where it was: by the schema of today
            assert [(obj["a"], obj["b"]) for obj in await watch.until("ADDED")] == [(2, "new")]
            await api.make(kind.path(), kind.obj("third", a="three"))
            assert [obj["a"] for obj in await watch.until("ADDED")] == ["three"]
        code, refused = await api.ask("POST", kind.path(), kind.obj("fourth", a=4))
        assert code == 422, refused

    play(scene)


def test_a_version_more_and_one_less() -> None:
    async def scene(api: Api) -> None:
        kind = Kind(api)
        later = kind.at("v2")
        await kind.define(NUMBER)
        made = await api.make(kind.path(), kind.obj("a", a=1))
        since = made["metadata"]["resourceVersion"]
        async with watching(kind, since) as watch:
            await versions(kind, version("v1", stored=True), version("v2"))
            await watch.ends()
        assert (await reaches(later, 200, "a"))["apiVersion"] == "custom.example.com/v2"
        async with watching(kind, since) as old, watching(later, since) as new:
            await api.make(later.path(), later.obj("b", a=2))
            for watch, name in ((old, "v1"), (new, "v2")):
                (found,) = await watch.until("ADDED")
                assert (found["apiVersion"], found["a"]) == (f"custom.example.com/{name}", 2)
            await versions(kind, version("v1", stored=True), version("v2", served=False))
            await old.ends()
            await new.ends()
        await reaches(later, 404)
        async with watching(kind, since) as watch:
            assert [obj["metadata"]["name"] for obj in await watch.until("ADDED")] == ["b"]

    play(scene)


def test_another_version_that_is_stored() -> None:
    async def scene(api: Api) -> None:
        kind = Kind(api)
        later = kind.at("v2")
        await kind.define(NUMBER, "v2")
        made = await api.make(kind.path(), kind.obj("a", a=1))
        since = made["metadata"]["resourceVersion"]
        async with watching(later, since) as watch:
            await versions(kind, version("v1"), version("v2", stored=True))
            await watch.ends()
        _, definition = await api.ask("GET", f"{CRDS}/{kind.definition}")
        assert definition["status"]["storedVersions"] == ["v1", "v2"]
        async with watching(kind, since) as old, watching(later, since) as new:
            await api.ask("PATCH", later.path("a"), {"a": 2}, content_type=MERGE)
            for watch, name in ((old, "v1"), (new, "v2")):
                (found,) = await watch.until("MODIFIED")
                assert (found["apiVersion"], found["a"]) == (f"custom.example.com/{name}", 2)
        code, refused = await api.ask(
            "PATCH",
            f"{CRDS}/{kind.definition}",
            {"spec": {"versions": [version("v2", stored=True)]}},
            content_type=MERGE,
        )
        assert (code, refused["details"]["causes"][0]["field"]) == (422, "status.storedVersions[0]")

    play(scene)


def test_deleted_and_made_again_with_another_schema() -> None:
    async def scene(api: Api) -> None:
        kind = Kind(api)
        await kind.define(NUMBER)
        made = await api.make(kind.path(), kind.obj("a", a=1))
        since = made["metadata"]["resourceVersion"]
        async with watching(kind, since) as watch:
            assert (await api.ask("DELETE", f"{CRDS}/{kind.definition}"))[0] == 200
            assert [obj["a"] for obj in await watch.until("DELETED")] == [1]
            await watch.ends()
        await reaches(kind, 404)
        await kind.define(TEXT)
        assert (await reaches(kind, 200))["items"] == []
        code, refused = await api.ask("POST", kind.path(), kind.obj("a", a=1))
        assert code == 422, refused
        again = await api.make(kind.path(), kind.obj("a", a="one"))
        assert again["metadata"]["uid"] != made["metadata"]["uid"]
        async with watching(kind) as watch:
            assert [obj["a"] for obj in await watch.until("ADDED")] == ["one"]
        response = await api.response("GET", f"{kind.path()}?watch=true&timeoutSeconds=1&resourceVersion={since}")
        text = response.whole() if response.stream is None else b"".join([chunk async for chunk in response.stream])
        assert b'"reason":"Expired"' in text, text

    play(scene)


def test_it_is_published_before_it_is_said_to_be_established() -> None:
    """In discovery, of either sort, and in both OpenAPI documents: who waits for the condition finds it there."""

    async def scene(api: Api) -> None:
        accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        kind = Kind(api)
        assert (await kind.define(NUMBER))[0] == 201
        name = f"com.example.custom.v1.{kind.name}"
        _, listed = await api.ask("GET", f"/apis/{kind.group}/v1")
        assert kind.plural in {each["name"] for each in listed["resources"]}
        _, groups = await api.ask("GET", "/apis", accept=accept)
        (group,) = (each for each in groups["items"] if each["metadata"]["name"] == kind.group)
        assert kind.plural in {each["resource"] for each in group["versions"][0]["resources"]}
        place = (await api.ask("GET", "/openapi/v3"))[1]["paths"][f"apis/{kind.group}/v1"]["serverRelativeURL"]
        assert name in (await api.ask("GET", place))[1]["components"]["schemas"]
        assert name in (await api.ask("GET", "/openapi/v2"))[1]["definitions"]
        assert (await api.ask("DELETE", f"{CRDS}/{kind.definition}"))[0] == 200
        await reaches(kind, 404)
        assert (await api.ask("GET", f"/apis/{kind.group}/v1"))[0] == 404
        assert name not in (await api.ask("GET", "/openapi/v2"))[1]["definitions"]

    play(scene)
