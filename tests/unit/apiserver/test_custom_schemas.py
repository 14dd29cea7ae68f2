"""Which schemas a CustomResourceDefinition may have: as a real API server answered (recorded/schemas.jsonl)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from unit.apiserver.harness import Api, play
from unit.apiserver.test_custom_types import warned

RECORDED = Path(__file__).with_name("recorded") / "schemas.jsonl"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definition(*schemas: Any) -> Any:
    versions = [
        {"name": f"v{i}", "served": True, "storage": i == 1, "schema": {"openAPIV3Schema": schema}}
        for i, schema in enumerate(schemas, 1)
    ]
    names = {"plural": "things", "kind": "Thing"}
    spec = {"group": "v.example.com", "scope": "Namespaced", "names": names, "versions": versions}
    head = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return head | {"metadata": {"name": "things.v.example.com"}, "spec": spec}


def test_as_recorded() -> None:
    async def scene(api: Api) -> None:
        differing = []
        for line in RECORDED.read_bytes().splitlines():
            step = msgspec.json.decode(line)
            response = await api.response("POST", f"{DEFINITIONS}?dryRun=All", definition(step["schema"]))
            answer = msgspec.json.decode(response.whole())
            causes = (answer.get("details") or {}).get("causes") or []
            got = (response.status, warned(response), causes)
            wanted = (step["status"], step["warnings"], step["causes"])
            if got != wanted:
                differing.append((step["note"], got, wanted))
        assert differing == []

    play(scene, warn_unenforced=False)


async def refused(api: Api, *schemas: Any) -> list[str]:
    code, answer = await api.ask("POST", f"{DEFINITIONS}?dryRun=All", definition(*schemas))
    return [cause["field"] for cause in answer["details"]["causes"]] if code == 422 else []


def spec(**about: Any) -> Any:
    return {"type": "object", "properties": {"spec": {"type": "object", "properties": {"f": about}}}}


def test_beyond_what_is_recorded() -> None:
    place = "spec.validation.openAPIV3Schema.properties[spec].properties[f]"

    async def scene(api: Api) -> None:
        good, bad = spec(type="string"), spec(type="array")
        assert await refused(api, bad, bad) == [f"{place}.items"]
        other = "spec.versions[1].schema.openAPIV3Schema.properties[spec].properties[f].items"
        assert await refused(api, good, bad) == [other]
        judged = spec(type="object", anyOf=[{"properties": {"a": {"minLength": 1}}}])
        assert await refused(api, judged) == [f"{place}.properties[a]"]
        declared = spec(
            type="object", properties={"a": {"type": "string"}}, anyOf=[{"properties": {"a": {"type": "string"}}}]
        )
        assert await refused(api, declared) == [f"{place}.anyOf[0].properties[a].type"]
        assert await refused(api, good | {"nullable": True}) == ["spec.validation.openAPIV3Schema.nullable"]
        metadata = {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}
        assert await refused(api, {"type": "object", "properties": metadata}) == [
            "spec.validation.openAPIV3Schema.properties[metadata]"
        ]

    play(scene)


def test_defaults_are_what_their_schema_allows() -> None:
    place = "spec.validation.openAPIV3Schema.properties[spec].properties[f]"

    async def scene(api: Api) -> None:
        fields = {"a": {"type": "string", "maxLength": 1}}
        assert await refused(api, spec(type="string", default=1)) == [f"{place}.default"]
        assert await refused(api, spec(type="object", properties=fields, default={"a": "x"})) == []
        assert await refused(api, spec(type="object", properties=fields, default={"a": "xx"})) == [f"{place}.default.a"]
        assert await refused(api, spec(type="object", properties=fields, default={"b": 1})) == [f"{place}.default"]
        loose = {"x-kubernetes-preserve-unknown-fields": True}
        assert await refused(api, spec(type="object", default={"b": 1}, **loose)) == []
        items = {"type": "array", "items": {"type": "object", "properties": fields | {"b": {"type": "integer"}}}}
        assert await refused(api, spec(default=[{"b": 1}], **items)) == []
        assert await refused(api, spec(default=[{"c": 1}], **items)) == [f"{place}.default"]
        embedded = {"type": "object", "x-kubernetes-embedded-resource": True, **loose}
        assert await refused(api, spec(default={"kind": "A"}, **embedded)) == [f"{place}.default.apiVersion"]

    play(scene)


def test_defaults_are_held_to_rules() -> None:
    place = "spec.validation.openAPIV3Schema.properties[spec].properties[f]"

    def ruled(*rules: str, **about: Any) -> Any:
        return spec(**about, **{"x-kubernetes-validations": [{"rule": rule} for rule in rules]})

    async def scene(api: Api) -> None:
        number = {"type": "integer"}
        assert await refused(api, ruled("self > 1", default=2, **number)) == []
        assert await refused(api, ruled("self > 1", "self > 0", "self > 2", default=1, **number)) == [
            f"{place}.default", f"{place}.default",
        ]  # fmt: skip
        # it is as if the value had been there before: what looks back has what to look at
        assert await refused(api, ruled("self > oldSelf", default=1, **number)) == [f"{place}.default"]
        within = {"type": "object", "properties": {"a": number | {"x-kubernetes-validations": [{"rule": "self > 1"}]}}}
        assert await refused(api, spec(default={"a": 1}, **within)) == [f"{place}.default.a"]
        # a rule that cannot be run is told of where it stands
        assert await refused(api, ruled("self > 'a'", default=1, **number)) == [
            f"{place}.x-kubernetes-validations[0].rule"
        ]
        code, answer = await api.ask(
            "POST", f"{DEFINITIONS}?dryRun=All", definition(ruled("self > 1", default=1, **number))
        )
        assert code == 422
        assert answer["details"]["causes"][0]["message"] == "Invalid value: 1: failed rule: self > 1"

    play(scene)


def test_a_schema_without_end() -> None:
    async def scene(api: Api) -> None:
        deep: Any = {"type": "string"}
        for _ in range(95):
            deep = {"type": "array", "items": deep}
        assert await refused(api, spec(**deep)) == []
        wide = {f"p{i}": {"type": "object", "properties": {"a": {}}} for i in range(5_000)}
        assert len(await refused(api, {"type": "object", "properties": wide})) == 1000

    play(scene)


def test_what_has_been_let_in_may_stay() -> None:
    """A schema of former days does not keep its definition from being changed."""

    async def scene(api: Api) -> None:
        await api.make(DEFINITIONS, definition(spec(type="string")))
        path = f"{DEFINITIONS}/things.v.example.com"
        merge = "application/merge-patch+json"
        changed = {"spec": {"versions": definition(spec(type="array"))["spec"]["versions"]}}
        assert (await api.ask("PATCH", path, changed, content_type=merge))[0] == 422
        assert (await api.ask("PATCH", path, {"spec": {"names": {"shortNames": ["th"]}}}, content_type=merge))[0] == 200

    play(scene)
