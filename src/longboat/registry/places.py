"""Where each kind is stored: what its storage keys begin with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from longboat.registry.strategy import Strategy
from longboat.storage.encryption.resources import ROOT, Resource

RANGES = f"{ROOT}ranges/"


def place(strategy: Strategy) -> str:
    return f"{ROOT}{strategy.storage_prefix or strategy.kind.plural}/"


def former(strategy: Strategy) -> str:
    """Where objects of this kind were kept by versions of Longboat before this one; "" where that is no other place."""
    return f"{ROOT}{strategy.former_prefix}/" if strategy.former_prefix else ""


def places(strategies: Sequence[Strategy]) -> dict[Resource, tuple[str, ...]]:
    """Of each resource, where it is kept, and after that where it was."""
    kept = {
        Resource(s.kind.group, s.kind.plural): tuple(filter(None, (place(s), former(s))))
        for s in strategies
        if s.stored and s.top_level
    }
    return kept | {Resource("", "servicenodeportallocations"): (RANGES,)}


def check_place(strategy: Strategy, others: Iterable[Strategy]) -> None:
    """Only versions of one kind share a place, and none lies within another's: either would list what is not its own.

    Raises ValueError.
    """
    own, hub = place(strategy), strategy.hub or strategy.kind
    if own.startswith(RANGES) or RANGES.startswith(own):
        raise ValueError(f"{own} of {strategy.kind.name} meets {RANGES}")
    for other in others:
        theirs = place(other)
        if other.kind == strategy.kind or (own == theirs and (other.hub or other.kind) == hub):
            continue
        if own.startswith(theirs) or theirs.startswith(own):
            raise ValueError(f"{own} of {strategy.kind.name} meets {theirs} of {other.kind.name}")
