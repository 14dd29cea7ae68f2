"""Views decode what the API sends, and nothing in them can be changed."""

from __future__ import annotations

from typing import ClassVar

import msgspec
import pytest

from longboat.api import kinds
from longboat.api.view import Meta, OwnerReference, Part, View, controller_of, decode
from longboat.machinery.kinds import Kind


class Inner(Part):
    size: int = 3
    names: list[str] = []


class Thing(View):
    KIND: ClassVar[Kind] = kinds.CONFIG_MAP
    spec: Inner = Inner()
    rest: msgspec.Raw = msgspec.Raw()


def test_absent_and_null_mean_the_default() -> None:
    for text in (b"{}", b'{"spec":null}', b'{"spec":{"size":null,"names":null},"metadata":{"labels":null}}'):
        assert decode(Thing, text).spec == Inner()
        assert decode(Thing, text).metadata == Meta()


def test_fields_nobody_declared_are_passed_over() -> None:
    assert decode(Thing, b'{"spec":{"size":7,"colour":"red"},"status":{}}').spec.size == 7


def test_raw_parts_keep_every_byte() -> None:
    assert bytes(decode(Thing, b'{"rest":{"b": [1,  2]}}').rest) == b'{"b": [1,  2]}'


def test_a_wrong_type_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(Thing, b'{"spec":{"size":"big"}}')


def test_views_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Thing().spec = Inner()  # type: ignore[misc]


def test_the_controller_is_the_owner_that_says_so() -> None:
    owners = [OwnerReference(name="a"), OwnerReference(name="b", controller=True)]
    assert controller_of(Meta(ownerReferences=owners)) == owners[1]
    assert controller_of(Meta(ownerReferences=owners[:1])) is None
