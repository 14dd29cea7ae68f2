"""Cluster-wide things a pod's start depends on: services, for their variables, and runtime classes."""

from __future__ import annotations

from typing import Protocol

from longboat.client.informer import Informers
from longboat.client.interface import Client, Key
from longboat.machinery.errors import StatusError
from longboat.node.views.objects import RuntimeClass, Service


class Services(Protocol):
    async def list(self) -> list[Service]:
        """Every service, once they are known."""
        ...

    async def handler(self, runtime_class: str) -> str:
        """The runtime's name for a class. Raises LookupError."""
        ...


class ApiServices:
    """From the API."""

    def __init__(self, client: Client, informers: Informers) -> None:
        self._client = client
        self._services = informers.of(Service)

    async def list(self) -> list[Service]:
        await self._services.synced()
        return self._services.values()

    async def handler(self, runtime_class: str) -> str:
        if not runtime_class:
            return ""
        try:
            found = await self._client.get(RuntimeClass, Key("", runtime_class))
        except (StatusError, ConnectionError) as error:
            raise LookupError(f"failed to get sandbox runtime: {error}") from error
        return found.handler
