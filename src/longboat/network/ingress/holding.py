"""Whose a host is. Pure.

The namespace whose Ingress is the oldest to name a host holds it: all its paths, its certificate, and of a wildcard
every name beneath it. Others get nothing there, unless the class of the first shares its hosts (docs/decisions/0135).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

ANY_HOST = "*"  # rules without a host
DEFAULT = ""  # the default backend
SHARED = "*"  # stands for a namespace that is everybody's; none has this name
# Server names to a line. HAProxy takes lines of 64 KiB, and looks through what a wildcard is not for at each handshake.
LONGEST_LINE = 200


@dataclass
class Hosts:
    """Ask it to `claim` for one Ingress after the other, the oldest first."""

    holders: dict[str, str] = field(default_factory=dict)
    _beneath: dict[str, list[str]] = field(default_factory=dict)

    def claim(self, host: str, namespace: str, *, shares: bool = False) -> bool:
        """Whether Ingresses of the namespace may serve this host. The first to ask holds it from then on."""
        if self._holder(host) not in (None, SHARED, namespace):
            return False
        if host not in self.holders:
            self.holders[host] = SHARED if shares else namespace
            self._beneath.setdefault(_wildcard(host), []).append(host)
        return True

    def is_open(self, host: str, namespace: str) -> bool:
        """Whether it is nobody's, everybody's or this namespace's."""
        return self._holder(host) in (None, SHARED, namespace)

    def filters(self, namespace: str, hosts: Iterable[str]) -> tuple[tuple[str, ...], ...]:
        """For which server names a certificate of the namespace is shown, and (after a "!") for which it is not.

        In lines as HAProxy takes them. A wildcard with more exceptions than fit into one is left out.
        """
        plain, lines = [], []
        for host in sorted(set(hosts)):
            others = [each for each in self._beneath.get(host, ()) if not self.is_open(each, namespace)]
            if not self.is_open(host, namespace) or len(others) >= LONGEST_LINE:
                continue
            if others:
                lines.append((host, *(f"!{each}" for each in others)))
            else:
                plain.append(host)
        lines += [tuple(plain[at : at + LONGEST_LINE]) for at in range(0, len(plain), LONGEST_LINE)]
        return tuple(lines)

    def held(self) -> dict[str, str]:
        """Who alone is asked about a host: its namespace, or SHARED for all."""
        return {host: holder for host, holder in self.holders.items() if host not in (ANY_HOST, DEFAULT)}

    def _holder(self, host: str) -> str | None:
        return self.holders.get(host) or self.holders.get(_wildcard(host))


def _wildcard(host: str) -> str:
    """The wildcard that the host is beneath; of what is none's: "*.", which no Ingress can name."""
    return "*." if host.startswith(ANY_HOST) else f"*.{host.partition('.')[2]}"
