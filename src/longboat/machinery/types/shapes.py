"""The shapes of the API's types: what fields an object has, in which order, and how its lists and maps merge."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from threading import RLock
from typing import Any, Union

from longboat.machinery.messages import Field, embedded, named
from longboat.machinery.types import go_names

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
    dropped: frozenset[str] = frozenset()  # fields that are left out when they hold nothing: "", 0, false, [] or {}
    filled: dict[str, Any] = field(default_factory=dict)  # fields that are always there: 0, "", or the type of a {}
    nulls: frozenset[str] = frozenset()  # fields that are written as null where they are absent
    ways: dict[str, str] = field(default_factory=dict)  # fields of structs that Go embeds here: "VolumeSource.nfs"
    has_nulls: bool = False  # it, or something in it, has such fields
    has_raw: bool = False  # it, or something in it, has a field that Go's clients are given as the bytes it came in
    grain: Any = None  # how it merges (machinery.apply.grain), once somebody has asked

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
    nullable: bool = False  # null is an item like others
    default: bytes = b""  # JSON of what stands for a null that is not
    called: str = ""  # its type in Go, if it has one of its own

    @property
    def go(self) -> str:
        return self.called or f"[]{self.item.go}"


@dataclass(frozen=True, slots=True)
class Map:
    """String keys to values of one shape."""

    value: Shape
    nullable: bool = False  # as in a List
    default: bytes = b""
    called: str = ""  # as in a List
    atomic: bool = False  # one value to server-side apply

    @property
    def go(self) -> str:
        return self.called or f"map[string]{self.value.go}"


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
ZERO = {"string": "", "int32": 0, "int64": 0, "double": 0, "boolean": False, "quantity": "0", "intstr": 0}
_INLINED = Field("", "", "", pointer=False, always=False)  # kind and apiVersion, which are the envelope's in protobuf
_GO_STRUCTS = ("quantity", "intstr", "time", "microtime", "any")  # scalars here, and structs in Go


class Shapes:
    """The types of one schema, put together from their compact form as they are asked for, by any thread: what is still
    being put together is nobody else's to see, or fields of an object would be unknown that are not."""

    def __init__(self, packed: dict[str, Any]) -> None:
        self._packed: dict[str, dict[str, Any]] = packed["types"]
        self._atomic = frozenset(packed["atomic"])
        self._whole: dict[str, list[str]] = packed["whole"]
        self._replaced: dict[str, list[str]] = packed["replaced"]
        self._structs: dict[str, Struct] = {}
        self._begun: dict[str, Struct] = {}  # types that name each other, until all of them are whole
        self._lock = RLock()

    def struct(self, name: str) -> Struct:
        """The type of a definition. Raises KeyError."""
        found = self._structs.get(name)
        if found is None:
            with self._lock:
                found = self._structs.get(name) or self._begun.get(name) or self._put_together(name)
        return found

    def _put_together(self, name: str) -> Struct:
        packed, first = self._packed[name], not self._begun
        made = self._begun[name] = Struct(
            name,
            atomic=name in self._atomic,
            whole=frozenset(self._whole.get(name, ())),
            replaced=frozenset(self._replaced.get(name, ())),
            ways=embedded(name),
        )
        try:
            made.fields.update(
                (key, _called(go_names.of(name, key), self._shape(value))) for key, value in packed.items()
            )
            _settle_empties(made)
            made.order.update((key, rank) for rank, key in enumerate(_ranked(packed)))
            if first:
                self._structs.update(self._begun)
        finally:
            if first:
                self._begun.clear()
        return made

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


def _called(name: str, shape: Shape) -> Shape:
    """A shape whose type has a name of its own in Go."""
    if not name or isinstance(shape, Struct):
        return shape
    if isinstance(shape, List):
        return replace(shape, item=_called(name, shape.item))
    if isinstance(shape, Scalar):
        return replace(shape, go=name)
    _, is_map, of_values = name.partition("]")
    return replace(shape, called=name, value=_named(of_values, shape.value) if is_map else shape.value)


def _named(name: str, shape: Shape) -> Shape:
    """As `_called`, for what a map holds: there a list's name is the whole list's."""
    return replace(shape, called=name) if isinstance(shape, List) else _called(name, shape)


def _settle_empties(struct: Struct) -> None:
    """What becomes of fields without a value, as Go's encoder has it: it leaves out what is tagged `omitempty`, but
    writes structs that are no pointers in any case, and takes what a pointer points to for a value.

    Of types that are not in the table only empty lists and maps are dropped.
    """
    known = named(struct.name)
    dropped, nulls = set(), set()
    for name, shape in struct.fields.items():
        field = None if known is None else known.get(name, _INLINED)
        scalar = shape.name if isinstance(shape, Scalar) else ""
        by_value = isinstance(shape, Struct) or scalar in _GO_STRUCTS
        if field is None or field.pointer:
            if field is not None and field.always:
                nulls.add(name)
            elif field is None and isinstance(shape, (List, Map)):
                dropped.add(name)
        elif not (by_value or field.always):
            dropped.add(name)
        elif isinstance(shape, Struct):
            struct.filled[name] = shape
        elif scalar in ZERO:
            struct.filled[name] = ZERO[scalar]
        else:
            nulls.add(name)
            if not by_value:
                dropped.add(name)
    struct.dropped, struct.nulls = frozenset(dropped), frozenset(nulls)
    inner = [each for each in map(_innermost, struct.fields.values()) if isinstance(each, Struct)]
    struct.has_nulls = bool(nulls) or any(each.has_nulls for each in inner)
    struct.has_raw = any(struct.fields[name] is ANY for name in nulls) or any(each.has_raw for each in inner)


def _innermost(shape: Shape) -> Shape:
    while isinstance(shape, (List, Map)):
        shape = shape.item if isinstance(shape, List) else shape.value
    return shape


def _ranked(fields: dict[str, Any]) -> list[str]:
    """kind, apiVersion and metadata first (the watch cache finds them there), then as the schema has them."""
    head = [name for name in ("kind", "apiVersion", "metadata") if name in fields]
    return head + [name for name in fields if name not in head]
