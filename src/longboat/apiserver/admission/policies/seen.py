"""What expressions may name of one request: each is made when it is first named, and for all policies once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import msgspec

from longboat.api import kinds
from longboat.apiserver.admission import matching
from longboat.apiserver.admission.asked import (
    kind_of,
    kind_ref,
    options_of,
    resource_ref,
    shown,
    user_of,
)
from longboat.apiserver.admission.policies.both import Means
from longboat.apiserver.admission.policies.compiled import PARAMS
from longboat.apiserver.admission.policies.evaluation import Values
from longboat.apiserver.authz.authorizer import Action, Authorizer
from longboat.machinery.cel.lib import authorizer as library
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.user import User
from longboat.registry.admission import Attributes

_decode = msgspec.json.Decoder().decode


class Decisions:
    """Answers an expression's questions of who may do what; the same one once for a request.

    Who decides keeps what it has found, and is not to be asked in two threads: work beside the loop asks on the loop.
    """

    def __init__(self, authorizer: Authorizer, user: User | None) -> None:
        self._authorizer, self._user = authorizer, user
        self._known: dict[library.Question, library.Decision] = {}
        self._loop, self._home = asyncio.get_running_loop(), threading.get_ident()

    def __call__(self, question: library.Question) -> library.Decision:
        known = self._known.get(question)
        if known is None:
            known = self._known[question] = self._decided(question)
        return known

    def _decided(self, question: library.Question) -> library.Decision:
        user, action = self._who(question), _action(question)

        async def decide() -> Any:
            return self._authorizer.decide(user, action)

        if threading.get_ident() == self._home:
            found = self._authorizer.decide(user, action)
        else:
            found = asyncio.run_coroutine_threadsafe(decide(), self._loop).result()
        return library.Decision(found.allowed, found.reason)

    def _who(self, question: library.Question) -> User:
        if question.service_account is not None:
            namespace, name = question.service_account
            groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
            return User(f"system:serviceaccount:{namespace}:{name}", groups)
        return self._user or User("")


def _action(question: library.Question) -> Action:
    if question.path:
        return Action(question.verb, path=question.path)
    return Action(
        question.verb, question.group, question.resource, question.subresource, question.namespace, question.name,
        fields=_required(question.field_selector),
    )  # fmt: skip


def _required(selector: str) -> tuple[tuple[str, str], ...]:
    """What a field selector requires; what it excludes says nothing of who may see the rest."""
    found = []
    for term in filter(None, selector.split(",")):
        name, equals, value = term.partition("=")
        if equals and not name.endswith("!"):
            found.append((name, value.removeprefix("=")))
    return tuple(found)


class Request:
    """One request in one version of its resource (`kind`), as its object is now."""

    def __init__(self, attributes: Attributes, kind: Kind, means: Means, decisions: Decisions) -> None:
        self.attributes, self.kind, self._means = attributes, kind, means
        self._decisions = decisions
        self._made = Values({
            "object": self._object, "oldObject": self._old, "request": self._asked,
            "namespaceObject": self._namespace, "authorizer": self._authorizer,
            "authorizer.requestResource": self._own,
        })  # fmt: skip
        self._base: dict[str, Callable[[], Any]] = {
            name: _from(self._made, name) for name in ("object", "oldObject", "request", "namespaceObject")
        }
        self._all = self._base | {
            name: _from(self._made, name) for name in ("authorizer", "authorizer.requestResource")
        }

    @property
    def object(self) -> Object | None:
        found: Object | None = self._made["object"]
        return found

    def values(self, params: Object | None, *, authorizer: bool = True) -> Values:
        """For expressions that share their variables. Those of messages and annotations have no `authorizer`."""
        found = Values(self._all if authorizer else self._base)
        found[PARAMS] = params
        return found

    def _object(self) -> Object | None:
        return self._as_shown(shown(self.attributes))

    def _old(self) -> Object | None:
        return self._as_shown(self.attributes.old)

    def _as_shown(self, obj: Object | None) -> Object | None:
        if obj is None:
            return None
        own, body = kind_of(self.attributes), kind_of(self.attributes, self.kind)
        found: Object = _decode(self._means.printed(body, self._means.versions.convert(obj, own, body)))
        return found

    def _asked(self) -> Object:
        """An AdmissionRequest without its objects; what is empty is not there, as in Go's JSON."""
        attributes = self.attributes
        found: Object = {
            "kind": kind_ref(kind_of(attributes, self.kind)), "resource": resource_ref(self.kind),
            "requestKind": kind_ref(kind_of(attributes)), "requestResource": resource_ref(attributes.kind),
            "operation": attributes.operation, "userInfo": user_of(attributes), "dryRun": attributes.dry_run,
        }  # fmt: skip
        if attributes.subresource:
            found["subResource"] = found["requestSubResource"] = attributes.subresource
        if name := matching.name_of(attributes):
            found["name"] = name
        if namespace := matching.namespace_of(attributes):
            found["namespace"] = namespace
        if (options := options_of(attributes)) is not None:
            found["options"] = options
        return found

    def _namespace(self) -> Object | None:
        if not self.attributes.namespace:
            return None
        return self._means.lookup(kinds.NAMESPACE, "", self.attributes.namespace)

    def _authorizer(self) -> library.Authorizer:
        return library.Authorizer(self._decisions)

    def _own(self) -> library.ResourceCheck:
        """What the request itself is about, without its verb."""
        attributes = self.attributes
        kind = attributes.kind
        question = library.Question(
            "", group=kind.group, resource=kind.plural, subresource=attributes.subresource,
            namespace=matching.namespace_of(attributes), name=matching.name_of(attributes),
        )  # fmt: skip
        return library.ResourceCheck(self._authorizer(), question)


def _from(made: Values, name: str) -> Callable[[], Any]:
    return lambda: made[name]
