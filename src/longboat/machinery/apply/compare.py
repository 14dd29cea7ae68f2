"""What differs between two versions of an object, in one walk of both: the fields that came, changed and went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from longboat.machinery.apply import fieldset
from longboat.machinery.apply.elements import indexed
from longboat.machinery.apply.fieldset import EMPTY, LEAF, SELF, FieldSet
from longboat.machinery.apply.grain import ANYTHING, DEDUCED, FREE, LIST, MAP, Grain

_sorted = msgspec.json.Encoder(order="sorted").encode


@dataclass(slots=True)
class Comparison:
    """Three sets. What came or went with all its fields is in them with each of these."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    @property
    def changed(self) -> FieldSet:
        return fieldset.union(self.modified, self.added)


def compare(grain: Grain, old: dict[str, Any], new: dict[str, Any]) -> Comparison:
    """Of two objects of one type. What is no item of its list (null in a set…) is passed over."""
    walk = _Walk()
    walk.map(grain, old, new)
    return Comparison(walk.added or EMPTY, walk.modified or EMPTY, walk.removed or EMPTY)


def born(grain: Grain, blank: dict[str, Any], new: dict[str, Any], but: FieldSet) -> FieldSet:
    """What `compare` finds changed in what is made of a blank object, without what is in `but`; in order.

    The same in one walk of the new object: all creations come by here.
    """
    found: FieldSet = {}
    node: FieldSet | None
    fields = grain.fields
    for name in sorted(new):
        key, value = f"f:{name}", new[name]
        less = but.get(key)
        if less is not None and not less:
            continue
        inner = fields.get(name) or grain.value or ANYTHING
        if name in blank or name in grain.nulls:
            before = blank.get(name)
            if less and inner.form is MAP and not inner.atomic and isinstance(value, dict) and isinstance(before, dict):
                if beneath := born(inner, before, value, less):
                    found[key] = beneath
                continue
            change = compare(grain, {name: before}, {name: value})
            node = fieldset.in_order(change.changed).get(key)
        else:
            node = fieldset.in_order(whole(inner, value))
        if node is not None:
            found.update(fieldset.difference({key: node}, {key: less}) if less else {key: node})
    return found


def child(grain: Grain, name: str) -> Grain:
    """Of a map's member."""
    return grain.fields.get(name) or grain.value or ANYTHING


class _Walk:
    """The sets of one node; those of the nodes beneath it are made by walks of their own."""

    __slots__ = ("added", "modified", "removed")

    def __init__(self) -> None:
        self.added: FieldSet | None = None
        self.modified: FieldSet | None = None
        self.removed: FieldSet | None = None

    def map(self, grain: Grain, old: dict[str, Any], new: dict[str, Any]) -> None:
        fields, nulls = grain.fields, grain.nulls
        for name, value in new.items():
            if name in old:
                before = old[name]
                if before is value:
                    continue
                inner = fields.get(name) or grain.value or ANYTHING
                if before == value and (inner.form is not FREE or _sorted(before) == _sorted(value)):
                    continue
                self._descend(f"f:{name}", inner, before, value)
            else:
                inner = fields.get(name) or grain.value or ANYTHING
                if name not in nulls:
                    self._add(f"f:{name}", whole(inner, value))
                elif value is not None:
                    self._descend(f"f:{name}", inner, None, value)
        for name, value in old.items():
            if name not in new:
                inner = fields.get(name) or grain.value or ANYTHING
                if name not in nulls:
                    self._remove(f"f:{name}", whole(inner, value))
                elif value is not None:
                    self._descend(f"f:{name}", inner, value, None)

    def _descend(self, key: str, grain: Grain, old: Any, new: Any) -> None:
        """Into two values that are both there, and may be null. As few calls as may be: objects may be deep."""
        inner = _Walk()
        if grain.atomic:
            inner._leaf(old, new)
        elif grain.form is LIST:
            had, has = (each if isinstance(each, list) else [] for each in (old, new))
            if had or has:
                inner._lists(grain, had, has)
            else:
                inner._leaf(old, new)
        else:
            before, after = (each if isinstance(each, dict) else {} for each in (old, new))
            if before or after:
                inner.map(grain if grain.form is MAP else _FREE_MAP, before, after)
            if not (before or after) or (grain.form is FREE and _mixed(old, new)):
                inner._leaf(old, new)
        if inner.added is not None:
            self._add(key, inner.added)
        if inner.modified is not None:
            self._modify(key, inner.modified)
        if inner.removed is not None:
            self._remove(key, inner.removed)

    def _leaf(self, old: Any, new: Any) -> None:
        if old != new or _sorted(old) != _sorted(new):
            self.modified = LEAF if self.modified is None else {SELF: LEAF, **self.modified}

    def _lists(self, grain: Grain, old: list[Any], new: list[Any]) -> None:
        item = grain.item or ANYTHING
        before, after = indexed(grain, old), indexed(grain, new)
        for key, items in after.items():
            had = before.get(key, ())
            if not had:
                self._add(key, whole(item, items[0]) if len(items) == 1 else LEAF)
            elif len(had) == len(items) == 1:
                if had[0] != items[0]:
                    self._descend(key, item, had[0], items[0])
            elif len(had) > 1 and len(items) > 1:  # what is there more than once is compared as one
                if had != items:
                    self._modify(key, LEAF)
            elif len(had) > 1:
                self._add(key, whole(item, items[0]))
                self._remove(key, LEAF)
            else:
                self._remove(key, whole(item, had[0]))
                self._add(key, LEAF)
        for key, had in before.items():
            if key not in after:
                self._remove(key, whole(item, had[0]) if len(had) == 1 else LEAF)

    def _add(self, key: str, node: FieldSet) -> None:
        if self.added is None:
            self.added = {}
        self.added[key] = node

    def _modify(self, key: str, node: FieldSet) -> None:
        if self.modified is None:
            self.modified = {}
        self.modified[key] = node

    def _remove(self, key: str, node: FieldSet) -> None:
        if self.removed is None:
            self.removed = {}
        self.removed[key] = node


_FREE_MAP = Grain(MAP, value=DEDUCED)


def _mixed(old: Any, new: Any) -> bool:
    """Whether what was taken apart is a whole now, or the other way round."""
    return old is not None and new is not None and isinstance(old, dict) != isinstance(new, dict)


def whole(grain: Grain, value: Any) -> FieldSet:
    """The node of a value that came or went, with all that is in it."""
    if grain.atomic:
        return LEAF
    if isinstance(value, dict) and grain.form is not LIST:
        fields, rest = grain.fields, grain.value or (DEDUCED if grain.form is FREE else ANYTHING)
        found: FieldSet = {SELF: LEAF}
        for name, inner in value.items():
            found[f"f:{name}"] = whole(fields.get(name) or rest, inner)
        for name in grain.nulls:
            found.setdefault(f"f:{name}", LEAF)
        return found if len(found) > 1 else LEAF
    if isinstance(value, list) and grain.form is LIST and value:
        item = grain.item or ANYTHING
        found = {SELF: LEAF}
        for key, items in indexed(grain, value).items():
            found[key] = whole(item, items[0]) if len(items) == 1 else LEAF
        return found
    return LEAF
