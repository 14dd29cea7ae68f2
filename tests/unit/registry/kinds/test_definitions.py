"""What a CustomResourceDefinition may say, where no recorded answer shows it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from longboat.machinery.fieldpath import Errors
from longboat.registry.kinds.apiextensions.custom_resource_definition import CustomResourceDefinition

SCHEMA: Any = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": {"a": {"type": "string"}, "n": {"type": "number"}}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def definition(*versions: Any, **spec: Any) -> Any:
    listed = versions or ({},)
    made = [
        {"name": f"v{i}", "served": True, "storage": i == 1, "schema": {"openAPIV3Schema": deepcopy(SCHEMA)}} | each
        for i, each in enumerate(listed, 1)
    ]
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    stored = [version["name"] for version in made if version["storage"]][:1]
    return {
        "metadata": {"name": "things.v.example.com"},
        "spec": {"group": "v.example.com", "scope": "Namespaced", "names": names, "versions": made,
                 "conversion": {"strategy": "None"}} | spec,
        "status": {"storedVersions": stored},
    }  # fmt: skip


def complaints(new: Any, old: Any = None) -> list[str]:
    err, strategy = Errors(), CustomResourceDefinition()
    strategy.validate_create(new, err) if old is None else strategy.validate_update(new, old, err)
    return [str(cause) for cause in err]


def paths(*found: str) -> Any:
    return [{"jsonPath": path} for path in found]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must not be an empty string"),
        ("é" * 129, "must be <= 256 characters long"),
        ("é\t", "must only contain printable UTF-8 characters; non-printable character found at index 2"),
    ],
)
def test_what_clients_of_a_deprecated_version_are_told(text: str, says: str) -> None:
    (found,) = complaints(definition({"deprecated": True, "deprecationWarning": text}))
    assert found.startswith("spec.versions[0].deprecationWarning: Invalid value: ")
    assert found.endswith(f": {says}")
    (found,) = complaints(definition({"deprecationWarning": "gone"}))
    assert found.endswith("can only be set for deprecated versions")


_TYPES = (
    "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed."
)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (".spec.b", "is an invalid path: does not refer to a valid field"),
        (".spec.a.b", "is an invalid path: does not refer to a valid field"),
        ("spec.a", "is an invalid path: expected [ or . but got: spec"),
        (".spec.", "is an invalid path: unexpected end of JSON path"),
        (".spec['a']", "is an invalid path: array notation is not allowed"),
        (".spec.n", _TYPES),
    ],
)
def test_fields_that_cannot_be_selected_by(path: str, says: str) -> None:
    wanted = f'spec.selectableFields[0].jsonPath: Invalid value: "{path}": {says}'
    assert complaints(definition({"selectableFields": paths(path)})) == [wanted]


def test_fields_that_can_be_selected_by() -> None:
    assert complaints(definition({"selectableFields": paths(".spec.a", ".labels.x")})) == []
    at, many = "spec.selectableFields", [f".labels.l{i}" for i in range(9)]
    assert complaints(definition({"selectableFields": paths("")})) == [f"{at}[0].jsonPath: Required value"]
    twice = definition({"selectableFields": paths(".spec.a", ".spec.a")})
    assert complaints(twice) == [f'{at}[1].jsonPath: Duplicate value: ".spec.a"']
    assert complaints(definition({"selectableFields": paths(*many)})) == [
        f"{at}: Too many: 9: must have at most 8 items"
    ]


def test_a_column_has_a_type() -> None:
    (found,) = complaints(definition({"additionalPrinterColumns": [{"name": "A", "jsonPath": ".a"}]}))
    says = "Required value: must be one of boolean,date,integer,number,string"
    assert found == f"spec.additionalPrinterColumns[0].type: {says}"


def test_what_versions_do_not_share_is_told_of_each() -> None:
    found = complaints(definition({}, {"selectableFields": paths(".spec.b")}))
    assert [line.split(":")[0] for line in found] == ["spec.versions[1].selectableFields[0].jsonPath"]


def test_versions_of_one_name() -> None:
    (found,) = complaints(definition({"additionalPrinterColumns": [{"name": "A", "type": "date", "jsonPath": ".a"}]},
                                     {"name": "v1"}))  # fmt: skip
    assert found.startswith('spec.versions: Invalid value: [{"Name":"v1","Served":true,"Storage":true,')
    assert found.endswith("must contain unique version names")
    assert '"AdditionalPrinterColumns":[{"Name":"A","Type":"date","Format":"","Description":"","Priority":0,' in found
    assert '"Schema":null' in found  # they share it, and it is held once


def test_what_must_not_change() -> None:
    old = definition()
    new = definition(group="w.example.com", scope="Cluster")
    new["spec"]["names"] |= {"kind": "Other", "plural": "others"}
    fields = [line.split(":")[0] for line in complaints(new, old)]
    assert fields == ["spec.group", "spec.names.plural"]
    old["status"]["conditions"] = [{"type": "Established", "status": "True"}]
    fields = [line.split(":")[0] for line in complaints(new, old)]
    assert fields == ["spec.scope", "spec.names.kind", "spec.group", "spec.names.plural"]


def test_who_did_not_say_that_a_group_of_kubernetes_is_approved_may_leave_it() -> None:
    old, new = definition(group="x.k8s.io"), definition(group="x.k8s.io")
    new["metadata"]["name"] = "things.x.k8s.io"
    assert [line.split(":")[0] for line in complaints(new)] == ["metadata.annotations[api-approved.kubernetes.io]"]
    assert complaints(new, old) == []
    new["metadata"]["annotations"] = {"api-approved.kubernetes.io": "soon"}
    assert [line.split(": ")[1] for line in complaints(new, old)] == ["Invalid value"]


def test_rules_are_compiled_and_their_cost_is_bounded() -> None:
    def told(rule: Any, **about: Any) -> list[str]:
        schema = deepcopy(SCHEMA)
        schema["properties"]["spec"]["properties"]["l"] = {"type": "array", "items": {"type": "string"}, **about}
        schema["properties"]["spec"]["properties"]["l"]["x-kubernetes-validations"] = [rule]
        return complaints(definition({"schema": {"openAPIV3Schema": schema}}))

    at = "spec.validation.openAPIV3Schema.properties[spec].properties[l].x-kubernetes-validations[0]"
    assert told({"rule": "self.size() > 1"}) == []
    (found,) = told({"rule": "self.nope() > 1"})
    assert found.startswith(f"{at}.rule: Invalid value: {{")
    assert "undeclared reference to 'nope'" in found
    dear = {"rule": "self.all(x, self.all(y, x == y || x.size() > 1))"}
    assert [line.split(": ")[:2] for line in told(dear)] == [
        [f"{at}.rule", "Forbidden"], [f"{at}.rule", "Forbidden"], ["spec.validation.openAPIV3Schema", "Forbidden"],
    ]  # fmt: skip
    assert told(dear, maxItems=5, items={"type": "string", "maxLength": 10}) == []
