"""What expressions about a request are given.

The language is loaded with the first expression: most clusters have none.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from longboat.apiserver.admission.asked import options_of
from longboat.apiserver.admission.matching import name_of, namespace_of
from longboat.apiserver.admission.views import Views, described
from longboat.apiserver.authz.action import Action, Decision
from longboat.apiserver.authz.authorizer import Authorizer, Unasked
from longboat.apiserver.authz.requirements import read
from longboat.machinery import fields
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.user import User
from longboat.registry.admission import Attributes

if TYPE_CHECKING:
    from longboat.machinery.cel.lib import authorizer as authz


Decide: TypeAlias = "Callable[[authz.Question], authz.Decision]"


def makers(
    views: Views, resource: Kind, decide: Decide, namespace: Callable[[], Object | None]
) -> dict[str, Callable[[], Any]]:
    """What makes those of `admission.VARIABLES`, as a request is seen by who is asked about it as this resource, and in
    whose version it is there already."""
    attributes = views.attributes

    def asking() -> authz.Authorizer:
        from longboat.machinery.cel.lib import authorizer as authz

        return authz.Authorizer(decide)

    def request() -> Object:
        found = described(attributes, resource) | {"dryRun": attributes.dry_run}
        if (given := options_of(attributes)) is not None:
            found["options"] = given
        return found

    return {
        "object": lambda: views.decoded(resource)[0],
        "oldObject": lambda: views.decoded(resource)[1],
        "request": request,
        "namespaceObject": namespace,
        "authorizer": asking,
        "authorizer.requestResource": lambda: _own(attributes, asking()),
    }


def _own(attributes: Attributes, asking: authz.Authorizer) -> authz.ResourceCheck:
    """What the request itself is about."""
    from longboat.machinery.cel.lib import authorizer as authz

    kind = attributes.kind
    question = authz.Question(
        "", group=kind.group, resource=kind.plural, subresource=attributes.subresource,
        namespace=namespace_of(attributes), name=name_of(attributes),
    )  # fmt: skip
    return authz.ResourceCheck(asking, question)


def decides(authorizer: Authorizer, user: User | None) -> Decide:
    """Answers the questions of one request's expressions, each once. An authorizer's index is the loop's own: an
    expression that runs in a thread has the loop ask."""
    loop, home = asyncio.get_running_loop(), threading.get_ident()
    known: dict[authz.Question, authz.Decision] = {}

    def decide(question: authz.Question) -> authz.Decision:
        found = known.get(question)
        if found is None:
            found = known[question] = answered(question)
        return found

    def answered(question: authz.Question) -> authz.Decision:
        """Raises Waiting."""
        who = (user or User("")) if question.service_account is None else _account(*question.service_account)

        async def there() -> authz.Decision:
            return _told(authorizer.decide(who, _action(question)))

        async def ask() -> None:
            known[question] = _told(await authorizer.judge(who, _action(question)))

        try:
            if threading.get_ident() == home:
                return _told(authorizer.decide(who, _action(question)))
            return asyncio.run_coroutine_threadsafe(there(), loop).result()
        except Unasked:
            from longboat.machinery.cel.errors import Waiting

            raise Waiting(ask) from None

    return decide


def _account(namespace: str, name: str) -> User:
    """As upstream makes up a service account (serviceaccount.ServiceAccountInfo)."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    return User(f"system:serviceaccount:{namespace}:{name}", groups)


def _action(question: authz.Question) -> Action:
    if question.path:
        return Action(question.verb, path=question.path)
    by_field, by_label = question.field_selector, question.label_selector
    return Action(
        question.verb, question.group, question.resource, question.subresource, question.namespace, question.name,
        fields=fields.required(by_field) if by_field else (), version="*",
        by_field=read(by_field, labels=False) if by_field else (),
        by_label=read(by_label, labels=True) if by_label else (),
    )  # fmt: skip


def _told(found: Decision) -> authz.Decision:
    from longboat.machinery.cel.lib import authorizer as authz

    return authz.Decision(found.allowed, found.reason, found.error or None)
