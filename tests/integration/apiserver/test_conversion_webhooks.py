"""Conversion webhooks over TLS: what they make of objects, what they are asked, and what becomes of those that fail."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest

from integration.apiserver.test_admission_webhooks import CONFIGURATIONS
from longboat.aio.clock import SystemClock
from longboat.apiserver.custom.conversion import webhook
from longboat.storage.memory import MemoryStorage
from oracle.webhook import Webhooks
from unit.apiserver.custom.test_definitions import CRDS, MERGE, until
from unit.apiserver.harness import Api, api_server, play

GROUP = "sea.example.com"
NAME = f"boats.{GROUP}"
APPLY = "application/apply-patch+yaml"
TEXT: Any = {"type": "string"}
FIELDS: Any = {
    "v1": {"hostPort": TEXT}, "v2": {"host": TEXT, "port": TEXT | {"default": "80"}},
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Webhooks]:
    found = Webhooks()
    yield found
    found.close()


def turned(obj: Any, to: str) -> Any:
    """As the example of upstream's e2e suite has it."""
    found = dict(obj) | {"apiVersion": to}
    if to.endswith("/v2") and "hostPort" in found:
        found["host"], _, found["port"] = found.pop("hostPort").partition(":")
    elif to.endswith("/v1") and "host" in found:
        found["hostPort"] = f"{found.pop('host')}:{found.pop('port', '')}"
    return found


def converting(review: Any) -> Any:
    asked = review["request"]
    return {"response": {"convertedObjects": [turned(each, asked["desiredAPIVersion"]) for each in asked["objects"]]}}


def version(name: str, stored: str = "v1", **about: Any) -> Any:
    fields = FIELDS[name] | {"spec": {"type": "object", "properties": {"crew": {"type": "integer"}}},
                             "status": {"type": "object", "properties": {"crew": {"type": "integer"}}}}  # fmt: skip
    scale = {"specReplicasPath": ".spec.crew", "statusReplicasPath": ".status.crew"}
    column = {"name": "Where", "type": "string", "jsonPath": ".hostPort" if name == "v1" else ".host"}
    return {
        "name": name, "served": True, "storage": name == stored, "subresources": {"status": {}, "scale": scale},
        "schema": {"openAPIV3Schema": {"type": "object", "properties": fields}},
        "additionalPrinterColumns": [column], "selectableFields": [{"jsonPath": column["jsonPath"]}], **about,
    }  # fmt: skip


def definition(server: Webhooks, reply: Any = converting, stored: str = "v1", url: str = "") -> Any:
    server.forget("s")
    server.replies["s", "/c"] = reply
    fixed = server.fixed("s")
    client = {"url": url or fixed["<hook>"] + "/c", "caBundle": fixed["<ca>"]}
    asked_by = {"clientConfig": client, "conversionReviewVersions": ["v1", "v1beta1"]}
    return {
        "metadata": {"name": NAME},
        "spec": {
            "group": GROUP, "scope": "Namespaced", "names": {"plural": "boats", "kind": "Boat"},
            "versions": [version("v1", stored), version("v2", stored)],
            "conversion": {"strategy": "Webhook", "webhook": asked_by},
        },
    }  # fmt: skip


def at(api: str, name: str = "") -> str:
    return f"/apis/{GROUP}/{api}/namespaces/default/boats" + (f"/{name}" if name else "")


def boat(api: str = "v1", name: str = "a", **about: Any) -> Any:
    where = {"hostPort": "localhost:8080"} if api == "v1" else {"host": "localhost", "port": "8080"}
    return {"apiVersion": f"{GROUP}/{api}", "kind": "Boat", "metadata": {"name": name}} | where | about


def is_boat(found: Any, api: str) -> bool:
    shown = {name: found[name] for name in ("apiVersion", "hostPort", "host", "port") if name in found}
    return bool(shown == {name: value for name, value in boat(api).items() if name in shown or name == "apiVersion"})


async def begun(api: Api, made: Any, *boats: Any) -> None:
    await api.make(CRDS, made)
    await until(api, f"/apis/{GROUP}/v2", lambda code, _: code == 200)
    for each in boats:
        await api.make(at(each["apiVersion"].rpartition("/")[2]), each)


def asked(server: Webhooks) -> list[tuple[str, int]]:
    """The versions that were asked for since the last call, and for how many objects."""
    return [(r["request"]["desiredAPIVersion"].rpartition("/")[2], len(r["request"]["objects"]))
            for r in server.taken("s")]  # fmt: skip


async def stored(storage: MemoryStorage) -> dict[str, Any]:
    page = await storage.list(f"/registry/{GROUP}/boats/")
    return {item.key.rpartition("/")[2]: msgspec.json.decode(item.value) for item in page.items}


def test_reads_are_converted_together_and_once(server: Webhooks) -> None:
    async def scene(api: Api) -> None:
        await begun(api, definition(server), *(boat(name=name) for name in "abc"))
        assert asked(server) == []
        code, found = await api.ask("GET", at("v2", "a"))
        assert code == 200 and is_boat(found, "v2") and "hostPort" not in found
        (review,) = server.taken("s")
        assert (review["apiVersion"], review["kind"]) == ("apiextensions.k8s.io/v1", "ConversionReview")
        assert review["hook"] == "/c?timeout=30s"
        (sent,) = review["request"]["objects"]
        assert sent["metadata"]["managedFields"] and "resourceVersion" not in sent["metadata"]
        answers = await asyncio.gather(*(api.ask("GET", at("v2")) for _ in range(3)))
        assert all(is_boat(each, "v2") for _, listed in answers for each in listed["items"])
        assert asked(server) == [("v2", 2)], "what is known is not asked again, and others wait for who has asked"
        assert len((await api.ask("GET", at("v1")))[1]["items"]) == 3
        assert asked(server) == []

    play(scene)


def test_every_write_goes_through_and_is_stored_in_one_version(server: Webhooks) -> None:
    async def main() -> None:
        storage = MemoryStorage(SystemClock())
        async with api_server(storage=storage) as api:
            await begun(api, definition(server))
            made = await api.make(at("v2"), boat("v2", spec={"crew": 1}))
            assert is_boat(made, "v2") and made["metadata"]["resourceVersion"]
            assert asked(server) == [("v1", 1), ("v2", 1)]
            assert (await stored(storage))["a"]["hostPort"] == "localhost:8080"
            assert (await api.ask("GET", at("v2", "a")))[1] == made
            assert asked(server) == [], "what was converted for the answer is known to readers"
            code, made = await api.ask("PUT", at("v2", "a"), made | {"port": "8081"})
            assert (code, asked(server)) == (200, [("v1", 1), ("v2", 1)]), "and to writers"
            await api.make(at("v2"), {**boat("v2", "b"), "port": None})
            assert (await api.ask("GET", at("v1", "b")))[1]["hostPort"] == "localhost:80", "the request's defaults"
            code, found = await api.ask("PUT", at("v2", "a"), made | {"host": "elsewhere"})
            assert (code, found["host"]) == (200, "elsewhere")
            patch = {"metadata": {"annotations": {"main": "true"}}, "port": "1"}
            code, found = await api.ask("PATCH", at("v2", "a"), patch, content_type=MERGE)
            assert (code, found["port"]) == (200, "1")
            found["status"] = {"crew": 7}
            code, found = await api.ask("PUT", f"{at('v2', 'a')}/status", found)
            assert (code, found["status"]) == (200, {"crew": 7})
            code, found = await api.ask(
                "PATCH", f"{at('v2', 'a')}/scale", {"spec": {"replicas": 3}}, content_type=MERGE
            )
            assert (code, found["spec"], found["status"]["replicas"]) == (200, {"replicas": 3}, 7)
            kept = await stored(storage)
            assert (kept["a"]["apiVersion"], kept["a"]["hostPort"]) == (f"{GROUP}/v1", "elsewhere:1")
            assert (kept["a"]["spec"], kept["a"]["status"]) == ({"crew": 3}, {"crew": 7})
            code, found = await api.ask("POST", f"{at('v2')}?dryRun=All", boat("v2", "dry"))
            assert code == 201 and is_boat(found, "v2") and "dry" not in await stored(storage)
            before = (await api.ask("GET", at("v2", "a")))[1]
            code, found = await api.ask("PATCH", at("v2", "a"), {"host": "elsewhere"}, content_type=MERGE)
            assert found["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"], "nothing changes"
            code, found = await api.ask("DELETE", at("v2", "b"))
            assert (code, found["status"]) == (200, "Success")
            code, found = await api.ask("DELETE", at("v2"))
            assert code == 200 and [each["host"] for each in found["items"]] == ["elsewhere"]
            assert await stored(storage) == {}

    asyncio.run(main())


def test_only_labels_and_annotations_of_the_metadata_may_change(server: Webhooks) -> None:
    def changing(review: Any) -> Any:
        found = converting(review)
        for each in found["response"]["convertedObjects"]:
            each["metadata"] |= {"labels": {"from": "webhook"}, "annotations": {"x": "y"}, "generation": 99,
                                 "finalizers": ["example.com/f"], "creationTimestamp": None}  # fmt: skip
        return found

    async def scene(api: Api) -> None:
        await begun(api, definition(server, changing), boat())
        _, first = await api.ask("GET", at("v1", "a"))
        _, found = await api.ask("GET", at("v2", "a"))
        assert found["metadata"] == first["metadata"] | {"labels": {"from": "webhook"}, "annotations": {"x": "y"}}

    play(scene)


async def events(stream: AsyncIterator[bytes], count: int) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    async with asyncio.timeout(5):
        async for piece in stream:
            lines = map(msgspec.json.decode, piece.splitlines())
            found += [(line["type"], line["object"]) for line in lines]
            if len(found) >= count:
                break
    return found


def test_watches_show_events_converted_and_end_where_they_cannot_be(server: Webhooks) -> None:
    async def scene(api: Api) -> None:
        await begun(api, definition(server), boat())
        response = await api.response("GET", f"{at('v2')}?watch=true")
        stream = response.stream
        assert stream is not None
        seen = await events(stream, 1)
        await api.ask("PATCH", at("v1", "a"), {"hostPort": "there:1"}, content_type=MERGE)
        seen += await events(stream, 1)
        server.replies["s", "/c"] = {"response": {"result": {"status": "Failed", "message": "not today"}}}
        await api.ask("DELETE", at("v1", "a"))
        seen += await events(stream, 1)
        assert [(kind, obj["host"]) for kind, obj in seen] == [
            ("ADDED", "localhost"), ("MODIFIED", "there"), ("DELETED", "there"),
        ]  # fmt: skip
        await api.make(at("v1"), boat(name="b"))
        ((kind, status),) = await events(stream, 1)
        assert (kind, status["code"]) == ("ERROR", 500)
        assert status["message"] == f"conversion webhook for {GROUP}/v1, Kind=Boat failed: not today"
        server.replies["s", "/c"] = converting
        since = seen[-1][1]["metadata"]["resourceVersion"]
        response = await api.response("GET", f"{at('v2')}?watch=true&resourceVersion={since}")
        assert response.stream is not None
        ((kind, obj),) = await events(response.stream, 1)
        assert (kind, obj["metadata"]["name"]) == ("ADDED", "b"), "nothing is lost"
        await stream.aclose()  # type: ignore[attr-defined]
        await response.stream.aclose()  # type: ignore[attr-defined]

    play(scene)


def test_columns_and_selectable_fields_are_each_versions_own(server: Webhooks) -> None:
    async def scene(api: Api) -> None:
        there = boat(name="b") | {"hostPort": "there:1"}
        await begun(api, definition(server), boat(), there)
        for query, names in (("host=there", ["b"]), ("host=localhost", ["a"]), ("host!=there", ["a"])):
            _, found = await api.ask("GET", f"{at('v2')}?fieldSelector={query}")
            assert [each["metadata"]["name"] for each in found["items"]] == names
        _, found = await api.ask("GET", f"{at('v1')}?fieldSelector=hostPort=there:1")
        assert [each["metadata"]["name"] for each in found["items"]] == ["b"]
        table = "application/json;as=Table;v=v1;g=meta.k8s.io"
        _, found = await api.ask("GET", at("v2"), accept=table)
        assert [row["cells"] for row in found["rows"]] == [["a", "localhost"], ["b", "there"]]
        response = await api.response("GET", f"{at('v2')}?watch=true&fieldSelector=host=there")
        assert response.stream is not None
        seen = await events(response.stream, 1)
        await api.ask("PATCH", at("v1", "b"), {"hostPort": "gone:1"}, content_type=MERGE)
        await api.ask("PATCH", at("v1", "a"), {"hostPort": "there:2"}, content_type=MERGE)
        seen += await events(response.stream, 2)
        assert [(kind, obj["metadata"]["name"], obj["host"]) for kind, obj in seen] == [
            ("ADDED", "b", "there"), ("DELETED", "b", "there"), ("ADDED", "a", "there"),
        ]  # fmt: skip
        await response.stream.aclose()  # type: ignore[attr-defined]
        _, found = await api.ask("DELETE", f"{at('v2')}?fieldSelector=host=there")
        assert [each["metadata"]["name"] for each in found["items"]] == ["a"]

    play(scene)


def test_configurations_are_applied_in_any_version(server: Webhooks) -> None:
    async def apply(api: Api, config: Any, who: str, **query: str) -> tuple[int, Any]:
        version = config["apiVersion"].rpartition("/")[2]
        more = "".join(f"&{key}={value}" for key, value in query.items())
        target = f"{at(version, config['metadata']['name'])}?fieldManager={who}{more}"
        return await api.ask("PATCH", target, config, content_type=APPLY)

    async def scene(api: Api) -> None:
        await begun(api, definition(server))
        assert (await apply(api, boat("v1"), "old"))[0] == 201
        code, found = await apply(api, boat("v2") | {"host": "there"}, "new")
        assert (code, found["message"]) == (409, 'Apply failed with 1 conflict: conflict with "old": .hostPort')
        code, found = await apply(api, boat("v2") | {"host": "there"}, "new", force="true")
        assert (code, found["host"]) == (200, "there")
        owners = {
            each["manager"]: (each["apiVersion"], each["fieldsV1"]) for each in found["metadata"]["managedFields"]
        }
        assert owners == {"new": (f"{GROUP}/v2", {"f:host": {}, "f:port": {}})}
        code, found = await apply(api, boat("v1") | {"hostPort": "there:8080"}, "old")
        assert code == 200, found
        code, found = await apply(api, boat("v1", spec={"crew": 2}) | {"hostPort": "there:8080"}, "old")
        assert (code, found["spec"]) == (200, {"crew": 2})
        config = boat("v2") | {"host": "there"}
        code, found = await apply(api, config, "old")  # in another version, and no more of the crew
        assert (code, found.get("spec"), found["host"]) == (200, None, "there")
        owners = {each["manager"]: each["apiVersion"] for each in found["metadata"]["managedFields"]}
        assert owners == {"new": f"{GROUP}/v2", "old": f"{GROUP}/v2"}
        code, found = await api.ask("PATCH", at("v1", "a"), {"hostPort": "x:1"}, content_type=MERGE)
        owners = {each["manager"]: each["apiVersion"] for each in found["metadata"]["managedFields"]}
        assert set(owners.values()) == {f"{GROUP}/v1"}, "whoever changes a field has it, in whichever version"

    play(scene)


def test_the_storage_version_moves_with_objects_in_several(server: Webhooks) -> None:
    async def main() -> None:
        storage = MemoryStorage(SystemClock())
        async with api_server(storage=storage) as api:
            await begun(api, definition(server), boat(name="a"))
            moved = {"spec": {"versions": [version("v1", "v2"), version("v2", "v2")]}}
            _, found = await api.ask("PATCH", f"{CRDS}/{NAME}", moved, content_type=MERGE)
            assert found["status"]["storedVersions"] == ["v1", "v2"]
            await until(api, f"{CRDS}/{NAME}", lambda *_: True)
            await api.make(at("v1"), boat(name="b"))
            assert {n: o["apiVersion"] for n, o in (await stored(storage)).items()} == {
                "a": f"{GROUP}/v1", "b": f"{GROUP}/v2",
            }  # fmt: skip
            server.taken("s")
            for api_version in ("v1", "v2"):
                _, found = await api.ask("GET", at(api_version))
                assert [is_boat(each, api_version) for each in found["items"]] == [True, True]
                lacking = [("v2", 1)] if api_version == "v2" else []  # the other one was shown to its maker
                assert asked(server) == lacking, "what is in the version already is not sent"
        async with api_server(storage=storage) as api:  # and after a restart
            assert all(is_boat(each, "v2") for each in (await api.ask("GET", at("v2")))[1]["items"])
            _, one = await api.ask("GET", at("v1", "a"))
            code, _ = await api.ask("PUT", at("v1", "a"), one)
            assert code == 200 and (await stored(storage))["a"]["apiVersion"] == f"{GROUP}/v2"
            trim = {"status": {"storedVersions": ["v2"]}}
            code, found = await api.ask("PATCH", f"{CRDS}/{NAME}/status", trim, content_type=MERGE)
            assert (code, found["status"]["storedVersions"]) == (200, ["v2"])

    asyncio.run(main())


def changed(change: Any) -> Any:
    """A reply by a webhook that converts, and then does this to what it has made."""

    def reply(review: Any) -> Any:
        found = converting(review)
        for each in found["response"]["convertedObjects"]:
            change(each)
        return found

    return reply


def fewer(review: Any) -> Any:
    found = converting(review)
    del found["response"]["convertedObjects"][len(review["request"]["objects"]) // 2 :]
    return found


ABOUT = f"conversion webhook for {GROUP}/v1, Kind=Boat"
_FAILED = {"response": {"result": {"status": "Failed"}}}
_OLDER = {"review": {"apiVersion": "apiextensions.k8s.io/v1beta1"}}
_ODD, _ODD_META = "returned invalid object: must have the same", "returned invalid metadata:"
FAULTS: dict[str, tuple[Any, str]] = {
    "failed": ({"response": {"result": {"status": "Failed", "message": "no"}}}, "failed: no"),
    "speechless": (_FAILED, "failed: response.result.status was 'Failed', not 'Success'"),
    "no result": ({"response": {"result": None}}, "failed: response.result.status was '', not 'Success'"),
    "no response": ({"review": {"response": None}}, "failed: no response provided"),
    "empty": ({"response": {"convertedObjects": []}}, "returned 0 objects, expected 1"),
    "half": (fewer, "returned 0 objects, expected 1"),
    "uid": ({"response": {"uid": "other"}}, 'failed: expected response.uid="<uid>", got "other"'),
    "older": (_OLDER, "failed: converting (v1beta1.ConversionReview) to (v1.ConversionReview): unknown conversion"),
    "garbage": ({"text": "<html>"}, "failed: couldn't get version/kind; json parse error: json: cannot unmarshal "
                "string into Go value of type struct { APIVersion string"),
    "5 MiB": ({"text": "x" * (5 << 20)}, "failed: the answer is larger than 4194304 bytes"),
    "nothing": ({"text": ""}, "failed: 0-length response with status code: 200 and content type: application/json"),
    "redirect": ({"text": "", "status": 302}, "failed: the server responded with the status code 302 but did not"),
    "down": ({"text": "", "status": 503}, 'failed: an error on the server ("unknown") has prevented the request from'),
    "no object": ({"response": {"convertedObjects": [5]}}, "returned invalid object at index 0: json: cannot "
                  "unmarshal number into Go value of type map[string]interface {}"),
    "group": (changed(lambda o: o.update(apiVersion="x/v2")), "returned invalid object at index 0: invalid "
              f"groupVersion (expected {GROUP}/v2, received x/v2)"),
    "kind": (changed(lambda o: o.update(kind="Bus")), "returned invalid object at index 0: invalid kind (expected "
             "Boat, received Bus)"),
    "name": (changed(lambda o: o["metadata"].update(name="z")), f"{_ODD} name: a != z"),
    "namespace": (changed(lambda o: o["metadata"].update(namespace="z")), f"{_ODD} namespace: default != z"),
    "own uid": (changed(lambda o: o["metadata"].update(uid="z")), f"{_ODD} UID: <uid> != z"),
    "no metadata": (changed(lambda o: o.pop("metadata")), f"{_ODD} name: a != "),
    "labels": (changed(lambda o: o["metadata"].update(labels=[])),
               f"{_ODD_META} invalid metadata.labels of type []interface {{}} in converted object"),
    "a label": (changed(lambda o: o["metadata"].update(labels={"a": 1})),
                f"{_ODD_META} metadata.labels[a] must be a string, but is int64 in converted object"),
    "label": (changed(lambda o: o["metadata"].update(labels={"a": "-"})),
              f'{_ODD_META} metadata.labels: Invalid value: "-": '),
}  # fmt: skip


def test_answers_that_say_nothing_are_told_in_upstreams_words(server: Webhooks) -> None:
    async def scene(api: Api) -> None:
        await begun(api, definition(server, {}), boat())
        for fault, (reply, why) in FAULTS.items():
            server.replies["s", "/c"] = reply
            code, status = await api.ask("GET", at("v2", "a"))
            told = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<uid>", status["message"])
            assert (code, told[: len(ABOUT) + len(why) + 1]) == (500, f"{ABOUT} {why}")
            assert "reason" not in status and "details" not in status
            if fault == "failed":
                assert await api.ask("GET", at("v2")) == (500, status)
        server.replies["s", "/c"] = converting
        assert (await api.ask("GET", at("v2", "a")))[0] == 200
        figures = (await api.ask("GET", "/metrics"))[1]
        line = r'^apiserver_conversion_webhook_request_total{failure_type="%s",result="%s"} (\d+)$'
        for failure, result in (("", "success"), *(
            (f"conversion_webhook_{kind}_failure", "failure")
            for kind in ("call", "malformed_response", "partial_response", "invalid_converted_object")
        )):  # fmt: skip
            assert re.search(line % (failure, result), figures, re.MULTILINE), failure
        pair = f'{{crd_name="{NAME}",from_version="v1",succeeded="true",to_version="v2"}} 1'
        assert f"apiserver_crd_conversion_webhook_duration_seconds_count{pair}" in figures

    play(scene)


def test_the_first_known_version_of_the_review_is_sent(server: Webhooks) -> None:
    def older(review: Any) -> Any:
        return converting(review) | {"review": {"apiVersion": "apiextensions.k8s.io/v1beta1"}}

    def unnamed(review: Any) -> Any:
        found = converting(review)
        return {"response": found["response"] | {"uid": ""}}

    async def scene(api: Api) -> None:
        made = definition(server, unnamed)
        made["spec"]["conversion"]["webhook"]["conversionReviewVersions"] = ["v2", "v1beta1", "v1"]
        await begun(api, made, boat(), boat(name="b"))
        code, found = await api.ask("GET", at("v2", "a"))
        assert code == 200 and is_boat(found, "v2"), "of that version nobody asks for the uid"
        assert [each["apiVersion"] for each in server.taken("s")] == ["apiextensions.k8s.io/v1beta1"]
        server.replies["s", "/c"] = older
        assert (await api.ask("GET", at("v2", "b")))[0] == 200

    play(scene)


def test_of_many_objects_the_odd_one_is_named(server: Webhooks) -> None:
    def one_odd(review: Any) -> Any:
        found = converting(review)
        found["response"]["convertedObjects"][1]["metadata"]["name"] = "z"
        return found

    async def scene(api: Api) -> None:
        await begun(api, definition(server, one_odd), boat(), boat(name="b"))
        code, status = await api.ask("GET", at("v2"))
        why = "returned invalid converted object at index 2: must have the same name: b != z"
        assert (code, status["message"]) == (500, f"{ABOUT} {why}")
        server.replies["s", "/c"] = fewer
        _, status = await api.ask("GET", at("v2"))
        assert status["message"] == f"{ABOUT} returned 1 objects, expected 2"

    play(scene)


def test_one_that_is_dead_keeps_nobody_from_what_needs_no_other_version(server: Webhooks) -> None:
    async def main() -> None:
        storage = MemoryStorage(SystemClock())
        async with api_server(storage=storage) as api:
            made = definition(server, url="https://127.0.0.1:1/c")
            await begun(api, made, boat(), boat(name="b"))
            why = 'Post "https://127.0.0.1:1/c?timeout=30s": dial tcp 127.0.0.1:1: connect: connection refused'
            for method, target, body in (
                ("GET", at("v2", "a"), None), ("GET", at("v2"), None), ("DELETE", at("v2", "a"), None),
                ("PUT", at("v2", "a"), boat("v2")), ("GET", f"{at('v2')}?watch=true", None),
            ):  # fmt: skip
                code, found = await api.ask(method, target, body)
                assert (code, found["message"]) == (500, f"{ABOUT} failed: {why}")
            code, found = await api.ask("POST", at("v2"), boat("v2", "c"))
            assert (code, found["message"]) == (500, f"conversion webhook for {GROUP}/v2, Kind=Boat failed: {why}")
            assert set(await stored(storage)) == {"a", "b"}
            metadata = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
            code, found = await api.ask("GET", at("v2"), accept=metadata)
            assert (code, [each["metadata"]["name"] for each in found["items"]]) == (200, ["a", "b"])
            code, found = await api.ask("PATCH", at("v1", "a"), {"hostPort": "there:1"}, content_type=MERGE)
            assert (code, found["hostPort"]) == (200, "there:1")
            moved = {"spec": {"versions": [version("v1", "v2"), version("v2", "v2")]}}
            await api.ask("PATCH", f"{CRDS}/{NAME}", moved, content_type=MERGE)
            code, _ = await api.ask("DELETE", f"{CRDS}/{NAME}")
            assert code == 200
            await until(api, f"{CRDS}/{NAME}", lambda code, _: code == 404)
            assert await stored(storage) == {}, "a definition goes with its objects, whoever could convert them"

    asyncio.run(main())


def test_owners_in_another_version_stay_where_nobody_converts(server: Webhooks) -> None:
    async def scene(api: Api) -> None:
        await begun(api, definition(server))
        target = f"{at('v2', 'a')}?fieldManager=new"
        assert (await api.ask("PATCH", target, boat("v2"), content_type=APPLY))[0] == 201
        server.replies["s", "/c"] = {"text": "", "status": 503}
        code, found = await api.ask("PATCH", at("v1", "a"), {"spec": {"crew": 1}}, content_type=MERGE)
        assert (code, found["spec"]) == (200, {"crew": 1})
        assert [each["manager"] for each in found["metadata"]["managedFields"]] == ["new"]

    play(scene)


def test_admission_sees_objects_in_the_version_that_it_is_for(server: Webhooks) -> None:
    rule = {"apiGroups": [GROUP], "apiVersions": ["v2"], "operations": ["*"], "resources": ["boats"]}

    async def scene(api: Api) -> None:
        await begun(api, definition(server))
        server.replies["s", "/m"] = {"patch": [{"op": "replace", "path": "/host", "value": "patched"}]}
        fixed = server.fixed("s")
        hook = {
            "name": "m.example.com", "clientConfig": {"url": fixed["<hook>"] + "/m", "caBundle": fixed["<ca>"]},
            "rules": [rule], "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "matchConditions": [{"name": "v2", "expression": "object.host == 'localhost'"}],
        }  # fmt: skip
        await api.make(CONFIGURATIONS.format("mutating"), {"metadata": {"name": "c"}, "webhooks": [hook]})
        policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
        await api.make(policies, {"metadata": {"name": "p"}, "spec": {
            "matchConstraints": {"resourceRules": [rule]}, "failurePolicy": "Fail",
            "validations": [{"expression": "object.host != 'there'", "message": "not there"}]}})  # fmt: skip
        binding = {"policyName": "p", "validationActions": ["Deny"]}
        await api.make(policies.replace("policies", "policybindings"), {"metadata": {"name": "b"}, "spec": binding})
        made = await api.make(at("v1"), boat())
        assert made["hostPort"] == "patched:8080"
        (review,) = [each for each in server.taken("s") if each["kind"] == "AdmissionReview"]
        assert (review["request"]["object"]["host"], review["request"]["requestKind"]["version"]) == ("localhost", "v1")
        code, found = await api.ask("POST", at("v1"), boat(name="b") | {"hostPort": "there:1"})
        assert (code, found["message"].endswith("denied request: not there")) == (422, True)
        server.replies["s", "/c"] = {"text": "", "status": 503}
        code, found = await api.ask("POST", at("v1"), boat(name="c"))
        assert (code, found["reason"]) == (500, "InternalError"), "who guards cannot be shown the object"
        assert found["message"].startswith(f"Internal error occurred: {ABOUT} failed: an error on the server")

    play(scene)


def test_one_that_hangs_has_its_time(server: Webhooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "SECONDS", 1)
    monkeypatch.setattr(webhook, "AT_ONCE", 2)

    async def scene(api: Api) -> None:
        await begun(api, definition(server, {"delay": 1.5}), *(boat(name=name) for name in "abc"))
        began = time.monotonic()
        answers = await asyncio.gather(*(api.ask("GET", at("v2", name)) for name in "abc"))
        assert 0.9 < time.monotonic() - began < 1.4, "who finds no place waits, and their time runs"
        why = '/s/c?timeout=1s": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
        assert all(code == 500 and told["message"].endswith(why) for code, told in answers)

    play(scene)


def test_one_that_is_slow_delays_its_own_kind_alone(server: Webhooks) -> None:
    async def scene(api: Api) -> None:
        await begun(api, definition(server, lambda review: converting(review) | {"delay": 0.5}), boat())
        waiting = asyncio.ensure_future(api.ask("GET", at("v2", "a")))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        await api.make("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "m"}})
        assert (await api.ask("GET", at("v1")))[0] == 200
        assert time.monotonic() - began < 0.3 and not waiting.done()
        assert (await waiting)[0] == 200

    play(scene)
