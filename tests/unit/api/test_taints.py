"""Which tolerations cover which taints (API reference, Toleration v1 core)."""

from __future__ import annotations

import pytest

from longboat.api.taints import NO_EXECUTE, NO_SCHEDULE, Taint, Toleration, tolerates, untolerated

DB = Taint(key="dedicated", value="db", effect=NO_SCHEDULE)


@pytest.mark.parametrize(
    ("toleration", "covered"),
    [
        (Toleration(key="dedicated", value="db"), True),
        (Toleration(key="dedicated", value="db", effect=NO_SCHEDULE), True),
        (Toleration(key="dedicated", value="db", effect=NO_EXECUTE), False),
        (Toleration(key="dedicated", value="web"), False),
        (Toleration(key="other", value="db"), False),
        (Toleration(key="dedicated", operator="Exists"), True),
        (Toleration(operator="Exists"), True),
        (Toleration(operator="Exists", effect=NO_EXECUTE), False),
        (Toleration(value="db"), False),
    ],
)
def test_tolerates(toleration: Toleration, covered: bool) -> None:
    assert tolerates(toleration, DB) is covered


def test_only_taints_of_the_effects_asked_for_count() -> None:
    taints = [DB, Taint(key="x", effect=NO_EXECUTE)]
    assert list(untolerated(taints, [], frozenset((NO_EXECUTE,)))) == [taints[1]]
