"""Attacks that take minutes: `make attack` runs them, `make test` does not. The seed of a run is printed."""

from __future__ import annotations

import os
import random

import pytest


@pytest.fixture
def seed() -> int:
    chosen = int(os.environ.get("LONGBOAT_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"LONGBOAT_SEED={chosen}")
    return chosen
