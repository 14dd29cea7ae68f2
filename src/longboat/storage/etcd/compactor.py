"""Forgets old history now and then: one of the servers does, whichever comes first.

Source: apiserver, storage/etcd3/compact.go: whoever writes the key first in an interval forgets what was history at the
one before; the key is upstream's, so that its API servers on the same etcd take turns with ours.
"""

from __future__ import annotations

import logging

from longboat.aio.clock import Clock
from longboat.storage.etcd.keys import COMPACTED
from longboat.storage.etcd.member import request
from longboat.storage.etcd.storage import EtcdStorage
from longboat.storage.interface import StorageError

log = logging.getLogger(__name__)

INTERVAL = 300.0  # seconds of history that are kept, at least
VERSION = 0  # Compare.CompareTarget


class Compactor:
    def __init__(self, storage: EtcdStorage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._turn = 0  # how often the key had been written when last seen
        self._revision = 0  # the newest when last seen

    async def run(self) -> None:
        """Never ends."""
        while True:
            await self._clock.sleep(INTERVAL)
            try:
                await self.step()
            except StorageError as error:
                log.warning("history could not be forgotten, trying again later: %s", error)

    async def step(self) -> bool:
        """Whether this was the one to forget. Raises StorageError."""
        if await self._storage.head() == self._revision:
            return False  # nothing has happened, and nothing is written for it
        before, (won, self._turn, self._revision) = self._revision, await self._take_turn()
        if won and before:
            await self._storage.compact(before)
        return won

    async def _take_turn(self) -> tuple[bool, int, int]:
        """Whether we were first, how often there has been a turn, and the newest revision."""
        compare = request("Compare", key=COMPACTED, target=VERSION, version=self._turn)
        put = request("PutRequest", key=COMPACTED, value=str(self._revision).encode())
        answer = await self._storage.transact(
            compare,
            request("RequestOp", request_put=put),
            request("RequestOp", request_range=request("RangeRequest", key=COMPACTED)),
        )
        if answer.succeeded:
            return True, self._turn + 1, answer.header.revision
        return False, answer.responses[0].response_range.kvs[0].version, answer.header.revision
