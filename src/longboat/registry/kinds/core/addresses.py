"""Addresses that endpoints and outside addresses may not be."""

from __future__ import annotations

import ipaddress

from longboat.machinery.fieldpath import Errors, Path


def ordinary(value: str, path: Path, err: Errors) -> None:
    """An IP address by which another machine can be meant."""
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        err.invalid(path, value, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")
        return
    if found.is_unspecified:
        err.invalid(path, value, f"may not be unspecified ({value})")
    if found.is_loopback:
        err.invalid(path, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if found.is_link_local:
        err.invalid(path, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if found.is_multicast and ((found.version == 4 and value.startswith("224.0.0.")) or value.startswith("ff02:")):
        err.invalid(path, value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
