"""A kind as one request sees it: which fields the request may change, and what objects are in other versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from longboat.machinery.apply import fieldset
from longboat.machinery.apply.compare import Comparison
from longboat.machinery.apply.fieldset import FieldSet, Path
from longboat.machinery.apply.grain import Grain
from longboat.machinery.objects import Object
from longboat.registry.conversion import converted
from longboat.registry.strategy import Strategy


class Version(Protocol):
    """A version of the kind."""

    @property
    def grain(self) -> Grain | None: ...

    def to_hub(self, obj: Object) -> Object: ...

    def from_hub(self, obj: Object) -> Object: ...


@dataclass(slots=True)
class Requested:
    """updater.View."""

    versions: Mapping[str, Version]  # by apiVersion
    strategy: Strategy
    version: str
    reset: FieldSet
    only: tuple[Path, ...]

    def grain(self, version: str) -> Grain | None:
        found = self.versions.get(version)
        return None if found is None else found.grain

    def convert(self, obj: Object, version: str, to: str, during: str = "") -> Object:
        """Raises conversion.Unconverted."""
        if version == to:
            return obj
        versions, converter = self.versions, self.strategy.converter
        if converter is None:
            return versions[to].from_hub(versions[version].to_hub(obj))
        obj = {**obj, "kind": self.strategy.kind.name, "apiVersion": version}
        for step in (to,) if self.version in (version, to) else (self.version, to):  # as upstream, by the request's
            obj = versions[step].from_hub(converted(converter, obj, step, during))
        return obj

    def counted(self, change: Comparison) -> Comparison:
        if not self.reset and not self.only:
            return change
        return Comparison(*(self.owned(each) for each in (change.added, change.modified, change.removed)))

    def owned(self, fields: FieldSet) -> FieldSet:
        if self.only:
            fields = fieldset.within(fields, self.only)
        return fieldset.without(fields, self.reset) if self.reset else fields
