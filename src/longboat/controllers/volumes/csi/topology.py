"""Where volumes may be made, and where they can be used afterwards (CSI TopologyRequirement, KEP-557). Pure."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence

from longboat.api.storage import StorageClass
from longboat.machinery.objects import Object

Segments = Mapping[str, str]


def of_node(keys: Sequence[str], labels: Mapping[str, str]) -> dict[str, str] | None:
    """The segments a node's labels say it is in; None while it does not say it for every key."""
    if any(key not in labels for key in keys):
        return None
    return {key: labels[key] for key in keys}


def allowed(storage_class: StorageClass) -> list[dict[str, str]]:
    """The topologies a class allows, multiplied out; empty where it does not say."""
    found: list[dict[str, str]] = []
    for term in storage_class.allowedTopologies:
        choices = [[(r.key, value) for value in r.values] for r in term.matchLabelExpressions]
        if choices:
            found += [dict(chosen) for chosen in itertools.product(*choices)]
    return found


def within(segments: Segments, topologies: Iterable[Segments]) -> bool:
    """Whether a node in these segments can use what is in one of the topologies."""
    return any(all(segments.get(key) == value for key, value in topology.items()) for topology in topologies)


def requirement(places: Sequence[Segments], seed: str) -> Object | None:
    """What a driver is told: all the places, the preferred first. They take turns, so that volumes spread."""
    distinct = sorted({tuple(sorted(place.items())) for place in places})
    if not distinct:
        return None
    start = int(hashlib.sha256(seed.encode()).hexdigest(), 16) % len(distinct)
    turned = distinct[start:] + distinct[:start]
    terms = [{"segments": dict(place)} for place in turned]
    return {"requisite": terms, "preferred": terms}


def affinity(accessible: Iterable[Object]) -> Object | None:
    """The node affinity of a volume that a driver says is accessible in these topologies."""
    terms = []
    for topology in accessible:
        segments: Mapping[str, str] = topology.get("segments") or {}
        if segments:
            expressions = [{"key": key, "operator": "In", "values": [segments[key]]} for key in sorted(segments)]
            terms.append({"matchExpressions": expressions})
    return {"required": {"nodeSelectorTerms": terms}} if terms else None
