"""A request in another version of its resource: which there are, and its objects in them. What a webhook or a policy
names by one version it is shown in that (matchPolicy Equivalent)."""

from __future__ import annotations

from collections.abc import Mapping

from longboat.apiserver.resources import Resources
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.registry.conversion import converted
from longboat.registry.store import Store


class Versions:
    def __init__(self, stores: Mapping[Kind, Store], resources: Resources) -> None:
        self._stores, self._resources = stores, resources

    @property
    def version(self) -> int:
        """Moves with what is served."""
        return self._resources.version

    def others(self, kind: Kind, subresource: str) -> list[Kind]:
        """matching.Equivalents."""
        store = self._stores.get(kind)
        found = []
        for each in () if store is None else store.ownership.versions.values():
            other = each.strategy.kind
            served = self._resources.of(other)
            if other != kind and served is not None and (not subresource or subresource in served.parts):
                found.append(other)
        return found

    def asks(self, kind: Kind, to: Kind) -> bool:
        """Whether somebody else converts between these versions: then it takes `Conversions.run` to do so."""
        return kind != to and self._stores[kind].codec.asks

    def convert(self, obj: Object, kind: Kind, to: Kind) -> Object:
        """The object itself where it is of that version already. Raises Unconverted."""
        if kind == to:
            return obj
        versions, converter = self._stores[kind].ownership.versions, self._stores[kind].strategy.converter
        if converter is None:
            found = versions[kind.api_version].to_hub(obj)
        else:
            found = converted(converter, {**obj, "kind": kind.name, "apiVersion": kind.api_version}, to.api_version)
        found = versions[to.api_version].from_hub(found)
        return {**found, "kind": to.name, "apiVersion": to.api_version}

    def default(self, kind: Kind, obj: Object) -> None:
        """Fill in what the version leaves open."""
        self._stores[kind].strategy.default(obj)
