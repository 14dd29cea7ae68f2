"""Protobuf bodies: the table of field numbers is whole, and what a Go client sets arrives."""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from longboat.api import kinds
from longboat.machinery import messages
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.types import schema
from longboat.machinery.types.schema import PROTOBUF
from longboat.machinery.types.shapes import List, Map, Shape, Struct
from longboat.registry import catalog
from unit.machinery.go import body, message

SCHEMA = schema.load()
HPA = Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
HEAD = {"kind", "apiVersion"}  # which the envelope has


def structs(shape: Shape | None, seen: set[str]) -> Iterator[Struct]:
    """A type and all that it is made of."""
    while isinstance(shape, (List, Map)):
        shape = shape.item if isinstance(shape, List) else shape.value
    if isinstance(shape, Struct) and shape.name not in seen:
        seen.add(shape.name)
        yield shape
        for inner in shape.fields.values():
            yield from structs(inner, seen)


def named(message: str) -> set[str]:
    """The fields of a message, as JSON has them."""
    found: set[str] = set()
    for field in (messages.numbered(message) or {}).values():
        found |= named(field.inlined) if field.inlined else {field.name}
    return found


def test_every_field_of_every_kind_has_a_number() -> None:
    served = [strategy.kind for strategy in catalog.strategies()]
    assert len(served) > 60
    seen: set[str] = set()
    missing = {
        f"{struct.name}: {', '.join(sorted(lacking)) or 'all'}"
        for kind in (*served, kinds.SCALE, Kind("", "v1", "DeleteOptions", ""), Kind("policy", "v1", "Eviction", ""))
        for struct in structs(SCHEMA.type(kind), seen)
        if (lacking := set(struct.fields) - HEAD - named(struct.name)) or messages.numbered(struct.name) is None
    }
    assert missing == set()
    assert len(seen) > 400


def sent(kind: Kind, raw: bytes) -> dict[str, Any]:
    return SCHEMA.decode(kind, body(kind, raw), PROTOBUF, "Strict")[0]


CLAIM = message((2, message((1, b"ReadWriteOnce"), (5, b""))))
DRIVER = message((2, message((1, 0), (2, 0), (7, 0))))
SLICE = message((2, message((1, b"10.0.0.1"), (2, message((1, 0))))), (4, b"IPv4"))
JOB = message((2, message((7, 0), (12, 0))))
SCALER = message((2, message((5, message((2, message((3, 0))))))))


@pytest.mark.parametrize(
    ("kind", "raw", "where", "value"),
    [
        (kinds.PERSISTENT_VOLUME_CLAIM, CLAIM, ("spec", "storageClassName"), ""),
        (kinds.CSI_DRIVER, DRIVER, ("spec", "attachRequired"), False),
        (kinds.CSI_DRIVER, DRIVER, ("spec", "podInfoOnMount"), False),
        (kinds.ENDPOINT_SLICE, SLICE, ("endpoints", 0, "conditions", "ready"), False),
        (kinds.JOB, JOB, ("spec", "backoffLimit"), 0),
        (kinds.JOB, JOB, ("spec", "backoffLimitPerIndex"), 0),
        (HPA, SCALER, ("spec", "behavior", "scaleDown", "stabilizationWindowSeconds"), 0),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_a_pointer_to_nothing_says_something(kind: Kind, raw: bytes, where: tuple[Any, ...], value: Any) -> None:
    found: Any = sent(kind, raw)
    for step in where:
        found = found[step]
    assert found == value and type(found) is type(value)


def test_what_is_no_pointer_and_zero_says_nothing() -> None:
    raw = message((2, message((2, message((1, b"c"), (2, b""), (16, 0))), (11, 0), (10, b""))))
    assert sent(kinds.POD, raw)["spec"] == {"containers": [{"name": "c", "resources": {}}]}


def test_a_schema_or_something_else() -> None:
    """JSONSchemaPropsOrArray, OrBool and OrStringArray, as Go's MarshalJSON writes them."""
    text = message((5, b"string"))
    props = message(
        (24, message((1, text))),  # items
        (30, message((1, 0))),  # additionalProperties: false
        (33, message((1, 1), (2, text))),  # additionalItems
        (32, message((1, b"a"), (2, message((2, b"x"), (2, b"y"))))),  # dependencies
        (32, message((1, b"b"), (2, message((1, text))))),
        (29, message((1, b"p"), (2, message((30, message((1, 1))), (8, message((1, b'{"q":1}'))))))),  # properties
        (29, message((1, b"q"), (2, message((24, message((2, text), (2, text))))))),
    )
    version = message((1, b"v1"), (4, message((1, props))))
    definition = sent(kinds.CUSTOM_RESOURCE_DEFINITION, message((2, message((7, version)))))
    assert definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"] == {
        "items": {"type": "string"},
        "additionalProperties": False,
        "additionalItems": {"type": "string"},
        "dependencies": {"a": ["x", "y"], "b": {"type": "string"}},
        "properties": {
            "p": {"additionalProperties": True, "default": {"q": 1}},
            "q": {"items": [{"type": "string"}, {"type": "string"}]},
        },
    }


def test_a_field_of_a_later_version_is_passed_over() -> None:
    """Upstream reads protobuf alike whatever validation is wanted."""
    data = body(kinds.CONFIG_MAP, message((1, message((1, b"a"))), (99, b"new")))
    for validation in ("Ignore", "Warn", "Strict"):
        made, warnings = SCHEMA.decode(kinds.CONFIG_MAP, data, PROTOBUF, validation)
        assert made["metadata"] == {"name": "a"} and warnings == []


OPTIONS = Kind("", "v1", "DeleteOptions", "deleteoptions")


@pytest.mark.parametrize("version", ["v1", "apps/v1", "batch/v1", "rbac.authorization.k8s.io/v1", "meta.k8s.io/v1"])
def test_delete_options_are_of_every_group(version: str) -> None:
    """client-go sends them in the group version of what it deletes."""
    group, _, name = version.rpartition("/")
    data = body(Kind(group, name, "DeleteOptions", ""), message((1, 0), (4, b"Foreground")))
    found, _ = SCHEMA.decode(OPTIONS, data, PROTOBUF)
    assert found["gracePeriodSeconds"] == 0 and found["propagationPolicy"] == "Foreground"


def test_nothing_else_is_of_another_group() -> None:
    for group, version in (("apps", "v1"), ("meta.k8s.io", "v1"), ("", "v2")):
        with pytest.raises(StatusError):
            SCHEMA.decode(kinds.CONFIG_MAP, body(Kind(group, version, "ConfigMap", ""), b""), PROTOBUF)


def test_the_build_names_what_the_table_lacks() -> None:
    build = runpy.run_path(str(Path(__file__).parents[4] / "hatch_build.py"))
    defs = build["definitions"]()
    build["check_numbers"](defs)
    defs["io.k8s.api.core.v1.PodSpec"]["properties"]["unheardOf"] = {"type": "string"}
    defs["io.k8s.api.core.v1.New"] = {
        "x-kubernetes-group-version-kind": [{"group": "", "version": "v1", "kind": "New"}]
    }
    with pytest.raises(RuntimeError) as raised:
        build["check_numbers"](defs)
    assert "core.v1.New: all\n" in str(raised.value) and "core.v1.PodSpec: unheardOf" in str(raised.value)
