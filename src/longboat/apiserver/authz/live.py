"""Who is asked whether something may be done, as a file says it: read again whenever it changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.apiserver.authz import configuration
from longboat.apiserver.authz.authorizer import AlwaysAllow, AlwaysDeny, Asked, Authorizer, Voter
from longboat.apiserver.authz.configuration import WEBHOOK, Configured
from longboat.apiserver.authz.webhook import Figures, Webhook
from longboat.apiserver.followed import Followed
from longboat.machinery.configfile import BadConfiguration
from longboat.machinery.exposition import Family


@dataclass(frozen=True, slots=True)
class Settings:
    """`data`: what the file said when `authorizers` were read from it."""

    authorizers: tuple[Configured, ...] = configuration.DEFAULT
    file: Path | None = None
    data: bytes = b""


class Authorizers:
    """Tells the authorizer whom to ask."""

    def __init__(self, settings: Settings, authorizer: Authorizer, clock: Clock) -> None:
        self._settings, self._authorizer, self._clock = settings, authorizer, clock
        self._figures = Figures()
        self._tasks = Tasks("authorization configuration")
        self._followed = (
            Followed("authorization", settings.file, settings.data, clock, self._use) if settings.file else None
        )
        self._take(settings.authorizers)

    def start(self) -> None:
        if self._followed:
            self._tasks.spawn("follow", self._followed.run())

    async def close(self) -> None:
        await self._tasks.close()

    async def _use(self, data: bytes) -> None:
        """Raises BadConfiguration."""
        found = configuration.parse(data)
        if _own(found) != _own(self._settings.authorizers):
            why = "only webhooks may be added or removed while the server runs"
            raise BadConfiguration(f"authorizers: Forbidden: {why}")
        self._take(found)

    def _take(self, authorizers: Sequence[Configured]) -> None:
        links: list[Voter | Asked] = []
        for each in authorizers:
            if each.webhook is not None:
                links.append(Webhook(each.webhook, self._clock, self._figures))
            elif each.type == "Node":
                links += self._authorizer.node
            elif each.type == "RBAC":
                links.append(self._authorizer.rbac)
            else:
                links.append(AlwaysAllow() if each.type == "AlwaysAllow" else AlwaysDeny())
        self._authorizer.links = links

    def families(self) -> Iterator[Family]:
        if self._followed:
            yield from self._followed.families()
        yield from self._figures.families()


def _own(authorizers: Sequence[Configured]) -> set[str]:
    return {each.type for each in authorizers if each.type != WEBHOOK}
