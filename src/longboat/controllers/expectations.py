"""What a controller has set in motion and not seen yet, so that a copy that lags does not make it act twice."""

from __future__ import annotations

from longboat.aio.clock import Clock
from longboat.client.interface import Key

PATIENCE = 300.0  # seconds after which an unseen change is taken for lost (controller_utils.ExpectationsTimeout)


class Expectations:
    """Creations and deletions by owner. Creations are counted, deletions are known by uid."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._creations: dict[Key, int] = {}
        self._deletions: dict[Key, set[str]] = {}
        self._since: dict[Key, float] = {}

    def expect_creations(self, owner: Key, count: int) -> None:
        self._creations[owner] = self._creations.get(owner, 0) + count
        self._since[owner] = self._clock.monotonic()

    def expect_deletion(self, owner: Key, uid: str) -> None:
        self._deletions.setdefault(owner, set()).add(uid)
        self._since[owner] = self._clock.monotonic()

    def created(self, owner: Key) -> None:
        """A creation has been seen, or has failed."""
        left = self._creations.get(owner, 0) - 1
        if left > 0:
            self._creations[owner] = left
        else:
            self._creations.pop(owner, None)

    def deleted(self, owner: Key, uid: str) -> None:
        """A deletion has been seen, or has failed."""
        waiting = self._deletions.get(owner)
        if waiting is not None:
            waiting.discard(uid)
            if not waiting:
                del self._deletions[owner]

    def met(self, owner: Key) -> bool:
        """Whether everything set in motion has been seen, or has been waited for long enough."""
        if owner not in self._creations and owner not in self._deletions:
            return True
        return self._clock.monotonic() - self._since.get(owner, 0.0) > PATIENCE

    def forget(self, owner: Key) -> None:
        self._creations.pop(owner, None)
        self._deletions.pop(owner, None)
        self._since.pop(owner, None)
