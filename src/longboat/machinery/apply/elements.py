"""Path elements of the items of lists: what tells them apart."""

from __future__ import annotations

from typing import Any

import msgspec

from longboat.machinery.apply.grain import KEYED, Grain

_encode = msgspec.json.Encoder(order="sorted").encode


class NoElement(ValueError):
    """An item that has none; says why, as upstream does."""


def element(grain: Grain, item: Any) -> str:
    """Of an item of a list that is not atomic. Raises NoElement."""
    if grain.relation == KEYED:
        if not isinstance(item, dict):
            kind = "a null element" if item is None else "non-map elements"
            raise NoElement(f"associative list with keys may not have {kind}")
        defaults = grain.defaults
        keys = {}
        for key in grain.keys:
            if key in item:
                keys[key] = plain(item[key])
            elif key in defaults:
                keys[key] = defaults[key]
        return f"k:{_encode(keys).decode()}"
    if item is None:
        raise NoElement("associative list without keys has an element that's an explicit null")
    if isinstance(item, dict):
        raise NoElement("associative list without keys has an element that's a map type")
    if isinstance(item, list):
        raise NoElement("not supported: associative list with lists as elements")
    return f"v:{_encode(plain(item)).decode()}"


def plain(value: Any) -> Any:
    """A number without a fraction as what it is."""
    return int(value) if type(value) is float and value.is_integer() else value


def indexed(grain: Grain, items: list[Any]) -> dict[str, list[Any]]:
    """The items by element; more than one where they are not told apart. What has no element is left out."""
    found: dict[str, list[Any]] = {}
    for item in items:
        try:
            found.setdefault(element(grain, item), []).append(item)
        except NoElement:
            continue
    return found
