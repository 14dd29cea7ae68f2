"""Where events go: to the log, and to a webhook where there is one."""

from __future__ import annotations

from collections.abc import Awaitable

from longboat.apiserver.audit.trail import COUNTS, AuditTrail
from longboat.apiserver.audit.webhook import Webhook


class Sinks:
    def __init__(self, trail: AuditTrail | None, webhook: Webhook | None) -> None:
        self._trail = trail
        self._webhook = webhook

    @property
    def strict(self) -> bool:
        """Requests whose first event cannot be kept are refused."""
        return self._webhook is not None and self._webhook.strict

    def record(self, event: bytes, *, authenticated: bool) -> Awaitable[bool] | None:
        """What is to be awaited, if anything: whether it is kept."""
        COUNTS.events += 1
        if self._trail is not None:
            self._trail.record(event, authenticated=authenticated)
        if self._webhook is None:
            return None
        if self._webhook.blocking:
            return self._webhook.send([event])
        self._webhook.add(event)
        return None
