"""ControllerRevisions: the templates that a StatefulSet or DaemonSet has had, for rolling updates and going back.

A revision holds the template as a strategic merge patch that replaces the owner's, as upstream stores it: that is how
kubectl goes back to it. Equal templates share one revision: to go back to an old one makes it the newest again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any, ClassVar

import msgspec

from longboat.api import kinds
from longboat.api.view import View
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.controllers import ownership, templates
from longboat.machinery.errors import StatusError
from longboat.machinery.kinds import Kind

REVISION_LABEL = "controller-revision-hash"
SAFE = "bcdfghjklmnpqrstvwxz2456789"  # no vowels: a hash spells nothing (apimachinery's SafeEncodeString)
LENGTH = 10


class Revision(View):
    KIND: ClassVar[Kind] = kinds.CONTROLLER_REVISION

    data: msgspec.Raw = msgspec.Raw(b"{}")
    revision: int = 0

    @property
    def template(self) -> dict[str, Any]:
        """The template that the revision holds."""
        found: dict[str, Any] = dict(msgspec.json.decode(self.data)["spec"]["template"])
        found.pop("$patch", None)
        return found


def patch_of(template: Any) -> dict[str, Any]:
    """What a revision holds of a template (a Template part)."""
    return _patch(msgspec.json.decode(msgspec.json.encode(template)))


def _patch(content: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {**content, "$patch": "replace"}}}


def _settled(data: dict[str, Any]) -> dict[str, Any]:
    """The same of the template as it would be stored today."""
    content = {key: value for key, value in data["spec"]["template"].items() if key != "$patch"}
    return _patch(templates.settled(content))


def find(revisions: Sequence[Revision], data: dict[str, Any]) -> Revision | None:
    """The newest that holds this; `revisions` are the oldest first."""
    held = [(known, msgspec.json.decode(known.data)) for known in reversed(revisions)]
    same = next((known for known, found in held if found == data), None)
    if same is None and held:
        wanted = _settled(data)
        same = next((known for known, found in held if _settled(found) == wanted), None)
    return same


def name_of(owner: View, data: dict[str, Any], collisions: int) -> tuple[str, str]:
    """Name and hash of the revision with this content."""
    digest = hashlib.sha256(msgspec.json.encode(data, order="deterministic") + str(collisions).encode()).digest()
    spelt = "".join(SAFE[byte % len(SAFE)] for byte in digest[:LENGTH])
    return f"{owner.metadata.name}-{spelt}", spelt


def sorted_by_age(revisions: Collection[Revision]) -> list[Revision]:
    """The oldest first."""
    return sorted(revisions, key=lambda r: (r.revision, r.metadata.creationTimestamp or "", r.metadata.name))


async def update_revision(
    client: RestClient, owner: View, data: dict[str, Any], labels: dict[str, str], revisions: Sequence[Revision],
    collisions: int,
) -> tuple[Revision, int]:  # fmt: skip
    """The revision of the owner's template as it is now, made or renumbered if need be, and the count of collisions.

    `revisions` are the owner's, the oldest first. Raises StatusError.
    """
    newest = revisions[-1].revision if revisions else 0
    known = find(revisions, data)
    if known is not None:
        if known.revision < newest:
            patch = {"revision": newest + 1}
            key = Key(known.metadata.namespace, known.metadata.name)
            made = await client.patch(kinds.CONTROLLER_REVISION, key, patch)
            return msgspec.json.decode(made, type=Revision), collisions
        return known, collisions
    data = _settled(data)
    while True:
        name, spelt = name_of(owner, data, collisions)
        body = {
            "apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": newest + 1, "data": data,
            "metadata": {
                "name": name, "labels": {**labels, REVISION_LABEL: spelt},
                "annotations": owner.metadata.annotations,  # the change's cause, for one (kubectl rollout history)
                "ownerReferences": [ownership.owner_reference(owner)],
            },
        }  # fmt: skip
        try:
            made = await client.create(kinds.CONTROLLER_REVISION, body, namespace=owner.metadata.namespace)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
            there = await client.get(Revision, Key(owner.metadata.namespace, name))
            if msgspec.json.decode(there.data) == data:
                return there, collisions
            collisions += 1
            continue
        return msgspec.json.decode(made, type=Revision), collisions


async def forget(client: RestClient, revision: Revision) -> None:
    """Raises StatusError."""
    key = Key(revision.metadata.namespace, revision.metadata.name)
    try:
        await client.delete(kinds.CONTROLLER_REVISION, key, uid=revision.metadata.uid)
    except StatusError as error:
        if error.code not in (404, 409):
            raise


def superfluous(revisions: Sequence[Revision], live: Collection[str], limit: int) -> list[Revision]:
    """The oldest revisions, by name not in `live`, beyond the history that is to be kept."""
    idle = [revision for revision in revisions if revision.metadata.name not in live]
    return idle[: max(0, len(idle) - limit)]
