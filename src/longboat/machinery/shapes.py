"""The shapes of the API's types: what fields an object has, in which order, and how its lists and maps merge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Union

Shape = Union["Scalar", "Struct", "List", "Map"]


@dataclass(frozen=True, slots=True)
class Scalar:
    """string, bytes, int32, int64, double, boolean, quantity, intstr, time, microtime, or any (free-form JSON)."""

    name: str
    go: str


@dataclass(slots=True, eq=False)
class Struct:
    """A type with named fields. `fields` is in schema order; it is filled when first needed."""

    name: str  # its definition, "io.k8s.api.core.v1.PodSpec"
    fields: dict[str, Shape] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)  # field to rank
    atomic: bool = False  # one value to server-side apply
    whole: frozenset[str] = frozenset()  # fields that are so here, though their types are not
    replaced: frozenset[str] = frozenset()  # fields that strategic merge patches replace
    kept: frozenset[str] = frozenset()  # lists and maps that stay when they are empty

    @property
    def short(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def go(self) -> str:
        version, _, name = self.name.rpartition(".")
        return f"{version.rpartition('.')[2]}.{name}"


@dataclass(frozen=True, slots=True)
class List:
    """`kind` is atomic, set, map or "" (which means atomic); `keys` are the list map keys of server-side apply."""

    item: Shape
    kind: str = ""
    keys: tuple[str, ...] = ()
    merge_key: str = ""  # of strategic merge patch
    strategies: tuple[str, ...] = ()  # of strategic merge patch: merge, replace, retainKeys

    @property
    def go(self) -> str:
        return f"[]{self.item.go}"


@dataclass(frozen=True, slots=True)
class Map:
    """String keys to values of one shape."""

    value: Shape

    @property
    def go(self) -> str:
        return f"map[string]{self.value.go}"


_GO = {
    "bytes": "[]uint8", "double": "float64", "boolean": "bool", "quantity": "resource.Quantity",
    "intstr": "intstr.IntOrString", "time": "v1.Time", "microtime": "v1.MicroTime", "any": "interface {}",
}  # fmt: skip
SCALARS = {
    name: Scalar(name, _GO.get(name, name))
    for name in (
        "string", "bytes", "int32", "int64", "double", "boolean", "quantity", "intstr", "time", "microtime", "any",
    )
}  # fmt: skip
ANY = SCALARS["any"]


class Shapes:
    """The types of one schema, put together from their compact form as they are asked for."""

    def __init__(self, packed: dict[str, Any]) -> None:
        self._packed: dict[str, dict[str, Any]] = packed["types"]
        self._atomic = frozenset(packed["atomic"])
        self._whole: dict[str, list[str]] = packed["whole"]
        self._replaced: dict[str, list[str]] = packed["replaced"]
        self._kept: dict[str, list[str]] = packed["kept"]
        self._structs: dict[str, Struct] = {}

    def struct(self, name: str) -> Struct:
        """The type of a definition. Raises KeyError."""
        found = self._structs.get(name)
        if found is None:
            packed = self._packed[name]
            found = self._structs[name] = Struct(
                name,
                atomic=name in self._atomic,
                whole=frozenset(self._whole.get(name, ())),
                replaced=frozenset(self._replaced.get(name, ())),
                kept=frozenset(self._kept.get(name, ())),
            )
            found.fields.update((key, self._shape(value)) for key, value in packed.items())
            found.order.update((key, rank) for rank, key in enumerate(_ranked(packed)))
        return found

    def _shape(self, packed: Any) -> Shape:
        if isinstance(packed, str):
            return SCALARS[packed]
        tag, content, *rest = packed
        if tag == "ref":
            return self.struct(content)
        if tag == "map":
            return Map(self._shape(content))
        kind, keys, merge_key, strategies = rest[0]
        return List(self._shape(content), kind, tuple(keys), merge_key, tuple(filter(None, strategies.split(","))))


def _ranked(fields: dict[str, Any]) -> list[str]:
    """kind, apiVersion and metadata first (the watch cache finds them there), then as the schema has them."""
    head = [name for name in ("kind", "apiVersion", "metadata") if name in fields]
    return head + [name for name in fields if name not in head]
