"""OwnerReferencesPermissionEnforcement: who sets owners may delete what is owned, and hold up its owner's deletion."""

from __future__ import annotations

from collections.abc import Callable

from longboat.api import kinds
from longboat.apiserver.admission.chain import Plugin
from longboat.apiserver.authz.action import Action
from longboat.apiserver.authz.authorizer import Authorizer
from longboat.machinery.errors import forbidden
from longboat.machinery.kinds import Kind
from longboat.machinery.objects import Object
from longboat.machinery.user import User
from longboat.registry.admission import Attributes, Target

Served = Callable[[str, str, str], Kind | None]
"""group, version, name of a kind → the kind, if it is served."""


class OwnerReferencesPermissionEnforcement(Plugin):
    def __init__(self, authorizer: Authorizer, served: Served) -> None:
        self._authorizer = authorizer
        self._served = served

    def handles(self, target: Target) -> bool:
        if target.operation not in ("CREATE", "UPDATE"):
            return False
        return (target.kind, target.subresource) != (kinds.POD, "status")  # which changes no owners

    async def validate(self, attributes: Attributes) -> None:
        new, old = owners(attributes.obj), owners(attributes.old)
        if attributes.user is None or new == old:
            return
        kind, name = attributes.kind, attributes.name
        action = Action("delete", kind.group, kind.plural, attributes.subresource, attributes.namespace, name)
        await self._permit(attributes, attributes.user, action, "cannot set an ownerRef on a resource you can't delete")
        blocked = {ref.get("uid") for ref in old if ref.get("blockOwnerDeletion")}
        for ref in new:
            if ref.get("blockOwnerDeletion") and ref.get("uid") not in blocked:
                await self._block(attributes, attributes.user, ref)

    async def _block(self, attributes: Attributes, user: User, ref: Object) -> None:
        """Raises StatusError 403."""
        said, name = ref.get("apiVersion") or "", ref.get("kind") or ""
        group, _, version = said.rpartition("/")
        owner = self._served(group, version, name)
        if owner is None:
            why = f"cannot find RESTMapping for APIVersion {said} Kind {name}"
            found = f'no matches for kind "{name}" in version "{said}"'
            raise forbidden(
                attributes.kind, attributes.name, f"cannot set blockOwnerDeletion in this case because {why}: {found}"
            )
        namespace = attributes.namespace if owner.namespaced else ""
        action = Action("update", owner.group, owner.plural, "finalizers", namespace, ref.get("name") or "")
        why = "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on"
        await self._permit(attributes, user, action, why)

    async def _permit(self, attributes: Attributes, user: User, action: Action, why: str) -> None:
        """Raises StatusError 403."""
        decision = await self._authorizer.judge(user, action)
        if not decision.allowed:
            raise forbidden(attributes.kind, attributes.name, f"{why}: {decision.reason}, <nil>")


def owners(obj: Object | None) -> list[Object]:
    found: list[Object] = ((obj or {}).get("metadata") or {}).get("ownerReferences") or []
    return found
