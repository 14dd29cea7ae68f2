"""The types of kinds as they are served now, wherever they come from: the build's, and those that definitions bring."""

from __future__ import annotations

from collections.abc import Mapping

from longboat.machinery.apply import grain as grains
from longboat.machinery.apply.grain import Grain
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types import check, strict
from longboat.machinery.types.schema import Schema
from longboat.machinery.types.shapes import Struct
from longboat.machinery.types.structural import Structural
from longboat.registry.store import Store
from longboat.registry.strategy import Strategy


class TypesServed:
    """`stores` are looked at each time: kinds come and go."""

    def __init__(self, schema: Schema, stores: Mapping[Kind, Store]) -> None:
        self._schema, self._stores = schema, stores

    def schema_for(self, strategy: Strategy) -> Schema:
        """What knows the types of a kind, and of the version it is stored in."""
        hub = self._stores.get(strategy.hub) if strategy.hub else None
        both = (strategy, hub.strategy) if hub else (strategy,)
        brought = {each.kind: each.type for each in both if each.type}
        return self._schema.beside(brought) if brought else self._schema

    def schema(self, kind: Kind) -> Schema:
        """What knows the type of a kind."""
        store = self._stores.get(kind)
        return self._schema if store is None else self.schema_for(store.strategy)

    def type(self, kind: Kind) -> Struct | None:
        return self.schema(kind).type(kind)

    def typed(self, kind: Kind, obj: Object) -> Object:
        """The object as its type has it. Raises Mistake, StatusError."""
        found = self.type(kind)
        if found is None or isinstance(found, Structural):  # of a custom kind
            return self.schema(kind).check_object(kind, obj)[0]
        return check.struct(found, obj)

    def printed(self, kind: Kind, obj: Object) -> bytes:
        """As those outside are shown it."""
        return self.schema(kind).as_read(kind, obj)

    def default(self, kind: Kind, obj: Object) -> None:
        """Fill in what its kind defaults."""
        if (store := self._stores.get(kind)) is not None:
            store.strategy.default(obj)

    def grain(self, kind: Kind) -> Grain | None:
        """How it merges; None for a kind without a type."""
        found = self.type(kind)
        return None if found is None else grains.of(found)

    def unknown(self, kind: Kind, obj: Object) -> list[str]:
        """What strict validation says of fields that its type does not have; custom kinds have dropped theirs."""
        found = self.type(kind)
        return [] if found is None or isinstance(found, Structural) else strict.problems(found, obj)
