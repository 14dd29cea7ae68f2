"""What came as an empty list or map, of an object that is read without it.

To Go an empty slice is another thing than none: messages show it as `[]`, and a default that is only for what is absent
leaves it alone. To us both are one value (`shapes._settle_empties`): what is worked on and stored has neither. So the
structs of a request's object remember which of their lists and maps were sent with nothing in them, and only who asks
for that sees a difference. Nothing that comes from storage has such a memory, as in upstream's storage.
"""

from __future__ import annotations

from typing import Any

from longboat.machinery.objects import Object
from longboat.machinery.types.shapes import List, Map, Scalar, Shape, Struct


class Emptied(dict[str, Any]):
    """A struct that equals what it holds, and remembers beside it which `fields` came empty, each as [] or {}.

    Of a copy made by `copy` or `|` that is true as well. Where it holds nothing it is false: `or {}` loses it.
    """

    __slots__ = ("fields",)

    def __init__(self, found: Object, fields: Object) -> None:
        super().__init__(found)
        self.fields = fields

    def __reduce__(self) -> tuple[Any, ...]:
        return Emptied, (dict(self), self.fields)

    def __or__(self, other: Any) -> Emptied:  # type: ignore[override]
        return Emptied(super().__or__(other), self.fields)

    def __ror__(self, other: Any) -> Emptied:  # type: ignore[override]
        return Emptied(other | dict(self), self.fields)

    def pop(self, name: str, *default: Any) -> Any:
        self.fields = {field: empty for field, empty in self.fields.items() if field != name}
        return super().pop(name, *default)

    def copy(self) -> Emptied:
        return Emptied(self, self.fields)


def as_sent(struct: Object | None, name: str) -> Any:
    """A field of a struct: [] or {} where it came so, None where nothing came."""
    found = None if struct is None else struct.get(name)
    return struct.fields.get(name) if found is None and type(struct) is Emptied else found


def restore(shape: Shape | None, obj: Any, shown: Any) -> bool:
    """Put what `obj` remembers to have come empty where its JSON (`shown`) has null. Whether there was any."""
    changed = False
    if isinstance(shape, Struct):
        if not shape.has_nulls or shown is None:
            return False
        if type(obj) is Emptied:
            known = {name: empty for name, empty in obj.fields.items() if name in shape.nulls and name not in obj}
            shown.update(known)
            changed = bool(known)
        for name, member in obj.items():
            if type(member) in (dict, list, Emptied) and restore(shape.fields.get(name), member, shown.get(name)):
                changed = True
    elif isinstance(shape, List) and not isinstance(shape.item, Scalar):
        for member, its in zip(obj, shown, strict=True):
            changed = restore(shape.item, member, its) or changed
    elif isinstance(shape, Map) and not isinstance(shape.value, Scalar):
        for name, member in obj.items():
            changed = restore(shape.value, member, shown[name]) or changed
    return changed


def may_have(body: bytes) -> bool:
    """Whether an empty list or map may be in JSON or YAML: in a microsecond for a kilobyte."""
    squeezed = body.translate(None, b" \t\r\n")
    return b"[]" in squeezed or b"{}" in squeezed


def mark(shape: Struct, sent: Object, read: Object) -> Object:
    """What was read of a value of this type, with the memory of what was sent empty. Changes `read`."""
    empty: Object = {}
    for name, member in sent.items():
        kind = type(member)
        if kind is not dict and kind is not list:
            continue
        inner = shape.fields.get(name)
        if member:
            if name in read:
                read[name] = _marked(inner, member, read[name])
        elif name in shape.dropped and isinstance(inner, (List, Map)):
            empty[name] = member
    return Emptied(read, empty) if empty else read


def _marked(shape: Shape | None, sent: Any, read: Any) -> Any:
    if isinstance(shape, Struct):
        return mark(shape, sent, read)
    if isinstance(shape, List):
        if not isinstance(shape.item, Scalar):
            for i, member in enumerate(sent):
                if member:
                    read[i] = _marked(shape.item, member, read[i])
    elif isinstance(shape, Map) and not isinstance(shape.value, Scalar):
        for name, member in sent.items():
            if member:
                read[name] = _marked(shape.value, member, read[name])
    return read
