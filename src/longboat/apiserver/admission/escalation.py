"""Roles and bindings: nobody grants what they do not hold, unless they may `escalate` or `bind` (lesson 20)."""

from __future__ import annotations

from longboat.api import kinds
from longboat.apiserver.admission.chain import Plugin
from longboat.apiserver.authz.action import MASTERS, Action
from longboat.apiserver.authz.authorizer import Authorizer
from longboat.apiserver.authz.escalation import EVERYTHING, described, go_list, missing
from longboat.machinery.errors import forbidden, not_found
from longboat.machinery.fieldpath import quoted
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.user import User
from longboat.registry.admission import Attributes, Target

ROLES = frozenset((kinds.ROLE, kinds.CLUSTER_ROLE))
BINDINGS = frozenset((kinds.ROLE_BINDING, kinds.CLUSTER_ROLE_BINDING))
_GARBAGE_COLLECTED = ("ownerReferences", "finalizers", "managedFields", "resourceVersion", "generation")


class Escalation(Plugin):
    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def handles(self, target: Target) -> bool:
        return target.kind.group == kinds.ROLE.group and target.operation in ("CREATE", "UPDATE")

    async def mutate(self, attributes: Attributes) -> None:
        """Changes nothing: it comes last of those that change, before the object is validated, as upstream's does."""
        user: User | None = attributes.user
        if user is None or MASTERS in user.groups or _only_for_the_collector(attributes):
            return
        if attributes.kind in ROLES:
            await self._check_role(attributes, user)
        elif attributes.kind in BINDINGS:
            await self._check_binding(attributes, user)

    async def _check_role(self, attributes: Attributes, user: User) -> None:
        kind, new, old = attributes.kind, attributes.obj or {}, attributes.old or {}
        action = Action("escalate", kind.group, kind.plural, "", attributes.namespace, attributes.name)
        if await self._authorizer.allowed(user, action):
            return
        await self._confirm(attributes, user, new.get("rules") or [])
        # A rule gathers anything, and what it has gathered cannot be tightened: so it is to take one away.
        if (_gathers(new) or _gathers(old)) and missing(self._authorizer.rules(user), EVERYTHING):
            why = "must have cluster-admin privileges to use an aggregationRule"
            raise forbidden(kind, attributes.name, why)

    async def _check_binding(self, attributes: Attributes, user: User) -> None:
        ref: Object = (attributes.obj or {}).get("roleRef") or {}
        kind = kinds.CLUSTER_ROLE if ref.get("kind") == "ClusterRole" else kinds.ROLE
        name, namespace = ref.get("name", ""), attributes.namespace
        if await self._authorizer.allowed(user, Action("bind", kind.group, kind.plural, "", namespace, name)):
            return
        rules = self._authorizer.role_rules(kind.name, name, namespace)
        if rules is None:
            raise not_found(attributes.kind, name)  # as upstream says it, whatever is not there
        await self._confirm(attributes, user, [rule.raw for rule in rules])

    async def _confirm(self, attributes: Attributes, user: User, rules: list[Object]) -> None:
        """Raises StatusError 403 naming what the user does not hold."""
        kind: Kind = attributes.kind
        held = list(self._authorizer.rules(user, attributes.namespace))
        if lacking := await attributes.seat.run(missing, held, rules):
            who = f"user {quoted(user.name)} (groups={go_list(user.groups)})"
            why = f"{who} is attempting to grant RBAC permissions not currently held:\n{described(lacking)}"
            raise forbidden(kind, attributes.name, why)


def _gathers(role: Object) -> bool:
    return bool((role.get("aggregationRule") or {}).get("clusterRoleSelectors"))


def _only_for_the_collector(attributes: Attributes) -> bool:
    """Whether an update changes nothing but what garbage collection works with."""
    new, old = attributes.obj, attributes.old
    return new is not None and old is not None and _essence(new) == _essence(old)


def _essence(obj: Object) -> Object:
    metadata = {k: v for k, v in (obj.get("metadata") or {}).items() if k not in _GARBAGE_COLLECTED}
    return {**obj, "metadata": metadata}
