"""What serves Ingresses on the nodes may read the certificates that these Ingresses name, and no other Secret.

Every node serves every Ingress of our class, so it may read all of their certificates: by name, never as a list. What
it is shown of a Secret is in `reduced`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from longboat.api import kinds
from longboat.api.ingress import CLASS, CONTROLLER, LEGACY_CLASS
from longboat.apiserver.authz.action import Action, Decision
from longboat.apiserver.reduced import GROUP
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object, dig
from longboat.machinery.user import User
from longboat.registry.store import Store

NO_OPINION = Decision(False, "")

_decode = msgspec.json.Decoder().decode


class IngressAuthorizer:
    """Has an opinion on the network's part of the nodes only."""

    def __init__(self, stores: Mapping[Kind, Store]) -> None:
        self._ingresses, self._classes = stores[kinds.INGRESS], stores[kinds.INGRESS_CLASS]

    def decide(self, user: User, action: Action) -> Decision:
        if GROUP not in user.groups or action.path or (action.group, action.resource) != ("", "secrets"):
            return NO_OPINION
        if action.verb not in ("get", "list", "watch") or action.subresource or not action.namespace:
            return NO_OPINION
        if not action.name or not self._is_named(action.namespace, action.name):
            return Decision(False, "no Ingress names this Secret")
        return Decision(True, "")

    def _is_named(self, namespace: str, secret: str) -> bool:
        for entry in self._ingresses.entries(namespace):
            named = entry.encodings.get("certificates")
            if named is None:
                named = entry.encodings["certificates"] = _named(_decode(entry.body))
            if secret in named.secrets and self._serves(named):
                return True
        return False

    def _serves(self, named: _Named) -> bool:
        if named.by_class is None:
            return named.legacy == CLASS
        found = self._classes.find("", named.by_class)
        return found is not None and dig(_decode(found.body), "spec", "controller") == CONTROLLER


class _Named(NamedTuple):
    """The Secrets that an Ingress names, and the class it is of: None where only an annotation may say."""

    secrets: frozenset[str]
    by_class: str | None
    legacy: str


def _named(ingress: Object) -> _Named:
    secrets = frozenset(each.get("secretName") or "" for each in dig(ingress, "spec", "tls", default=()))
    legacy = dig(ingress, "metadata", "annotations", LEGACY_CLASS, default="")
    return _Named(secrets, dig(ingress, "spec", "ingressClassName"), legacy)
