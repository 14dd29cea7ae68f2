"""The type of a kind that is brought along: its shape, its rules, and what documents say of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types import invariants, rules
from longboat.machinery.types.rules import Rule, compile_rule
from longboat.machinery.types.shapes import Struct
from longboat.machinery.types.structural import Structural, compile_shape


@dataclass(frozen=True, slots=True)
class CustomType:
    """Immutable: a kind whose schema changes gets another."""

    shape: Structural = field(repr=False)
    rule: Rule = field(repr=False)
    schema: Object = field(repr=False)
    name: str  # of its definition in OpenAPI documents
    digest: str  # changes with the schema: so does how it is shown, by which documents are known

    def validate(self, obj: Object, err: Errors) -> None:
        """Complain of what a new object may not have."""
        rules.check(self.rule, obj, err)
        invariants.embedded(self.rule, obj, Path(), err)
        invariants.lists(self.rule, obj, Path(), err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        """As `validate`, but what was wrong before and is as it was may stay."""
        rules.check(self.rule, new, err, old)
        invariants.embedded(self.rule, new, Path(), err)
        before = Errors()
        invariants.lists(self.rule, old, Path(), before)
        if not before:
            invariants.lists(self.rule, new, Path(), err)


def compile_type(kind: Kind, schema: Object, meta: Struct) -> CustomType:
    """The type that a structural schema describes. `meta` is ObjectMeta's. Linear in the schema.

    Raises structural.TooDeep.
    """
    import hashlib  # three megabytes, which only those pay who bring a kind

    name = ".".join((*reversed(kind.group.split(".")), kind.version, kind.name))  # com.example.sea.v1.Boat
    shape = compile_shape(name, schema, meta)
    digest = hashlib.sha256(msgspec.json.encode(schema, order="sorted")).hexdigest()
    return CustomType(shape, compile_rule(schema), schema, name, digest)
