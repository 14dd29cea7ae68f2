"""A kind that is brought along: its strategy is what its type says."""

from __future__ import annotations

from longboat.machinery.fieldpath import Errors
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.types.custom import CustomType
from longboat.registry.strategy import Strategy


class CustomResource(Strategy):
    """Objects of a structural schema. Defaults are put in, and other fields pruned, where objects are read."""

    type: CustomType
    standard_finalizers = False
    unconditional_update = False

    def validate_create(self, new: Object, err: Errors) -> None:
        self.type.validate(new, err)

    def validate_update(self, new: Object, old: Object, err: Errors) -> None:
        self.type.validate_update(new, old, err)

    def validate_status(self, new: Object, old: Object, err: Errors) -> None:
        self.type.validate_update(new, old, err)


def custom(kind: Kind, type_: CustomType, **attributes: object) -> CustomResource:
    """A strategy for such a kind. `attributes` are those of Strategy: has_status, scale, columns, storage_prefix…"""
    strategy: CustomResource = type(
        kind.name, (CustomResource,), {"kind": kind, "type": type_, "heavy": type_.rule.heavy} | attributes
    )()
    return strategy
