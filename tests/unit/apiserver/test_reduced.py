"""What the network's part of a node is shown is all that it reads."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

import longboat.network
from longboat.api.view import Meta, View
from longboat.apiserver.reduced import SHOWN, Parts, reduce


def views() -> list[type[View]]:
    for module in pkgutil.walk_packages(longboat.network.__path__, "longboat.network."):
        importlib.import_module(module.name)
    found = [view for view in View.__subclasses__() if view.__module__.startswith("longboat.network.")]
    return sorted((view for view in found if view.KIND in SHOWN), key=lambda view: f"{view.__module__}.{view.__name__}")


def lacking(declared: Any, parts: Parts | None, path: str) -> Iterator[str]:
    """The fields that a view declares and nobody shows it. Metadata is everybody's view: not all of it is read."""
    inner = getattr(declared, "item_type", declared)
    if parts is None or not isinstance(inner, msgspec.inspect.StructType) or inner.cls is Meta:
        return
    for field in inner.fields:
        if field.encode_name not in parts:
            yield f"{path}.{field.encode_name}"
        else:
            yield from lacking(field.type, parts[field.encode_name], f"{path}.{field.encode_name}")


@pytest.mark.parametrize("view", views(), ids=lambda view: f"{view.__module__}.{view.__name__}")
def test_views_of_the_network_are_shown_what_they_declare(view: type[View]) -> None:
    assert list(lacking(msgspec.inspect.type_info(view), SHOWN[view.KIND], view.KIND.name)) == []


def test_the_rest_is_left_out() -> None:
    parts: Parts = {"a": None, "b": {"c": None}}
    assert reduce({"a": {"x": 1}, "b": [{"c": 1, "d": 2}, {"d": 3}], "e": 4}, parts) == {
        "a": {"x": 1}, "b": [{"c": 1}, {}],
    }  # fmt: skip
    assert reduce({"b": "a leaf, where parts were expected"}, parts) == {"b": None}
