"""Tokens that once were made for every ServiceAccount of itself, and that nobody has used for a year (KEP-2799).

Such a token is marked invalid first, which a label undoes, and goes after another year. Since when uses are noted at
all is written in a ConfigMap. kube-controller-manager's legacy-serviceaccount-token-cleaner, and kube-apiserver's
legacy token tracking.
"""

from __future__ import annotations

import logging
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

import msgspec

from longboat.api import kinds
from longboat.api.pod_references import Reference, references
from longboat.api.view import View
from longboat.client.interface import Key
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.controllers.token_secrets import OF_TYPE, Account, Secret, account_of, is_of
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import parse_timestamp

log = logging.getLogger(__name__)

LAST_USED, INVALID_SINCE = "kubernetes.io/legacy-token-last-used", "kubernetes.io/legacy-token-invalid-since"
TRACKING, SINCE = Key("kube-system", "kube-apiserver-legacy-service-account-token-tracking"), "since"
UNUSED_FOR = timedelta(days=365)  # --legacy-service-account-token-clean-up-period's default
EVERY = 24 * 3600.0  # seconds between two looks
MADE_EVERY = 1800.0  # seconds: servers that track and servers that do not would fight over the ConfigMap


def day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def is_unused(secret: Secret, now: datetime) -> bool:
    """Whether it is older than the time in which it was not used. One that says so unreadably is left alone."""
    made, used = secret.metadata.creationTimestamp, secret.metadata.labels.get(LAST_USED)
    if secret.metadata.deletionTimestamp or made is None or parse_timestamp(made) >= now - UNUSED_FOR:
        return False
    if used is None:
        return True
    last = day(used)
    return last is not None and last < (now - UNUSED_FOR).date()


class UnusedTokens(Controller):
    name = "legacy-serviceaccount-token-cleaner"
    account = "legacy-service-account-token-cleaner"
    # Upstream reads pods from a copy that the whole process shares; ours asks for those of a namespace, once in years.
    rights = """
        get: configmaps
        delete get list patch watch: secrets
        list: pods
    """
    watches = (Watch(Secret, lambda secret: (), fields=OF_TYPE),)
    reads = (Account,)
    workers = 1

    async def background(self) -> None:
        while True:
            try:
                await self.look()
            except (StatusError, ConnectionError) as error:
                log.warning("unused tokens could not be looked at, again in a day: %s", error)
            await self.clock.sleep(EVERY)

    async def look(self) -> None:
        """Mark what has become unused, and remove what was marked long ago. Raises StatusError, ConnectionError."""
        now = self.clock.now()
        if not (unused := [secret for secret in self.cache(Secret).values() if is_unused(secret, now)]):
            return
        tracked = msgspec.json.decode(await self.client.get_raw(kinds.CONFIG_MAP, TRACKING)).get("data") or {}
        since = day(tracked.get(SINCE, ""))
        if since is None or now < datetime.combine(since, datetime.min.time(), now.tzinfo) + timedelta(1) + UNUSED_FOR:
            return
        mounted: dict[str, frozenset[str]] = {}
        for secret in unused:
            if self._was_generated(secret) and secret.metadata.name not in await self._mounted(secret, mounted):
                await self._retire(secret, now)

    def _was_generated(self, secret: Secret) -> bool:
        """Only those that were made of themselves stand in their account's list."""
        account = self.cache(Account).get(account_of(secret))
        if account is None or not is_of(secret, account):
            return False
        return any(each.name == secret.metadata.name for each in account.secrets)

    async def _mounted(self, secret: Secret, known: dict[str, frozenset[str]]) -> frozenset[str]:
        """The Secrets that pods of its namespace name. Read when there is a reason to: years may pass without one."""
        namespace = secret.metadata.namespace
        if namespace not in known:
            found, token = set[str](), ""
            while True:
                page = await self.client.list_page(kinds.POD, namespace=namespace, token=token)
                for item in page.items:
                    named: frozenset[Reference] = references(msgspec.json.decode(item))
                    found |= {name for resource, name in named if resource == "secrets"}
                if not (token := page.continue_token):
                    break
            known[namespace] = frozenset(found)
        return known[namespace]

    async def _retire(self, secret: Secret, now: datetime) -> None:
        key, version = Key(secret.metadata.namespace, secret.metadata.name), secret.metadata.resourceVersion
        marked = day(secret.metadata.labels.get(INVALID_SINCE, ""))
        try:
            if marked is None:
                labels = {INVALID_SINCE: now.date().isoformat()}
                await self.client.patch(Secret, key, {"metadata": {"uid": secret.metadata.uid, "labels": labels}})
                log.info("the token in secret %s/%s, unused for a year, is not valid any more", *key)
            elif marked < (now - UNUSED_FOR).date():
                await self.client.delete(Secret, key, resource_version=version)
                log.info("secret %s/%s, unused for years, is removed", *key)
        except StatusError as error:
            if error.code not in (404, 409):  # gone, or changed: to be looked at tomorrow
                log.warning("the unused token in secret %s/%s is left as it is: %s", *key, error)


class TrackingMap(View):
    KIND: ClassVar[Kind] = kinds.CONFIG_MAP

    data: dict[str, str] = {}


class TokenTracking(Controller):
    """Keeps the ConfigMap that says since when uses of tokens in Secrets are noted."""

    name = "legacy-token-tracking"
    account = "legacy-token-tracking-controller"
    rights = """
        create: configmaps
        patch: configmaps @ kube-apiserver-legacy-service-account-token-tracking
    """
    watches = (Watch(TrackingMap, own_key, fields=f"metadata.name={TRACKING.name}"),)
    workers = 1

    def setup(self) -> None:
        self._may_make = 0.0
        self.queue.add(TRACKING)

    async def reconcile(self, key: Key) -> Requeue | None:
        if key != TRACKING:
            return None
        found, now = self.cache(TrackingMap).get(key), self.clock.monotonic()
        if found is not None and day(found.data.get(SINCE, "")):
            return None
        data = {SINCE: self.clock.now().date().isoformat()}
        if found is not None:
            version: dict[str, Any] = {"resourceVersion": found.metadata.resourceVersion}
            await self.client.patch(TrackingMap, key, {"metadata": version, "data": data})
            return None
        if now < self._may_make:
            return Requeue(self._may_make - now)
        made = {"metadata": {"name": key.name}, "data": data}
        try:
            await self.client.create(TrackingMap, made, namespace=key.namespace)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
        self._may_make = now + MADE_EVERY
        return None
