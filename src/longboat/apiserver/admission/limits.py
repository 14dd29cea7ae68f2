"""The arithmetic of LimitRanges (core/v1 LimitRangeItem): what is asked, what is allowed, and how that is said."""

from __future__ import annotations

from collections.abc import Iterable

from longboat.api.amounts import Amounts, amounts
from longboat.machinery.objects import Object


def problems(item: Object, requests: Amounts, most: Amounts) -> Iterable[str]:
    """What is wrong with one container, or one pod, under one item of a LimitRange."""
    yield from too_little(item, requests, most)
    yield from too_much(item, requests, most)
    yield from too_far_apart(item, requests, most)


def too_little(item: Object, requests: Amounts, most: Amounts) -> Iterable[str]:
    for name, least in sorted(amounts(item.get("min")).items()):
        said = f"minimum {name} usage per {item['type']} is {least}"
        if name not in requests:
            yield f"{said}.  No request is specified"
        elif requests[name] < least:
            yield f"{said}, but request is {requests[name]}"
        elif name in most and most[name] < least:
            yield f"{said}, but limit is {most[name]}"


def too_much(item: Object, requests: Amounts, most: Amounts) -> Iterable[str]:
    for name, greatest in sorted(amounts(item.get("max")).items()):
        said = f"maximum {name} usage per {item['type']} is {greatest}"
        if name not in most:
            yield f"{said}.  No limit is specified"
        elif most[name] > greatest:
            yield f"{said}, but limit is {most[name]}"
        elif name in requests and requests[name] > greatest:
            yield f"{said}, but request is {requests[name]}"


def asked_too_much(item: Object, requests: Amounts) -> Iterable[str]:
    """For claims, which have requests only."""
    for name, greatest in sorted(amounts(item.get("max")).items()):
        said = f"maximum {name} usage per {item['type']} is {greatest}"
        if name not in requests:
            yield f"{said}.  No request is specified"
        elif requests[name] > greatest:
            yield f"{said}, but request is {requests[name]}"


def too_far_apart(item: Object, requests: Amounts, most: Amounts) -> Iterable[str]:
    for name, greatest in sorted(amounts(item.get("maxLimitRequestRatio")).items()):
        said = f"{name} max limit to request ratio per {item['type']} is {greatest}, but"
        if not requests.get(name):
            yield f"{said} no request is specified or request is 0"
        elif not most.get(name):
            yield f"{said} no limit is specified or limit is 0"
        elif most[name].amount > requests[name].amount * greatest.amount:
            yield f"{said} provided ratio is {most[name].amount / requests[name].amount:.6f}"
