"""A control plane whose state is in etcd: whose cluster it is, and old history forgotten."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.aio.tasks import Tasks
from longboat.assembly import store_record
from longboat.assembly.errors import Failure
from longboat.storage.etcd import identity
from longboat.storage.etcd.address import Address
from longboat.storage.etcd.compactor import Compactor
from longboat.storage.etcd.storage import connect
from longboat.storage.interface import Storage


async def opened(root: Path, address: Address, clock: Clock, held: AsyncExitStack) -> Storage:
    """Goes when `held` does. Raises StorageError, Failure; nothing has been written then."""
    recorded = store_record.read(root)
    if recorded is None and (root / "state.db").exists():
        raise Failure(
            f"the state of the cluster in {root} is in its file state.db",
            f"Bring it there: longboat store migrate --data-dir {root} --to {address}",
        )
    storage = await connect(address, clock)
    held.push_async_callback(storage.close)
    ours = recorded[0] if recorded else identity.new()
    await identity.check(storage, ours)
    if recorded is None or recorded[1] != address:
        store_record.write(root, ours, address)  # before the prefix is taken: nothing else knows the id
    found = await identity.claim(storage, ours)
    tasks = Tasks("etcd")
    held.push_async_callback(tasks.close)
    tasks.spawn("compactor", Compactor(storage, clock).run())
    return identity.counted(storage, found)
