"""Where each kind is stored: what its storage keys begin with."""

from __future__ import annotations

from collections.abc import Sequence

from longboat.registry.strategy import Strategy
from longboat.storage.encryption.resources import ROOT, Resource


def place(strategy: Strategy) -> str:
    return f"{ROOT}{strategy.storage_prefix or strategy.kind.plural}/"


def places(strategies: Sequence[Strategy]) -> dict[Resource, str]:
    kept = {Resource(s.kind.group, s.kind.plural): place(s) for s in strategies if s.stored and s.top_level}
    return kept | {Resource("", "servicenodeportallocations"): f"{ROOT}ranges/"}
