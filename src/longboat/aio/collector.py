"""Python's garbage collector in processes that hold much and answer quickly: nearly nothing they hold is garbage."""

from __future__ import annotations

import gc

YOUNG = 4_000  # new objects, after which they are looked at
AGAIN = 10  # such looks, after which their survivors are looked at once more
ALL = 2_500  # of those, before everything is looked at

# Looking at one object that has survived costs a quarter of a microsecond, and nothing else runs meanwhile: what stays
# of a burst (objects that are created, say) must not be looked at all at once. YOUNG * AGAIN of them take 10 ms.


def hurry_less() -> None:
    """Look at few objects at a time, and at all of them very rarely."""
    gc.set_threshold(YOUNG, AGAIN, ALL)


def settled() -> None:
    """What has been loaded so far stays: never look at it again."""
    gc.collect()
    gc.freeze()
