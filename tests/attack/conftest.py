"""What takes minutes (`long`) is run by `make attack` alone, not by whoever runs all attacks of seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

LONG = Path(__file__).parent / "long"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Left out unless it is named on the command line."""
    if collection_path != LONG or any(LONG.name in Path(given.partition("::")[0]).parts for given in config.args):
        return None
    return True
