"""Hears of objects that go, and so give back what they used, without keeping a copy of any."""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from longboat.aio.backoff import Backoff
from longboat.aio.clock import Clock
from longboat.client.rest import RestClient
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind

log = logging.getLogger(__name__)

EVERYWHERE = ""


class _Meta(msgspec.Struct):
    namespace: str = ""
    resourceVersion: str = ""


class _Object(msgspec.Struct):
    metadata: _Meta


_decode = msgspec.json.Decoder(_Object).decode

Tell = Callable[[str, str], None]
"""The group-qualified plural and the namespace; EVERYWHERE where objects may have gone unseen."""


class Departures:
    """One kind's watch. `changes`: objects may give something back by a mere change, too."""

    def __init__(self, kind: Kind, client: RestClient, clock: Clock, tell: Tell, *, changes: bool) -> None:
        self._kind = kind
        self._client = client
        self._clock = clock
        self._tell = tell
        self._telling = {"DELETED", "MODIFIED"} if changes else {"DELETED"}

    async def run(self) -> None:
        """Until cancelled."""
        backoff = Backoff(first=0.2, longest=30.0)
        version = ""
        while True:
            try:
                if not version:
                    version = (await self._client.list_page(self._kind, limit=1)).resource_version
                    self._tell(self._kind.resource, EVERYWHERE)
                async for event in self._client.watch(self._kind, version):
                    if event.type == "ERROR":
                        raise StatusError.parse(msgspec.json.decode(event.object))
                    meta = _decode(event.object).metadata
                    version = meta.resourceVersion
                    if event.type in self._telling:
                        self._tell(self._kind.resource, meta.namespace)
                    backoff.reset()
            except (StatusError, ConnectionError, msgspec.DecodeError) as error:
                log.info("quota controller, watching %s: %s", self._kind.resource, error)
                if isinstance(error, StatusError) and error.code in (403, 404, 410):
                    version = ""
            await self._clock.sleep(backoff.next())
