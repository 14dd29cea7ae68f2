"""Which of two versions of an API comes first: v10, v2, v1, v2beta1, v1beta2, v1alpha1, and others by name (KEP-95)."""

from __future__ import annotations

import re

_FORM = re.compile(r"v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?")
_STAGES = {"alpha": 0, "beta": 1, None: 2}


def rank(version: str) -> tuple[int, int, int, tuple[int, ...]]:
    """Sorts versions so that the one to be preferred comes first."""
    found = _FORM.fullmatch(version)
    if found is None:
        return 1, 0, 0, tuple(map(ord, version))
    return -_STAGES[found[2]], -int(found[1]), -int(found[3] or 0), ()
