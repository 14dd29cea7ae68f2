"""Kinds with a structural schema, asked what a real API server was asked (recorded/*.jsonl)."""

from __future__ import annotations

import gc
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from longboat.aio.bench import Seat
from longboat.apiserver.request import Response
from longboat.machinery.kinds import Kind
from longboat.machinery.types.structural import Structural
from longboat.registry.custom import CustomResource, custom
from unit.apiserver.harness import Api, play

RECORDED = Path(__file__).with_name("recorded")
APPLY = "application/apply-patch+yaml"
SHOWN = re.compile(r'Invalid value: "{.*}": (?=strict)')
WARNING = re.compile(r'299 - "((?:[^"\\]|\\.)*)"')


def steps(name: str) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in (RECORDED / f"{name}.jsonl").read_bytes().splitlines()]


async def serve(api: Api, definition: Any) -> Kind:
    """Install the kind that a CustomResourceDefinition describes."""
    spec, version = definition["spec"], definition["spec"]["versions"][0]
    names = spec["names"]
    kind = Kind(spec["group"], version["name"], names["kind"], names["plural"])
    kind_type = api.server.schema.compile(kind, version["schema"]["openAPIV3Schema"])
    await api.server.install(custom(kind, kind_type, storage_prefix=f"{spec['group']}/{names['plural']}"))
    return kind


def told(answer: Any) -> Any:
    """What counts of an answer: of a Status its message and causes, or the spec.

    Upstream draws several causes out of a map; of a patched object that it refuses it shows managedFields, too.
    """
    if answer.get("reason") == "Invalid":
        causes = [(c["reason"], c["field"], SHOWN.sub("", c["message"])) for c in answer["details"]["causes"]]
        return SHOWN.sub("", answer["message"]) if len(causes) < 2 else "", sorted(causes)
    return answer["message"] if "message" in answer else answer.get("spec")


async def sent(api: Api, step: Any) -> bytes:
    """The body, with the version of this run; updates of custom objects need one."""
    body = step["body"]
    if isinstance(body, dict) and "$text" in body:
        return str(body["$text"]).encode()
    if isinstance(body, dict) and isinstance(meta := body.get("metadata"), dict):
        for name in ("resourceVersion", "uid"):  # of the recorded run
            meta.pop(name, None)
        if step["method"] == "PUT":
            _, stored = await api.ask("GET", step["path"].partition("?")[0])
            meta["resourceVersion"] = stored["metadata"]["resourceVersion"]
    return json.dumps(body).encode()  # with spaces, as an answer that quotes it was recorded


def warned(response: Response) -> list[str]:
    return [text.replace('\\"', '"') for text in WARNING.findall(" ".join(response.warnings))]


@pytest.mark.parametrize("name", ["validation-messages", "field-validation"])
def test_as_recorded(name: str) -> None:
    async def scene(api: Api) -> None:
        differing: dict[tuple[str, str], Any] = {}
        for step in steps(name):
            headers = {key.lower().replace("-", "_"): value for key, value in step.get("headers", {}).items()}
            if "body" not in step or not step["status"] or headers.get("content_type") == APPLY:
                continue
            if "customresourcedefinitions" in step["path"]:
                await serve(api, step["body"])
                continue
            response = await api.response(step["method"], step["path"], await sent(api, step), **headers)
            answer = msgspec.json.decode(response.whole())
            if step.get("setup"):
                assert response.status == 201, answer
                continue
            got = [response.status, warned(response), told(answer)]
            wanted = [step["status"], step.get("warnings", []), told(step["answer"])]
            if wanted[-1] is None:
                got[-1] = None  # only the beginning of the answer was recorded
            if got != wanted:
                differing[name, step.get("note", "")] = (got, wanted)
        assert differing == {}

    play(scene)


BOAT = Kind("sea.example.com", "v1", "Boat", "boats")
BOATS = "/apis/sea.example.com/v1/namespaces/default/boats"


def typed(api: Api, **properties: Any) -> CustomResource:
    whole = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}, "status": LOOSE}}
    return custom(BOAT, api.server.schema.compile(BOAT, whole), has_status=True, storage_prefix="sea.example.com/boats")


LOOSE = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def boat(name: str, /, **spec: Any) -> Any:
    return {"kind": "Boat", "apiVersion": "sea.example.com/v1", "metadata": {"name": name}, "spec": spec}


def test_a_type_that_changes() -> None:
    """What is stored is changed, and judged, by the type that the kind has now."""

    async def scene(api: Api) -> None:
        sails = {"type": "integer"}
        await api.server.install(typed(api, sails=sails, name={"type": "string"}))
        assert (await api.make(BOATS, boat("b", sails=9, name="x", odd=1)))["spec"] == {"name": "x", "sails": 9}
        await api.server.withdraw(BOAT)
        await api.server.install(typed(api, sails=sails | {"maximum": 5}, flag={"type": "string", "default": "none"}))
        patched = await api.ask("PATCH", f"{BOATS}/b", {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE)
        assert (patched[0], patched[1]["spec"]) == (200, {"flag": "none", "sails": 9})
        assert (await api.ask("PATCH", f"{BOATS}/b", {"spec": {"sails": 8}}, content_type=MERGE))[0] == 422
        assert (await api.ask("PATCH", f"{BOATS}/b/status", {"status": {"a": 1}}, content_type=MERGE))[0] == 200
        code, answer = await api.ask("PATCH", f"{BOATS}/b", {}, content_type=STRATEGIC)
        assert (code, answer["reason"]) == (415, "UnsupportedMediaType")

    play(scene)


MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"


def test_types_go_with_their_kinds() -> None:
    def structures() -> int:
        gc.collect()
        return sum(isinstance(each, Structural) for each in gc.get_objects())

    async def scene(api: Api) -> None:
        before = structures()
        for turn in range(20):
            await api.server.install(typed(api, sails={"type": "integer", "default": turn}))
            assert (await api.make(BOATS, boat(f"b{turn}")))["spec"] == {"sails": turn}
            await api.server.withdraw(BOAT)
        assert structures() - before < 5, "those of the last answer at most"

    play(scene)


def test_definitions_as_recorded() -> None:
    async def scene(api: Api) -> None:
        made, third, second = steps("definitions")
        kind = await serve(api, made["body"])
        code, document = await api.ask("GET", f"/openapi/v3{kind.path}")
        assert (code, document["info"]) == (200, third["answer"]["info"])
        names = [f"com.example.disco.v1.{name}" for name in ("Thing", "ThingList")]
        wanted = third["answer"]["components"]["schemas"]
        assert {name: document["components"]["schemas"][name] for name in names} == without_selectable(wanted)
        older = (await api.ask("GET", "/openapi/v2"))[1]
        wanted = second["answer"]["definitions"]
        assert {name: older["definitions"][name] for name in names} == without_selectable(wanted)
        patch = older["paths"][f"{kind.path}/namespaces/{{namespace}}/things/{{name}}"]["patch"]
        assert patch["consumes"] == ["application/json-patch+json", MERGE, APPLY]
        assert openapi_v2_is_good_protobuf(await api.response("GET", "/openapi/v2", accept=PACKED))

    play(scene)


PACKED = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"


def without_selectable(definitions: Any) -> Any:
    """What is selectable is not for the schema to say, but for the definition's version."""
    return {name: {k: v for k, v in body.items() if "selectable" not in k} for name, body in definitions.items()}


def openapi_v2_is_good_protobuf(response: Response) -> bool:
    return response.status == 200 and b"com.example.disco.v1.ThingList" in response.whole()


def test_documents_follow_the_type() -> None:
    async def scene(api: Api) -> None:
        async def seen() -> tuple[str, Any]:
            index = (await api.ask("GET", "/openapi/v3"))[1]["paths"]
            address = index["apis/sea.example.com/v1"]["serverRelativeURL"]
            whole = (await api.ask("GET", address))[1]["components"]["schemas"]["com.example.sea.v1.Boat"]
            return address, whole["properties"]["spec"]["properties"]

        await api.server.install(typed(api, sails={"type": "integer"}))
        first, properties = await seen()
        assert properties == {"sails": {"type": "integer"}}
        await api.server.withdraw(BOAT)
        await api.server.install(typed(api, masts={"type": "integer"}))
        second, properties = await seen()
        assert properties == {"masts": {"type": "integer"}}
        assert first != second
        await api.server.withdraw(BOAT)
        assert "com.example.sea.v1.Boat" not in (await api.ask("GET", "/openapi/v2"))[1]["definitions"]

    play(scene)


@pytest.mark.parametrize(
    ("about", "beside"),
    [
        ({"type": "string"}, False),
        ({"type": "string", "pattern": "^a"}, True),
        ({"type": "array", "items": {"type": "string", "anyOf": [{"minLength": 1}, {"maxLength": 5}]}}, True),
    ],
)
def test_what_may_take_long_is_checked_beside_the_loop(
    monkeypatch: pytest.MonkeyPatch, about: Any, beside: bool
) -> None:
    """However small the object: it is the schema that is large."""
    taken: list[bool] = []
    take = Seat.take

    async def noted(seat: Seat) -> None:
        await take(seat)
        taken.append(seat.taken)

    monkeypatch.setattr(Seat, "take", noted)

    async def scene(api: Api) -> None:
        await api.server.install(typed(api, f=about))
        taken.clear()
        await api.make(BOATS, boat("b"))
        assert (await api.ask("PATCH", f"{BOATS}/b/status", {"status": {"a": 1}}, content_type=MERGE))[0] == 200
        assert taken == [True, True] * beside
        assert (await api.ask("GET", f"{BOATS}/b"))[0] == 200
        assert len(taken) == 2 * beside

    play(scene)
