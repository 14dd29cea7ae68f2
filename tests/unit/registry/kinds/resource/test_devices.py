"""What claims and slices may not say, beyond what upstream's recordings hold."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery.fieldpath import Errors
from unit.registry.kinds.checks import BY_RESOURCE, Thing, changed, made, said, said_of_update

CLAIMS, TEMPLATES, SLICES, CLASSES = (
    BY_RESOURCE[f"{plural}.resource.k8s.io"]
    for plural in ("resourceclaims", "resourceclaimtemplates", "resourceslices", "deviceclasses")
)
EXACTLY: Thing = {"deviceClassName": "c"}
CLAIM: Thing = {
    "metadata": {"name": "c", "uid": "u"},
    "spec": {"devices": {"requests": [{"name": "r", "exactly": EXACTLY}]}},
}
EITHER = changed(CLAIM, spec__devices__requests=[{"name": "r", "firstAvailable": [{"name": "a", **EXACTLY}]}])
SLICE: Thing = {
    "metadata": {"name": "s"},
    "spec": {
        "driver": "d.example.com", "nodeName": "n", "pool": {"name": "p", "resourceSliceCount": 1},
        "devices": [{"name": "d"}],
    },
}  # fmt: skip
REQUEST, DEVICE = "spec.devices.requests[0]", "spec.devices[0]"
NO_REQUEST = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"


def constrained(*requests: str) -> Thing:
    return {"spec__devices__constraints": [{"requests": list(requests), "matchAttribute": "d.example.com/a"}]}


@pytest.mark.parametrize(
    ("claim", "changes", "wrong"),
    [
        (CLAIM, {}, []),
        (EITHER, constrained("r", "r/a"), []),
        (EITHER, constrained("r/b"), [f'spec.devices.constraints[0].requests[0]: Invalid value: "r/b": {NO_REQUEST}']),
        (EITHER, constrained("r/a/x"),
         [f'spec.devices.constraints[0].requests[0]: Invalid value: "r/a/x": {NO_REQUEST}']),
        (EITHER, constrained("r", "r"), ['spec.devices.constraints[0].requests[1]: Duplicate value: "r"']),
        (EITHER, {"spec__devices__requests__0__exactly": EXACTLY}, [
            f"{REQUEST}: Invalid value: null: exactly one of `exactly` or `firstAvailable` is required, but multiple "
            "fields are set"
        ]),
        (CLAIM, {"spec__devices__requests": [{"name": "r", "exactly": EXACTLY}] * 33},
         ["spec.devices.requests: Too many: 33: must have at most 32 items"]),
        (CLAIM, {"spec__devices__requests": [{"name": "r", "exactly": EXACTLY}] * 2},
         ['spec.devices.requests[1]: Duplicate value: "r"']),
        (CLAIM, {"spec__devices__requests__0__exactly__allocationMode": "All",
                 "spec__devices__requests__0__exactly__count": 2},
         [f"{REQUEST}.exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'"]),
        (CLAIM, {"spec__devices__requests__0__exactly__tolerations": [
            {"operator": "Exists", "value": "v", "effect": "x"},
        ]}, [
            f'{REQUEST}.exactly.tolerations[0].value: Invalid value: "v": must be empty for operator `Exists`',
            f'{REQUEST}.exactly.tolerations[0].effect: Unsupported value: "x": supported values: "NoExecute", '
            '"NoSchedule", "None"',
        ]),
        (CLAIM, {"spec__devices__config": [{"opaque": {"driver": "d", "parameters": {"a": "a" * 10240}}}]},
         ["spec.devices.config[0].opaque.parameters: Too long: may not be more than 10240 bytes"]),
        (CLAIM, {"spec__devices__constraints": [{"distinctAttribute": "/"}]}, [
            'spec.devices.constraints[0].distinctAttribute: Invalid value: "": the domain must not be empty',
            'spec.devices.constraints[0].distinctAttribute: Invalid value: "": the name must not be empty',
        ]),
    ],
)  # fmt: skip
def test_claims(claim: Thing, changes: Any, wrong: list[str]) -> None:
    assert said(CLAIMS, changed(claim, **changes)) == wrong


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, []),
        ({"spec__allNodes": True}, [
            'spec: Invalid value: "{`nodeName`, `allNodes`}": exactly one of `nodeName`, `nodeSelector`, `allNodes`, '
            "`perDeviceNodeSelection` is required, but multiple fields are set"
        ]),
        ({"spec__sharedCounters": [{"name": "c", "counters": {"a": {"value": "1"}}}]},
         ['spec: Invalid value: "": only one of `sharedCounters` or `devices` is allowed']),
        ({"spec__devices": [{"name": f"d{i}", "taints": [{"key": "k", "effect": "None"}]} for i in range(65)]},
         ["spec.devices: Too many: 65: must have at most 64 items"]),
        ({"spec__devices": [{"name": f"d{i}"} for i in range(128)]}, []),
        ({"spec__devices__0__attributes": {"a": {"int": 1, "bool": True}}}, [
            f'{DEVICE}.attributes[a]: Invalid value: {{"IntValue":1,"BoolValue":true,"StringValue":null,'
            '"VersionValue":null,"IntValues":null,"BoolValues":null,"StringValues":null,"VersionValues":null}: '
            "exactly one value must be specified"
        ]),
        ({"spec__devices__0__attributes": {f"a{i}": {"int": 1} for i in range(33)}}, [
            f"{DEVICE}: Invalid value: 33: the total number of attributes and capacities must not exceed 32"
        ]),
        ({"spec__devices__0__nodeName": "n"}, [
            f"{DEVICE}: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if "
            "`perDeviceNodeSelection` is set to true in the ResourceSlice spec"
        ]),
        ({"spec__devices__0__bindingConditions": ["a"], "spec__devices__0__bindingFailureConditions": ["a"]}, [
            f'{DEVICE}.bindingFailureConditions[0]: Invalid value: "a": bindingFailureConditions must not overlap with '
            "bindingConditions"
        ]),
        ({"spec__devices__0__bindingConditions": ["a"]}, [
            f"{DEVICE}.bindingFailureConditions: Invalid value: null: bindingFailureConditions are required to use "
            "bindingConditions"
        ]),
        ({"spec__devices__0__capacity": {"m": {"value": "1", "requestPolicy": {}}}},
         [f"{DEVICE}.capacity[m].requestPolicy: Forbidden: allowMultipleAllocations must be true"]),
        ({"spec__devices__0__consumesCounters": [{"counterSet": "c"}]},
         [f"{DEVICE}.consumesCounters[0].counters: Required value"]),
    ],
)  # fmt: skip
def test_slices(changes: Any, wrong: list[str]) -> None:
    assert said(SLICES, changed(SLICE, **changes)) == wrong


@pytest.mark.parametrize(
    ("policy", "wrong"),
    [
        ({"default": "2", "validRange": {"min": "1", "max": "4", "step": "1"}}, []),
        ({"validValues": ["1"]}, ["default: Required value: required when validValues is defined"]),
        ({"default": "3", "validValues": ["2", "1"]}, [
            'validValues[1]: Invalid value: "1": values must be sorted in ascending order',
            'validValues: Invalid value: "3": default value is not valid according to the requestPolicy',
        ]),
        ({"default": "1", "validRange": {"min": "2", "max": "16"}}, [
            'validRange.min: Invalid value: "1": default is less than min: 2',
            'validRange.max: Invalid value: "16": max is larger than capacity value: 8',
        ]),
        ({"default": "2", "validRange": {"min": "1", "step": "0"}},
         ['validRange.step: Invalid value: "2": value is not a multiple of a given step (0) from (1)']),
    ],
)  # fmt: skip
def test_what_one_claim_may_take_of_a_shared_device(policy: Thing, wrong: list[str]) -> None:
    device = {"name": "d", "allowMultipleAllocations": True, "capacity": {"m": {"value": "8", "requestPolicy": policy}}}
    assert said(SLICES, changed(SLICE, spec__devices=[device])) == [
        f"{DEVICE}.capacity[m].requestPolicy.{line}" for line in wrong
    ]


def test_specs_do_not_change():
    assert said_of_update(CLAIMS, CLAIM, changed(CLAIM, metadata__labels={"a": "b"})) == []
    template = {"metadata": {"name": "t"}, "spec": {"metadata": {"labels": {"a": "b"}}, "spec": CLAIM["spec"]}}
    assert said(TEMPLATES, template) == []
    (told,) = said_of_update(TEMPLATES, template, changed(template, spec__spec__devices__requests__0__name="q"))
    assert told.startswith('spec: Invalid value: {"labels":{"a":"b"},"Spec":{"Devices":{"Requests":[{"Name":"q",')


def test_what_a_claim_is_given():
    def said_of_status(old: Thing, **changes: Any) -> list[str]:
        before, err = made(CLAIMS, old), Errors()
        before["status"] = old.get("status") or {}
        CLAIMS.validate_status(changed(before, **changes), before, err)
        return [str(cause) for cause in err]

    consumer = {"resource": "pods", "name": "p", "uid": "1"}
    result = {"request": "r", "driver": "d.example.com", "pool": "p", "device": "d"}
    given = {"devices": {"results": [result]}}
    assert said_of_status(CLAIM, status={"allocation": given, "reservedFor": [consumer]}) == []
    assert said_of_status(CLAIM, status={"reservedFor": [consumer, consumer]}) == [
        'status.reservedFor[1]: Duplicate value: "1"',
        "status.reservedFor: Forbidden: may not be specified when `allocated` is not set",
    ]
    assert said_of_status(CLAIM, status={"allocation": {"devices": {"results": [{**result, "request": "q"}]}}}) == [
        f'status.allocation.devices.results[0].request: Invalid value: "q": {NO_REQUEST}'
    ]
    allocated = changed(CLAIM, status={"allocation": given})
    (told,) = said_of_status(allocated, status__allocation={"devices": {"results": []}})
    assert told.startswith("status.allocation: Invalid value: {") and told.endswith(": field is immutable")
    assert said_of_status(allocated, status__devices=[{**result, "device": "e"}]) == [
        'status.devices[0]: Invalid value: "d.example.com/p/e": must be an allocated device in the claim'
    ]


SELECTOR = "spec.selectors[0].cel.expression"


def nested(times: int) -> str:
    """An expression that is dear without looking at anything."""
    text = "true"
    for i in range(times):
        text = f"[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].all(x{i}, {text})"
    return text


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("device.attributes['a.example.com'].ready && device.allowMultipleAllocations", ""),
        ("device.attributes['a.example.com'].ready", ""),
        ("cel.bind(own, device.attributes['a.example.com'], own.a > 1 && own.b < 2)", ""),
        ("cel.bind('own', 1, true)", "cel.bind() variable names must be simple identifiers"),
        ("device.capacity['a.example.com'].memory", "to bool or the unknown type, not kubernetes.Quantity"),
        ("dyn(true)", "must evaluate to bool or the unknown type, not dyn"),
        ("device.attributes['a.example.com'].a.exists(x, x)", "type 'any' cannot be range of a comprehension"),
        ("object.metadata.name == ''", "undeclared reference to 'object'"),
        ("int('x') == 1", "Internal error: program instantiation failed: type conversion error from 'string' to 'int'"),
        (nested(4), ""),
        (nested(6), "Forbidden: too complex, exceeds cost limit"),
        (f"'{'a' * 10238}' == ''", "Too long: may not be more than 10240 bytes"),
    ],
)  # fmt: skip
def test_selectors_are_compiled_for_what_they_cost(expression, wrong):
    selectors = [{"cel": {"expression": expression}}]
    found = said(CLASSES, {"metadata": {"name": "c"}, "spec": {"selectors": selectors}})
    assert len(found) == bool(wrong)
    assert not wrong or (found[0].startswith(SELECTOR) and wrong in found[0])
