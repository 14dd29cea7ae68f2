"""A cluster's keys in the hands of a command."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from longboat.aio.clock import Clock
from longboat.registry import catalog
from longboat.registry.places import place, places
from longboat.storage.encryption.configuration import parse
from longboat.storage.encryption.keyring import Keyring
from longboat.storage.encryption.live import over_grpc
from longboat.storage.encryption.resources import by_prefix
from longboat.storage.encryption.running import Running

STRATEGIES = tuple(catalog.strategies())


@asynccontextmanager
async def opened(data: bytes, clock: Clock) -> AsyncIterator[Keyring]:
    """What an EncryptionConfiguration describes, with its services. Raises BadConfiguration."""
    running = Running(parse(data), clock, over_grpc, lambda: None)
    try:
        await running.start()
        yield Keyring(by_prefix(running.sealers, places(STRATEGIES)))
    finally:
        await running.close()


def lifetime(key: str) -> float | None:
    """How many seconds a value that is written at this storage key now will be kept; None: for good."""
    for strategy in STRATEGIES:
        if strategy.stored and key.startswith(place(strategy)):
            return strategy.ttl({})
    return None
