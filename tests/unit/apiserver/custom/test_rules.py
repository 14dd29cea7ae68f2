"""Rules in CEL of custom kinds, where no recorded answer shows them."""

from __future__ import annotations

import json
from typing import Any

from unit.apiserver.custom.test_definitions import MERGE, at, boat, change, definition, served, until, version
from unit.apiserver.harness import Api, play

JSON = "application/json-patch+json"

RULES: Any = {
    "old": {"type": "integer", "x-kubernetes-validations": [{"rule": "self < 5"}]},
    "up": {"type": "number", "x-kubernetes-validations": [{"rule": "self >= oldSelf", "message": "may only grow"}]},
    "set": {
        "type": "string",
        "x-kubernetes-validations": [{
            "rule": "!oldSelf.hasValue() || oldSelf.value() == self", "optionalOldSelf": True,
            "reason": "FieldValueForbidden",
        }],
    },
}  # fmt: skip


def kind(**properties: Any) -> Any:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    return definition(version(schema={"openAPIV3Schema": schema}))


def test_rules_hold_what_changes_against_what_was() -> None:
    async def scene(api: Api) -> None:
        await served(api, kind(**RULES))
        await api.make(at(), boat(spec={"old": 1, "up": 1.5, "set": "x"}))

        async def changed(spec: Any) -> list[tuple[str, str]]:
            code, answer = await api.ask("PATCH", f"{at(name='a')}?dryRun=All", {"spec": spec}, content_type=MERGE)
            assert code in (200, 422)
            return [(each["field"], each["message"]) for each in (answer.get("details") or {}).get("causes", [])]

        assert await changed({"up": 2, "set": "x"}) == []
        assert await changed({"up": 1}) == [("spec.up", "Invalid value: 1: may only grow")]
        assert [field for field, _ in await changed({"set": "y"})] == ["spec.set"]
        assert await changed({"old": 9}) == [("spec.old", "Invalid value: 9: failed rule: self < 5")]

    play(scene)


def test_what_broke_a_rule_before_it_was_made_may_stay_and_not_come() -> None:
    async def scene(api: Api) -> None:
        await served(api, kind(old={"type": "integer"}, other={"type": "integer"}))
        await api.make(at(), boat(spec={"old": 9}))
        changed = kind(old=RULES["old"], other={"type": "integer"})
        await change(api, {"versions": changed["spec"]["versions"]})
        await until(api, f"{at()}?dryRun=All", lambda code, _: code == 200)
        for _ in range(200):
            code, _answer = await api.ask("POST", f"{at()}?dryRun=All", boat("b", spec={"old": 9}))
            if code == 422:
                break
        assert code == 422
        code, _ = await api.ask("PATCH", at(name="a"), {"spec": {"other": 1}}, content_type=MERGE)
        assert code == 200

    play(scene)


def test_what_a_patch_does_not_fit_is_shown_in_the_order_of_its_keys_with_its_owners() -> None:
    async def scene(api: Api) -> None:
        await served(api, kind(old={"type": "integer"}))
        made = await api.make(at(), boat(spec={"old": 1}))
        target = f"{at(name='a')}?dryRun=All&fieldValidation=Strict"
        for patch, content_type in (({"spec": {"zz": 1}}, MERGE),
                                    ([{"op": "add", "path": "/spec/zz", "value": 1}], JSON)):  # fmt: skip
            code, answer = await api.ask("PATCH", target, patch, content_type=content_type)
            shown = json.dumps(made | {"spec": {"old": 1, "zz": 1}}, sort_keys=True, separators=(",", ":"))
            why = f'patch: Invalid value: {json.dumps(shown)}: strict decoding error: unknown field "spec.zz"'
            assert (code, answer["message"]) == (422, f' "" is invalid: {why}')

    play(scene)
