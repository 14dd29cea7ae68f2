"""Which node ports the ports of a service want: what is asked for, and which of them share one. No I/O."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from longboat.machinery.errors import StatusError
from longboat.machinery.objects import Object


@dataclass(slots=True)
class Wish:
    """One node port, this `number` or any (0), for all of `ports`. `at`: which port of the service asks for it."""

    at: int
    number: int
    ports: list[Object]


def of_new(listed: list[Object], *, any_too: bool) -> list[Wish]:
    """Ports of one number share a node port, that of the first one that asks for one; further ones get what they ask
    for. `any_too`: so do those that ask for none."""
    asked = {port.get("port"): port["nodePort"] for port in reversed(listed) if port.get("nodePort")}
    found: list[Wish] = []
    shared: dict[int | None, Wish] = {}
    for i, port in enumerate(listed):
        own = port.get("nodePort") or 0
        if not own and not any_too:
            continue
        wish = shared.get(port.get("port"))
        if wish is None:
            found.append(wish := Wish(i, asked.get(port.get("port"), 0), []))
            shared[port.get("port")] = wish
        elif own and own != wish.number:
            found.append(wish := Wish(i, own, []))
        wish.ports.append(port)
    return found


def of_change(listed: list[Object], had: Collection[int], *, any_too: bool) -> tuple[list[Wish], StatusError | None]:
    """What the service has not yet: each port for itself. And what is wrong with the first that asks for a node port
    of its protocol that another one has: upstream wants it before what comes behind it, and names no field."""
    found: list[Wish] = []
    wanted: set[int] = set()
    seen: set[tuple[str, int]] = set()
    for i, port in enumerate(listed):
        own, protocol = port.get("nodePort") or 0, port.get("protocol") or ""
        if not own and not any_too:
            continue
        if own not in wanted and own not in had:
            found.append(Wish(i, own, [port]))
        if not own:
            continue
        wanted.add(own)
        if (protocol, own) in seen:
            return found, StatusError(500, "", f"duplicate nodePort: {{{protocol} {own}}}")
        seen.add((protocol, own))
    return found, None
