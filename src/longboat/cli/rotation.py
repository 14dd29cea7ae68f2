"""Putting a new key in the old one's place, in a cluster that runs or one that does not.

Which step comes next follows from what the last one left, and `rotation.json` names the new key from before it is made
until all is done: whatever ends this half-way, beginning again finishes it.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

from longboat.aio.clock import Clock
from longboat.assembly import files, keys
from longboat.cli import keyrings
from longboat.cli.errors import Failure
from longboat.cli.steps import Steps
from longboat.storage.encryption.configuration import digest_of, parse
from longboat.storage.encryption.rewrite import Tally, rewrite
from longboat.storage.encryption.rotation import KEY_BYTES, Document, admit, name_of, prefer, retire, rotates
from longboat.storage.interface import Purged

PATIENCE = 30.0  # seconds a running API server is given to take up a change (it looks every second)
POLL = 0.1
SETTLE = 0.5  # seconds between two passes: what a server sealed before it took up the change has arrived by then

_IN_USE = re.compile(rb'apiserver_encryption_config_controller_last_config_info\{[^}]*hash="([^"]+)"')

Figures = Callable[[], Awaitable[bytes | None]]
"""What the API server says at /metrics; None if it does not answer."""


def in_use(figures: bytes | None) -> str | None:
    """The digest of the configuration a server goes by, from what it says at /metrics. None: it does not answer."""
    if figures is None:
        return None
    found = _IN_USE.search(figures)
    return found[1].decode() if found else ""


def mark(root: Path) -> Path:
    return root / "rotation.json"


def unfinished(root: Path) -> str:
    """The new key of a rotation that was begun and not finished, "" if there is none. Raises Failure."""
    try:
        name: str = json.loads(mark(root).read_text())["key"]
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Failure(f"cannot read {mark(root)}: {error}") from error
    return name


class Rotation:
    """`lock` is the cluster's; where no API server runs it is taken alone, so that none starts meanwhile."""

    def __init__(
        self,
        root: Path,
        storage: Purged,
        figures: Figures,
        lock: keys.Lock,
        clock: Clock,
        steps: Steps,
    ) -> None:
        self._root = root
        self._path = keys.file(root)
        self._storage = storage
        self._figures = figures
        self._lock = lock
        self._clock = clock
        self._steps = steps

    async def run(self) -> Tally:
        """Raises Failure, StorageError."""
        document, data = keys.load(self._path)
        parse(data)
        await self._await_use(data)
        name = unfinished(self._root)
        if not name:
            if not rotates(document):
                raise Failure(
                    f"nothing in {self._path} seals with a key of its own",
                    "Keys of a KMS are rotated there; then seal anew: longboat secrets-encrypt rewrite",
                )
            name = name_of(self._clock.now())
            files.write(mark(self._root), json.dumps({"key": name}) + "\n")
        document = await self._step(admit(document, name, secrets.token_bytes(KEY_BYTES)), f"key {name!r} can open")
        document = await self._step(prefer(document, name), f"key {name!r} seals what is written")
        both = keys.load(self._path)[1]
        await self.rewrite(both)
        await self._step(retire(document, name), "no other key is left")
        tally = await self.rewrite(both, say=False)
        await self.purge()
        mark(self._root).unlink()
        return tally

    async def rewrite(self, data: bytes, *, say: bool = True) -> Tally:
        """Seal anew what is stale by this configuration, until nothing is. Raises StorageError."""
        sealed_anew = 0
        async with keyrings.opened(data, self._clock) as keyring:
            while True:
                tally = await rewrite(self._storage, keyring, keyrings.lifetime)
                sealed_anew += tally.stale
                if not tally.stale:
                    break
                await self._clock.sleep(SETTLE)
        if say:
            self._steps.done(f"{sealed_anew} of {tally.total} values sealed anew")
        return tally

    async def purge(self) -> None:
        await self._storage.purge()
        self._steps.done("history and free space of the database wiped")

    async def _step(self, document: Document, said: str) -> Document:
        """Make this the configuration, and return once every API server goes by it."""
        before, data = keys.load(self._path)
        if document != before:
            data = keys.write(self._path, document)
        await self._await_use(data)
        self._steps.done(said)
        return document

    async def _await_use(self, data: bytes) -> None:
        digest, deadline = digest_of(data), self._clock.monotonic() + PATIENCE
        while not self._lock.take(alone=True):
            used = in_use(await self._figures())
            if used == digest:
                return
            if self._clock.monotonic() > deadline:
                raise Failure(
                    "the API server does not answer" if used is None else f"the API server does not go by {self._path}",
                    "Look at its log (longboat logs control-plane), then go on: longboat secrets-encrypt rotate",
                )
            await self._clock.sleep(POLL)
