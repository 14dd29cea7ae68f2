"""How much a PriorityLevelConfiguration lets run at once, and how the rest waits."""

from __future__ import annotations

import math

from longboat.machinery.fieldpath import Errors, Path
from longboat.machinery.objects import Object
from longboat.registry.kinds import rules

RESPONSES = ("Queue", "Reject")
MOST_QUEUES = 10_000_000
HASH_BITS = 60  # of a flow's hash, from which its hand of queues is dealt


def limited(found: Object, path: Path, err: Errors) -> None:
    _shares(found, path, err)
    borrowing = found.get("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        err.invalid(path.at("borrowingLimitPercent"), borrowing, "if specified, must be a non-negative integer")
    _lendable(found, path, err)
    _response(found.get("limitResponse") or {}, path.at("limitResponse"), err)


def exempt(found: Object, path: Path, err: Errors) -> None:
    _shares(found, path, err)
    _lendable(found, path, err)


def _shares(found: Object, path: Path, err: Errors) -> None:
    if (shares := found.get("nominalConcurrencyShares") or 0) < 0:
        err.invalid(path.at("nominalConcurrencyShares"), shares, "must be a non-negative integer")


def _lendable(found: Object, path: Path, err: Errors) -> None:
    rules.in_range(found.get("lendablePercent"), 0, 100, path.at("lendablePercent"), err)


def _response(found: Object, path: Path, err: Errors) -> None:
    kind, queuing = found.get("type") or "", found.get("queuing")
    if kind not in RESPONSES:
        err.not_supported(path.at("type"), kind, RESPONSES)
    elif kind == "Reject" and queuing is not None:
        err.forbidden(path.at("queuing"), "must be nil if limited.limitResponse.type is not Limited")
    elif kind == "Queue" and queuing is None:
        err.required(path.at("queuing"), "must not be empty if limited.limitResponse.type is Limited")
    elif kind == "Queue":
        _queuing(queuing or {}, path.at("queuing"), err)


def _queuing(found: Object, path: Path, err: Errors) -> None:
    longest, queues, hand = (found.get(field) or 0 for field in ("queueLengthLimit", "queues", "handSize"))
    if longest <= 0:
        err.invalid(path.at("queueLengthLimit"), longest, "must be positive")
    if queues <= 0:
        err.invalid(path.at("queues"), queues, "must be positive")
    elif queues > MOST_QUEUES:
        err.invalid(path.at("queues"), queues, f"must not be greater than {MOST_QUEUES}")
    at = path.at("handSize")
    if hand <= 0:
        err.invalid(at, hand, "must be positive")
    elif hand > queues:
        err.invalid(at, hand, f"should not be greater than queues ({queues})")
    elif bits_to_deal(queues, hand) > HASH_BITS:
        why = f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS}"
        err.invalid(at, hand, why)


def bits_to_deal(deck: int, hand: int) -> int:
    """Bits that tell all ways apart to draw a hand of cards from a deck, one after the other (shuffle sharding).

    Stops where it is more than a hash has: a hand may have millions of cards.
    """
    bits = 0.0
    for left in range(deck, deck - hand, -1):
        bits += math.log2(left)
        if bits > HASH_BITS:
            break
    return math.ceil(bits)
