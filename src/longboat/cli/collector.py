"""Python's garbage collector in processes that hold much and answer quickly: nearly nothing they hold is garbage."""

from __future__ import annotations

import gc


def hurry_less() -> None:
    """Look at young objects more rarely, and at all of them much more rarely."""
    gc.set_threshold(50_000, 20, 100)


def settled() -> None:
    """What has been loaded so far stays: never look at it again."""
    gc.collect()
    gc.freeze()
