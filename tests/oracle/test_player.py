"""The player's pure parts: placeholders, comparing, and the list of known differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from oracle import known
from oracle.audit import own_annotations
from oracle.corpus import Scenario, pack, scenarios
from oracle.placeholders import Placeholders
from oracle.player import Played, compare
from oracle.values import ABSENT, Difference, changed, differences, pick

UID = "5d3c2d1e-9b7a-4c1f-8a2b-0123456789ab"


def object_of(version: str, uid: str = UID) -> dict[str, Any]:
    return {"kind": "ConfigMap", "metadata": {"name": "a", "uid": uid, "resourceVersion": version}}


def test_what_a_server_makes_up_is_counted_in_order_of_appearance() -> None:
    names = Placeholders()
    names.learn(first := object_of("17"))
    names.learn(second := object_of("18", UID.replace("5d3c", "5d3d")))
    assert names.normal(first)["metadata"] == {"name": "a", "uid": "<uid:1>", "resourceVersion": "<rv:1>"}
    assert names.normal(second)["metadata"]["uid"] == "<uid:2>"
    assert names.normal(f"uid {UID} at 18") == "uid <uid:1> at 18"
    assert names.actual({"resourceVersion": "<rv:2>"}) == {"resourceVersion": "18"}


def test_what_was_sent_is_not_made_up() -> None:
    names = Placeholders()
    names.learn(object_of("17"), sent=f'{{"uid": "{UID}"}}')
    assert names.normal(UID) == "<uid>", "but it is random, so it does not count"
    assert names.normal("11111111-1111-1111-1111-111111111111") == "11111111-1111-1111-1111-111111111111"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("too old resource version: 3 (912)", "too old resource version: 3 (<rv>)"),
        ("2001-02-03T04:05:06Z", "2001-02-03T04:05:06Z"),
        ("errors:\n  .b: c\n  .a: b", "errors:\n  .a: b\n  .b: c"),
        ("at kube-api-access-x7k2p", "at kube-api-access-<suffix>"),
    ],
)
def test_texts_hide_what_varies(text: str, shown: str) -> None:
    assert Placeholders().normal(text) == shown


def test_numbers_and_truths_are_not_the_same() -> None:
    assert [*differences({"a": 1, "b": [1]}, {"a": True, "b": [], "c": 0})] == [
        Difference(".a", 1, True),
        Difference(".b[0]", 1, ABSENT),
        Difference(".c", ABSENT, 0),
    ]


def test_one_place_of_a_base_changes_in_a_copy() -> None:
    base = {"spec": {"ports": [{"port": 1}]}}
    assert changed(base, {"path": ["spec", "ports", 0, "port"], "value": 2}) == {"spec": {"ports": [{"port": 2}]}}
    assert changed(base, {"path": ["spec", "ports"], "remove": True}) == {"spec": {}}
    assert base == {"spec": {"ports": [{"port": 1}]}}


def test_only_what_lies_on_a_path_counts() -> None:
    value = {"items": [{"name": "a", "n": 1}, {"name": "b", "n": 2}], "x": {"y": 1, "z": 2}}
    assert pick(value, [["items", {"name": "b"}, "n"], ["x", "z"]]) == {"items": [{"name": "b", "n": 2}], "x": {"z": 2}}


def invalid(*messages: str) -> dict[str, Any]:
    causes = [{"field": "spec", "message": message} for message in messages]
    told = ", ".join(f"spec: {message}" for message in messages)
    return {"reason": "Invalid", "message": f"is invalid: [{told}]", "details": {"causes": causes}}


def test_causes_are_compared_in_any_order_and_alternatives_for_the_best_fit() -> None:
    step = {"status": 422, "answer": invalid("a", "b"), "or": [{"status": 200}]}
    assert compare(step, {"status": 422, "answer": invalid("b", "a")}, audit=False) == []
    assert compare(step, {"status": 200}, audit=False) == []
    assert compare(step, {"status": 200, "warnings": ["w"]}, audit=False) == [("warnings[0]", ABSENT, "w")]
    assert [each.path for each in compare(step, {"status": 422, "answer": invalid("a", "c")}, audit=False)] == [
        "answer.message",
        "answer.details.causes[1].message",
    ]


def test_annotations_count_the_webhooks_of_the_request_alone() -> None:
    prefix = "mutation.webhook.admission.k8s.io/round_0_index_"
    given = {prefix + "10": "c", prefix + "2": "b", "authorization.k8s.io/decision": "allow"}
    assert own_annotations(given) == {prefix + "0": "b", prefix + "1": "c"}


def played(*equal: bool) -> list[Played]:
    scenario = Scenario("area", "pod", "")
    differing = [Difference("status", 200, 201)]
    return [Played(scenario, number, {}, [] if same else differing) for number, same in enumerate(equal, 1)]


def test_a_new_difference_and_one_that_has_gone_are_both_told() -> None:
    steps = played(True, False, True, False)
    found = known.surprises({"pod:2": "why", "pod:3": "why"}, steps)
    assert [(step.name, why.split(",")[0]) for step, why in found] == [
        ("pod:3", "known to differ"),
        ("pod:4", "differs"),
    ]


def test_the_list_is_renewed_with_its_reasons(tmp_path: Path) -> None:
    before = {"pod:2": "needs CEL", "pod:3": "gone now", "job:1": "not played"}
    known.write("area", known.renewed(before, played(True, False, True, False)), tmp_path)
    assert known.read("area", tmp_path) == {"job:1": "not played", "pod:2": "needs CEL", "pod:4": "unexplained"}


@pytest.mark.parametrize("text", ["pod:1\n", "pod:1 \n", "pod:1 a\npod:1 b\n"])
def test_every_known_difference_has_one_reason(text: str, tmp_path: Path) -> None:
    (tmp_path / "area.txt").write_text(text)
    with pytest.raises(ValueError, match="no reason"):
        known.read("area", tmp_path)


def test_recordings_are_packed_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "area"
    source.mkdir()
    (source / "b.jsonl").write_text('{"sleep": 1}\n\n{"sleep": 2}\n')
    (source / "a.jsonl").write_text('{"sleep": 3}\n')
    monkeypatch.setattr("oracle.corpus.RECORDINGS", tmp_path)
    first = pack(source).read_bytes()
    assert pack(source).read_bytes() == first
    assert [str(scenario) for scenario in scenarios(["area"])] == ["area/a", "area/b"]
    assert [*scenarios(["area/b"])][0].steps() == [(1, {"sleep": 1}), (3, {"sleep": 2})]
    assert [scenario.name for scenario in scenarios([str(source)])] == ["a", "b"]
    with pytest.raises(FileNotFoundError, match="area/c"):
        list(scenarios(["area/c"]))
