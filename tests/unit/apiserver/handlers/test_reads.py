"""Lists, pages, watches, tables: what readers get, and when they are told to begin anew."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import msgspec

from unit.apiserver.harness import Api, play

CONFIGS = "/api/v1/namespaces/default/configmaps"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


def config(name: str, **labels: str) -> Any:
    return {"metadata": {"name": name, "labels": labels}, "data": {"n": name}}


async def fill(api: Api, count: int) -> None:
    for number in range(count):
        await api.make(CONFIGS, config(f"c{number:03}", even=str(number % 2 == 0).lower()))


def names(listed: Any) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"] if item["metadata"]["name"].startswith("c")]


class Watching:
    """Events of a watch, one at a time."""

    def __init__(self, stream: AsyncIterator[bytes]) -> None:
        self._stream = stream
        self._ready: list[Any] = []

    async def next(self) -> tuple[str, Any]:
        while not self._ready:
            chunk = await asyncio.wait_for(anext(self._stream), 5)
            self._ready += [msgspec.json.decode(line) for line in chunk.splitlines()]
        event = self._ready.pop(0)
        return event["type"], event["object"]

    async def named(self) -> tuple[str, str]:
        kind, obj = await self.next()
        return kind, obj["metadata"].get("name", "")

    async def close(self) -> None:
        await self._stream.aclose()  # type: ignore[attr-defined]


async def watch(api: Api, query: str = "", **headers: str) -> Watching:
    response = await api.response("GET", f"{CONFIGS}?watch=true{query}", **headers)
    assert response.stream is not None, response.whole()
    return Watching(response.stream)


def test_pages_are_of_one_snapshot() -> None:
    async def scene(api: Api) -> None:
        await fill(api, 7)
        _, first = await api.ask("GET", f"{CONFIGS}?limit=3")
        assert names(first) == ["c000", "c001", "c002"]
        assert first["metadata"]["remainingItemCount"] >= 4
        await api.ask("DELETE", f"{CONFIGS}/c004")
        await api.make(CONFIGS, config("c0035"))
        found = names(first)
        page = first
        while token := page["metadata"].get("continue"):
            _, page = await api.ask("GET", f"{CONFIGS}?limit=3&continue={token}")
            assert page["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
            found += names(page)
        assert found == [f"c{n:03}" for n in range(7)]

    play(scene)


def test_selectors_narrow_lists() -> None:
    async def scene(api: Api) -> None:
        await fill(api, 4)
        assert names((await api.ask("GET", f"{CONFIGS}?labelSelector=even%3Dtrue"))[1]) == ["c000", "c002"]
        assert names((await api.ask("GET", f"{CONFIGS}?fieldSelector=metadata.name%3Dc001"))[1]) == ["c001"]
        assert names((await api.ask("GET", f"{CONFIGS}?labelSelector=even&limit=1"))[1]) == ["c000"]

    play(scene)


def test_few_among_many_are_found_by_every_operator() -> None:
    """By an index or not, in order, page by page; a watch begins with the same objects."""
    counts = {
        "rare=yes": 3, "rare in (yes,no)": 3, "rare": 3, "rare,odd!=true": 2, "odd notin (true,false)": 1, "!odd": 1,
        "rare=no": 0, "rare in (no,never)": 0, "never": 0, "all!=yes": 0, "all notin (yes)": 0, "!all": 0,
        "odd=true": 100, "!rare": 198,
    }  # fmt: skip

    async def scene(api: Api) -> None:
        for number in range(200):
            await api.make(CONFIGS, config(f"c{number:03}", all="yes", odd=str(number % 2 == 1).lower()))
        for number in (20, 31, 40):
            await api.ask("PUT", f"{CONFIGS}/c{number:03}", config(f"c{number:03}", rare="yes", all="yes", odd="false"))
        await api.ask("PUT", f"{CONFIGS}/c031", config("c031", rare="yes", all="yes", odd="true"))
        await api.make(CONFIGS, config("c200", all="yes"))
        for selector, count in counts.items():
            query = f"labelSelector={quote(selector)}"
            found = names((await api.ask("GET", f"{CONFIGS}?{query}"))[1])
            assert (len(found), found) == (count, sorted(found)), selector
            watching = await watch(api, f"&{query}")
            assert [(await watching.next())[1]["metadata"]["name"] for _ in found] == found
        _, first = await api.ask("GET", f"{CONFIGS}?labelSelector=rare&limit=1")
        await api.ask("DELETE", f"{CONFIGS}/c040")  # it does not show in the other pages
        rest = f"{CONFIGS}?labelSelector=rare&continue={first['metadata']['continue']}"
        assert names(first) + names((await api.ask("GET", rest))[1]) == ["c020", "c031", "c040"]

    play(scene)


def test_resource_versions_of_lists() -> None:
    async def scene(api: Api) -> None:
        await fill(api, 2)
        _, before = await api.ask("GET", CONFIGS)
        version = before["metadata"]["resourceVersion"]
        await api.make(CONFIGS, config("c900"))
        exact = f"{CONFIGS}?resourceVersion={version}&resourceVersionMatch=Exact"
        assert names((await api.ask("GET", exact))[1]) == ["c000", "c001"]
        at_least = f"{CONFIGS}?resourceVersion={version}&resourceVersionMatch=NotOlderThan"
        assert names((await api.ask("GET", at_least))[1]) == ["c000", "c001", "c900"]
        code, status = await api.ask("GET", f"{CONFIGS}?resourceVersionMatch=Exact")
        assert (code, status["reason"]) == (422, "Invalid")
        assert "resourceVersionMatch is forbidden unless resourceVersion is provided" in status["message"]

    play(scene)


def test_a_watch_tells_what_happens_from_a_version_on() -> None:
    async def scene(api: Api) -> None:
        _, listed = await api.ask("GET", CONFIGS)
        watching = await watch(api, f"&resourceVersion={listed['metadata']['resourceVersion']}")
        made = await api.make(CONFIGS, config("c1"))
        kind, seen = await watching.next()
        assert (kind, seen) == ("ADDED", made)
        await api.ask("PATCH", f"{CONFIGS}/c1", {"data": {"n": "2"}}, content_type="application/merge-patch+json")
        assert (await watching.named()) == ("MODIFIED", "c1")
        await api.ask("DELETE", f"{CONFIGS}/c1")
        kind, last = await watching.next()
        assert kind == "DELETED" and int(last["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
        await watching.close()

    play(scene)


def test_objects_come_into_and_leave_a_selection() -> None:
    async def scene(api: Api) -> None:
        _, listed = await api.ask("GET", CONFIGS)
        watching = await watch(api, f"&resourceVersion={listed['metadata']['resourceVersion']}&labelSelector=on")
        await api.make(CONFIGS, config("c1"))
        merge = "application/merge-patch+json"
        await api.ask("PATCH", f"{CONFIGS}/c1", {"metadata": {"labels": {"on": "1"}}}, content_type=merge)
        assert await watching.named() == ("ADDED", "c1")
        await api.ask("PATCH", f"{CONFIGS}/c1", {"metadata": {"labels": {"on": None}}}, content_type=merge)
        kind, gone = await watching.next()
        assert kind == "DELETED" and gone["metadata"]["labels"] == {"on": "1"}, "as it last was in the selection"
        await watching.close()

    play(scene)


def test_a_streaming_list_ends_with_its_bookmark() -> None:
    async def scene(api: Api) -> None:
        await fill(api, 2)
        query = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=even"
        watching = await watch(api, query)
        assert [await watching.named() for _ in range(2)] == [("ADDED", "c000"), ("ADDED", "c001")]
        kind, mark = await watching.next()
        assert kind == "BOOKMARK"
        assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert int(mark["metadata"]["resourceVersion"]) > 0
        await watching.close()
        code, status = await api.ask("GET", f"{CONFIGS}?watch=true&sendInitialEvents=true")
        assert (code, status["reason"]) == (422, "Invalid")

    play(scene)


def test_a_version_that_is_not_written_yet() -> None:
    async def scene(api: Api) -> None:
        code, status = await api.ask("GET", f"{CONFIGS}?resourceVersion=999999")
        assert (code, status["reason"]) == (504, "Timeout")
        assert "Too large resource version: 999999, current: " in status["message"]
        assert status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"

    play(scene)


def test_tables() -> None:
    async def scene(api: Api) -> None:
        await fill(api, 2)
        _, table = await api.ask("GET", f"{CONFIGS}?labelSelector=even", accept=TABLE)
        assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
        assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Data", "Age"]
        assert [row["cells"][:2] for row in table["rows"]] == [["c000", 1], ["c001", 1]]
        assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
        _, whole = await api.ask("GET", f"{CONFIGS}/c000?includeObject=Object", accept=TABLE)
        assert whole["rows"][0]["object"]["data"] == {"n": "c000"}
        watching = await watch(api, "&labelSelector=even", accept=TABLE)
        (_, first), (_, second) = [await watching.next() for _ in range(2)]
        assert first["columnDefinitions"] and not second["columnDefinitions"], "columns come once"
        await watching.close()

    play(scene)


def test_metadata_alone() -> None:
    async def scene(api: Api) -> None:
        await fill(api, 1)
        _, listed = await api.ask("GET", f"{CONFIGS}?labelSelector=even", accept=PARTIAL)
        assert listed["kind"] == "PartialObjectMetadataList"
        (item,) = listed["items"]
        assert item.keys() == {"kind", "apiVersion", "metadata"} and item["metadata"]["name"] == "c000"

    play(scene)


def test_yaml_is_given_to_those_who_ask() -> None:
    async def scene(api: Api) -> None:
        await fill(api, 1)
        response = await api.response("GET", f"{CONFIGS}/c000", accept="application/yaml")
        assert response.content_type == "application/yaml" and b"kind: ConfigMap" in response.whole()

    play(scene)


def test_a_collection_is_deleted_by_selector() -> None:
    async def scene(api: Api) -> None:
        await fill(api, 4)
        code, gone = await api.ask("DELETE", f"{CONFIGS}?labelSelector=even%3Dtrue")
        assert code == 200 and names(gone) == ["c000", "c002"]
        assert names((await api.ask("GET", CONFIGS))[1]) == ["c001", "c003"]

    play(scene)


def test_discovery_knows_every_group() -> None:
    async def scene(api: Api) -> None:
        _, groups = await api.ask("GET", "/apis")
        assert {g["name"] for g in groups["groups"]} >= {
            "apps", "batch", "autoscaling", "policy", "rbac.authorization.k8s.io", "networking.k8s.io",
            "discovery.k8s.io", "events.k8s.io", "coordination.k8s.io", "storage.k8s.io", "scheduling.k8s.io",
            "node.k8s.io", "certificates.k8s.io", "authentication.k8s.io", "authorization.k8s.io",
            "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io",
            "flowcontrol.apiserver.k8s.io", "resource.k8s.io",
        }  # fmt: skip
        for group in groups["groups"]:
            for version in group["versions"]:
                code, resources = await api.ask("GET", f"/apis/{version['groupVersion']}")
                assert code == 200 and resources["resources"], version
        accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        _, aggregated = await api.ask("GET", "/apis", accept=accept)
        assert aggregated["kind"] == "APIGroupDiscoveryList"
        assert {i["metadata"]["name"] for i in aggregated["items"]} == {g["name"] for g in groups["groups"]}

    play(scene)


def test_items_of_a_list_do_not_say_what_they_are() -> None:
    async def scene(api: Api) -> None:
        await fill(api, 2)
        for query in ("", "?limit=2", "?labelSelector=even"):
            listed = (await api.ask("GET", CONFIGS + query))[1]
            assert (listed["kind"], listed["apiVersion"]) == ("ConfigMapList", "v1")
            assert names(listed) == ["c000", "c001"]
            assert not any({"kind", "apiVersion"} & set(item) for item in listed["items"])
        _, partial = await api.ask("GET", CONFIGS, accept=PARTIAL)
        assert {item["kind"] for item in partial["items"]} == {"PartialObjectMetadata"}

    play(scene)


def test_who_lists_while_others_are_sent_the_same_gets_the_same_bytes() -> None:
    async def scene(api: Api) -> None:
        await fill(api, 3)
        first = await api.response("GET", CONFIGS)
        again = await api.response("GET", CONFIGS)
        assert again.tail is first.tail
        elsewhere = await api.response("GET", "/api/v1/configmaps")
        partial = await api.response("GET", CONFIGS, accept=PARTIAL)
        assert first.tail not in (elsewhere.tail, partial.tail)
        await api.make("/api/v1/namespaces/default/secrets", {"metadata": {"name": "of-another-resource"}})
        later = await api.response("GET", CONFIGS)
        assert later.tail is first.tail
        assert later.body > first.body, "the list is as of now all the same"
        await api.make(CONFIGS, config("c9"))
        assert names(msgspec.json.decode((await api.response("GET", CONFIGS)).whole())) == [
            "c000",
            "c001",
            "c002",
            "c9",
        ]
        assert names(msgspec.json.decode(first.whole())) == ["c000", "c001", "c002"]

    play(scene)


def test_nothing_is_kept_of_lists_that_have_been_sent() -> None:
    async def scene(api: Api) -> None:
        await fill(api, 3)
        response = await api.response("GET", CONFIGS)
        known = weakref.ref(response.tail)
        del response
        assert known() is None

    play(scene)
