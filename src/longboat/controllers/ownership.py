"""Whose object is whose: adopting what matches and has no owner, releasing what matches no more.

Shared by the controllers that own objects by label selector (apimachinery's ControllerRef rules).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from longboat.api.view import View, controller_of
from longboat.client.interface import Key
from longboat.client.rest import RestClient
from longboat.machinery.errors import StatusError
from longboat.machinery.selectors import LabelSelector

O = TypeVar("O", bound=View)  # noqa: E741 - the owned kind


@dataclass(slots=True)
class Claims(Generic[O]):
    """What an owner has, should take, and should let go."""

    owned: list[O] = field(default_factory=list)
    adopt: list[O] = field(default_factory=list)
    release: list[O] = field(default_factory=list)


def sort_out(owner: View, selector: LabelSelector, candidates: Iterable[O]) -> Claims[O]:
    """Pure: which of the candidates the owner keeps, takes and releases."""
    claims: Claims[O] = Claims()
    going = owner.metadata.deletionTimestamp is not None
    for obj in candidates:
        ref = controller_of(obj.metadata)
        matches = selector.matches(obj.metadata.labels)
        if ref is not None:
            if ref.uid != owner.metadata.uid:
                continue
            if matches:
                claims.owned.append(obj)
            elif not going:
                claims.release.append(obj)
        elif matches and not going and obj.metadata.deletionTimestamp is None:
            claims.adopt.append(obj)
    return claims


def owner_uid(obj: View) -> tuple[str, ...]:
    """An index: objects by the uid of what manages them."""
    ref = controller_of(obj.metadata)
    return (ref.uid,) if ref else ()


def orphanage(obj: View) -> tuple[str, ...]:
    """An index: objects that nothing manages, by namespace."""
    return () if controller_of(obj.metadata) else (obj.metadata.namespace,)


def owner_reference(owner: View) -> dict[str, Any]:
    """The reference by which an object names its managing controller."""
    kind, meta = owner.KIND, owner.metadata
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "name": meta.name,
        "uid": meta.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


async def claim(client: RestClient, owner: View, claims: Claims[O], finalizer: str = "") -> list[O]:
    """Carry the claims out; returns everything that is the owner's afterwards. Raises StatusError.

    What is adopted gets the finalizer, what is released loses it.
    """
    kept = list(claims.owned)
    if claims.adopt:
        fresh = await client.get(type(owner), Key(owner.metadata.namespace, owner.metadata.name))
        alive = fresh.metadata.uid == owner.metadata.uid and fresh.metadata.deletionTimestamp is None
        for obj in claims.adopt if alive else ():
            held = {"finalizers": [finalizer]} if finalizer else {}
            adopted = {"uid": obj.metadata.uid, "ownerReferences": [owner_reference(owner)], **held}
            if await _write(client, obj, adopted):
                kept.append(obj)
    for obj in claims.release:
        gone = {"$patch": "delete", "uid": owner.metadata.uid}
        loose = {"$deleteFromPrimitiveList/finalizers": [finalizer]} if finalizer else {}
        await _write(client, obj, {"uid": obj.metadata.uid, "ownerReferences": [gone], **loose})
    return kept


async def _write(client: RestClient, obj: View, meta: dict[str, Any]) -> bool:
    """False where the object has gone meanwhile, or is another one by now."""
    key = Key(obj.metadata.namespace, obj.metadata.name)
    try:
        await client.patch(obj.KIND, key, {"metadata": meta}, style="strategic")
    except StatusError as error:
        if error.code in (404, 409):
            return False
        raise
    return True
