"""What flow schemas and priority levels may not say, and which of them must stay as they are."""

from __future__ import annotations

import time

import pytest

from longboat.registry.kinds.flowcontrol import mandatory
from longboat.registry.kinds.flowcontrol.levels import bits_to_deal
from unit.registry.kinds.checks import BY_RESOURCE, Thing, changed, said

SCHEMAS, LEVELS = (
    BY_RESOURCE[f"{plural}.flowcontrol.apiserver.k8s.io"] for plural in ("flowschemas", "prioritylevelconfigurations")
)
ANYTHING: Thing = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"]}
RULE: Thing = {"subjects": [{"kind": "User", "user": {"name": "u"}}], "resourceRules": [ANYTHING]}
SCHEMA: Thing = {
    "metadata": {"name": "s"},
    "spec": {"priorityLevelConfiguration": {"name": "l"}, "matchingPrecedence": 5, "rules": [RULE]},
}
LEVEL: Thing = {
    "metadata": {"name": "l"},
    "spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {}}}},
}
AT = "spec.rules[0]"


def subject(**fields: object) -> Thing:
    return {"spec__rules__0__subjects": [fields]}


def urls(*found: str) -> Thing:
    return {"spec__rules__0__nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": list(found)}]}


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, []),
        (subject(kind="ServiceAccount", serviceAccount={"name": "*", "namespace": "n"}), []),
        ({"spec__matchingPrecedence": 1},
         ["spec.matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1"]),
        ({"spec__rules__0__resourceRules": None},
         [f"{AT}: Required value: at least one of resourceRules and nonResourceRules has to be non-empty"]),
        (subject(kind="Robot"),
         [f'{AT}.subjects[0].kind: Unsupported value: "Robot": supported values: "Group", "ServiceAccount", "User"']),
        (subject(kind="Group", user={"name": "u"}), [
            f"{AT}.subjects[0].group: Required value: group is required when subject kind is 'Group'",
            f"{AT}.subjects[0].user: Forbidden: user is forbidden when subject kind is not 'User'",
        ]),
        (subject(kind="ServiceAccount", serviceAccount={}), [
            f"{AT}.subjects[0].serviceAccount.name: Required value",
            f"{AT}.subjects[0].serviceAccount.namespace: Required value: must specify namespace for service account",
        ]),
        ({"spec__rules__0__resourceRules__0__verbs": ["*", "get"]}, [
            f"""{AT}.resourceRules[0].verbs: Invalid value: ["*","get"]: if '*' is present, must not specify other """
            "verbs",
        ]),
        ({"spec__rules__0__resourceRules__0__namespaces": None,
          "spec__rules__0__resourceRules__0__clusterScope": True}, []),
        (urls("/a/*", "/", "/a"), []),
        (urls("/a*"), [f'{AT}.nonResourceRules[0].nonResourceURLs[0]: Invalid value: "/a*": wildcard can only do '
                       "suffix matching"]),
        (urls("/*/*"), [f'{AT}.nonResourceRules[0].nonResourceURLs[0]: Invalid value: "/*/*": wildcard can only do '
                        "suffix matching"]),
        (urls("//a b"), [f'{AT}.nonResourceRules[0].nonResourceURLs[0]: Invalid value: "//a b": must not contain '
                         "white-space"]),
        ({"metadata__name": "exempt", "spec__matchingPrecedence": 1, "spec__rules": []}, [
            'spec: Invalid value: {"PriorityLevelConfiguration":{"Name":"l"},"MatchingPrecedence":1,'
            "\"DistinguisherMethod\":null,\"Rules\":[]}: spec of 'exempt' must equal the fixed value",
        ]),
    ],
)  # fmt: skip
def test_flow_schemas(changes, wrong):
    assert said(SCHEMAS, changed(SCHEMA, **changes)) == wrong


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, []),
        ({"metadata__name": "exempt"},
         ["spec.type: Invalid value: \"Limited\": type must be 'Exempt' if and only if name is 'exempt'"]),
        ({"spec__type": "Exempt"}, [
            "spec.type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'",
            "spec.limited: Forbidden: must be nil if the type is not Limited",
        ]),
        ({"spec__exempt": {}}, ["spec.exempt: Forbidden: must be nil if the type is Limited"]),
        ({"spec__limited__limitResponse__type": "Reject"}, [
            "spec.limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited"
        ]),
        ({"spec__limited__nominalConcurrencyShares": -1}, [
            "spec.limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer"
        ]),
        ({"spec__limited__limitResponse__queuing__queues": 10_000_001,
          "spec__limited__limitResponse__queuing__handSize": 1}, [
            "spec.limited.limitResponse.queuing.queues: Invalid value: 10000001: must not be greater than 10000000"
        ]),
    ],
)  # fmt: skip
def test_priority_levels(changes, wrong):
    assert said(LEVELS, changed(LEVEL, **changes)) == wrong


@pytest.mark.parametrize("name", ["exempt", "catch-all"])
def test_what_is_always_there_is_as_it_must_be(name):
    assert said(SCHEMAS, {"metadata": {"name": name}, "spec": mandatory.SCHEMAS[name]}) == []
    assert said(LEVELS, {"metadata": {"name": name}, "spec": mandatory.LEVELS[name]}) == []
    other = changed(
        {"metadata": {"name": "exempt"}, "spec": mandatory.LEVELS["exempt"]}, spec__exempt__lendablePercent=5
    )
    assert said(LEVELS, other) == []


def test_a_large_hand_is_dealt_no_further_than_a_hash_goes():
    begun = time.process_time()
    assert bits_to_deal(10_000_000, 10_000_000) > 60
    assert time.process_time() - begun < 0.1
    assert (bits_to_deal(64, 8), bits_to_deal(1, 1), bits_to_deal(70000, 4)) == (48, 0, 65)
