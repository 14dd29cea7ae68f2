"""What a RuntimeClass brings to its pods."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.apiserver.admission.runtime_class import merged
from unit.apiserver.harness import Api, play
from unit.apiserver.test_admission import PODS, account, pod

CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"
SPREAD = {"nodeSelector": {"disk": "fast"}, "tolerations": [{"key": "fast", "operator": "Exists"}]}


def test_placement_is_both_the_pod_s_and_the_class_s() -> None:
    async def scene(api: Api) -> None:
        await account(api)
        await api.make(CLASSES, {"metadata": {"name": "fast"}, "handler": "fast", "scheduling": SPREAD})
        spec = (await api.make(PODS, pod("a", runtimeClassName="fast", nodeSelector={"zone": "a"})))["spec"]
        assert spec["nodeSelector"] == {"zone": "a", "disk": "fast"}
        assert spec["tolerations"][-1] == {"key": "fast", "operator": "Exists"}
        code, status = await api.ask("POST", PODS, pod("b", runtimeClassName="fast", nodeSelector={"disk": "slow"}))
        conflict = "runtimeClass.scheduling.nodeSelector[disk] = fast; pod.spec.nodeSelector[disk] = slow"
        assert (code, status["message"]) == (403, f'pods "b" is forbidden: conflict: {conflict}')

    play(scene)


def test_overhead_is_the_class_s_alone() -> None:
    async def scene(api: Api) -> None:
        await account(api)
        heavy = {"metadata": {"name": "heavy"}, "handler": "runc", "overhead": {"podFixed": {"cpu": "1"}}}
        await api.make(CLASSES, heavy)
        await api.make(CLASSES, {"metadata": {"name": "light"}, "handler": "runc"})
        for own in ({}, {"cpu": "1000m"}):
            made = await api.make(PODS, pod("a" + str(len(own)), runtimeClassName="heavy", overhead=own))
            assert made["spec"]["overhead"] == {"cpu": "1"}
        unfounded = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
        other = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
        for name, overhead, why in (
            ("heavy", {"cpu": "2"}, other),
            ("light", {"cpu": "1"}, unfounded),
            (None, {"cpu": "1"}, unfounded),
        ):
            code, status = await api.ask("POST", PODS, pod("b", runtimeClassName=name, overhead=overhead))
            assert (code, status["message"]) == (403, f'pods "b" is forbidden: {why}')
        code, _ = await api.ask("POST", PODS, pod("b", runtimeClassName="heavy", overhead={"cpu": "nonsense"}))
        assert code == 400

    play(scene)


ALL = {"operator": "Exists"}
KEY = {"key": "k", "operator": "Exists"}
VALUE = {"key": "k", "operator": "Equal", "value": "v"}
SHORT = {"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}
LONG = {**SHORT, "tolerationSeconds": 50}


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ([], [KEY], [KEY]),
        ([KEY], [KEY], [KEY]),
        ([VALUE], [KEY], [KEY]),
        ([KEY], [VALUE], [KEY]),
        ([VALUE], [{**VALUE, "value": "w"}], [VALUE, {**VALUE, "value": "w"}]),
        ([SHORT], [LONG], [LONG]),
        ([LONG], [SHORT], [LONG]),
        ([SHORT, VALUE], [ALL], [ALL]),
        ([{**VALUE, "effect": "NoSchedule"}], [{**VALUE, "effect": "NoExecute"}],
         [{**VALUE, "effect": "NoSchedule"}, {**VALUE, "effect": "NoExecute"}]),
        ([{"key": "k", "value": "v"}], [{**VALUE, "effect": "NoSchedule"}], [{"key": "k", "value": "v"}]),
    ],
)  # fmt: skip
def test_tolerations_that_others_cover_go(first: list[Any], second: list[Any], both: list[Any]) -> None:
    assert merged(first, second) == both
