"""Where a webhook is, whom it has to be, and how much of it may be asked for: of admission's, and of conversions'."""

from __future__ import annotations

import asyncio
import base64
import ssl
from dataclasses import dataclass
from functools import cached_property

from longboat.machinery.objects import Object


@dataclass(frozen=True)
class Target:
    """`config`: a WebhookClientConfig. `seconds`: of one exchange. `at_once`: exchanges with it."""

    config: Object
    seconds: int
    at_once: int

    @property
    def url(self) -> str:
        """As upstream writes it, with what it tells the webhook of its time."""
        if service := self.config.get("service"):
            port = service.get("port") or 443
            url = f"https://{service['name']}.{service['namespace']}.svc:{port}{service.get('path') or ''}"
        else:
            url = self.config["url"]
        return f"{url}?timeout={self.seconds}s"

    @cached_property
    def places(self) -> asyncio.Semaphore:
        """For exchanges with it; who finds none waits, and its time runs."""
        return asyncio.Semaphore(self.at_once)

    @cached_property
    def context(self) -> ssl.SSLContext:
        """Raises ssl.SSLError, ValueError."""
        bundle = self.config.get("caBundle")
        if not bundle:
            return ssl.create_default_context()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=base64.b64decode(bundle).decode("ascii", "ignore"))
        return context
