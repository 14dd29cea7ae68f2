"""Addresses that endpoints and outside addresses may not be."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_network

from longboat.machinery import names
from longboat.machinery.fieldpath import Errors, Path
from longboat.registry.kinds import rules

_GROUPS_ON_THE_LINK = ip_network("224.0.0.0/24"), ip_network("ff02::/16")


def ordinary(value: str, path: Path, err: Errors, former: Collection[str] = ()) -> None:
    """An IP address by which another machine can be meant. What is among `former` values need not be well formed."""
    known = err.count
    rules.address(value, path, err, former)
    if err.count == known:
        of_another_machine(value, path, err)


def of_another_machine(value: str, path: Path, err: Errors) -> None:
    """The second half of it, of what is read as upstream's older checks do."""
    found = names.loose_address(value)
    if found is None:
        err.invalid(path, value, "must be a valid IP address")
        return
    if found.is_unspecified:
        err.invalid(path, value, f"may not be unspecified ({value})")
    if found.is_loopback:
        err.invalid(path, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if found.is_link_local:
        err.invalid(path, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if any(found in group for group in _GROUPS_ON_THE_LINK):
        err.invalid(path, value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
