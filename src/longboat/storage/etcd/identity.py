"""Which cluster a prefix belongs to: said under it from the first start, so that two never share one."""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any

import msgspec

from longboat.storage.etcd.shifted import ShiftedStorage
from longboat.storage.etcd.storage import EtcdStorage
from longboat.storage.interface import Purged, StorageError

log = logging.getLogger(__name__)

FORMAT = 1


class Identity(msgspec.Struct, frozen=True):
    """`filling`: what lies beneath the prefix is not whole, since it is being copied there.

    `ahead` and `since` are those of ShiftedStorage, where it has been copied from another store.
    """

    id: str
    format: int = FORMAT
    filling: bool = False
    ahead: int = 0
    since: int = 0


def new() -> str:
    return str(uuid.uuid4())


async def read(storage: EtcdStorage) -> Identity | None:
    """Raises StorageError."""
    found = await storage.read_own(storage.keys.identity)
    if found is None:
        return None
    try:
        identity = msgspec.json.decode(found, type=Identity)
    except msgspec.MsgspecError:
        raise StorageError(f"{storage.address}: whose cluster it is cannot be read ({found[:100]!r})") from None
    if identity.format > FORMAT:
        raise StorageError(f"{storage.address} was written by a newer Longboat: run that version")
    return identity


async def check(storage: EtcdStorage, ours: str) -> Identity | None:
    """That nobody else's cluster lies there; what is said of ours, if it is there already. Raises StorageError."""
    found = await read(storage)
    if found is None:
        if await storage.holds_anything():
            raise StorageError(
                f"{storage.address} holds objects that no cluster of Longboat's put there: choose another prefix"
            )
        return None
    if found.filling:
        raise StorageError(
            f"{storage.address} is half filled: a migration to it is under way, or did not finish. Empty it"
            f" (etcdctl del --prefix {storage.keys.prefix}/), and migrate again"
        )
    if found.id != ours:
        raise StorageError(
            f"{storage.address} holds another cluster ({found.id}): choose another prefix, or give the data directory"
            " of that cluster"
        )
    return found


async def claim(storage: EtcdStorage, ours: str) -> Identity:
    """Make sure that the prefix is this cluster's: it says so, or is empty. Raises StorageError."""
    found = await check(storage, ours)
    if found is None:
        found = Identity(ours)
        await put(storage, found)
    return found


def counted(storage: EtcdStorage, found: Identity) -> Purged:
    """The storage with the revisions that this cluster's clients are told."""
    return ShiftedStorage(storage, found.ahead, found.since) if found.since else storage


async def put(storage: EtcdStorage, identity: Identity, *, over: Identity | None = None) -> None:
    """Say it, unless something else is said there than `over`. Raises StorageError."""
    if not await storage.swap_own(storage.keys.identity, _text(over) if over else None, _text(identity)):
        raise StorageError(f"{storage.address} has just been taken by another cluster")


def _text(identity: Identity) -> bytes:
    fields: dict[str, Any] = {"id": identity.id, "format": identity.format}
    if identity.filling:
        fields["filling"] = True
    if identity.ahead or identity.since:
        fields |= {"ahead": identity.ahead, "since": identity.since}
    return json.dumps(fields).encode()
