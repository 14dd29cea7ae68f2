"""Every view declares only fields that its kind has, with types that can hold what the schema allows.

A part that several types share (a condition, a container) may have fields that only some of them have.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, ClassVar

import msgspec
import pytest
from msgspec import inspect

import longboat
from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.machinery.kinds import Kind
from longboat.machinery.types import schema
from longboat.machinery.types.shapes import List, Map, Scalar, Shape, Struct

SCHEMA = schema.load()
ABSENT = "no such field for"
HOLDS: dict[str, tuple[type, ...]] = {
    "string": (inspect.StrType,),
    "bytes": (inspect.StrType, inspect.BytesType),
    "quantity": (inspect.StrType,),
    "time": (inspect.StrType, inspect.DateTimeType),
    "microtime": (inspect.StrType, inspect.DateTimeType),
    "int32": (inspect.IntType, inspect.FloatType),
    "int64": (inspect.IntType, inspect.FloatType),
    "double": (inspect.FloatType,),
    "boolean": (inspect.BoolType,),
}


def views() -> list[type[View]]:
    for module in pkgutil.walk_packages(longboat.__path__, "longboat."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found = dict.fromkeys(_subclasses(View))
    return sorted((view for view in found if view.__module__.startswith("longboat.")), key=name_of)


def _subclasses(cls: type[View]) -> Iterator[type[View]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from _subclasses(sub)


def name_of(view: type[View]) -> str:
    return f"{view.__module__.removeprefix('longboat.')}.{view.__name__}"


def misfits(declared: inspect.Type, shape: Shape, path: str) -> Iterator[str]:
    """What the declared type cannot hold, or what the schema does not have."""
    if isinstance(declared, inspect.Metadata):
        declared = declared.type
    if isinstance(declared, (inspect.AnyType, inspect.RawType)):
        return
    options = [t for t in _alternatives(declared) if not isinstance(t, inspect.NoneType)]
    if isinstance(shape, Scalar) and shape.name == "intstr":
        if {type(option) for option in options} != {inspect.IntType, inspect.StrType}:
            yield f"{path}: {_shown(declared)} cannot hold a number or a name"
        return
    if isinstance(shape, Scalar) and shape.name == "any":
        return
    if len(options) != 1:
        yield f"{path}: {_shown(declared)} for {shape.go}"
        return
    only = options[0]
    if isinstance(shape, Scalar):
        if not isinstance(only, HOLDS[shape.name]):
            yield f"{path}: {_shown(only)} for {shape.go}"
    elif isinstance(shape, List) and isinstance(
        only, (inspect.ListType, inspect.VarTupleType, inspect.SetType, inspect.FrozenSetType)
    ):
        yield from misfits(only.item_type, shape.item, f"{path}[]")
    elif isinstance(shape, Map) and isinstance(only, inspect.DictType):
        yield from misfits(only.value_type, shape.value, f"{path}{{}}")
    elif isinstance(shape, Struct) and isinstance(only, inspect.StructType):
        yield from _fields(only, shape, path)
    elif not (isinstance(shape, Struct) and isinstance(only, inspect.DictType)):
        yield f"{path}: {_shown(only)} for {shape.go}"


def _alternatives(declared: inspect.Type) -> tuple[inspect.Type, ...]:
    return declared.types if isinstance(declared, inspect.UnionType) else (declared,)


def _fields(declared: inspect.StructType, shape: Struct, path: str) -> Iterator[str]:
    for field in declared.fields:
        here = f"{path}.{field.encode_name}" if path else field.encode_name
        if field.encode_name not in shape.fields:
            yield f"{here}: {ABSENT} {declared.cls.__qualname__} in {shape.short}"
        elif field.required:
            yield f"{here}: has no default, yet any field may be absent"
        else:
            yield from misfits(field.type, shape.fields[field.encode_name], here)


def _shown(declared: inspect.Type) -> str:
    return type(declared).__name__.removesuffix("Type").lower()


def problems(view: type[View]) -> list[str]:
    struct = SCHEMA.type(view.KIND)
    if struct is None:
        return [f"the schema has no {view.KIND.api_version} {view.KIND.name}"]
    info = inspect.type_info(view)
    assert isinstance(info, inspect.StructType)
    return list(_fields(info, struct, ""))


@lru_cache(maxsize=1)
def shared() -> frozenset[tuple[type, str]]:
    """(part, field) for each field that some type has which the part stands for."""
    found: set[tuple[type, str]] = set()

    def walk(declared: inspect.Type, shape: Shape) -> None:
        for option in _alternatives(declared.type if isinstance(declared, inspect.Metadata) else declared):
            if isinstance(option, inspect.StructType) and isinstance(shape, Struct):
                for field in option.fields:
                    if (member := shape.fields.get(field.encode_name)) is not None:
                        found.add((option.cls, field.encode_name))
                        walk(field.type, member)
            elif isinstance(shape, List) and (item := getattr(option, "item_type", None)):
                walk(item, shape.item)
            elif isinstance(shape, Map) and isinstance(option, inspect.DictType):
                walk(option.value_type, shape.value)

    for view in views():
        if struct := SCHEMA.type(view.KIND):
            walk(inspect.type_info(view), struct)
    return frozenset(found)


@pytest.mark.parametrize("view", views(), ids=name_of)
def test_the_view_fits_the_schema(view: type[View]) -> None:
    elsewhere = {f".{field}: {ABSENT} {part.__qualname__} " for part, field in shared()}
    assert [text for text in problems(view) if not any(known in f".{text}" for known in elsewhere)] == []


class Wrong(Part):
    containers: dict[str, str] = {}
    nodeNmae: str = ""
    priority: str = ""
    hostNetwork: bool = False
    overhead: dict[str, str] = {}
    restartPolicy: str
    activeDeadlineSeconds: int | None = None


class Bad(View):
    KIND: ClassVar[Kind] = kinds.POD
    spec: Wrong
    status: msgspec.Raw = msgspec.Raw()
    kind: Any = None


def test_a_view_that_does_not_fit_is_found_out() -> None:
    assert problems(Bad) == [
        "spec: has no default, yet any field may be absent",
    ]
    assert list(misfits(inspect.type_info(Wrong), SCHEMA.type(kinds.POD).fields["spec"], "spec")) == [  # type: ignore[union-attr]
        "spec.containers: dict for []v1.Container",
        "spec.nodeNmae: no such field for Wrong in PodSpec",
        "spec.priority: str for int32",
        "spec.restartPolicy: has no default, yet any field may be absent",
    ]
