"""Fills Secrets that are to hold a ServiceAccount's token, and removes those whose account is gone.

kube-controller-manager's serviceaccount-token controller. Only Secrets of the type kubernetes.io/service-account-token
are looked at; they name the account in an annotation, and its UID in another once they have been filled.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from typing import ClassVar

import msgspec

from longboat.api import kinds
from longboat.api.view import Part, View
from longboat.client.interface import Key
from longboat.controllers.runtime import Controller, Requeue, Watch, own_key
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind

log = logging.getLogger(__name__)

TYPE = "kubernetes.io/service-account-token"
OF_TYPE = f"type={TYPE}"
ACCOUNT, ACCOUNT_UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
TOKEN, NAMESPACE, ROOT_CA = "token", "namespace", "ca.crt"

Sign = Callable[[str, str, str, str], str]
"""namespace, account, UID of the account, Secret → a token for the account that is good while the Secret holds it."""


class Secret(View):
    """`data` is base64."""

    KIND: ClassVar[Kind] = kinds.SECRET

    type: str = ""
    data: dict[str, str] = {}
    immutable: bool = False


class Reference(Part):
    name: str = ""


class Account(View):
    KIND: ClassVar[Kind] = kinds.SERVICE_ACCOUNT

    secrets: list[Reference] = []


def account_of(secret: Secret) -> Key:
    return Key(secret.metadata.namespace, secret.metadata.annotations.get(ACCOUNT, ""))


def is_of(secret: Secret, account: Account | None) -> bool:
    """Whether the Secret is this account's, and not one's that had its name before."""
    if account is None:
        return False
    uid = secret.metadata.annotations.get(ACCOUNT_UID, "")
    return not uid or uid == account.metadata.uid


def lacking(secret: Secret, root_ca: str) -> dict[str, str]:
    """What the Secret has still to be given beside its token, in base64."""
    wanted = {} if not root_ca else {ROOT_CA: _encoded(root_ca)}
    if not secret.data.get(NAMESPACE):
        wanted[NAMESPACE] = _encoded(secret.metadata.namespace)
    return {key: value for key, value in wanted.items() if secret.data.get(key) != value}


class TokenSecrets(Controller):
    name = "serviceaccount-token"
    queue_name = "serviceaccount_tokens_secret"
    account = "tokens-controller"
    options = ("root_ca", "sign_token")
    workers = 2
    root_ca: str = ""
    sign_token: Sign | None = None  # None where the key is elsewhere: then nothing is filled

    rights = """
        delete patch: secrets
        get patch: serviceaccounts
    """
    watches = (Watch(Secret, own_key, fields=OF_TYPE),)
    reads = (Account,)

    def setup(self) -> None:
        secrets, accounts = self.cache(Secret), self.cache(Account)
        secrets.index("account", lambda secret: (account_of(secret),))
        accounts.index("secret", lambda account: (Key(account.metadata.namespace, s.name) for s in account.secrets))
        accounts.on_change(self._account_changed)

    def _account_changed(self, old: Account | None, new: Account | None) -> None:
        changed = new or old
        if changed is not None:
            for secret in self.cache(Secret).by_index(
                "account", Key(changed.metadata.namespace, changed.metadata.name)
            ):
                self.queue.add(Key(secret.metadata.namespace, secret.metadata.name))

    async def reconcile(self, key: Key) -> Requeue | None:
        secret = self.cache(Secret).get(key)
        if secret is None:
            await self._forget(key)
            return None
        if secret.metadata.deletionTimestamp:
            return None
        account = self.cache(Account).get(account_of(secret))
        if not is_of(secret, account):
            account = await self._now(account_of(secret))  # the copy may lag: nothing is deleted on its word alone
        if account is None or not is_of(secret, account):
            await self._remove(key, secret)
        else:
            await self._fill(key, secret, account)
        return None

    async def _now(self, key: Key) -> Account | None:
        if not key.name:
            return None
        try:
            return await self.client.get(Account, key)
        except StatusError as error:
            if error.code != 404:
                raise
            return None

    async def _remove(self, key: Key, secret: Secret) -> None:
        try:
            await self.client.delete(Secret, key, uid=secret.metadata.uid)
        except StatusError as error:
            if error.code not in (404, 409):  # gone already, or another of its name
                raise

    async def _fill(self, key: Key, secret: Secret, account: Account) -> None:
        given = lacking(secret, self.root_ca)
        if not secret.data.get(TOKEN):
            if self.sign_token is None:
                return
            uid = account.metadata.uid
            given[TOKEN] = _encoded(self.sign_token(key.namespace, account.metadata.name, uid, key.name))
        if not given:
            return
        if secret.immutable:
            log.warning("secret %s/%s is immutable and lacks %s", key.namespace, key.name, ", ".join(sorted(given)))
            return
        named = {ACCOUNT: account.metadata.name, ACCOUNT_UID: account.metadata.uid}
        patch = {
            "metadata": {"resourceVersion": secret.metadata.resourceVersion, "annotations": named},
            "data": given,
        }
        await self.client.patch(Secret, key, patch)

    async def _forget(self, key: Key) -> None:
        """Accounts name a Secret that has gone no longer."""
        for account in self.cache(Account).by_index("secret", key):
            at = Key(key.namespace, account.metadata.name)
            whole = msgspec.json.decode(await self.client.get_raw(kinds.SERVICE_ACCOUNT, at))
            named = whole.get("secrets") or []
            kept = [each for each in named if each.get("name") != key.name]
            if len(kept) != len(named):
                version = {"resourceVersion": whole["metadata"]["resourceVersion"]}
                await self.client.patch(Account, at, {"metadata": version, "secrets": kept or None})


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
