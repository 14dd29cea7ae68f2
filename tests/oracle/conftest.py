"""One server in memory for all tests here, as far as they run in one process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oracle.player import Server
from oracle.server import running


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    with running() as server:
        yield server
