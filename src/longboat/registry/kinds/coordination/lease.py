"""Lease: who leads, or who is alive, and until when."""

from __future__ import annotations

from longboat.api import kinds
from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.machinery.table import AGE, Column
from longboat.registry.kinds import cells, rules
from longboat.registry.strategy import Strategy

_SPEC = Path("spec")


class Lease(Strategy):
    kind = kinds.LEASE
    standard_finalizers = False
    create_on_update = True
    unconditional_update = False
    columns = (Column("Holder", str, cells.at("spec.holderIdentity"), description="Who holds it."), AGE)
    generation = False

    def validate(self, new: Object, err: Errors) -> None:
        spec = new.get("spec") or {}
        seconds = spec.get("leaseDurationSeconds")
        if seconds is not None and seconds <= 0:
            err.invalid(_SPEC.at("leaseDurationSeconds"), seconds, "must be greater than 0")
        rules.not_negative(spec.get("leaseTransitions"), _SPEC.at("leaseTransitions"), err)
        if (strategy := spec.get("strategy")) is not None:
            rules.label_name(strategy, _SPEC.at("strategy"), err)
        if spec.get("preferredHolder") and not strategy:
            why = "may only be specified if `strategy` is defined"
            err.forbidden(_SPEC.at("preferredHolder"), why)
