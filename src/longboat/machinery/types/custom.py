"""The type of a kind that is brought along: its shape, its rules, and what documents say of it."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import msgspec

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types import enforced, invariants, rules
from longboat.machinery.types.enforced import Place
from longboat.machinery.types.rules import Rule, compile_rule
from longboat.machinery.types.shapes import Struct
from longboat.machinery.types.structural import Structural, compile_shape

NOWHERE = Path()


@dataclass(slots=True)
class CustomType:
    """A kind whose schema changes gets another. At rest it is the schema's text, packed: many kinds that are defined
    are never used. It is compiled when it is first asked for, and stays so."""

    name: str  # of its definition in OpenAPI documents
    digest: str  # changes with the schema: so does how it is shown, by which documents are known
    selectable: tuple[str, ...]  # the fields by which objects can be selected, which documents name
    _packed: bytes = field(repr=False)
    _meta: Struct = field(repr=False)  # ObjectMeta's
    _compiled: tuple[Structural, Rule, Place | None] | None = field(default=None, repr=False)

    @property
    def schema(self) -> Object:
        """Read anew each time."""
        found: Object = msgspec.json.decode(zlib.decompress(self._packed))
        return found

    @property
    def compiled(self) -> bool:
        return self._compiled is not None

    def compile(self) -> tuple[Structural, Rule, Place | None]:
        """Linear in the schema. May be called in any thread. Raises structural.TooDeep."""
        if self._compiled is None:
            schema = self.schema
            self._compiled = (
                compile_shape(self.name, schema, self._meta), compile_rule(schema), enforced.places(schema),
            )  # fmt: skip
        return self._compiled

    @property
    def shape(self) -> Structural:
        return self.compile()[0]

    @property
    def rule(self) -> Rule:
        return self.compile()[1]

    @property
    def heavy(self) -> bool:
        """Checking an object may take long, however small it is; so may compiling the type."""
        return self._compiled is None or self.rule.heavy or self._compiled[2] is not None

    def _run_rules(self, obj: Object, err: Errors, *old: Object, before: int) -> None:
        """Where the schema is not kept to, rules in CEL are not run (`before`: complaints there were already)."""
        place = self.compile()[2]
        if place is None:
            return
        if err.count > before:
            err.invalid_whole(NOWHERE, enforced.UNCHECKED)
        else:
            enforced.check(place, obj, err, *old)

    def validate(self, obj: Object, err: Errors) -> None:
        """Complain of what a new object may not have."""
        before = err.count
        rules.check(self.rule, obj, err)
        invariants.embedded(self.rule, obj, Path(), err)
        invariants.lists(self.rule, obj, Path(), err)
        self._run_rules(obj, err, before=before)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        """As `validate`, but what was wrong before and is as it was may stay."""
        count = err.count
        rules.check(self.rule, new, err, old)
        self._invariants(new, old, err)
        self._run_rules(new, err, old, before=count)

    def _invariants(self, new: Object, old: Object, err: Errors) -> None:
        invariants.embedded(self.rule, new, Path(), err)
        before = Errors()
        invariants.lists(self.rule, old, Path(), before)
        if not before:
            invariants.lists(self.rule, new, Path(), err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        """As `validate_update`, of the status alone, by the names that its fields have in it."""
        count = err.count
        rule = self.rule.properties.get("status")
        if rule is not None and "status" in new:
            found = Errors()
            rules.check(rule, new["status"], found, old.get("status"))
            err.merge(found, beneath=Path("status"))
            self._invariants(new, old, err)
        self._run_rules(new, err, old, before=count)


def lazy_type(kind: Kind, schema: Object, meta: Struct, selectable: tuple[str, ...] = ()) -> CustomType:
    """The type that a structural schema describes. `meta` is ObjectMeta's."""
    import hashlib  # three megabytes, which only those pay who bring a kind

    name = ".".join((*reversed(kind.group.split(".")), kind.version, kind.name))  # com.example.sea.v1.Boat
    digest = hashlib.sha256(msgspec.json.encode(schema, order="sorted")).hexdigest()
    return CustomType(name, digest, selectable, zlib.compress(msgspec.json.encode(schema)), meta)


def compile_type(kind: Kind, schema: Object, meta: Struct) -> CustomType:
    """As `lazy_type`, compiled. Raises structural.TooDeep."""
    found = lazy_type(kind, schema, meta)
    found.compile()
    return found
