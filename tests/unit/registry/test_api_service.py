"""What an APIService has to be (apiregistration, ValidateAPIService and ValidateAPIServiceStatus)."""

from __future__ import annotations

from typing import Any

import pytest

from longboat.machinery.fieldpath import Errors
from longboat.registry.kinds.apiregistration.api_service import APIService

SERVICE = {"name": "s", "namespace": "n", "port": 443}
LABEL = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
NAME = 'must be `spec.version+"."+spec.group`: '


def errors(name: str = "v1.a.example.com", **spec: Any) -> list[tuple[str, str]]:
    err = Errors()
    whole = {"group": "a.example.com", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1, **spec}
    APIService().validate({"metadata": {"name": name}, "spec": whole}, err)
    return [(str(cause.field), cause.message) for cause in err]


@pytest.mark.parametrize(
    "spec, wrong",
    [
        ({}, []),
        ({"service": SERVICE}, []),
        ({"service": SERVICE, "caBundle": "eHh4"}, []),
        ({"service": SERVICE, "insecureSkipTLSVerify": True}, []),
        ({"name": "v1.", "group": ""}, []),
        ({"name": "x"}, [("metadata.name", f'Invalid value: "x": {NAME}"v1.a.example.com"')]),
        ({"name": "v2.", "group": "", "version": "v2"},
         [("spec.group", "Required value: only v1 may have an empty group and it better be legacy kube")]),
        ({"name": "1.a.example.com", "version": "1"}, [("spec.version", f'Invalid value: "1": {LABEL}')]),
        ({"groupPriorityMinimum": 20000, "versionPriority": 1000}, []),
        ({"groupPriorityMinimum": -1},
         [("spec.groupPriorityMinimum", "Invalid value: -1: must be positive and less than 20000")]),
        ({"caBundle": "eHh4"},
         [("spec.caBundle", 'Invalid value: "3 bytes": local APIServices may not have a caBundle')]),
        ({"insecureSkipTLSVerify": True},
         [("spec.insecureSkipTLSVerify",
           "Invalid value: true: local APIServices may not have insecureSkipTLSVerify")]),
        ({"service": {"port": 443}},
         [("spec.service.namespace", "Required value"), ("spec.service.name", "Required value")]),
        ({"service": {**SERVICE, "port": 0}},
         [("spec.service.port", "Invalid value: 0: port is not valid: must be between 1 and 65535, inclusive")]),
        ({"service": SERVICE, "caBundle": "eHh4", "insecureSkipTLSVerify": True},
         [("spec.insecureSkipTLSVerify", "Invalid value: true: may not be true if caBundle is present")]),
    ],
)  # fmt: skip
def test_a_spec(spec: dict[str, Any], wrong: list[tuple[str, str]]) -> None:
    assert errors(**spec) == wrong


def test_a_group_is_a_subdomain() -> None:
    assert [field for field, _ in errors("v1.A", group="A")] == ["spec.group"]


@pytest.mark.parametrize("name", ["a/b", ".."])
def test_a_name_that_fits_no_path_is_told_of_once(name: str) -> None:
    assert APIService().name_errors(name)
    assert errors(name) == []


def test_conditions_are_true_false_or_unknown() -> None:
    def status(value: str) -> dict[str, Any]:
        return {"metadata": {}, "status": {"conditions": [{"type": "X", "status": value}]}}

    err = Errors()
    for value in ("True", "False", "Unknown"):
        APIService().validate_status(status(value), {}, err)
    assert not err
    APIService().validate_status(status("Yes"), {}, err)
    assert [(str(cause.field), cause.message) for cause in err] == [
        ("status.conditions[0].status", 'Unsupported value: "Yes": supported values: "False", "True", "Unknown"')
    ]
