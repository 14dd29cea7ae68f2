"""The arithmetic of LimitRanges (core/v1 LimitRangeItem): what is asked, what is allowed, and how that is said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from longboat.machinery import quantity
from longboat.machinery.objects import Object, dig
from longboat.machinery.quantity import Quantity

Amounts = Mapping[str, Quantity]


def amounts(listed: Mapping[str, str] | None) -> dict[str, Quantity]:
    return {name: quantity.parse(text) for name, text in (listed or {}).items()}


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


def of_pod(spec: Object, field: str) -> dict[str, Quantity]:
    """The requests or limits of a whole pod at its most demanding moment (KEP-753), pod-level ones first."""
    running: dict[str, Quantity] = {}
    sidecars: dict[str, Quantity] = {}
    starting: dict[str, Quantity] = {}
    for container in spec.get("containers") or ():
        _add(running, amounts(dig(container, "resources", field)))
    for container in spec.get("initContainers") or ():
        asked = amounts(dig(container, "resources", field))
        if container.get("restartPolicy") == "Always":
            _add(sidecars, asked)
            _raise(starting, sidecars)
        else:
            _add(asked, sidecars)
            _raise(starting, asked)
    _add(running, sidecars)
    _raise(running, starting)
    return {**running, **amounts(dig(spec, "resources", field))}


def _add(into: dict[str, Quantity], more: Amounts) -> None:
    for name, value in more.items():
        into[name] = into[name] + value if name in into else value


def _raise(into: dict[str, Quantity], floor: Amounts) -> None:
    for name, value in floor.items():
        if name not in into or into[name] < value:
            into[name] = value
