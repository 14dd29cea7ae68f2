"""The conditions of a status, where they are the API machinery's own."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery.fieldpath import Errors
from unit.registry.kinds.checks import BY_RESOURCE

GOOD = {"type": "A", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z", "reason": "Done", "message": ""}
REASON = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or "
    "'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is "
    "'[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')"
)
PATH = "status.conditions[0]"
KINDS = ("poddisruptionbudgets.policy", "validatingadmissionpolicies.admissionregistration.k8s.io")


def said(resource: str, *conditions: dict[str, Any]) -> list[str]:
    err, old = Errors(), {"metadata": {"name": "a"}, "spec": {}}
    BY_RESOURCE[resource].validate_status(old | {"status": {"conditions": list(conditions)}}, old, err)
    return [str(cause) for cause in err]


@pytest.mark.parametrize("resource", KINDS)
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({}, None),
        ({"reason": "a:b,c_"}, None),
        ({"status": "true"}, 'status: Unsupported value: "true": supported values: "False", "True", "Unknown"'),
        ({"observedGeneration": -1}, "observedGeneration: Invalid value: -1: must be greater than or equal to zero"),
        ({"lastTransitionTime": None}, "lastTransitionTime: Required value: must be set"),
        ({"reason": ""}, "reason: Required value: must be set"),
        ({"reason": "a b"}, f'reason: Invalid value: "a b": {REASON}'),
        ({"reason": "a" * 1025}, "reason: Too long: may not be more than 1024 bytes"),
        ({"message": "é" * 16385}, "message: Too long: may not be more than 32768 bytes"),
    ],
)
def test_a_condition(resource: str, condition: dict[str, Any], expected: str | None) -> None:
    assert said(resource, GOOD | condition) == ([f"{PATH}.{expected}"] if expected else [])


def test_each_type_once() -> None:
    assert said(KINDS[0], GOOD, GOOD) == ['status.conditions[1].type: Duplicate value: "A"']
