"""Numbers that may be percentages (IntOrString). Pure."""

from __future__ import annotations


def share(value: int | str, total: int, *, up: bool) -> int:
    """A number, or a percentage of `total` rounded up or down."""
    if isinstance(value, int):
        return value
    exact = int(value.removesuffix("%")) * total
    return -(-exact // 100) if up else exact // 100
