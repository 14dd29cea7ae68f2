"""Where a webhook is, whom it has to be, and how much of it may be asked for: of admission's, and of conversions'.

A connection that has answered is kept and used again: to set one up anew costs more than most webhooks take to answer.
These end with the configuration that they were made for (`close`): another certificate authority is another target.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from functools import cached_property
from urllib.parse import urlsplit

from longboat.aio.http.kept import Kept
from longboat.apiserver.admission.webhooks.credentials import HTTPS, NONE, Credentials
from longboat.client.kubeconfig import Credential
from longboat.machinery.objects import Object


class Target:
    """`config`: a WebhookClientConfig. `seconds`: of one exchange. `at_once`: exchanges with it. `who`: as whom it is
    asked."""

    def __init__(self, config: Object, seconds: int, at_once: int, who: Credentials = NONE) -> None:
        self.config, self.seconds = config, seconds
        self._who = who
        self.places = asyncio.Semaphore(at_once)  # for exchanges with it; who finds none waits, and its time runs
        self.kept = Kept()

    @cached_property
    def context(self) -> ssl.SSLContext:
        """Raises ssl.SSLError, ValueError."""
        bundle = self.config.get("caBundle")
        if bundle:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cadata=base64.b64decode(bundle).decode("ascii", "ignore"))
        else:
            context = ssl.create_default_context()
        if self.credential is not None:
            self.credential.show(context)
        return context

    @cached_property
    def credential(self) -> Credential | None:
        if self._who is NONE:
            return None
        split = urlsplit(self.url(self.seconds))
        return self._who.of(split.hostname or "", split.port or HTTPS)

    def url(self, seconds: int) -> str:
        """As upstream writes it, with what it tells the webhook of its time."""
        if service := self.config.get("service"):
            port = service.get("port") or 443
            url = f"https://{service['name']}.{service['namespace']}.svc:{port}{service.get('path') or ''}"
        else:
            url = self.config["url"]
        return f"{url}?timeout={seconds}s"

    def close(self) -> None:
        """Its configuration is gone: what is under way ends as it would have, and nothing is kept."""
        self.kept.close()
