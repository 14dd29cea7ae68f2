"""The resolv.conf that a node goes by."""

from __future__ import annotations

from pathlib import Path

from longboat.node.make.dns import parse_resolv_conf

ETC, BEHIND_STUB = Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")


def resolv_conf(given: Path | None) -> Path:
    """Where systemd-resolved's stub is the only server, what the stub asks: pods cannot reach it."""
    if given is not None:
        return given
    if BEHIND_STUB.exists() and (not ETC.exists() or set(name_servers(ETC)) <= {"127.0.0.53"}):
        return BEHIND_STUB
    return ETC


def name_servers(path: Path) -> tuple[str, ...]:
    """The servers that the machine asks. Raises OSError."""
    return parse_resolv_conf(path.read_text()).servers
