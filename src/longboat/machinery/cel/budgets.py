"""How much rules of a custom kind may cost, and what is said of those that may cost more (apiextensions v1).

A rule's cost is what it costs once times how often its place may be there: `cardinality` where nothing bounds that.
"""

from __future__ import annotations

from longboat.machinery.cel.estimates import MOST

RULE, SCHEMA = 10_000_000, 100_000_000  # estimated: of one rule, and of all in a schema
REQUEST = 3 << 20  # bytes


def cardinality(least: int) -> int:
    """How many values of at least so many bytes there are in the largest request."""
    return REQUEST // (least + 1)


def multiplied(cost: int, count: int) -> int:
    return min(MOST, cost * count)


def exceeded(what: str, cost: int, limit: int) -> str:
    """`what` is "estimated rule cost", "estimated messageExpression cost"…"""
    factor = cost / limit
    if factor > 100:
        shown = "more than 100x"
    elif factor < 1.5:
        shown = f"{factor:f}x"  # not 1.0 times too much
    else:
        shown = f"{factor:.1f}x"
    return (
        f"{what} exceeds budget by factor of {shown} (try simplifying the rule, or adding maxItems, maxProperties, and "
        "maxLength where arrays, maps, and strings are declared)"
    )


OVER_SCHEMA = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
