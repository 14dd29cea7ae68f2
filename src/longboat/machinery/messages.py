"""The API's messages as Go has them: the protobuf number of each field, and what Go writes of it when it is empty.

The table is `field_numbers.txt`, whose head says how it is read.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).with_name("field_numbers.txt")


class Field(NamedTuple):
    """A field of a message, by its JSON name.

    `inlined`: the type of a message whose fields are the outer one's in JSON; such a field has no name. `other`: what a
    JSONSchemaPropsOr… may be beside a schema: Array, Bool or StringArray. `pointer`: zero, false, "" and {} are values,
    and not as good as absent. `always`: Go writes the field even when it is empty. `omits_zero`: it is no pointer,
    though JSON leaves it out like one; protobuf does not.
    """

    name: str
    inlined: str
    other: str
    pointer: bool
    always: bool
    omits_zero: bool = False

    @property
    def optional(self) -> bool:
        """Protobuf does not have the field where it is absent."""
        return self.pointer and not self.omits_zero


@cache
def numbered(message: str) -> dict[int, Field] | None:
    """The fields of a message by their numbers; None where the table does not have it. At most as many as it has."""
    line = _lines().get(message)
    return None if line is None else dict(map(_field, line.split()))


def named(message: str) -> dict[str, Field] | None:
    """The fields of a message as JSON has them, by name."""
    fields = numbered(message)
    if fields is None:
        return None
    found: dict[str, Field] = {}
    for field in fields.values():
        found.update((named(field.inlined) or {}) if field.inlined else {field.name: field})
    return found


def embedded(message: str) -> dict[str, str]:
    """The fields that a message has from messages inlined in it: each one's way through those types, "Rule.scope"."""
    found: dict[str, str] = {}
    for field in (numbered(message) or {}).values():
        if field.inlined:
            short, inner = field.inlined.rpartition(".")[2], embedded(field.inlined)
            found.update((name, f"{short}.{inner.get(name, name)}") for name in named(field.inlined) or {})
    return found


def names() -> list[str]:
    """Every message that the table has."""
    return list(_lines())


@cache
def _lines() -> dict[str, str]:
    lines = (line.partition(" ") for line in TABLE.read_text().splitlines() if not line.startswith("#"))
    return {name: rest for name, _, rest in lines}


def _field(entry: str) -> tuple[int, Field]:
    """`field=number`, with marks behind it."""
    name, _, rest = entry.partition("=")
    rest, _, inlined = rest.partition(">")
    rest, _, other = rest.partition("|")
    return int(rest.rstrip("*~!")), Field(name, inlined, other, "*" in rest or "~" in rest, "!" in rest, "~" in rest)
