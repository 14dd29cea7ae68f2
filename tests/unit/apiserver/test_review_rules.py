"""What access reviews and token requests must say, in upstream's words and order."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.apiserver import review_rules
from longboat.machinery.errors import StatusError

PODS = {"verb": "list", "resource": "pods"}
PATH = {"path": "/", "verb": "get"}
SHOWN = '{"Path":"/","Verb":"get"}'
R, P = "spec.resourceAttributes", "spec.nonResourceAttributes"
NONE = f"{R}: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
NOBODY = 'spec.user: Invalid value: "": at least one of user or group must be specified'
WHEN = "is specified, requirements or rawSelector is required"


def selecting(**selectors: Any) -> Any:
    return {"user": "u", "resourceAttributes": PODS | selectors}


@pytest.mark.parametrize(
    ("spec", "wrong"),
    [
        ({"user": "u", "resourceAttributes": PODS}, []),
        ({"groups": ["g"], "nonResourceAttributes": PATH}, []),
        ({}, [NONE, NOBODY]),
        ({"user": "u", "resourceAttributes": PODS, "nonResourceAttributes": PATH},
         [f"{P}: Invalid value: {SHOWN}: cannot be specified in combination with resourceAttributes"]),
        (selecting(fieldSelector={}),
         [f"{R}.fieldSelector.requirements: Required value: when {R}.fieldSelector {WHEN}"]),
        (selecting(labelSelector={"rawSelector": "a=b", "requirements": [{"key": "a", "operator": "Exists"}]}),
         [f'{R}.labelSelector.rawSelector: Invalid value: "a=b": may not specified at the same time as requirements']),
        (selecting(fieldSelector={"requirements": [{"key": "", "operator": "In"}]}),
         [f"{R}.fieldSelector.requirements[0].key: Required value: must be specified",
          f"{R}.fieldSelector.requirements[0].values: Required value: must be specified when `operator` is 'In'"]),
        (selecting(labelSelector={"requirements": [{"key": "a", "operator": "Exists", "values": ["-"]}]}),
         [f"{R}.labelSelector.requirements[0].values: Forbidden: may not be specified when `operator` is 'Exists' or "
          "'DoesNotExist'", f'{R}.labelSelector.requirements[0].values[0]: Invalid value: "-": a valid label']),
        (selecting(labelSelector={"requirements": [{"key": "a", "operator": "Newer"}]}), []),
        (selecting(fieldSelector={"rawSelector": "==="}), []),
        ({"user": "u", "groups": ["g"] * 10_001, "resourceAttributes": PODS},
         ["spec.groups: Too many: 10001: must have at most 10000 items"]),
    ],
)  # fmt: skip
def test_what_is_asked_of_a_subject(spec: Any, wrong: list[str]) -> None:
    assert len(said(spec)) == len(wrong) and all(map(str.startswith, said(spec), wrong)), said(spec)


def said(spec: Any, meta: Any = None, **how: bool) -> list[str]:
    try:
        review_rules.access({"metadata": meta or {}, "spec": spec}, **how)
    except StatusError as refused:
        assert refused.message.startswith('.authorization.k8s.io "" is invalid: ')
        assert refused.details.keys() == {"group", "causes"}
        return [f"{cause['field']}: {cause['message']}" for cause in refused.details["causes"]]
    return []


def test_who_asks_of_himself_names_nobody() -> None:
    assert said({"resourceAttributes": PODS}, subject=False) == []
    assert said({}, subject=False) == [NONE]


@pytest.mark.parametrize(
    ("spec", "meta", "wrong"),
    [
        (PODS | {"namespace": "n"}, {"namespace": "n"}, []),
        (PODS | {"namespace": "m"}, {"namespace": "n"},
         [f'{R}.namespace: Invalid value: "m": must match metadata.namespace']),
        (PODS, {"namespace": "n"}, [f'{R}.namespace: Invalid value: "": must match metadata.namespace']),
        (PODS | {"namespace": "n"}, {"namespace": "n", "name": "x"},
         ['metadata: Invalid value: {"name":"x","namespace":"n"}: must be empty except for namespace']),
    ],
)  # fmt: skip
def test_what_is_asked_in_a_namespace(spec: Any, meta: Any, wrong: list[str]) -> None:
    assert said({"user": "u", "resourceAttributes": spec}, meta, local=True) == wrong


def test_no_path_is_asked_for_in_a_namespace() -> None:
    found = said({"user": "u", "nonResourceAttributes": PATH}, {"namespace": "n"}, local=True)
    assert found == [f"spec.nonResourceAttributes: Invalid value: {SHOWN}: disallowed on this kind of request"]


def test_a_review_has_no_metadata_of_its_own() -> None:
    spec, meta = {"user": "u", "resourceAttributes": PODS}, {"labels": {"b": "1", "a": "<"}, "name": "x"}
    found = said(spec, meta)
    assert found == ['metadata: Invalid value: {"name":"x","labels":{"a":"\\u003c","b":"1"}}: must be empty']
    assert said(spec, {"labels": {}, "managedFields": [{"manager": "m"}]}) == []


def test_metadata_is_what_the_request_says() -> None:
    review: dict[str, Any] = {"metadata": {"uid": "u", "namespace": "n", "creationTimestamp": "2026-01-01T00:00:00Z"}}
    review_rules.place(review, "")
    assert review == {"metadata": {}}
    review_rules.place(review, "n")
    assert review == {"metadata": {"namespace": "n"}}
    with pytest.raises(StatusError, match="does not match the namespace sent on the request"):
        review_rules.place({"metadata": {"namespace": "m"}}, "n")


def test_a_token_request_names_its_account_or_nobody() -> None:
    review_rules.token_request({"metadata": {}}, "robot")
    review_rules.token_request({"metadata": {"name": "robot"}}, "robot")
    with pytest.raises(
        StatusError, match=r'"robot" is invalid: metadata\.name: Invalid value: "x": must match the serv'
    ):
        review_rules.token_request({"metadata": {"name": "x"}}, "robot")


@pytest.mark.parametrize(
    ("seconds", "good"), [(599, False), (600, True), (1 << 32, True), ((1 << 32) + 1, False), (0, False)]
)
def test_how_long_a_token_may_last(seconds: int, good: bool) -> None:
    if good:
        review_rules.token_seconds(seconds)
    else:
        with pytest.raises(StatusError, match=r'TokenRequest\.authentication\.k8s\.io "" is invalid: spec\.exp'):
            review_rules.token_seconds(seconds)
