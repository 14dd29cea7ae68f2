"""No request of 3 MiB holds the loop, and with it everybody, for more than a tenth of a second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from attack.holding import MOST, longest, prepared
from attack.hostile import CORPUS, Hostile
from attack.measured import MeasuredPlane


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeasuredPlane]:
    with prepared(tmp_path_factory.mktemp("plane")) as found:
        yield found


@pytest.mark.parametrize("hostile", CORPUS, ids=lambda hostile: hostile.name)
def test_the_loop_goes_on(plane: MeasuredPlane, hostile: Hostile) -> None:
    code, held = longest(plane, hostile)
    print(f"{hostile.name:32} {code} {held * 1000:7.1f} ms", flush=True)
    assert held <= MOST
