"""Definitions of custom kinds, from their creation to their end, as clients see them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from longboat.aio.clock import SystemClock
from longboat.storage.memory import MemoryStorage
from unit.apiserver.harness import Api, api_server, play
from unit.apiserver.test_custom_types import warned

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MERGE = "application/merge-patch+json"
GROUP = "sea.example.com"
SPEC: Any = {"type": "object", "properties": {"spec": {"type": "object", "properties": {
    "crew": {"type": "integer", "default": 1}, "home": {"type": "string"}}}}}  # fmt: skip


def version(name: str = "v1", **about: Any) -> Any:
    return {"name": name, "served": True, "storage": name == "v1", "schema": {"openAPIV3Schema": SPEC}} | about


def definition(*versions: Any, kind: str = "Boat", group: str = GROUP, scope: str = "Namespaced", **names: Any) -> Any:
    plural = f"{kind.lower()}s"
    return {
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": scope, "names": {"plural": plural, "kind": kind, **names},
                 "versions": list(versions) or [version()]},
    }  # fmt: skip


def boat(name: str = "a", api: str = "v1", **about: Any) -> Any:
    return {"apiVersion": f"{GROUP}/{api}", "kind": "Boat", "metadata": {"name": name}} | about


def at(api: str = "v1", name: str = "") -> str:
    return f"/apis/{GROUP}/{api}/namespaces/default/boats" + (f"/{name}" if name else "")


async def until(api: Api, target: str, holds: Callable[[int, Any], bool]) -> Any:
    for _ in range(500):
        code, found = await api.ask("GET", target)
        if holds(code, found):
            return found
        await asyncio.sleep(0.002)
    raise AssertionError(f"{target} is {code} {found}")


def conditions(found: Any) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in found["status"]["conditions"] or ()}


async def served(api: Api, made: Any) -> Any:
    await api.make(CRDS, made)
    name = made["metadata"]["name"]
    return await until(api, f"{CRDS}/{name}", lambda _, found: conditions(found).get("Established") is not None)


async def change(api: Api, spec: Any, name: str = f"boats.{GROUP}") -> Any:
    code, found = await api.ask("PATCH", f"{CRDS}/{name}", {"spec": spec}, content_type=MERGE)
    assert code == 200, found
    return found


def test_an_established_kind_is_served_and_survives_a_restart() -> None:
    async def main() -> None:
        storage = MemoryStorage(SystemClock())
        async with api_server(storage=storage) as api:
            found = await served(api, definition(shortNames=["bt"], categories=["all"]))
            assert conditions(found) == {
                "NamesAccepted": ("True", "NoConflicts"),
                "Established": ("True", "InitialNamesAccepted"),
            }
            assert found["status"]["acceptedNames"]["listKind"] == "BoatList"
            made = await api.make(at(), boat(spec={"home": "Kiel", "extra": 1}))
            assert made["spec"] == {"crew": 1, "home": "Kiel"}
        async with api_server(storage=storage) as api:
            assert (await api.ask("GET", at(name="a")))[1]["spec"] == made["spec"]
            _, listed = await api.ask("GET", f"/apis/{GROUP}/v1")
            (boats,) = listed["resources"]
            assert (boats["shortNames"], boats["categories"]) == (["bt"], ["all"])
            _, document = await api.ask("GET", f"/openapi/v3/apis/{GROUP}/v1")
            assert "com.example.sea.v1.Boat" in document["components"]["schemas"]

    asyncio.run(main())


def test_who_asks_first_has_the_name_until_it_goes() -> None:
    async def scene(api: Api) -> None:
        await served(api, definition(shortNames=["bt"]))
        second = definition(kind="Bot", shortNames=["bt", "bo"], singular="boat")
        found = await served(api, second)
        assert conditions(found) == {
            "NamesAccepted": ("False", "ShortNamesConflict"), "Established": ("False", "NotAccepted"),
        }  # fmt: skip
        accepted = found["status"]["acceptedNames"]
        assert (accepted["plural"], accepted.get("shortNames"), accepted.get("singular", "")) == ("bots", None, "")
        assert found["status"]["conditions"][0]["message"] == '"bt" is already in use'
        assert (await api.ask("GET", f"/apis/{GROUP}/v1/bots"))[0] == 404
        await api.ask("DELETE", f"{CRDS}/boats.{GROUP}")
        await until(api, f"/apis/{GROUP}/v1/bots", lambda code, _: code == 200)
        found = await until(api, f"{CRDS}/bots.{GROUP}", lambda _, each: conditions(each)["Established"][0] == "True")
        assert found["status"]["acceptedNames"]["shortNames"] == ["bt", "bo"]

    play(scene)


def test_a_kind_goes_with_its_objects() -> None:
    async def scene(api: Api) -> None:
        await served(api, definition())
        await api.make(at(), boat("free"))
        await api.make(at(), boat("held", metadata={"name": "held", "finalizers": ["x.example.com/f"]}))
        code, going = await api.ask("DELETE", f"{CRDS}/boats.{GROUP}")
        assert (code, going["metadata"]["finalizers"]) == (200, ["customresourcecleanup.apiextensions.k8s.io"])
        assert conditions(going)["Terminating"] == ("True", "InstanceDeletionPending")

        def is_held(_: int, found: Any) -> bool:
            return ["deletionTimestamp" in each["metadata"] for each in found["items"]] == [True]

        await until(api, at(), is_held)
        _, going = await api.ask("GET", f"{CRDS}/boats.{GROUP}")
        assert conditions(going)["Terminating"] == ("True", "InstanceDeletionInProgress")
        code, refused = await api.ask("POST", at(), boat("new"))
        assert (code, refused["reason"]) == (403, "Forbidden")
        await api.ask("PATCH", at(name="held"), {"metadata": {"finalizers": None}}, content_type=MERGE)
        await until(api, f"{CRDS}/boats.{GROUP}", lambda code, _: code == 404)
        await until(api, at(), lambda code, _: code == 404)
        assert (await api.ask("GET", f"/apis/{GROUP}"))[0] == 404
        await served(api, definition())  # and it may come again, without them
        assert (await api.ask("GET", at()))[1]["items"] == []

    play(scene)


def test_versions_show_what_they_have() -> None:
    other = {"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "home": {"type": "string"}, "flag": {"type": "string", "default": "D"}}}}}  # fmt: skip

    async def scene(api: Api) -> None:
        newer = version("v2", schema={"openAPIV3Schema": other})
        await served(api, definition(version(deprecated=True), newer, version("v1beta1", deprecated=True)))
        made = await api.make(at("v2"), boat(api="v2", spec={"home": "Kiel"}))
        assert made["apiVersion"] == f"{GROUP}/v2"
        assert made["spec"] == {"home": "Kiel"}  # its default is not what is stored
        assert (await api.ask("GET", at("v1", "a")))[1]["spec"] == {"crew": 1, "home": "Kiel"}
        _, listed = await api.ask("GET", at("v2"))
        assert [each["apiVersion"] for each in listed["items"]] == [f"{GROUP}/v2"]
        _, group = await api.ask("GET", f"/apis/{GROUP}")
        assert [each["version"] for each in group["versions"]] == ["v2", "v1", "v1beta1"]
        response = await api.response("GET", at("v1beta1", "a"))
        assert warned(response) == [f"{GROUP}/v1beta1 Boat is deprecated; use {GROUP}/v2 Boat"]

        found = await change(api, {"versions": [version(storage=False), newer | {"storage": True}]})
        assert found["status"]["storedVersions"] == ["v1", "v2"]
        await until(api, at("v1beta1"), lambda code, _: code == 404)
        _, kept = await api.ask("GET", at("v2", "a"))  # still stored as v1
        assert (kept["apiVersion"], kept["spec"]) == (f"{GROUP}/v2", {"home": "Kiel"})
        await api.ask("PATCH", at("v2", "a"), {"spec": {"home": "Lübeck"}}, content_type=MERGE)
        _, kept = await api.ask("GET", at("v2", "a"))
        assert kept["spec"] == {"flag": "D", "home": "Lübeck"}

    play(scene)


def test_versions_that_only_a_webhook_could_convert_are_not_taken_for_each_other() -> None:
    client = {"url": "https://127.0.0.1:1/convert"}

    async def scene(api: Api) -> None:
        made = definition(version(), version("v2"))
        hook = {"clientConfig": client, "conversionReviewVersions": ["v1"]}
        made["spec"]["conversion"] = {"strategy": "Webhook", "webhook": hook}
        await served(api, made)
        await api.make(at(), boat(spec={"home": "Kiel"}))
        assert (await api.ask("GET", at("v1", "a")))[0] == 200
        for method, target, body in (("GET", at("v2", "a"), None), ("GET", at("v2"), None),
                                     ("POST", at("v2"), boat("b", "v2"))):  # fmt: skip
            code, found = await api.ask(method, target, body)
            assert code == 500
            assert found["message"].startswith(f"conversion webhook for {GROUP}/")
        assert len((await api.ask("GET", at()))[1]["items"]) == 1

    play(scene)


def test_objects_are_shown_by_the_schema_of_today() -> None:
    async def scene(api: Api) -> None:
        await served(api, definition())
        await api.make(at(), boat(spec={"home": "Kiel"}))
        narrow = {"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "crew": {"type": "integer"}, "mast": {"type": "integer", "default": 2}}}}}  # fmt: skip
        await change(api, {"versions": [version(schema={"openAPIV3Schema": narrow})]})
        await until(api, at(name="a"), lambda _, found: found["spec"] == {"crew": 1, "mast": 2})
        assert [each["spec"] for each in (await api.ask("GET", at()))[1]["items"]] == [{"crew": 1, "mast": 2}]

    play(scene)


def test_a_watch_ends_when_the_kind_becomes_another_and_goes_on_from_there() -> None:
    async def scene(api: Api) -> None:
        await served(api, definition())
        made = await api.make(at(), boat())
        since = made["metadata"]["resourceVersion"]
        response = await api.response("GET", f"{at()}?watch=true&resourceVersion={since}")
        assert response.stream is not None
        events = asyncio.ensure_future(_lines(response.stream))
        await asyncio.sleep(0)
        await change(api, {"versions": [version(additionalPrinterColumns=[
            {"name": "Crew", "type": "integer", "jsonPath": ".spec.crew"}])]})  # fmt: skip
        assert await asyncio.wait_for(events, 2) == []
        await api.make(at(), boat("b"))
        again = await api.response("GET", f"{at()}?watch=true&timeoutSeconds=1&resourceVersion={since}")
        assert again.stream is not None
        first = await asyncio.wait_for(anext(aiter(again.stream)), 2)
        assert msgspec.json.decode(first.splitlines()[0])["object"]["metadata"]["name"] == "b"

    play(scene)


async def _lines(stream: Any) -> list[bytes]:
    return [line async for line in stream]


def test_selectable_fields_and_scale() -> None:
    whole: Any = {"type": "object", "properties": {
        "spec": {"type": "object", "properties": {"home": {"type": "string"}, "crew": {"type": "integer"}}},
        "status": {"type": "object", "properties": {"crew": {"type": "integer"}, "who": {"type": "string"}}},
    }}  # fmt: skip
    paths = {"labelSelectorPath": ".status.who"} | {
        f"{part}ReplicasPath": f".{part}.crew" for part in ("spec", "status")
    }

    async def scene(api: Api) -> None:
        await served(api, definition(version(
            schema={"openAPIV3Schema": whole}, selectableFields=[{"jsonPath": ".spec.home"}],
            subresources={"status": {}, "scale": paths})))  # fmt: skip
        for name, home in (("a", "Kiel"), ("b", "Bremen")):
            await api.make(at(), boat(name, spec={"home": home, "crew": 3}))
        _, listed = await api.ask("GET", f"{at()}?fieldSelector=spec.home%3DKiel")
        assert [each["metadata"]["name"] for each in listed["items"]] == ["a"]
        assert (await api.ask("GET", f"{at()}?fieldSelector=spec.crew%3D3"))[0] == 400
        await api.ask("PATCH", f"{at(name='a')}/status", {"status": {"crew": 2, "who": "a=b"}}, content_type=MERGE)
        _, scale = await api.ask("GET", f"{at(name='a')}/scale")
        assert (scale["spec"], scale["status"]) == ({"replicas": 3}, {"replicas": 2, "selector": "a=b"})
        _, scale = await api.ask("PATCH", f"{at(name='a')}/scale", {"spec": {"replicas": 7}}, content_type=MERGE)
        assert scale["spec"] == {"replicas": 7}
        _, found = await api.ask("GET", at(name="a"))
        assert (found["spec"]["crew"], found["metadata"]["generation"]) == (7, 2)

    play(scene)


def test_groups_of_kubernetes() -> None:
    async def scene(api: Api) -> None:
        made = definition(group="sea.k8s.io")
        made["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, a test"}
        found = await served(api, made)
        told = conditions(found)["KubernetesAPIApprovalPolicyConformant"]
        assert told == ("False", "UnapprovedAnnotation")
        mine = definition(kind="Ingresse", group="networking.k8s.io")
        mine["metadata"]["annotations"] = {"api-approved.kubernetes.io": "https://example.com/1"}
        mine["spec"]["names"]["kind"] = "Ingress"
        await api.make(CRDS, mine)
        await asyncio.sleep(0.02)
        _, found = await api.ask("GET", "/apis/networking.k8s.io/v1")  # what is built in stays what it is
        (ingress,) = (each for each in found["resources"] if each["name"] == "ingresses")
        assert "ing" in ingress["shortNames"]

    play(scene)
