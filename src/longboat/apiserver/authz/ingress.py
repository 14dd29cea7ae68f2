"""What serves Ingresses on the nodes may read the certificates that Ingresses name, and no other Secret."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from longboat.api import kinds
from longboat.apiserver.authz.authorizer import Action, Decision
from longboat.apiserver.request import User
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import dig
from longboat.registry.store import Store

GROUP = "system:longboat:network"
NO_OPINION = Decision(False, "")

_decode = msgspec.json.Decoder().decode


class IngressAuthorizer:
    """Has an opinion on the network's part of the nodes only."""

    def __init__(self, stores: Mapping[Kind, Store]) -> None:
        self._ingresses = stores[kinds.INGRESS]

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
                tls = dig(_decode(entry.body), "spec", "tls", default=())
                named = entry.encodings["certificates"] = frozenset(each.get("secretName") for each in tls)
            if secret in named:
                return True
        return False
