"""Ranges of keys. Keys are ordered by code point, which is also the order of their UTF-8 bytes."""

from __future__ import annotations


def end_of(prefix: str) -> str:
    """The least string greater than every string that begins with `prefix` (which is not empty)."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
