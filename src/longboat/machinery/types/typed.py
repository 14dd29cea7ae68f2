"""The API's types as msgspec structs, so that C does the reading of what is already in order.

A typed struct accepts only values that stand as they are: known fields, right types, canonical quantities and times.
What it refuses is not wrong, only not for it: `check.struct` then corrects the value or says what is wrong.

Which empty fields are there is a matter of defaults. msgspec leaves out what is its field's default, and takes what a
factory made, but for a list or map, for no default: so what is always written has a factory.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import RLock
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from longboat.machinery.types.shapes import ZERO, List, Map, Scalar, Shape, Struct

_INT32 = Annotated[int, Meta(ge=-(1 << 31), lt=1 << 31)]
_DATE = r"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
_TIME = rf"^[12]\d{{3}}-{_DATE}T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
_QUANTITY = r"^(?:0|[1-9](?:\d{0,4}[1-9])?0{0,2}[mkMG]?|(?:[1-9]\d{0,2}|[1-9]\d{0,8}[13579])[KMG]i)\Z"

_SCALARS: dict[str, Any] = {
    "string": str,
    "bytes": bytes,  # base64, in and out
    "int32": _INT32,
    "int64": Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)],
    "double": int,
    "boolean": bool,
    "quantity": Annotated[str, Meta(pattern=_QUANTITY)],
    "intstr": _INT32 | str,
    "time": Annotated[str, Meta(pattern=_TIME + r"Z\Z")],
    "microtime": Annotated[str, Meta(pattern=_TIME + r"\.\d{6}Z\Z")],
    "any": Any,
}
_NOTHING = Annotated[str, Meta(max_length=0)]  # where a type contains itself: left to the walk


_NONE = type(None)


class Types:
    """Typed structs by type, made when first asked for. With a `base`: as objects are stored, with the nulls that Go
    writes, which have no place in an object that is worked on. Types that have none are the base's own."""

    def __init__(self, base: Types | None = None) -> None:
        self._made: dict[str, Any] = {}
        self._begun: dict[str, Any] = {}  # what is being made: those that name each other meet `_NOTHING` there
        self._lock = RLock()  # any thread may be the first to ask
        self._base = base

    def of(self, struct: Struct) -> type[msgspec.Struct]:
        if self._base is not None and not struct.has_nulls:
            return self._base.of(struct)
        found = self._made.get(struct.name)
        if found is None:
            with self._lock:
                found = self._made.get(struct.name) or self._begun.get(struct.name) or self._make(struct)
        made: type[msgspec.Struct] = found
        return made

    def _make(self, struct: Struct) -> Any:
        first = not self._begun
        self._begun[struct.name] = _NOTHING
        try:
            fields = [(f"f{i}", *self._field(struct, name)) for i, name in enumerate(struct.order)]
            names = {f"f{i}": name for i, name in enumerate(struct.order)}
            made = self._begun[struct.name] = msgspec.defstruct(
                struct.short, fields, rename=names, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
            )
            if first:
                self._made.update(self._begun)
        finally:
            if first:
                self._begun.clear()
        return made

    def _field(self, struct: Struct, name: str) -> tuple[Any, Any]:
        """Type and default."""
        shape = struct.fields[name]
        typed = self._of(shape)
        if name in struct.nulls:
            if name in struct.dropped:
                typed = Annotated[typed, Meta(min_length=1)]
            return typed | None, msgspec.field(default_factory=_NONE) if self._base else None
        if name in struct.filled:
            empty: Any = struct.filled[name]
            again: Callable[[Any], Any] = type(empty)
            return typed, msgspec.field(default_factory=typed if empty is shape else partial(again, empty))
        if name not in struct.dropped:
            return typed | None, None
        if isinstance(shape, Scalar):
            return typed, b"" if shape.name == "bytes" else ZERO[shape.name]
        return typed, msgspec.field(default_factory=list if isinstance(shape, List) else dict)

    def _of(self, shape: Shape) -> Any:
        if isinstance(shape, Scalar):
            return _SCALARS[shape.name]
        if isinstance(shape, List):
            return list[self._of(shape.item)]  # type: ignore[misc]
        if isinstance(shape, Map):
            return dict[str, self._of(shape.value)]  # type: ignore[misc]
        return self.of(shape)
