"""Named ports of containers."""

from __future__ import annotations

from longboat.node.views.container import Container


def number(container: Container, port: int | str) -> int:
    """The number behind a port's number or name. Raises ValueError."""
    if isinstance(port, int):
        found = port
    elif port.isdigit():
        found = int(port)
    else:
        found = next((p.containerPort for p in container.ports if p.name == port), 0)
        if not found:
            raise ValueError(f"couldn't find port: {port}")
    if not 0 < found < 65536:
        raise ValueError(f"invalid port number: {found}")
    return found
