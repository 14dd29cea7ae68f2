"""What mutating policies make: `Object{…}`, `Object.spec{…}` and `JSONPatch{…}` (admissionregistration v1).

Which fields an object has is not known when a policy is written: they are checked when the result is applied.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from longboat.machinery.cel import types
from longboat.machinery.cel.types import Field, Struct

OBJECT, JSON_PATCH = "Object", "JSONPatch"


class _AnyField(Mapping[str, Field]):
    """Every name is a field, of anything."""

    def __getitem__(self, name: str) -> Field:
        return Field(types.DYN, name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


_ANY = _AnyField()
_PATCH = Struct(
    JSON_PATCH,
    {
        "op": Field(types.STRING, "op"),
        "path": Field(types.STRING, "path"),
        "from": Field(types.STRING, "from"),
        "value": Field(types.DYN, "value"),
    },
)


class _Structs(Mapping[str, Struct]):
    def __getitem__(self, name: str) -> Struct:
        if name == JSON_PATCH:
            return _PATCH
        if name == OBJECT or name.startswith(f"{OBJECT}."):
            return Struct(name, _ANY)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter((OBJECT, JSON_PATCH))

    def __len__(self) -> int:
        return 2


STRUCTS: Mapping[str, Struct] = _Structs()  # for `compile`
